"""Hold music from a WAV file of the operator. Without a file: `sipgw.agents.default_music`."""

from functools import cache
from pathlib import Path

from media.g711 import RATE
from sipgw.records.artifacts.wav import WavError, read_ulaw

MOST = 130
"""Seconds of a file of one's own."""


@cache
def hold_music(path: str) -> bytes:
    """Mu-law sound of a file, to be played in a loop; empty for none. Raises `ValueError` for one of another kind."""
    if not path:
        return b""
    try:
        found = read_ulaw(Path(path))
    except (OSError, WavError) as error:
        raise ValueError(f"music: {error}") from None
    if not RATE <= len(found) <= MOST * RATE:
        raise ValueError(f"music: {path} must be from 1 to {MOST} s long")
    return found
