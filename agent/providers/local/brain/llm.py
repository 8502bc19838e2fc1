"""The embedded language model: it uses intents, slots and likeness to tools. It has no state, and derives everything
from the messages."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import date, datetime

from agent.briefing_phrases import is_request
from agent.consent import REPORT, names_one, plain_answer
from agent.errors import ProviderError
from agent.history import CUT_MARK
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema
from agent.pacing import EXPECT
from agent.phrases import phrases_of
from agent.pool import LOADING, Pool, PoolFullError
from agent.providers.local.brain.dialogue import Dialogue
from agent.providers.local.brain.documents import answer_of
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.phrases import PlannedCall
from agent.providers.local.brain.schemas import Tools
from agent.providers.local.brain.tool_choice import Likeness

FOLLOWING = Pool("the embedded brain", workers=1, waiting=32)
"""The thread for replies: the encoder takes 3 to 13 ms of CPU for the new text of a reply, and more with many tools."""
MAX_MESSAGES = 80
"""Maximum newest messages that are read. Older ones do not change the reply in an ordinary call."""


class LocalLlm:
    """A scripted dialogue about orders, call backs and the tools it is given, in the shape of a language model.

    Parameters
    ----------
    business
        Name said in the farewell and in answer to "who are you?"; empty for none.
    intents
        The classifier; a fresh one that loads the packaged model at first use by default.
    today
        The day by which "tomorrow" is understood.
    """

    name = "local"

    def __init__(
        self,
        *,
        business: str = "",
        intents: Intents | None = None,
        today: Callable[[], date] = lambda: datetime.now().astimezone().date(),
    ) -> None:
        self._business = business
        self._intents = intents or Intents()
        self._likeness = Likeness(self._intents.embed)
        self._today = today

    async def warm(self) -> None:
        """Load the model (about one second) before the first call. Raises `ProviderError` if its package is missing."""
        if not self._intents.loaded:
            await LOADING.run(self._intents.load)

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream the reply sentence by sentence, then at most one tool call; the same messages give the same reply.

        Raises `ProviderError` when the package with the sentence encoder is missing, or too many calls want a reply.
        """
        if messages and is_request(messages[0]):
            return  # the model cannot summarise; the person only learns that somebody calls
        given = Tools(tools)
        if REPORT in given.names:
            yield ToolCall(f"call_{len(messages)}", REPORT, json.dumps({"verdict": _verdict(messages)}))
            return
        await self.warm()
        if not self._likeness.knows(given.own):
            await LOADING.run(self._likeness.learn, given.own)
        follow, newest = self._dialogue(given, given.names).follow, messages[-MAX_MESSAGES:]
        try:
            reply = await FOLLOWING.run(follow, newest)
        except PoolFullError as error:
            raise ProviderError(self.name, str(error)) from None
        arguments = given.arguments(reply.call.name, reply.call.arguments) if reply.call else None
        if reply.call and arguments is None:
            reply = self._dialogue(given, given.names - {reply.call.name}).script.refused(reply.call)
        for index, sentence in enumerate(reply.sentences):
            yield Text(sentence if index == 0 else " " + sentence)
        call = reply.call
        if reply.expect is not None and EXPECT in given.names:
            wanted = {"kind": reply.expect.kind.value, "length": reply.expect.length or 0}
            call, arguments = PlannedCall(EXPECT, wanted), json.dumps(wanted)
        if call and arguments is not None:
            yield ToolCall(f"call_{len(messages)}", call.name, arguments)

    def _dialogue(self, given: Tools, names: frozenset[str]) -> Dialogue:
        own = tuple(one for one in given.own if one.name in names)
        return Dialogue(
            names - {one.name for one in given.own}, own,
            guess=self._intents.guess, best=lambda text: self._likeness.best(text, own), today=self._today(),
            member=self._likeness.member,
            business=self._business, answer=lambda question, texts: answer_of(question, texts, self._intents.embed),
        )  # fmt: skip

    async def close(self) -> None:
        """Nothing to free: the model is shared by all calls until the process ends."""


def _verdict(messages: Sequence[Message]) -> str:
    """The answer to the question of `agent.consent.judged`. The model understands only plain answers, and takes nothing
    else for a yes.
    """
    about = json.loads(messages[-1]["content"])
    before, answer = about["said_before"], about["caller_answered"]
    arguments = json.loads(about["action"].partition(" ")[2])
    if "\n" in before or CUT_MARK in before or not names_one(arguments, before):
        return "unclear"  # small words do not show which question was answered
    return {True: "yes", False: "no", None: "unclear"}[plain_answer(answer, phrases_of(("en",)))]
