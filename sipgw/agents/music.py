"""Sounds in a loop from WAV files: ambience, and hold music."""

from functools import cache
from pathlib import Path

from agent.rules.rule_error import Keys, RuleError
from media.g711 import RATE, amplified, level
from media.session.sent_levels import RMS_0_DBM0
from sipgw.config.agent import AgentOptions
from sipgw.records.artifacts.wav import WavError, read_ulaw

MOST = 130
"""Longest file of music or ambience in seconds."""
HOLD_MUSIC = Path(__file__).with_name("hold_music.wav")
"""The default hold music, which `sipgw.agents.default_music` has written."""


@cache
def hold_music(path: str) -> bytes:
    """Mu-law sound of a file, to be played in a loop; the default without a path. Raises `RuleError`."""
    return _loop(("transfer", "music"), path or str(HOLD_MUSIC))


def sounds_under(options: AgentOptions) -> tuple[bytes, bytes, float]:
    """The ambience, the sound while the agent thinks, and the seconds before the latter; both at their final loudness.

    Raises `RuleError`.
    """
    ambience = _at_level(("agent", "ambience"), options.ambience, options.ambience_level)
    thinking = _at_level(("agent", "thinking_sound"), options.thinking_sound, options.ambience_level)
    return ambience, thinking, options.thinking_after


@cache
def _at_level(key: Keys, path: str, dbm0: float) -> bytes:
    if not path:
        return b""
    found = _loop(key, path)
    if not level(found):
        raise RuleError(f"{path} is silent", key)
    return amplified(found, RMS_0_DBM0 * 10 ** (dbm0 / 20) / level(found))


def _loop(key: Keys, path: str) -> bytes:
    try:
        found = read_ulaw(Path(path))
    except OSError as error:
        raise RuleError(f"{path}: {error.strerror}", key) from None
    except WavError as error:
        raise RuleError(str(error), key) from None
    if not RATE <= len(found) <= MOST * RATE:
        raise RuleError(f"{path} must be from 1 to {MOST} s long", key)
    return found
