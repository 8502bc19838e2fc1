"""Speech to speech: one provider that hears, thinks and speaks. One object per call."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from agent.llm import ToolCall, ToolSchema
from agent.stt import AudioInput, Onset, Transcript


@dataclass(frozen=True)
class Brief:
    """The settings of a session."""

    instructions: str
    """The system prompt."""
    greeting: str = ""
    """First words, word for word; empty: the caller begins."""
    tools: Sequence[ToolSchema] = ()
    """As for a `agent.llm.LanguageModel`."""


class Answering(NamedTuple):
    """A reply follows: the caller's turn is complete, or we asked for the reply."""


class ReplyAudio(NamedTuple):
    """Sound of a reply, faster than real time and in pieces of any length."""

    reply: str
    ulaw: bytes


class ReplyWords(NamedTuple):
    """Words of a reply, to be put after those before.

    They are spoken until `until` samples of its sound; None if the provider does not say.
    """

    reply: str
    text: str
    until: int | None


class ReplyEnded(NamedTuple):
    """Nothing more follows of a reply. `complete` is False when it was interrupted or failed."""

    reply: str
    complete: bool


class Consumed(NamedTuple):
    """The charged use since the last report."""

    unit: Literal["seconds", "tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out"]
    amount: float
    product: str = ""
    """Product whose price applies, if that is another one's than the session's."""


class Reopened(NamedTuple):
    """Another session has replaced the earlier one. It has the same brief, and is silent."""


RealtimeEvent = Onset | Transcript | Answering | ReplyAudio | ReplyWords | ReplyEnded | ToolCall | Consumed | Reopened
"""After `Onset` the line should fall silent and `cut` be told how far the reply had come."""


def exactly(text: str) -> str:
    """The instructions to say `text` word for word."""
    return f"Say exactly this, and nothing else: {text}"


class RealtimeModel(AudioInput, Protocol):
    """A live speech-to-speech session."""

    @property
    def product(self) -> str:
        """Name by which it is priced: provider and model."""
        ...

    async def open(self) -> None:
        """Begin the session. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def events(self) -> AsyncIterator[RealtimeEvent]:
        """Yield what happens until `close`. Raises `ProviderError` when the session is lost for good."""
        ...

    def cut(self, reply: str, samples: int) -> None:
        """Note that of `reply` only `samples` were played; nothing more of it is reported."""
        ...

    def hush(self) -> None:
        """Make no more of the reply that is being made, if the caller has not interrupted it anyhow.

        What was prompted before and has not begun is forgotten.
        """
        ...

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        """Give the result of a tool call, as JSON text; the reply goes on when all of them are answered."""
        ...

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Have something said now, such as a reminder that somebody is waiting.

        `aside` is for what is said while a tool runs, and belongs to no turn.
        """
        ...

    def tell(self, text: str) -> None:
        """Take `text` as what the caller said, such as the keys they pressed; a reply follows."""
        ...

    def instruct(self, instructions: str) -> None:
        """Change the system prompt from the next reply on."""
        ...

    async def close(self) -> None:
        """End the session politely; safe to call twice and after a failure."""
        ...


class RenewableRealtime(RealtimeModel, Protocol):
    """Speech-to-speech model of one call: another session of a provider follows one that is lost, or is not wanted."""

    brief: Callable[[], Brief]
    """Brief of the next session; to be set before `open`."""

    @property
    def full_duplex(self) -> bool:
        """Whether the session decides alone when it falls silent: its sound is neither held back nor discarded for the
        sound that the caller makes. Its `Onset` comes when nothing more of it is to be heard. A session says so by an
        attribute of this name; one without it does not."""
        ...

    def give_up(self, problem: str) -> None:
        """Take the present session for lost, because of `problem`."""
        ...

    def renew(self, agent: str) -> None:
        """Have another session follow, of the providers of this agent, with the brief as it is then; see `Reopened`."""
        ...
