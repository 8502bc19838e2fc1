"""Speech to speech: one provider that hears, thinks and speaks. One object per call."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from agent.llm import ToolCall, ToolSchema
from agent.stt import AudioInput, Onset, Transcript


@dataclass(frozen=True)
class Brief:
    """The settings with which a session begins."""

    instructions: str
    """The system prompt."""
    greeting: str = ""
    """First words, word for word; empty: the caller begins."""
    tools: Sequence[ToolSchema] = ()
    """The tools, in the form of `agent.llm.LanguageModel.reply`."""


class Answering(NamedTuple):
    """The provider is about to reply: the caller's turn is complete, or the gateway has asked for the reply."""


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
    """The end of a reply. `complete` is False if it was interrupted or failed."""

    reply: str
    complete: bool


class Consumed(NamedTuple):
    """The charged use since the last report."""

    unit: Literal["seconds", "tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out"]
    amount: float
    product: str = ""
    """Product whose price applies, if it differs from `RealtimeModel.product`."""


class Reopened(NamedTuple):
    """Another session has replaced the earlier one. It has the same brief, and is silent."""


RealtimeEvent = Onset | Transcript | Answering | ReplyAudio | ReplyWords | ReplyEnded | ToolCall | Consumed | Reopened
"""Events of a session. After `Onset` the line should fall silent, and `RealtimeModel.cut` be told how much of the reply
was played."""


def exactly(text: str) -> str:
    """The instructions to say `text` word for word."""
    return f"Say exactly this, and nothing else: {text}"


class RealtimeModel(AudioInput, Protocol):
    """A live speech-to-speech session."""

    @property
    def product(self) -> str:
        """Name of provider and model, by which prices are found."""
        ...

    async def open(self) -> None:
        """Begin the session. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def events(self) -> AsyncIterator[RealtimeEvent]:
        """Yield what happens until `close`. Raises `ProviderError` when the session is lost for good."""
        ...

    def cut(self, reply: str, samples: int) -> None:
        """Tell the session that only `samples` of `reply` were played; the session reports nothing more of it."""
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
        """Have the session say something now, for example a reminder that somebody is waiting.

        Use `aside` for words while a tool runs: they belong to no turn.
        """
        ...

    def tell(self, text: str) -> None:
        """Take `text` as words of the caller, for example the keys that they pressed; a reply follows."""
        ...

    def instruct(self, instructions: str) -> None:
        """Change the system prompt from the next reply on."""
        ...

    async def close(self) -> None:
        """End the session politely; safe to call twice and after a failure."""
        ...


class RenewableRealtime(RealtimeModel, Protocol):
    """Speech-to-speech model of one call. If its session is lost or is no longer wanted, another session follows."""

    brief: Callable[[], Brief]
    """Brief of the next session; to be set before `open`."""

    @property
    def full_duplex(self) -> bool:
        """Whether the session itself decides when it falls silent. Its sound is then neither held back nor discarded
        when the caller makes a sound. Its `Onset` comes when no more of its sound is to be heard. A session declares
        this by an attribute of this name; without the attribute the value is False."""
        ...

    def give_up(self, problem: str) -> None:
        """Take the present session for lost, because of `problem`."""
        ...

    def renew(self, agent: str) -> None:
        """Replace the session by one of the providers of this agent, with the brief at that time; see `Reopened`."""
        ...
