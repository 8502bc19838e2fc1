"""Phrases of the brain. By these phrases it also finds in the heard words which question it has asked."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from agent.turn_taking.expect import Expected


class Ask(Enum):
    """A question that the caller may be answering."""

    NUMBER = "order number"
    PHONE = "phone number"
    WHEN = "time of a call back"
    CONFIRM = "is the call back right"
    CHANGE = "what to change in the call back"
    PERSON = "put through to a person"
    CALLBACK = "have somebody call back"
    MORE = "anything else"


class PlannedCall(NamedTuple):
    """A tool call that is planned. Its arguments are not yet checked against the tool's schema."""

    name: str
    arguments: dict[str, Any]


class ScriptedReply(NamedTuple):
    """One reply: spoken sentences, the question at their end, and a tool to call after them."""

    sentences: tuple[str, ...]
    ask: Ask | None = None
    call: PlannedCall | None = None
    expect: Expected | None = None
    """The kind of answer that the question wants, for turn-taking; None: any kind."""


QUESTIONS = {
    Ask.NUMBER: "What is your order number?",
    Ask.PHONE: "Which phone number should we call?",
    Ask.WHEN: "When should we call?",
    Ask.CONFIRM: "Is that right?",
    Ask.CHANGE: "Should I change the number or the time?",
    Ask.PERSON: "Shall I put you through to a person?",
    Ask.CALLBACK: "Shall somebody call you back?",
    Ask.MORE: "Is there anything else I can help you with?",
}
DICTATED = frozenset({Ask.NUMBER, Ask.PHONE, Ask.WHEN})
"""Questions that stay open if the caller interrupts them. A yes or a no to a question that was not heard means
nothing."""

_HEARD = (
    (Ask.CHANGE, r"the number or the time"),
    (Ask.MORE, r"anything else"),
    (Ask.CONFIRM, r"is that (?:right|correct)"),
    (Ask.PERSON, r"(?:shall|should|can|may|would|want) .{0,30}(?:put you through|transfer|connect|a person|a human)"),
    (Ask.CALLBACK, r"(?:shall|should|would) .{0,30}call you back"),
    (Ask.NUMBER, r"\border number\b"),
    (Ask.PHONE, r"\b(?:phone number|which number|what number|number should we call)"),
    (Ask.WHEN, r"\bwhen should|\bwhat time|\bwhen would"),
)

ABILITIES = {
    "get_order_status": "look up an order",
    "schedule_callback": "arrange a call back",
    "transfer_to_human": "put you through to a person",
}
FRESH_START = "How can I help you?"


def question_heard(text: str) -> Ask | None:
    """The question in `text`, the agent's words that the caller has heard; None without a question."""
    plain = text[-400:].lower()
    return next((ask for ask, pattern in _HEARD if re.search(pattern, plain)), None)


def abilities(tools: frozenset[str], own: Sequence[str] = ()) -> str:
    """One sentence about what this agent can do with its tools; the owner's (`own`) come first."""
    known = [*own, *(text for name, text in ABILITIES.items() if name in tools)]
    if not known:
        return "On this line I can only talk to you and end the call."
    if len(known) > 1:
        known[-1] = "or " + known[-1]
    return f"I can {', '.join(known) if len(known) > 2 else ' '.join(known)}."
