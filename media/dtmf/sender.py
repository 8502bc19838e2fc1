"""Keys that we press, as RFC 4733 telephone events or, if none were agreed, as tones (ITU-T Q.23). Sans-IO."""

from collections import deque
from enum import Enum
from functools import cache
from math import ceil
from typing import NamedTuple

from media.dtmf.events import KEYS
from media.fast import base
from media.g711 import FRAME, FRAME_SECONDS, RATE, from_linear

TONE, PAUSE = 0.100, 0.100
"""Seconds that a key sounds, and seconds of quiet after it, unless asked otherwise."""
SHORTEST, LONGEST = 0.040, 6.0
"""Shortest and longest seconds of a key (Q.24: every receiver detects 40 ms); RFC 4733 can count up to 8.19 s."""
SHORTEST_PAUSE = 0.060
"""Shortest pause after a key in seconds: it has room for the three end packets."""
WAITING = 64
"""The most keys that may wait; any more are refused."""
ENDS = 3
"""Times that the end of an event is sent (RFC 4733 §2.5.1.4), 20 ms apart so that a burst of loss does not take all."""
VOLUME = 10
"""Power level of the tone that an event stands for, in -dBm0."""
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
"""Frequencies of the rows and the columns of the keypad in Hz (Q.23)."""
PAD = ("123A", "456B", "789C", "*0#D")


class Stage(Enum):
    """The part of a key that a slot carries."""

    TONE = "tone"
    END = "end"
    GAP = "gap"


class KeySlot(NamedTuple):
    """One 20 ms slot of a key; it takes the place of the sound."""

    key: str
    stage: Stage
    number: int
    """Number of the slot within the key, from 0."""
    started: int
    """Timestamp of the first slot: that of all packets of the event (RFC 4733 §2.1)."""
    duration: int
    """Timestamp units for which the key has sounded, this slot included."""

    def payload(self) -> bytes:
        """The telephone event (RFC 4733 §2.3)."""
        end = 0x80 if self.stage is Stage.END else 0
        return bytes((KEYS.index(self.key), end | VOLUME)) + self.duration.to_bytes(2, "big")

    def sound(self) -> bytes:
        """The tone itself, mu-law, for a remote side that does not accept events."""
        at = self.number * FRAME % RATE
        return tone(self.key)[at : at + FRAME]


class _Press(NamedTuple):
    key: str
    tone: int
    slots: int


class DigitSender(base.DigitSender):
    """The keys of one call that wait or sound. Time is counted in slots of 20 ms."""

    __slots__ = ("_duration", "_press", "_slot", "_started", "_waiting")

    def __init__(self) -> None:
        self.active = False
        """Whether the next slot belongs to a key."""
        self._waiting: deque[_Press] = deque()
        self._press: _Press | None = None
        self._slot = 0
        self._started = self._duration = 0

    def send(self, keys: str, tone: float, pause: float) -> None:
        """Press `keys`, each for `tone` seconds with `pause` seconds after it; keys beyond `WAITING` are dropped."""
        sounding, quiet = (ceil(seconds / FRAME_SECONDS - 1e-6) for seconds in (tone, pause))
        for key in keys[: WAITING - len(self._waiting)]:
            self._waiting.append(_Press(key, sounding, sounding + quiet))
            self.active = True

    def take(self, timestamp: int) -> KeySlot:
        """The slot with this `timestamp`; only to be called while `active`."""
        if self._press is None:
            self._press = self._waiting.popleft()
            self._slot, self._started = 0, timestamp
        press, slot = self._press, self._slot
        self._slot += 1
        if self._slot == press.slots:
            self._press, self.active = None, bool(self._waiting)
        stage = Stage.TONE if slot < press.tone else Stage.END if slot < press.tone + ENDS else Stage.GAP
        if stage is Stage.TONE:  # by the clock, which may have skipped slots
            self._duration = min(timestamp - self._started + FRAME, 0xFFFF)
        return KeySlot(press.key, stage, slot, self._started, self._duration)


def check(keys: str, tone: float, pause: float) -> None:
    """Raises `ValueError` for characters that are not keys, for too many keys, and for times out of bounds."""
    wrong = sorted(set(keys) - set(KEYS))
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a key; keys are {KEYS}")
    if len(keys) > WAITING:
        raise ValueError(f"{len(keys)} keys at once; at most {WAITING}")
    if not SHORTEST <= tone <= LONGEST or not SHORTEST_PAUSE <= pause <= LONGEST:
        raise ValueError(f"a key sounds for {SHORTEST} to {LONGEST} s, with {SHORTEST_PAUSE} to {LONGEST} s after it")


@cache
def tone(key: str) -> bytes:
    """One second of a key, mu-law, -9 and -7 dBm0; it repeats without a seam, for its frequencies are whole numbers."""
    import numpy as np  # here, so that reading the configuration does not load it

    row = next(at for at, keys in enumerate(PAD) if key in keys)
    times = np.arange(RATE) / RATE
    # Full scale of G.711 is a sine of +3.14 dBm0 and 32124 (ITU-T G.711, table 5).
    low, high = (32124 * 10 ** ((level - 3.14) / 20) for level in (-9.0, -7.0))
    wave = low * np.sin(2 * np.pi * LOW[row] * times) + high * np.sin(2 * np.pi * HIGH[PAD[row].index(key)] * times)
    return from_linear(wave.astype("<i2").tobytes())
