"""Reports of a conversation while it goes on, and the record of each turn."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import structlog

from agent.errors import internal

log = structlog.get_logger()

Part = Literal["stt", "llm", "tts", "realtime"]
"""A part of the agent; `realtime` is one provider that hears, thinks and speaks."""
Sorry = Literal["apology", "connecting"]
"""Name of the sentence of `agent.persona.Persona` for a caller when a part has failed."""


@dataclass
class ToolRun:
    """One tool call and its result."""

    name: str
    arguments: Any
    result: Any = None
    error: str = ""
    seconds: float = 0.0


@dataclass
class Times:
    """When the parts of a turn happened, on the event loop's clock; None if they did not."""

    caller_stopped: float | None = None
    """When the sound of the caller's last word arrived."""
    final: float | None = None
    """When the transcript was complete."""
    first_token: float | None = None
    first_sentence: float | None = None
    first_sound: float | None = None
    """When the first bytes came from the voice."""
    first_packet: float | None = None
    """When the first packet of the reply was sent."""
    heard: float | None = None
    """When the caller is estimated to have heard the reply."""

    def started(self, at: float, reaches: float | None) -> None:
        """Note that the sound of a sentence begins: only the first one counts, because the caller has waited for it."""
        if self.first_packet is None:
            self.first_packet, self.heard = at, None if reaches is None else at + reaches

    def parts_ms(self) -> dict[str, int]:
        """Milliseconds between the parts, and in total. Parts that did not happen in this order are left out.

        The total ends with the first packet. The time after that ("reaching") is an estimate, and not the gateway's.

        Input that was complete at once, such as keys with ``#``, has no time of hearing: 0 ms would make the STT look
        faster. A filler that covered the wait for the model was sent before the first token; then the total ends with
        the filler.
        """
        names = ("caller_stopped", "final", "first_token", "first_sentence", "first_sound", "first_packet", "heard")
        labels = ("hearing", "thinking", "phrasing", "voicing", "sending", "reaching")
        marks = [getattr(self, name) for name in names]
        parts: dict[str, int] = {}
        before = marks[0]
        for label, mark in zip(labels, marks[1:], strict=True):
            if mark is not None and before is not None and mark >= before:
                if label != "hearing" or mark > before:
                    parts[label] = round(1000 * (mark - before))
                before = mark
        if self.caller_stopped is not None and self.first_packet is not None:
            parts["total"] = round(1000 * (self.first_packet - self.caller_stopped))
        return parts


@dataclass
class Turn:
    """One exchange: what the caller said and what the agent answered."""

    caller: str = ""
    said: str = ""
    """Text that the agent meant to say."""
    heard: str = ""
    """The part of `said` that the caller heard."""
    interrupted: bool = False
    agent: str = ""
    """Agent that answered, at the end of the turn."""
    language: str = ""
    """Language that was spoken, an ISO 639-1 code."""
    tools: list[ToolRun] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    """The passages of documents that the agent had for it: ``file``, ``heading``, ``chunk`` and ``score``."""
    times: Times = field(default_factory=Times)
    discarded: int = 0
    """Number of replies to the turn that were prepared or begun, and thrown away before anything of them was heard."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: words, tools, and the parts of the latency in milliseconds."""
        record = asdict(self)
        del record["times"]
        return record | {"latency_ms": self.times.parts_ms()}


class Spoken(NamedTuple):
    """A word, and how many seconds before the report its sound began and ended to arrive."""

    text: str
    began: float
    ended: float


class CallerSaid(NamedTuple):
    """Words of the caller; `final` once the turn is complete."""

    text: str
    final: bool
    words: tuple[Spoken, ...] = ()
    """The place of each word, if the STT tells it; only when `final`."""


class AgentSays(NamedTuple):
    """A sentence that is given to the voice."""

    text: str


class ToolStarted(NamedTuple):
    """A tool is being run."""

    name: str
    arguments: Any


class ToolDone(NamedTuple):
    """A tool has returned or failed."""

    run: ToolRun


class Interrupted(NamedTuple):
    """The caller interrupted the agent; `heard` is the part of the reply that they had heard."""

    heard: str


class TurnDecided(NamedTuple):
    """A decision of the turn machine."""

    decision: str
    """The name of an `agent.turn_taking.table.Action`, in lower case."""
    evidence: str
    """Reason for the decision, such as "ended: silence 420 ms, expected digits 6 of 10"."""


class TurnEnded(NamedTuple):
    """A turn is over."""

    turn: Turn


class ProviderFailed(NamedTuple):
    """A part of the agent failed."""

    part: Part
    cause: str


class Used(NamedTuple):
    """Something was used that costs money."""

    part: Part
    name: str
    """Name by which it is priced: the provider that did the work and its model, as ``"openai/gpt-4.1-mini"``."""
    unit: Literal["seconds", "tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out", "characters"]
    """Seconds of sound heard, tokens, or characters spoken."""
    amount: float


class LanguageChanged(NamedTuple):
    """The agent speaks `language` (ISO 639-1) from now on."""

    language: str
    why: str
    """``detected`` or ``asked for``."""


class HandedOver(NamedTuple):
    """Another agent has taken the call over."""

    agent: str
    before: str
    reason: str
    """Wish of the caller, in the words of the agent `before`."""


Report = (
    CallerSaid
    | AgentSays
    | ToolStarted
    | ToolDone
    | Interrupted
    | TurnDecided
    | TurnEnded
    | ProviderFailed
    | Used
    | LanguageChanged
    | HandedOver
)


def tell(observer: Callable[[Report], None] | None, report: Report) -> None:
    """Give the report to the observer. If the observer raises an error, it is only logged."""
    if observer is None:
        return
    try:
        observer(report)
    except Exception:  # the observer boundary
        log.exception("observer failed")


@dataclass(frozen=True)
class Outcome:
    """How a conversation ended."""

    kind: Literal[
        "caller_hung_up", "line_lost", "agent_hung_up", "transfer", "silence", "max_duration", "ended_here",
        "over_budget", "gateway_stopped", "refused", "failed", "machine", "message_left", "fax",
        "screened", "no_person",
    ]  # fmt: skip
    """With one of the last five kinds, no human answered an outgoing call."""
    text: str
    """One sentence for the record."""

    @classmethod
    def crashed(cls, error: Exception) -> "Outcome":
        """The outcome of a call that an unexpected error of our own code, or of a callback, has ended."""
        return cls("failed", internal(error))
