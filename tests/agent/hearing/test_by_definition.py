"""What is computed in few steps equals its definition, bit for bit, whatever comes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hearing import background, echo_path
from agent.hearing.background import Background
from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.echo_path import EchoPath
from agent.hearing.levels import SILENT, SIZE, SLOT, to_linear
from agent.hearing.table import State
from agent.hearing.voice import BEFORE, ModelJudge, VoiceJudge
from tests.agent.hearing.lines import JUDGES
from tests.agent.hearing.mixing import RATE, to_ulaw, ulaw_clip

LEVELS = st.integers(-127, 0)


class Noting:
    """Judges nothing to be a voice, and keeps what came before each sound."""

    late = 0

    def __init__(self) -> None:
        self.before: list[bytes] = []

    def begin(self, before: bytes) -> None:
        self.before.append(before)

    def judge(self, slot: bytes) -> float:
        return 0.0

    def pass_over(self, slot: bytes) -> None:
        """See `VoiceJudge.pass_over`."""


@given(st.lists(st.tuples(st.sampled_from([80, 160, 250, 320, 800, 4000]), st.booleans()), max_size=40), st.integers())
def test_the_judge_gets_the_quarter_second_of_whole_slots_before_a_sound(
    pieces: list[tuple[int, bool]], seed: int
) -> None:
    judge, chance, sound, at = Noting(), np.random.default_rng(abs(seed)), b"", 0.0
    subject = CallerSound(judge)  # type: ignore[arg-type]
    for size, loud in pieces:
        piece = chance.integers(0, 255, size, np.uint8).tobytes() if loud else b"\xff\x7e" * (size // 2)
        begun, before = len(judge.before), sound
        sound, at = sound + piece, at + size / 8000
        subject.feed(piece, at)
        ends = [at for at in range(0, len(sound) + 1, SLOT) if at >= len(before) - SLOT]
        expected = [to_linear(sound[:end])[-BEFORE:] for end in ends]
        assert all(given in expected for given in judge.before[begun:])


@given(st.lists(st.lists(LEVELS, min_size=1, max_size=8), max_size=30))
def test_the_agent_is_silent_for_the_slots_since_the_last_loud_one(pieces: list[list[int]]) -> None:
    path, sent = EchoPath(), [SILENT] * echo_path.LAGS
    for piece in pieces:
        path.take(piece, [SILENT] * len(piece))
        sent += piece
        loud = [number for number, level in enumerate(sent, 1) if level > echo_path.HEARD]
        silent = len(sent) - (loud[-1] if loud else 0)
        assert path.silent == silent


@given(
    st.lists(st.tuples(st.booleans(), st.floats(-60, 0), st.floats(0, 3)), max_size=8), st.floats(0, 2), st.booleans()
)
def test_a_voice_of_the_caller_is_above_the_higher_bound(
    heard: list[tuple[bool, float, float]], seconds: float, agent_speaks: bool
) -> None:
    subject = Background()
    for answered, level, long in heard:
        if answered:
            subject.confirmed(level)
        else:
            subject.refused(level, long)
    below = background.BELOW_USUAL if agent_speaks else background.IN_SILENCE
    usual, steady = subject._usual, subject._steady
    bounds = [] if usual is None else [usual - below]
    bounds += [] if steady is None else [steady + background.ABOVE_STEADY]
    span = background.IN_DOUBT - background.AT_ONCE
    doubt = background.DOUBT * min(1.0, max(0.0, (seconds - background.AT_ONCE) / span))
    assert subject.least(seconds, agent_speaks=agent_speaks) == (max(bounds) - doubt if bounds else None)


@pytest.mark.parametrize("make", JUDGES)
def test_slots_that_are_passed_over_change_nothing_in_those_that_are_judged(make: Callable[[], VoiceJudge]) -> None:
    linear = to_linear(to_ulaw(ulaw_clip("jfk.wav")[: 4 * RATE]))
    slots, all_judged, some = [linear[at : at + SIZE] for at in range(0, len(linear), SIZE)], make(), make()
    for judge in (all_judged, some):
        judge.begin(linear[:BEFORE])
    for number, slot in enumerate(slots):
        expected = all_judged.judge(slot)
        if number % 7 in {0, 3}:
            assert some.judge(slot) == expected
        else:
            some.pass_over(slot)


def test_the_model_does_not_run_for_the_quiet_after_a_sound() -> None:
    model = Counting()
    subject = CallerSound(ModelJudge(model))  # type: ignore[arg-type]
    for number in range(4):
        subject.feed(b"\x20\xa0" * 80, number * 0.02)
    assert subject.state is State.SOUND
    loud = model.windows
    changes = [change for number in range(4, 30) for change in subject.feed(b"\xff" * SLOT, number * 0.02)]
    assert [change.kind for change in changes] == [Kind.NOISE]
    assert model.windows == loud > 0


class Counting:
    """A model to which nothing is a voice."""

    window = 256

    def __init__(self) -> None:
        self.windows = 0

    def fresh(self) -> None:
        """It remembers nothing."""

    def judge_linear(self, _state: None, _window: bytes) -> float:
        self.windows += 1
        return 0.0
