"""Speech to speech: one provider that hears, thinks and speaks. One object per call."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agent.ears import Onset, Transcript
from agent.model import ToolCall, ToolSchema


@dataclass(frozen=True)
class Brief:
    """What a session is to be."""

    instructions: str
    """The system prompt."""
    greeting: str = ""
    """What is said first, word for word; empty: the caller begins."""
    tools: Sequence[ToolSchema] = ()
    """As for a `agent.model.Model`."""


class Speech(NamedTuple):
    """Sound of a reply, faster than real time and in pieces of any length."""

    reply: str
    ulaw: bytes


class Words(NamedTuple):
    """Words of a reply, to be put behind those before.

    They are spoken until `until` samples of its sound; None if the provider does not say.
    """

    reply: str
    text: str
    until: int | None


class ReplyEnded(NamedTuple):
    """Nothing more follows of a reply. `complete` is False when it was interrupted or failed."""

    reply: str
    complete: bool


DuplexEvent = Onset | Transcript | Speech | Words | ReplyEnded | ToolCall
"""After `Onset` the line should fall silent and `cut` be told how far the reply had come."""


class Duplex(Protocol):
    """A live speech-to-speech session."""

    name: str

    async def open(self) -> None:
        """Begin the session. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def hear(self, ulaw: bytes) -> None:
        """Take mu-law sound of any length, in order and without gaps; never blocks. The queue behind it holds 5 s."""
        ...

    def events(self) -> AsyncIterator[DuplexEvent]:
        """Yield what happens until `close`. Raises `ProviderError` when the session is lost for good."""
        ...

    def cut(self, reply: str, samples: int) -> None:
        """Note that of `reply` only `samples` were played; nothing more of it is reported."""
        ...

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        """Give the result of a tool call, as JSON text; the reply goes on when all of them are answered."""
        ...

    def prompt(self, instructions: str) -> None:
        """Have something said now, such as a reminder that somebody is waiting."""
        ...

    async def close(self) -> None:
        """End the session politely; safe to call twice and after a failure."""
        ...
