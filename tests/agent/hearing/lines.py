"""Both directions of a call, heard by the detector in the pieces that it asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from agent.hearing.caller import CallerSound, Pieces
from agent.hearing.changes import Change, Kind
from agent.hearing.levels import SILENT, SLOT, level, to_linear
from agent.hearing.voice import ModelJudge, Pitch, VoiceJudge, load
from tests.agent.hearing.mixing import RATE, Sound, noise, place, to_ulaw

if TYPE_CHECKING:
    from agent.hearing.silero import Silero

AGENT, CALLER = -16.0, -20.0
"""Usual levels, dBm0."""
QUIET = -62.0
"""Noise of a good line, dBm0."""


@dataclass
class Line:
    """What comes of the caller, and how loud the sound was that was sent meanwhile."""

    came: bytes
    sent: bytes = b""
    """Levels as `agent.line.Audio.played`."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.came) / RATE


class Told(NamedTuple):
    """A change, and when it was told."""

    at: float
    change: Change


def played(sound: Sound) -> bytes:
    """The levels that the media process would tell."""
    linear = to_linear(to_ulaw(sound))
    found = (level(linear[at : at + 2 * SLOT]) for at in range(0, len(linear) - 2 * SLOT + 1, 2 * SLOT))
    return bytes(127 if one == SILENT else min(126, max(0, round(-one))) for one in found)


def line(
    seconds: float, rng: np.random.Generator, agent: Sound | None = None, *parts: Sound, room: float = QUIET
) -> Line:
    """A call in which `parts` come over the noise of the caller's room while the agent speaks."""
    length = round(seconds * RATE) // SLOT * SLOT
    came = noise(rng, length / RATE, room)
    for part in parts:
        came[: len(part)] += part[:length]
    return Line(to_ulaw(came), played(place(length, (0.0, agent))) if agent is not None else b"")


def heard(subject: CallerSound, call: Line, *, clock: float = 0.0, alarm: float | None = None) -> list[Told]:
    """All changes of a call. A voice that started is said to have had no words so many seconds later: `alarm`."""
    at, pieces, found, due = 0, Pieces(0.1), list[Told](), None
    while at < len(call.came):
        end = _end_of_piece(call.came, at, pieces)
        now = clock + end / RATE
        for change in subject.feed(call.came[at:end], now, call.sent[at // SLOT : end // SLOT]):
            found.append(Told(now, change))
            if change.kind is Kind.VOICE_STARTED and alarm is not None:
                due = due or now + alarm
        if due is not None and now >= due:
            subject.false_alarm()
            due = None
        pieces = subject.wants()
        at = end
    return found


def _end_of_piece(came: bytes, at: int, pieces: Pieces) -> int:
    """Where the piece of sound that begins at `at` ends on a line that has such an order."""
    end = min(len(came), at + round(pieces.seconds * RATE))
    if (alert := pieces.alert) is None:
        return end
    loud = (after for after in range(at + SLOT, end, SLOT) if level(to_linear(came[after - SLOT : after])) > alert)
    return next(loud, end)


def of(found: list[Told], kind: Kind) -> list[Told]:
    """Those of a kind."""
    return [one for one in found if one.change.kind is kind]


def kinds(found: list[Told]) -> list[Kind]:
    """What has changed, in order."""
    return [one.change.kind for one in found]


def silero() -> "Silero":
    """The voice model; the test is left out without it."""
    loaded = load()
    if loaded is None:
        pytest.skip("the extra 'local' is not installed")
    return loaded


def model() -> VoiceJudge:
    """A judge that asks it."""
    return ModelJudge(silero())


JUDGES = [pytest.param(model, id="by the model"), pytest.param(Pitch, id="by pitch")]
