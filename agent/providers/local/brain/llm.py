"""The embedded model: `Model` by intents and slots, stateless; everything is derived from the messages."""

import json
from collections.abc import AsyncGenerator, Sequence

from agent.briefing_phrases import is_request
from agent.consent import REPORT, names_one, plain_answer
from agent.history import CUT_MARK
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema
from agent.phrases import phrases_of
from agent.pool import LOADING
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.order_dialogue import OrderDialogue
from agent.providers.local.brain.schemas import Tools

MAX_MESSAGES = 80
"""The newest messages that are looked at; older ones cannot change the reply of a call that is still polite."""


class LocalLlm:
    """A scripted dialogue about orders and call backs in the tool-call shape of a language model.

    Parameters
    ----------
    business
        Name said in the farewell and in answer to "who are you?"; empty for none.
    intents
        The classifier; a fresh one that loads the packaged model at first use by default.
    """

    name = "local"

    def __init__(self, *, business: str = "", intents: Intents | None = None) -> None:
        self._business = business
        self._intents = intents or Intents()

    async def warm(self) -> None:
        """Load the model (about one second) before the first call. Raises `ProviderError` if its package is missing."""
        if not self._intents.loaded:
            await LOADING.run(self._intents.load)

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream the reply sentence by sentence, then at most one tool call; the same messages give the same reply.

        Raises `ProviderError` when the package with the sentence encoder is missing.
        """
        if messages and is_request(messages[0]):
            return  # it knows its script and nothing of what a summary is; the person is told that somebody calls
        given = Tools(tools)
        if REPORT in given.names:
            yield ToolCall(f"call_{len(messages)}", REPORT, json.dumps({"verdict": _verdict(messages)}))
            return
        await self.warm()
        reply = OrderDialogue(given.names, self._intents.guess, self._business).follow(messages[-MAX_MESSAGES:])
        arguments = given.arguments(reply.call.name, reply.call.arguments) if reply.call else None
        if reply.call and arguments is None:
            reply = OrderDialogue(given.names - {reply.call.name}, self._intents.guess, self._business).refused(
                reply.call
            )
        for index, sentence in enumerate(reply.sentences):
            yield Text(sentence if index == 0 else " " + sentence)
        if reply.call and arguments is not None:
            yield ToolCall(f"call_{len(messages)}", reply.call.name, arguments)

    async def close(self) -> None:
        """Nothing to free: the model is shared by all calls until the process ends."""


def _verdict(messages: Sequence[Message]) -> str:
    """What `agent.consent.judged` asks: it understands plain answers only, and takes nothing else for a yes."""
    about = json.loads(messages[-1]["content"])
    before, answer = about["said_before"], about["caller_answered"]
    arguments = json.loads(about["action"].partition(" ")[2])
    if "\n" in before or CUT_MARK in before or not names_one(arguments, before):
        return "unclear"  # what was answered cannot be told by small words
    return {True: "yes", False: "no", None: "unclear"}[plain_answer(answer, phrases_of(("en",)))]
