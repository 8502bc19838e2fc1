"""The dialogue of a call, rebuilt from its messages: the script about orders and callbacks, and the tools of the
agent's owner.

Pure: the same messages give the same reply. Sans-IO.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from agent.llm import Message
from agent.passages import without_passages
from agent.providers.local.brain import results
from agent.providers.local.brain.filling import EMAIL
from agent.providers.local.brain.guess import OUT_OF_SCOPE, UNCLEAR, Guess
from agent.providers.local.brain.order_dialogue import OrderDialogue
from agent.providers.local.brain.parameters import OwnTool
from agent.providers.local.brain.phrases import QUESTIONS, Ask, PlannedCall, ScriptedReply
from agent.providers.local.brain.slots import slots
from agent.providers.local.brain.tool_choice import Match
from agent.providers.local.brain.tool_dialogue import ToolDialogue

SPOKEN = 0.65
"""Likeness to an intent from which on this intent is meant, even if the documents have an answer."""
MAX_CONTENT = 20_000
"""Maximum characters of one message that are read."""


class Dialogue:
    """The state of one call, rebuilt from its messages for each reply.

    Parameters
    ----------
    tools
        Names of the script's tools that there are.
    own
        The tools of the agent's owner.
    guess
        The intent of an utterance.
    best
        The owner's tool that an utterance is most like.
    today
        The day by which "tomorrow" is understood.
    member
        The member of an enumeration that an answer means without naming it; empty for none.
    business
        Name said in the farewell; empty for none.
    answer
        The sentence of some texts that answers a question; empty for none.
    """

    def __init__(
        self,
        tools: frozenset[str],
        own: Sequence[OwnTool],
        *,
        guess: Callable[[str], Guess],
        best: Callable[[str], Match | None],
        today: date,
        member: Callable[[str, Sequence[str]], str] = lambda text, members: "",
        business: str = "",
        answer: Callable[[str, Sequence[str]], str] = lambda question, texts: "",
    ) -> None:
        self._guess = guess
        self._answer = answer
        self._texts: dict[str, str] = {}
        """The passages of documents by their names."""
        self.script = OrderDialogue(tools, business)
        self._own = ToolDialogue(own, best, today, member, self.script.offer_person)
        self.script.own_abilities = self._own.abilities
        self._calls: dict[str, PlannedCall] = {}

    def follow(self, messages: Sequence[Message]) -> ScriptedReply:
        """Replay `messages`, and return the reply to the last one. The reply has no sentences if there is nothing to
        say."""
        reply = self.script.last
        for message in messages:
            role = message.get("role")
            if role == "user":
                words, passages = without_passages(content_text(message.get("content")))
                self._texts |= {one["id"]: str(one["text"]) for one in passages if "text" in one}
                texts = [self._texts[one["id"]] for one in passages if one["id"] in self._texts]
                reply = self.script.keep(self._to_caller(words, texts, now=message is messages[-1]))
            elif role == "tool":
                reply = self.script.keep(self._to_result(message))
            elif role == "assistant":
                self._said(message)
        return reply

    def _said(self, message: Message) -> None:
        text = content_text(message.get("content"))
        if text:
            self.script.heard(text)
        calls = message.get("tool_calls")
        for call in calls[:20] if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                arguments = results.parse(function.get("arguments"))
                given = dict(arguments) if isinstance(arguments, Mapping) else {}
                self._calls[str(call.get("id"))] = PlannedCall(function["name"], given)

    def _to_caller(self, text: str, texts: Sequence[str], *, now: bool) -> ScriptedReply:
        """The reply to `text`, with passages that may answer it. For an earlier text (`now` is False) the words of the
        reply do not matter."""
        said = slots(text)
        if at_once := self.script.at_once(said):
            self._own.forget()
            return at_once
        guess, asked = self._guess(EMAIL.sub("email", said.words)), self.script.asked
        reply = None
        if self._own.busy:
            reply = self._own.follow(text, said, guess, heard=asked is Ask.CONFIRM)
        if reply is None and not self._own.busy and not self.script.dictating(said):
            reply = self._own.wish(text, guess, scripted=self.script.does(guess.intent))
        if reply is not None:
            self.script.forget()
            return self.script.understood(reply)
        meant = guess.intent not in (OUT_OF_SCOPE, UNCLEAR) and guess.score >= SPOKEN
        asks = bool(texts) and not meant and not self.script.dictating(said)
        if asks and (told := self._answer(text, texts) if now else "As I said."):
            self.script.forget()
            return self.script.understood(ScriptedReply((told, QUESTIONS[Ask.MORE]), Ask.MORE))
        reply = self.script.understand(said, guess)
        if reply is not None:
            self._own.forget()
            return self.script.understood(reply)
        return self.script.missed() or self._own.step_back(text, guess) or self.script.not_understood(guess)

    def _to_result(self, message: Message) -> ScriptedReply:
        call = self._calls.pop(str(message.get("tool_call_id")), None)
        content = content_text(message.get("content"))
        if call is not None and self._own.knows(call.name):
            try:
                result = json.loads(content)
            except (ValueError, RecursionError):
                result = content.strip()
            return self._own.result(call, result)
        return self.script.result(call, results.parse(content))


def content_text(content: object) -> str:
    """The text of a message's content, which is a string or a list of parts. At most `MAX_CONTENT` characters."""
    if isinstance(content, str):
        return content[:MAX_CONTENT]
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content[:50] if isinstance(part, Mapping)]
    return " ".join(part for part in parts if isinstance(part, str))[:MAX_CONTENT]
