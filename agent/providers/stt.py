"""Code shared by the protocols of streaming STT: the caller's sound, and the shape of a session. Sans-IO.

Positions are samples since the first `hear`; a session of the provider counts from its own first sample.
"""

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, ClassVar, NamedTuple, TypeVar

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, ProviderOptions
from agent.providers.faults import CLOSES, coded_fault, quoted
from agent.rules.rule_error import RuleError
from agent.stt import SttEvent, Transcript, Word
from agent.turn_taking.expect import Expected

FRAME_MAX = 8000
"""Maximum bytes of mu-law in one binary frame: 1 s."""

QUEUE = 5 * SAMPLE_RATE
"""Maximum samples that may wait to be sent; with more, the oldest are dropped and counted."""

SPELLED = ("double", "triple", "zero", "dash", "underscore", "at", "dot", "slash")
"""Additional key terms while the caller dictates."""

KEPT = 5 * SAMPLE_RATE
"""Samples that are kept after they were sent, for a new session."""

TURN_KEPT = 30 * SAMPLE_RATE
"""Maximum samples that are kept of a turn that has not ended."""

REPLAY_LEAD = SAMPLE_RATE // 2
"""Samples before the first word of an interrupted turn, from which on the sound is sent again after a loss."""

REPLAY_UNHEARD = 3 * SAMPLE_RATE // 2
"""Samples that are sent again if no turn was open: Universal-3 reports nothing for the first 0.75 s, and decodes
another 0.2 s."""

MOST_SAID = 4000
"""Maximum letters of one transcript; of a longer one the beginning is forgotten."""

SILENCE = b"\xff"

ABNORMAL = 1006
"""The close code for a connection that died without a close frame (RFC 6455 §7.1.5)."""


CHANGING = 0
"""No close code of the server: the gateway ends the session, to begin one in another language."""


@dataclass(frozen=True)
class ListenOptions(ProviderOptions):
    """The options that all streaming STT has in common."""

    language: str = ""
    """The language, as the provider writes it: ``en``, ``multi``; empty for that of the model or the voice. STT expects
    the languages of `[[languages]]` too; a voice of `[[languages]]` speaks the language of its entry."""
    chunk: float = field(default=0.02, metadata=FIXED)
    """Minimum seconds of sound in one message, up to 1."""
    open_limit: float = field(default=4.0, metadata=FIXED)
    """Seconds within which the session must have begun, all attempts included."""
    close_limit: float = field(default=1.5, metadata=FIXED)
    """Seconds within which the server may end the session when the call is over."""
    attempts: int = field(default=3, metadata=FIXED)
    """Number of attempts in a row to connect, before the STT gives up."""
    retry_pause: float = field(default=0.2, metadata=FIXED)
    """Seconds before the second attempt; each further pause is longer by so many seconds."""
    languages: tuple[str, ...] = field(default=(), metadata=FIXED)
    """ISO 639-1 codes of the languages that callers speak: the agent's [[languages]]."""
    keyterms: tuple[str, ...] = field(default=(), metadata=FIXED)
    """Words to listen for: the agent's key terms."""
    silence_after: float = field(default=0.5, metadata=FIXED)
    """Seconds without sound from the line, after which silence is sent in its place: without sound no turn would
    end."""

    def __post_init__(self) -> None:
        if not 0.02 <= self.chunk <= FRAME_MAX / SAMPLE_RATE:
            raise RuleError("must be between 20ms and 1s", "chunk")
        super().__post_init__()
        if self.attempts < 1:
            raise RuleError("must be at least 1", "attempts")
        if not 0.1 <= self.silence_after <= 3600:
            raise RuleError("must be between 100ms and 1h", "silence_after")


class SttBegun(NamedTuple):
    """The server is ready for sound."""


class SttFault(NamedTuple):
    """The server ends the session with this error. `code` is the server's own, or the websocket's close code."""

    code: int | str
    words: str


SessionEvent = SttEvent | SttBegun | SttFault


class Backlog:
    """The caller's sound on its way to one session after the other."""

    def __init__(self, chunk: float, frame_min: int = 1) -> None:
        self._chunk = round(chunk * SAMPLE_RATE)
        self._frame_min = frame_min
        self._sound = bytearray()
        self._start = 0  # position of _sound[0]
        self._marks: deque[tuple[int, int]] = deque(maxlen=64)  # (sample of the session, position), where they part
        self._settled = 0  # position after the last word that is final
        self._open_from: int | None = None  # position of the open turn's first word
        self._reached = 0  # position up to which the sound was sent to some session, or dropped
        self.heard = 0
        """Samples received from the line."""
        self.sent = 0
        """Position up to which the sound was sent to the current session."""
        self.sent_in_session = 0
        """Samples sent to the current session, silence included."""
        self.dropped = 0
        """Samples dropped because the connection did not take them."""

    @property
    def in_turn(self) -> bool:
        """Whether the caller has begun a turn that is not final."""
        return self._open_from is not None

    def begin(self) -> None:
        """Start a session. Its sound begins with the part from which an earlier session cannot have made final
        words."""
        if self.sent_in_session:
            unheard = self.sent - REPLAY_UNHEARD if self._open_from is None else self._open_from - REPLAY_LEAD
            self.sent = min(self.sent, max(unheard, self._settled, self._start))
        self._marks.clear()
        self.sent_in_session = 0

    def resume(self, most: int) -> None:
        """Resume a session that remembers its sound. It gets at most the newest `most` of the waiting samples; older
        ones are dropped."""
        late = self.heard - self.sent - most
        if late > 0:
            self.sent += late
            self.dropped += late
            self._reached = max(self._reached, self.sent)
        self._marks.clear()
        self.sent_in_session = 0

    def add(self, ulaw: bytes) -> bool:
        """Take sound of any length; returns whether there is enough for a frame.

        More than a second at once is no live sound: it never counts as waiting too long.
        """
        self._sound += ulaw
        self.heard += len(ulaw)
        if len(ulaw) > SAMPLE_RATE:
            self._reached = self.heard
        too_much = self.heard - self._reached - QUEUE
        if too_much > 0:
            self._reached += too_much
            self.sent += too_much
            self.dropped += too_much
        needed = self.sent - KEPT
        if self._open_from is not None:
            needed = min(needed, max(self._open_from - REPLAY_LEAD, self._reached - TURN_KEPT))
        old = needed - self._start
        if old > SAMPLE_RATE:  # in steps of a second, which costs less
            del self._sound[:old]
            self._start += old
        return self.heard - self.sent >= self._chunk

    def next_frame(self) -> bytes | None:
        """The next binary frame: all waiting sound, up to 1 s; None as long as there is too little."""
        waiting = self.heard - self.sent
        if waiting < self._chunk:
            return None
        return self._take(min(waiting, FRAME_MAX))

    def tail(self) -> bytes | None:
        """The last, short frame, filled with silence to the minimum that the server accepts; None if no sound waits."""
        waiting = self.heard - self.sent
        if not waiting:
            return None
        frame = self._take(min(waiting, FRAME_MAX))
        return frame + self.silence(max(0, self._frame_min - len(frame)))

    def silence(self, samples: int) -> bytes:
        """A frame of silence that is not part of the line's sound."""
        self.sent_in_session += samples
        return SILENCE * samples

    def _take(self, size: int) -> bytes:
        if not self._marks or self._marks[-1][1] + self.sent_in_session - self._marks[-1][0] != self.sent:
            self._marks.append((self.sent_in_session, self.sent))
        at = self.sent - self._start
        self.sent += size
        self._reached = max(self._reached, self.sent)
        self.sent_in_session += size
        return bytes(self._sound[at : at + size])

    def position(self, seconds: object) -> int | None:
        """The position in samples for `seconds` of the server's session; None for an impossible value."""
        if not isinstance(seconds, int | float) or not 0 <= seconds <= 1e6:
            return None
        sample, limit = min(round(seconds * SAMPLE_RATE), self.sent_in_session), self.sent
        for start, position in reversed(self._marks):
            if start <= sample:
                return min(position + sample - start, limit)
            limit = position
        return None

    def words(self, spoken: Iterable[tuple[str, object, object]]) -> tuple[Word, ...]:
        """The words, from text, start and end in seconds of the session; empty if the position of one of them is
        unknown."""
        found: list[Word] = []
        for text, start, end in spoken:
            since, until = self.position(start), self.position(end)
            if since is None or until is None:
                return ()
            found.append(Word(text, since / SAMPLE_RATE, until / SAMPLE_RATE))
        return tuple(found)

    def open_turn(self, position: int | None) -> None:
        """Note that a turn begins at `position`, unless one has begun before."""
        if self._open_from is None:
            self._open_from = position

    def settle(self, position: int | None, *, turn_goes_on: bool = False) -> int:
        """Note that the words up to `position` (None: all sound that was sent) are final. Returns the position."""
        position = self.sent if position is None else position
        self._settled = max(self._settled, position)
        self._open_from = position if turn_goes_on else None
        return position


def bases(codes: Iterable[object]) -> tuple[str, ...]:
    """The languages (``en``) of BCP 47 tags (``en-IN``), each once, in their order. Values that are no text are
    ignored."""
    tags = [code for code in codes if isinstance(code, str)]
    return tuple(dict.fromkeys(tag.replace("_", "-").partition("-")[0].lower() for tag in tags if tag))


Listening = TypeVar("Listening", bound=ListenOptions)


def with_keyterms(options: Listening, keyterms: tuple[str, ...]) -> Listening:
    """`options` with these `keyterms`; unchanged if the provider does not accept them."""
    try:
        return options if keyterms == options.keyterms else replace(options, keyterms=keyterms)
    except ValueError:
        return options


class SttSession(ABC):
    """One provider's protocol, for all sessions of one call. Messages of the server never make it raise an error."""

    name: ClassVar[str]
    """The provider's name in the configuration."""
    ends_turns: ClassVar[bool] = True
    """See `agent.stt.SpeechToText`."""
    begins: ClassVar[bool] = True
    """Whether the server says when it is ready (`SttBegun`); otherwise it is ready as soon as the websocket is open."""
    keepalive: ClassVar[str] = ""
    """The message that keeps a session without sound alive."""
    goodbye: ClassVar[str]
    """The message that ends a session; empty if closing the websocket ends it."""
    kind_key: ClassVar[str] = "type"
    """The field of a message that has its type."""
    faults: ClassVar[Mapping[int | str, tuple[str, str, bool]]] = {}
    """For each code of the server: the problem, the advice, and whether another session may succeed."""

    def __init__(self, options: ListenOptions, frame_min: int = 1) -> None:
        self.limits = options
        self.backlog = Backlog(options.chunk, frame_min)
        self.ignored = 0
        """Messages that made no sense."""
        self.changes: list[str | None] = []
        """Messages with changes of the language and of key terms that the session has not got yet; None: it takes
        another session.
        """

    @property
    def product(self) -> str:
        """The product by which the session is charged: provider and model; empty if it is always the product of the
        options."""
        return ""

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText`."""
        return inf

    def set_language(self, language: str) -> str | None:
        """The message that sets the language (ISO 639-1) from now on; empty if no message is needed, None if a new
        session is needed."""
        return ""

    def listen_for(self, keyterms: tuple[str, ...]) -> str:
        """The message that replaces the key terms; empty to keep those of the options."""
        return ""

    @abstractmethod
    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers of a session."""

    def begin(self) -> None:
        """Start a session."""
        self.backlog.begin()

    @property
    def hello(self) -> str:
        """The first message of a session; empty for none."""
        return ""

    def message(self, ulaw: bytes) -> bytes | str:
        """The message that carries sound."""
        return ulaw

    def hint(self, said: str, wanted: Expected) -> str:
        """The message with the agent's words `said` and the `wanted` answer; empty if the provider does not take it."""
        return ""

    def receive(self, message: str | bytes) -> SessionEvent | None:
        """The event of one message of the server; None if it has none. A message that makes no sense is counted in
        `ignored`."""
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            fields = None
        kind = fields.get(self.kind_key) if isinstance(fields, dict) else None
        if isinstance(kind, str):
            try:
                return self.read(kind, fields)
            except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
                pass  # fields of the wrong shape
        self.ignored += 1
        return None

    @abstractmethod
    def read(self, kind: str, fields: dict[str, Any]) -> SessionEvent | None:
        """The event of a message of type `kind`. Wrong fields may raise errors such as KeyError: `receive` catches
        them."""

    def fault(self, loss: SttFault) -> ProviderError:
        """The error for the end of a session."""
        unknown = (f"error {quoted(loss.code, self.limits.api_key)}", "", False)
        known = self.faults.get(loss.code) or _CODES.get(loss.code) or unknown
        return coded_fault(self.name, known, quoted(loss.words, self.limits.api_key) if loss.code != ABNORMAL else "")


_CODES: dict[int | str, tuple[str, str, bool]] = {
    **CLOSES,
    CHANGING: ("changing the language", "", True),
    1009: ("sent a message beyond 1 MiB", "", True),
}


def continued(said: str, more: str) -> str:
    """The words `said`, continued by `more`, at most `MOST_SAID` letters."""
    return (said + more)[-MOST_SAID:]


def put(inbox: deque[Any], event: object) -> None:
    """Put `event` into `inbox`. If the last event there is a partial, a new transcript replaces it."""
    waiting = inbox[-1] if inbox else None
    if isinstance(event, Transcript) and isinstance(waiting, Transcript) and not waiting.final:
        inbox.pop()
    inbox.append(event)
