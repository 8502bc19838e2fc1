"""Code shared by the protocols of speech-to-speech providers. Sans-IO."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, ProviderOptions
from agent.providers.faults import CLOSES, coded_fault, http_fault, quoted
from agent.providers.stt import FRAME_MAX, Backlog
from agent.realtime import Brief, RealtimeEvent
from agent.rules.rule_error import RuleError, positive


@dataclass(frozen=True)
class RealtimeOptions(ProviderOptions):
    """The options that all speech-to-speech providers have in common."""

    voice_id: str = ""
    """The voice, by the provider's name or number."""
    keyterms: tuple[str, ...] = field(default=(), metadata=FIXED)
    """Words to listen for: the agent's key terms."""
    languages: tuple[str, ...] = field(default=(), metadata=FIXED)
    """ISO 639-1 codes of the languages that callers speak: the agent's [[languages]]."""
    chunk: float = field(default=0.02, metadata=FIXED)
    """Minimum seconds of sound in one message, up to 1."""
    open_limit: float = field(default=5.0, metadata=FIXED)
    """Seconds within which the session must have begun."""
    close_limit: float = field(default=1.5, metadata=FIXED)
    """Seconds within which the server may end the session when the call is over."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.02 <= self.chunk <= FRAME_MAX / SAMPLE_RATE:
            raise RuleError("must be between 20ms and 1s", "chunk")
        positive(self, "open_limit", "close_limit")


class RealtimeBegun(NamedTuple):
    """The session is ready for sound."""


class RealtimeFault(NamedTuple):
    """The server ends the session. `code` is the server's own, or the websocket's close code."""

    code: int | str
    words: str


SessionEvent = RealtimeEvent | RealtimeBegun | RealtimeFault


class RealtimeSession(ABC):
    """One provider's protocol. Messages of the server never make it raise an error. After each call of a method,
    `outbox` has the messages to send.
    """

    name: ClassVar[str]
    """The provider's name in the configuration."""
    full_duplex: ClassVar[bool] = False
    """See `agent.realtime.RenewableRealtime.full_duplex`."""
    goodbye: ClassVar[str] = ""
    """The message that ends a session."""
    faults: ClassVar[Mapping[int | str, tuple[str, str, bool]]] = {}
    """For each code of the server: the problem, the advice, and whether another session may succeed."""

    def __init__(self, options: RealtimeOptions, brief: Brief) -> None:
        self.limits = options
        self.brief = brief
        self.backlog = Backlog(options.chunk)
        self.outbox: list[str] = []
        self.ignored = 0
        """Messages that made no sense."""

    @property
    def product(self) -> str:
        """The product by which the session is charged: provider and model."""
        return f"{self.name}/{self.limits.model}"

    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers of the websocket."""
        return self.limits.url, {"Authorization": f"Bearer {self.limits.api_key}"}

    @abstractmethod
    def begin(self) -> None:
        """Start a session on a new websocket, which is open."""

    @property
    def resumes(self) -> bool:
        """Whether a lost session can be resumed on a new websocket."""
        return False

    @abstractmethod
    def frame(self, ulaw: bytes) -> str:
        """The message with a piece of the caller's sound."""

    @abstractmethod
    def cut(self, reply: str, samples: int) -> None:
        """Note that only `samples` of `reply` were played."""

    @abstractmethod
    def hush(self) -> None:
        """Stop the reply that is being made."""

    @abstractmethod
    def answer(self, call: str, result: str, *, failed: bool) -> None:
        """Give the result of a tool call."""

    @abstractmethod
    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """Let the model say something now, by these `instructions`. `aside`: while a tool runs."""

    @abstractmethod
    def tell(self, text: str) -> None:
        """Give the model `text` as words of the caller."""

    @abstractmethod
    def instruct(self, instructions: str) -> None:
        """Change the system prompt."""

    def lapse(self) -> list[SessionEvent]:
        """Events that follow from time alone. It is called when the caller's sound was sent, also if the server sends
        nothing."""
        return []

    def receive(self, message: str | bytes) -> list[SessionEvent]:
        """The events of one message of the server. A message that makes no sense is counted in `ignored`."""
        try:
            fields = json.loads(message)
            return self.read(self.kind(fields), fields)
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
            self.ignored += 1
            return []

    def kind(self, fields: dict[str, Any]) -> str:
        """The type of a message. Wrong fields may raise errors such as KeyError: `receive` catches them."""
        return text_of(fields["type"])

    @abstractmethod
    def read(self, kind: str, fields: dict[str, Any]) -> list[SessionEvent]:
        """The events of a message of type `kind`. Wrong fields may raise errors such as KeyError: `receive` catches
        them."""

    def fault(self, loss: RealtimeFault) -> ProviderError:
        """The error for the end of a session."""
        words = quoted(loss.words, self.limits.api_key)
        known = self.faults.get(loss.code) or _CODES.get(loss.code)
        if known is None and isinstance(loss.code, int) and 400 <= loss.code < 600:
            return http_fault(self.name, loss.code, words)
        known = known or (f"error {quoted(loss.code, self.limits.api_key)}", "", False)
        return coded_fault(self.name, known, words if loss.code != 1006 else "")

    def fatal(self, error: Mapping[str, Any], *, begun: bool) -> list[SessionEvent]:
        """The end of the session, if the error message means it; otherwise empty. Most errors concern one message, and
        leave the session open. Those that end it have a known code. Before the session has `begun`, every error ends
        it: the socket stays open, but nothing follows.
        """
        code = error.get("code")
        if begun and code not in self.faults:
            return []
        code = code if isinstance(code, str) else "invalid_request"
        return [RealtimeFault(code, str(error.get("message") or "")[:1000])]

    def position(self, ms: float) -> float:
        """Seconds of the caller's sound, for `ms`, milliseconds of the sound that the server has received in this
        session."""
        at = self.backlog.position(ms / 1000)
        return (self.backlog.sent if at is None else at) / SAMPLE_RATE

    def functions(self, **more: str) -> list[dict[str, Any]]:
        """The tools in the form of OpenAI Realtime and similar protocols, each with the fields `more`."""
        return [{"type": "function", **tool["function"], **more} for tool in self.brief.tools]

    def send(self, kind: str, **fields: Any) -> None:
        """Put a message into the outbox."""
        self.outbox.append(json.dumps({"type": kind, **fields}))


_CODES: dict[int | str, tuple[str, str, bool]] = {
    **CLOSES,
    1008: ("refused the API key or the account", "check the key, the balance and the plan", False),
}


def text_of(value: object) -> str:
    """`value`, if it is text. Raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError
    return value
