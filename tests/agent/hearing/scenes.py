"""Calls in which an agent speaks and a caller does something, heard by the detector in the pieces that it asks for.

Two halves, by the recording and the seed: "tune" is what constants were chosen on, "report" is what figures are of.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from agent.hearing.caller import CallerSound
from agent.hearing.changes import Change, Kind
from agent.hearing.levels import SILENT, SLOT
from agent.hearing.levels import level as slot_level
from tests.agent.hearing.mixing import ASTERISK, RATE, Sound, active, at_level, clip, echo, from_ulaw, noise, place, to_ulaw
from agent.hearing.levels import to_linear

HALVES = ("tune", "report")
AGENT, CALLER = -16.0, -20.0
"""Usual levels, dBm0."""
VOICES = ("en_US_f_Allison", "fr_CA_f_June", "es_MX_f_Allison")
QUIET = -62.0
"""Noise of a good line, dBm0."""


@cache
def clips(voice: str, half: str) -> tuple[tuple[Path, Sound], ...]:
    """All recordings of speech of a voice that belong to a half."""
    found = []
    for number, path in enumerate(sorted((ASTERISK / voice).rglob("*.wav"))):
        if number % 2 == HALVES.index(half) and not {"silence", "followme"} & set(path.parts) and "tone" not in path.name and "beep" not in path.name:
            found.append((path, clip(path)))
    return tuple(found)


def sentences(voice: str, half: str, least: float = 1.5, most: float = 12.0) -> list[Sound]:
    """Recordings that last so many seconds."""
    return [sound for _, sound in clips(voice, half) if least <= len(sound) / RATE <= most]


def words(voice: str, half: str, most: float = 0.5) -> list[Sound]:
    """Single words: letters, digits and the like."""
    return [sound for path, sound in clips(voice, half) if 0.15 <= len(sound) / RATE <= most and "conf" not in path.name]


def talk(rng: np.random.Generator, voice: str, half: str, seconds: float, dbm0: float) -> Sound:
    """Sentence after sentence, with pauses of 0.2 to 0.6 s."""
    among, parts, length = sentences(voice, half), [], 0
    while length < seconds * RATE:
        part = at_level(among[rng.integers(len(among))], dbm0 + rng.uniform(-2, 2))
        parts += [part, np.zeros(round(rng.uniform(0.2, 0.6) * RATE))]
        length += sum(map(len, parts[-2:]))
    return np.concatenate(parts)[: round(seconds * RATE)]


@dataclass
class Line:
    """Both directions of a call."""

    came: bytes
    sent: bytes = b""
    """Levels as `agent.line.Audio.played`."""
    moments: list[float] = field(default_factory=list)
    """When the caller begins to speak, in seconds."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.came) / RATE


def played(sound: Sound) -> bytes:
    """The levels that the media process would tell."""
    linear = to_linear(to_ulaw(sound))
    found = (slot_level(linear[at : at + 2 * SLOT]) for at in range(0, len(linear) - 2 * SLOT + 1, 2 * SLOT))
    return bytes(127 if one == SILENT else min(126, max(0, round(-one))) for one in found)


def line(seconds: float, rng: np.random.Generator, agent: Sound | None = None, *parts: Sound, room: float = QUIET) -> Line:
    """The caller's `parts` over the noise of their room."""
    length = round(seconds * RATE) // SLOT * SLOT
    came = noise(rng, length / RATE, room)
    for part in parts:
        came[: len(part)] += part[:length]
    sent = played(place(length, (0.0, agent))) if agent is not None else b""
    return Line(to_ulaw(came), sent)


@dataclass
class Heard:
    """A change, and when it was told."""

    told: float
    change: Change


def heard(subject: CallerSound, call: Line, *, clock: float = 0.0) -> list[Heard]:
    """All changes of a call."""
    at, piece, found = 0, 0.1, []
    while at < len(call.came):
        end = min(len(call.came), at + round(piece * RATE))
        now = clock + end / RATE
        found += [Heard(now, change) for change in subject.feed(call.came[at:end], now, call.sent[at // SLOT : end // SLOT])]
        piece = subject.wants() or piece
        at = end
    return found


def of(found: list[Heard], kind: Kind) -> list[Heard]:
    """Those of a kind."""
    return [one for one in found if one.change.kind is kind]
