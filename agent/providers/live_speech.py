"""Finds replies, turns and interruptions of a full-duplex session in its sound and transcripts, because the service
reports none. Sans-IO."""

from array import array
from enum import Enum

from agent import ulaw
from agent.line import SAMPLE_RATE
from agent.providers.stt import continued
from agent.stt import Onset, Transcript

LOUD = 200
"""Amplitude (16-bit scale) below which a sample is silence. The service's silence is digital; a compatible service may
have noise."""
_QUIET = bytes(
    code for code, sample in enumerate(array("h", ulaw.to_linear(bytes(range(256))))) if -LOUD < sample < LOUD
)
SHARE = 50
"""A piece of sound is speech if at least one in so many of its samples is loud."""
GAP = SAMPLE_RATE * 8 // 10
"""Samples of silence that end a reply of the model."""
SHORT_GAP = SAMPLE_RATE // 2
"""Samples of silence that end a reply if the caller has spoken during the reply."""
OVERLAP = 0.2
"""Seconds before the model's last sound by which the caller must have begun to speak, to count as the cause of the
model's silence. The caller must also have gone on after it."""
UNWANTED = 3 * SAMPLE_RATE
"""Maximum samples of speech without a pause that are dropped while the model's speech shall not be heard."""


class SpeechState(Enum):
    """The states of the model's voice."""

    SILENT = "is silent"
    SPEAKING = "speaks"
    UNHEARD = "speaks, and is not to be heard"


class ModelVoice:
    """The speech of the model: a stream at the pace of speech, with its silence. A reply is the speech between two
    silences."""

    def __init__(self) -> None:
        self.voice = SpeechState.SILENT
        self.replies = 0
        self.streamed = 0
        """Samples of the stream so far. Times of transcripts count in this stream."""
        self.began = 0
        """Position in the stream at which the reply began, or the speech that shall not be heard."""
        self.loud = 0
        """Position in the stream at which the model's last sound ended."""
        self.idles = False
        """Whether the server sends silence between replies. If not, it sends only pieces of speech."""

    @property
    def reply(self) -> str:
        """The name of the present or last reply."""
        return f"reply{self.replies}"

    @property
    def quiet(self) -> int:
        """Samples of silence since the model's last sound."""
        return self.streamed - self.loud

    def hear(self, piece: bytes) -> bool:
        """Take the next piece of the stream; returns whether a reply begins with it."""
        began, speech = self.streamed, len(piece.translate(None, _QUIET)) * SHARE >= max(1, len(piece))
        self.streamed += len(piece)
        if speech:
            self.loud = self.streamed
        if self.voice is SpeechState.UNHEARD and (self.quiet >= SHORT_GAP or self.streamed - self.began >= UNWANTED):
            self.voice = SpeechState.SILENT
        self.idles |= not speech and self.voice is SpeechState.SILENT
        if not speech or self.voice is not SpeechState.SILENT:
            return False
        self.voice, self.began = SpeechState.SPEAKING, began
        self.replies += 1
        return True

    def drop(self) -> None:
        """Let the rest of the present reply be unheard."""
        if self.voice is SpeechState.SPEAKING:
            self.voice, self.began = SpeechState.UNHEARD, self.streamed

    def until(self, end_ms: float) -> int:
        """The position in the reply, in samples, for `end_ms`, milliseconds of the transcript."""
        return max(0, round(end_ms * SAMPLE_RATE / 1000) - self.began)


class CallerWords:
    """The caller's words since the model's last answer. Positions are seconds of the caller's sound."""

    def __init__(self) -> None:
        self._text = ""
        self._start = self._latest = self._end = 0.0
        """Position at which the text begins, and at which its latest piece begins and ends."""
        self._noticed = False
        """Whether the onset of these words was reported."""
        self._late = ""
        """Words of the previous turn that came after the model had begun to answer it."""
        self._answered: float | None = None
        """Position at which the model began to answer the previous turn."""

    @property
    def text(self) -> str:
        """The text, without spaces around it."""
        return self._text.strip()

    def silenced(self, last: float) -> bool:
        """Whether the caller's words silenced the model, whose last sound was at second `last`."""
        return bool(self.text) and self._start + OVERLAP <= last < self._end

    def hear(self, delta: str, start: float, end: float) -> list[Transcript]:
        """Take the next piece of the transcript. Late words of the previous turn are kept, and reported later by
        `late`."""
        if self._answered is not None and start < self._answered:
            self._late = continued(self._late, delta)
            return []
        if not self.text:
            self._start = start
        self._text, self._latest, self._end = continued(self._text, delta), start, max(end, start + 0.001)
        return [Transcript(self.text, False, False, self._end)] if self.text else []

    def notice(self) -> Onset:
        """Report that the caller has begun to speak or goes on, while the model is silent."""
        self._noticed = True
        return Onset(self._latest)

    def answered(self, now: float) -> list[Onset | Transcript]:
        """Events when the model begins to speak: it answers the caller's words until `now`, or speaks by itself."""
        told: list[Onset | Transcript] = [*self.late()]
        self._answered = now if self.text else None
        if self.text:
            told += [] if self._noticed else [Onset(self._start)]
            told.append(Transcript(self.text, True, True, self._end))
        self._text, self._noticed = "", False
        return told

    def late(self) -> list[Transcript]:
        """The late words of the previous turn, as a final transcript; no more of them come."""
        late, self._late = self._late.strip(), ""
        return [Transcript(late, True, True, self._answered or 0.0)] if late else []
