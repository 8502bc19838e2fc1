"""Detect the speaker in a full-duplex session by its sound and transcripts: the service tells of no turns. Sans-IO."""

from array import array
from enum import Enum

from agent import ulaw
from agent.line import SAMPLE_RATE
from agent.providers.stt import continued
from agent.stt import Onset, Transcript

LOUD = 200
"""On the 16-bit scale: samples below are silence. The service's own is digital; a compatible one may have noise."""
_QUIET = bytes(
    code for code, sample in enumerate(array("h", ulaw.to_linear(bytes(range(256))))) if -LOUD < sample < LOUD
)
SHARE = 50
"""A piece is speech if at least one of so many of its samples is loud."""
GAP = SAMPLE_RATE * 8 // 10
"""Samples of silence that end what the model says."""
SHORT_GAP = SAMPLE_RATE // 2
"""The same if the caller has spoken into it."""
OVERLAP = 0.2
"""Seconds before the model's last sound in which the caller must have begun to have silenced it; and they went on."""
UNWANTED = 3 * SAMPLE_RATE
"""Samples of speech without a pause that are dropped at most, when what is being said is not to be heard."""


class SpeechState(Enum):
    """The states of the model."""

    SILENT = "is silent"
    SPEAKING = "speaks"
    UNHEARD = "speaks, and is not to be heard"


class ModelVoice:
    """The speech of the model: a stream at the pace of speech, silence included. A reply stands between two
    silences."""

    def __init__(self) -> None:
        self.voice = SpeechState.SILENT
        self.replies = 0
        self.streamed = 0
        """Samples of the stream: its clock, and that of the transcripts."""
        self.began = 0
        """Where in the stream the reply began, or the speech that is not to be heard."""
        self.loud = 0
        """Where in the stream its last sound ended."""
        self.idles = False
        """Whether silence has come between replies: a stream without it is no stream, but pieces of speech."""

    @property
    def reply(self) -> str:
        """The name of the reply."""
        return f"reply{self.replies}"

    @property
    def quiet(self) -> int:
        """Samples of silence since."""
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
        """Nothing more is to be heard of the reply that is being said."""
        if self.voice is SpeechState.SPEAKING:
            self.voice, self.began = SpeechState.UNHEARD, self.streamed

    def until(self, end_ms: float) -> int:
        """The sample of the reply for a place of the transcript."""
        return max(0, round(end_ms * SAMPLE_RATE / 1000) - self.began)


class CallerWords:
    """The words of the caller since the model has answered them last. Places are seconds of the sound."""

    def __init__(self) -> None:
        self._text = ""
        self._start = self._latest = self._end = 0.0
        """Where it begins, where the latest piece of it begins, and where that ends."""
        self._noticed = False
        """Whether they were told to have begun."""
        self._late = ""
        """Words of the turn before, which came when the model had begun to answer it."""
        self._answered: float | None = None
        """Where the model began to answer that turn."""

    @property
    def text(self) -> str:
        """It, if it is anything but spaces."""
        return self._text.strip()

    def silenced(self, last: float) -> bool:
        """Whether they have silenced the model, which made its last sound there."""
        return bool(self.text) and self._start + OVERLAP <= last < self._end

    def hear(self, delta: str, start: float, end: float) -> list[Transcript]:
        """Take the next piece; nothing is told of the rest of the turn before until it is whole."""
        if self._answered is not None and start < self._answered:
            self._late = continued(self._late, delta)
            return []
        if not self.text:
            self._start = start
        self._text, self._latest, self._end = continued(self._text, delta), start, max(end, start + 0.001)
        return [Transcript(self.text, False, False, self._end)] if self.text else []

    def notice(self) -> Onset:
        """They have begun or go on, and the model does not speak."""
        self._noticed = True
        return Onset(self._latest)

    def answered(self, now: float) -> list[Onset | Transcript]:
        """The model answers what they said until `now`, or begins to speak by itself."""
        told: list[Onset | Transcript] = [*self.late()]
        self._answered = now if self.text else None
        if self.text:
            told += [] if self._noticed else [Onset(self._start)]
            told.append(Transcript(self.text, True, True, self._end))
        self._text, self._noticed = "", False
        return told

    def late(self) -> list[Transcript]:
        """The rest of the turn that is being answered; no more of it comes."""
        late, self._late = self._late.strip(), ""
        return [Transcript(late, True, True, self._answered or 0.0)] if late else []
