"""The AssemblyAI streaming protocol, version 3, without input and output.

It cuts the caller's sound into frames that the server accepts, keeps the last seconds for a new session after a loss,
and turns the server's messages into the events of `agent.ears`. Positions are samples since the first `hear`.
"""

import json
import urllib.parse
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.ears import EarsEvent, Onset, Transcript
from agent.line import SAMPLE_RATE

FRAME_MIN, FRAME_MAX = 400, 8000
"""Bytes of mu-law in one binary frame: 50 to 1000 ms, anything else is error 3007."""

QUEUE = 5 * SAMPLE_RATE
"""Samples that may wait to be sent; beyond that the oldest are dropped and counted."""

KEPT = 5 * SAMPLE_RATE
"""Samples kept after they were sent, for another session."""

REPLAY_LEAD = SAMPLE_RATE // 2
"""Samples replayed before the first word of a turn that a loss cut off."""

REPLAY_UNHEARD = 3 * SAMPLE_RATE // 2
"""Samples replayed when no turn was open: u3 is silent for the first 0.75 s of speech and decodes another 0.2 s."""

U3_PAUSE = 0.1
"""Seconds of silence after which Universal-3 decodes the turn so far, unless told otherwise."""

CONTEXT_LIMIT = 1500
"""Characters of `agent_context` sent; the server ends the session beyond 1750."""


@dataclass(frozen=True)
class AssemblyAIOptions:
    """How to hear with AssemblyAI."""

    api_key: str = field(default="", repr=False)
    """The account's key; sent bare in the Authorization header."""
    url: str = "wss://streaming.assemblyai.com/v3/ws"
    """Where the service is; ``streaming.eu.assemblyai.com`` keeps the sound in the EU."""
    model: str = "u3-rt-pro"
    """Value of `speech_model`: a Universal-3 model or ``universal-streaming-english`` / ``-multilingual``."""
    min_turn_silence: float | None = None
    """Seconds of silence after which a finished sentence ends the turn; None for the model's own (0.1 with U3)."""
    max_turn_silence: float | None = None
    """Seconds of silence that end the turn in any case; None for the model's own (1.0 with U3)."""
    keyterms: tuple[str, ...] = ()
    """Words to listen for, such as product names: at most 100, of at most 50 characters each."""
    language: str = ""
    """``en`` or ``multi`` where the model knows several languages; empty for the model's default."""
    chunk: float = 0.06
    """Seconds of sound in one message, 0.05 to 1."""
    open_limit: float = 4.0
    """Seconds until the session must have begun, attempts included."""
    close_limit: float = 1.5
    """Seconds that the server gets to end the session when the call is over."""
    attempts: int = 3
    """How often in a row a connection is tried before the ears give up."""
    retry_pause: float = 0.2
    """Seconds before the second attempt; each further pause is as much longer."""

    def __post_init__(self) -> None:
        if not FRAME_MIN / SAMPLE_RATE <= self.chunk <= FRAME_MAX / SAMPLE_RATE:
            raise ValueError("chunk must be between 50ms and 1s")
        if len(self.keyterms) > 100 or any(len(term) > 50 for term in self.keyterms):
            raise ValueError("keyterms: at most 100 terms of at most 50 characters")
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if (self.min_turn_silence or 0.0) > (self.max_turn_silence or 60.0):
            raise ValueError("min_turn_silence must not be above max_turn_silence")

    @property
    def is_u3(self) -> bool:
        """Whether the model ends turns by punctuation (Universal-3) and not word by word (Universal-Streaming)."""
        return not self.model.startswith("universal-streaming")

    @property
    def takes_context(self) -> bool:
        """Whether the model accepts `agent_context`: Universal-3.5 and later; for u3-rt-pro it is not documented."""
        return self.model.startswith("universal-3-")

    def session_url(self) -> str:
        """The URL of a session: mu-law at 8 kHz as it comes from the line."""
        query = {
            "speech_model": self.model,
            "encoding": "pcm_mulaw",
            "sample_rate": str(SAMPLE_RATE),
        }
        for name in ("min_turn_silence", "max_turn_silence"):
            if (seconds := getattr(self, name)) is not None:
                query[name] = str(round(seconds * 1000))
        if self.keyterms:
            query["keyterms_prompt"] = json.dumps(list(self.keyterms))
        if self.language:
            query["language"] = self.language
        return f"{self.url}?{urllib.parse.urlencode(query)}"


class Begun(NamedTuple):
    """The server is ready for sound."""


class Fault(NamedTuple):
    """The server ends the session with this error."""

    code: int
    words: str


SessionEvent = EarsEvent | Begun | Fault


class Session:
    """All sessions of one call, one after the other."""

    def __init__(self, options: AssemblyAIOptions) -> None:
        self._options = options
        self._chunk = round(options.chunk * SAMPLE_RATE)
        self._sound = bytearray()
        self._start = 0  # position of _sound[0]
        self._sent = 0  # position up to which the current session has the sound
        self._marks: deque[tuple[int, int]] = deque(maxlen=64)  # (sample of the session, position), where they part
        self._sent_in_session = 0
        self._finished = -1  # turn_order of the session's last final
        self._settled = 0  # position after the last word of the last final
        self._open_from: int | None = None  # position of the open turn's first word
        self.dropped = 0
        """Samples dropped because the connection did not take them."""
        self.ignored = 0
        """Messages that made no sense."""

    def begin(self) -> None:
        """Start a session: its sound begins with what an earlier session cannot have made use of."""
        if self._sent_in_session:
            unheard = self._sent - REPLAY_UNHEARD if self._open_from is None else self._open_from - REPLAY_LEAD
            self._sent = min(self._sent, max(unheard, self._settled, self._start))
        self._marks.clear()
        self._sent_in_session = 0
        self._finished = -1

    def hear(self, ulaw: bytes) -> None:
        """Take sound of any length."""
        self._sound += ulaw
        waiting = self._start + len(self._sound) - self._sent
        if waiting > QUEUE:
            self._sent += waiting - QUEUE
            self.dropped += waiting - QUEUE
        old = self._sent - KEPT - self._start
        if old > SAMPLE_RATE:  # in steps of a second: cheap
            del self._sound[:old]
            self._start += old

    def next_frame(self) -> bytes | None:
        """The next binary frame, or None until there is enough sound. A backlog goes out in frames of up to 1 s."""
        waiting = self._start + len(self._sound) - self._sent
        if waiting < self._chunk:
            return None
        return self._take(min(waiting, FRAME_MAX) // self._chunk * self._chunk)

    def tail(self) -> bytes | None:
        """The last, short frame of the call, filled up with silence; None if nothing waits."""
        waiting = self._start + len(self._sound) - self._sent
        return self._take(min(waiting, FRAME_MAX)).ljust(FRAME_MIN, b"\xff") if waiting else None

    def _take(self, size: int) -> bytes:
        if not self._marks or self._marks[-1][1] + self._sent_in_session - self._marks[-1][0] != self._sent:
            self._marks.append((self._sent_in_session, self._sent))
        at = self._sent - self._start
        self._sent += size
        self._sent_in_session += size
        return bytes(self._sound[at : at + size])

    def receive(self, message: str | bytes) -> SessionEvent | None:
        """What one message of the server means; None if nothing. Never raises: nonsense is counted in `ignored`."""
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            fields = None
        kind = fields.get("type") if isinstance(fields, dict) else None
        match kind:
            case "Turn":
                return self._turn(fields)
            case "SpeechStarted":
                return self._onset(fields)
            case "Begin":
                return Begun()
            case "Error":
                code = fields.get("error_code")
                return Fault(code if isinstance(code, int) else 1011, str(fields.get("error"))[:1000])
            case str():
                return None  # Termination, Warning, Heartbeat and whatever comes with later versions
        self.ignored += 1
        return None

    def _onset(self, fields: dict[str, Any]) -> Onset | None:
        at = self._position(fields.get("timestamp"))
        if at is None:
            self.ignored += 1
            return None
        if self._open_from is None:
            self._open_from = at
        return Onset(at / SAMPLE_RATE)

    def _turn(self, fields: dict[str, Any]) -> Transcript | None:
        order, text, final = fields.get("turn_order"), fields.get("transcript"), fields.get("end_of_turn")
        words = fields.get("words", [])
        if not (isinstance(order, int) and isinstance(text, str) and isinstance(final, bool) and _are_words(words)):
            self.ignored += 1
            return None
        if order <= self._finished:
            return None  # with format_turns a final may come a second time, formatted; the reply has begun by then
        if not final and not self._options.is_u3 and words:
            text = " ".join(word["text"] for word in words)  # `transcript` lacks the word being spoken
        first = self._position(words[0].get("start")) if words else None
        end = self._position(words[-1].get("end")) if words else None
        if self._open_from is None:
            self._open_from = first
        text = text.strip()
        if not text and (not final or self._open_from is None):
            return None
        if final:
            self._finished = order
            self._settled = max(self._settled, self._sent if end is None else end)
            self._open_from = None
        stable = final or self._is_stable(fields, text, end)
        return Transcript(text, final, stable, (self._sent if end is None else end) / SAMPLE_RATE)

    def _is_stable(self, fields: dict[str, Any], text: str, end: int | None) -> bool:
        """Whether a partial will probably become the final.

        Universal-Streaming says so with a filled `utterance`. Universal-3 sends a partial when someone pauses without
        having ended a sentence, and another one early in a long turn: the former shows by the silence after its last
        word and by not breaking off with a dash or a comma. Models that give a confidence are taken at their word.
        """
        if not self._options.is_u3:
            return bool(fields.get("utterance"))
        confidence = fields.get("end_of_turn_confidence")
        if isinstance(confidence, int | float) and confidence > 0:
            return confidence >= 0.5
        paused = end is not None and self._sent - end >= (self._options.min_turn_silence or U3_PAUSE) * SAMPLE_RATE
        return paused and not text.endswith(("—", "-", ",", "…"))

    def _position(self, milliseconds: object) -> int | None:
        """The position that the server calls `milliseconds` of its session; None if it cannot be one."""
        if not isinstance(milliseconds, int | float) or not 0 <= milliseconds <= 1e9:
            return None
        sample = min(round(milliseconds * SAMPLE_RATE / 1000), self._sent_in_session)
        for start, position in reversed(self._marks):
            if start <= sample:
                return position + sample - start
        return None


def _are_words(words: object) -> bool:
    return isinstance(words, list) and all(isinstance(w, dict) and isinstance(w.get("text"), str) for w in words)
