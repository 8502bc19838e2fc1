"""Recorded sentences, for calls in which no TTS works."""

import math
import struct
from functools import cache
from importlib.resources import files

from agent.ulaw import from_linear

WORDS = {
    "apology": "I am sorry, I have a technical problem. Please call again later. Goodbye.",
    "connecting": "I am sorry, I have a technical problem. One moment, please.",
    "moment": "One moment, please.",
}
"""The words of each recording, by its name."""


@cache
def recorded(name: str) -> bytes:
    """The sound of that name: mu-law, 8000 samples a second."""
    return (files("agent") / "sounds" / f"{name}.ulaw").read_bytes()


def moment(language: str) -> tuple[str, bytes]:
    """Words and sound that cover a wait; a sound without words if they are not recorded in `language`."""
    return (WORDS["moment"], recorded("moment")) if language == "en" else ("", _waiting())


@cache
def _waiting() -> bytes:
    """Two soft tones that rise and fall: the line is there."""
    silence = [0.0] * 1600
    samples = [*_tone(440.0), *silence, *_tone(523.25), *silence]
    return from_linear(struct.pack(f"<{len(samples)}h", *(round(2500 * one) for one in samples)))


def _tone(hz: float, samples: int = 2400) -> list[float]:
    return [math.sin(math.pi * at / samples) * math.sin(2 * math.pi * hz * at / 8000) for at in range(samples)]
