"""The sound of one caller for recognition: keeps it, and lets the endpointer find turns in it. Sans-IO."""

from typing import Any

import numpy as np

from agent.hearing.levels import RATE, level
from agent.hearing.noise_floor import AUDIBLE
from agent.hearing.silero import Silero, SileroState
from agent.providers.local.endpoint import WINDOW, Endpointer, EndpointStep, Pauses
from agent.turn_taking.expect import Kind
from agent.ulaw import to_linear

KEPT = 45 * RATE
"""Samples that are kept: a piece of speech, and 20 s more for a recogniser that is late."""
TAIL = 4 * WINDOW
"""Samples after the end of speech that are recognised with it, because consonants fade below the level of speech."""
SOUNDED = 1.0
"""Seconds of sound without speech after which the model begins anew: after 4 s it takes a short word for noise."""
LED_BY = 8 * WINDOW
"""Samples before its new beginning that the voice model gets first."""
NUMBER_WORDS = ("number", "digit", "code", "reference")
"""Words of the agent's question that ask for digits, if the agent has not named the wanted answer."""
SILENCE = b"\xff"
"""Mu-law zero."""


class Listener:
    """The sound and the turns of one caller."""

    def __init__(self, silero: Silero, pauses: Pauses) -> None:
        self.turns = Endpointer(pauses)
        self.wanted = Kind.OPEN
        """Kind of answer that the caller was asked for."""
        self._silero = silero
        self._state = SileroState()
        self._kept = bytearray()
        self._first = 0
        """Position of the first kept sample."""
        self._judged = 0
        """Position up to which the sound was searched for speech."""
        self._sounded = 0
        """Samples of windows with sound since the last turn, or since the voice model began."""

    def hear(self, ulaw: bytes) -> list[EndpointStep]:
        """Take mu-law sound of any length."""
        self._kept += ulaw
        steps: list[EndpointStep] = []
        while self._judged + WINDOW <= self._first + len(self._kept):
            steps += self.turns.judge(self._judge())
        surplus = min(len(self._kept) - KEPT, self._judged - self._first)
        if surplus > 0:
            del self._kept[:surplus]
            self._first += surplus
        return steps

    def _judge(self) -> float:
        """The probability that the next window is speech."""
        at = self._judged - self._first
        window = bytes(self._kept[at : at + WINDOW])
        quiet = level(to_linear(window)) < AUDIBLE
        if quiet and self._sounded > SOUNDED * RATE:
            self._state, self._sounded = SileroState(), 0
            for before in range(max(0, at - LED_BY), at, WINDOW):
                self._silero.judge(self._state, floats(self._kept[before : before + WINDOW]))
        self._sounded = 0 if self.turns.speaking else self._sounded + (0 if quiet else WINDOW)
        self._judged += WINDOW
        return self._silero.judge(self._state, floats(window))

    def skip(self, samples: int) -> list[EndpointStep]:
        """Add silence for lost sound, so that positions stay correct."""
        return self.hear(SILENCE * samples)

    def expect(self, said: str, wanted: Kind = Kind.OPEN) -> None:
        """Take the agent's last sentence, and the kind of answer that it wants."""
        asked = wanted is Kind.OPEN and any(word in said.lower() for word in NUMBER_WORDS)
        self.wanted = Kind.DIGITS if asked else wanted

    def follow_voice(self, speaking: bool | None, ago: float) -> list[EndpointStep]:
        """See `agent.stt.SpeechToText.follow_voice`."""
        return self.turns.follow(speaking, self._first + len(self._kept) - round(ago * RATE))

    def cut(self, start: int, end: int) -> "np.ndarray[Any, Any]":
        """The kept sound from sample `start` to shortly after `end`."""
        return floats(self._kept[max(0, start - self._first) : max(0, end + TAIL - self._first)])


def floats(ulaw: bytes | bytearray) -> "np.ndarray[Any, Any]":
    """Mu-law samples as floats between -1 and 1."""
    return np.frombuffer(to_linear(bytes(ulaw)), "<i2").astype(np.float32) / 32768
