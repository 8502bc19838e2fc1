# mypy: disable-error-code="comparison-overlap"
"""The parts of the detector by themselves: the echo of a line, its noise, the background, and what is written down."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from structlog.testing import capture_logs

from agent.floor import Listening
from agent.hearing.background import AT_ONCE, Background
from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind, SoundEvidence
from agent.hearing.echo_path import EVERY, KEPT, EchoPath, Path
from agent.hearing.levels import SILENT, SLOT, level, peak, to_linear
from agent.hearing.model_files import ModelError
from agent.hearing.noise_floor import LEAST, NoiseFloor
from agent.hearing.table import TABLE, Event, State
from agent.hearing.voice import BY_PITCH, ModelJudge, Pitch, load, make_judge
from tests.agent.hearing.lines import AGENT, CALLER, silero
from tests.agent.hearing.mixing import RATE, Sound, at_level, echo, levels, noise, to_ulaw, ulaw_clip

JFK = at_level(ulaw_clip("jfk.wav"), AGENT)


def follow(subject: EchoPath, sent: Sound, came: Sound) -> list[float]:
    """What is expected of the echo in each slot."""
    return [subject.take((max(SILENT, one),), (other,)) for one, other in zip(levels(sent), levels(came), strict=True)]


def room(seconds: float = len(JFK) / RATE) -> Sound:
    return noise(np.random.default_rng(5), seconds, -60.0)


@pytest.mark.parametrize("loss", [8.0, 15.0, 25.0, 32.0])
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.5])
def test_delay_and_loss_are_learned_in_two_seconds_of_the_agent_s_speech(delay: float, loss: float) -> None:
    subject, back = EchoPath(), echo(JFK, np.random.default_rng(2), delay, loss, room=0.3)
    follow(subject, JFK[: 4 * RATE], back[: 4 * RATE] + room(4.0))
    assert subject.path is Path.ECHO
    assert subject.loss == pytest.approx(loss, abs=2.5)
    assert subject._lag == pytest.approx(delay * 50, abs=1.6)


def test_the_prediction_is_above_what_comes_back_less_a_margin() -> None:
    subject, back = EchoPath(), echo(JFK, np.random.default_rng(2), 0.2, 18.0, room=0.4) + room()
    expected = follow(subject, JFK, back)[150:]
    over = [one for one, other in zip(levels(back)[150:], expected, strict=True) if one > max(-50.0, other + 6)]
    assert len(over) < 0.02 * len(expected)


@pytest.mark.parametrize("name", ["lv_0880.wav", "fsdd_jackson_4155550123.wav", "sr_english.wav"])
def test_a_caller_who_speaks_all_the_time_is_no_echo(name: str) -> None:
    subject, said = EchoPath(), np.resize(at_level(ulaw_clip(name), CALLER), len(JFK))
    follow(subject, JFK, said + room())
    assert subject.path is Path.CLEAN


def test_a_line_without_echo_is_clean_after_a_second() -> None:
    subject = EchoPath()
    assert subject.take((AGENT,), (-60.0,)) > SILENT, "not known yet: what is much weaker than the agent may be an echo"
    follow(subject, JFK[: 2 * RATE], room(2.0))
    assert subject.path is Path.CLEAN
    assert subject.take((AGENT,), (-60.0,)) < -60.0


def test_an_echo_that_has_gone_is_forgotten() -> None:
    subject = EchoPath()
    follow(subject, JFK, echo(JFK, np.random.default_rng(2), 0.2, 15.0) + room())
    assert subject.path is Path.ECHO
    follow(subject, JFK, room())
    assert subject.path is Path.CLEAN


def test_an_echo_is_not_forgotten_while_the_line_is_muted() -> None:
    subject, back = EchoPath(), echo(JFK, np.random.default_rng(2), 0.2, 15.0) + room()
    follow(subject, JFK, back)
    subject.mute(on=True)
    for sent in levels(JFK):
        subject.take((max(SILENT, sent),), (SILENT,))
    assert subject.path is Path.ECHO
    subject.mute(on=False)
    loss = subject.loss
    follow(subject, JFK[: 2 * RATE], back[: 2 * RATE])
    assert subject.path is Path.ECHO
    assert subject.loss == pytest.approx(loss, abs=1.0)
    follow(subject, JFK, room())
    assert subject.path is Path.CLEAN, "one that has gone is forgotten then"


def test_nothing_is_known_of_a_line_that_was_muted_all_the_time() -> None:
    subject = EchoPath()
    subject.mute(on=True)
    for sent in levels(JFK):
        subject.take((max(SILENT, sent),), (SILENT,))
    assert subject.path is Path.UNKNOWN


def test_an_echo_changes_with_the_volume_of_a_loudspeaker() -> None:
    subject = EchoPath()
    for loss in (25.0, 12.0):
        follow(subject, JFK, echo(JFK, np.random.default_rng(2), 0.2, loss) + room())
        assert subject.loss == pytest.approx(loss, abs=2.5)


@pytest.mark.parametrize("slots", [3 * KEPT, 4 * KEPT - 1])
def test_what_comes_at_once_after_a_gap_tells_the_same_however_long_it_is(slots: int) -> None:
    sent, one, other = [max(SILENT, level) for level in levels(JFK)][:slots], EchoPath(), EchoPath()
    back = [SILENT] * 10 + [level - 15 for level in sent[:-10]]
    at_once = one.take(sent, back)
    last = [other.take((level,), (came,)) for level, came in zip(sent, back, strict=True)][-1]
    assert at_once == pytest.approx(last, abs=2.0)
    assert one.path is other.path is Path.ECHO


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_several_slots_at_a_time_tell_the_same(delay: float) -> None:
    back = levels(echo(JFK, np.random.default_rng(2), delay, 15.0) + room())
    sent, one, other = [max(SILENT, level) for level in levels(JFK)], EchoPath(), EchoPath()
    for at in range(0, len(sent) - 5, 5):
        last = [one.take((sent[number],), (back[number],)) for number in range(at, at + 5)][-1]
        several = other.take(sent[at : at + 5], back[at : at + 5])  # type: ignore[arg-type]
        assert at < len(sent) // 2 or several == pytest.approx(last, abs=2.0), "once both know the echo"
    assert one.path is other.path is Path.ECHO
    assert one.loss == pytest.approx(other.loss, abs=1.0)


def test_nothing_is_learned_while_the_agent_is_silent() -> None:
    subject = EchoPath()
    for _ in range(20 * EVERY):
        assert subject.take((SILENT,), (-20.0,)) == SILENT
    assert subject.path is Path.UNKNOWN
    assert subject.over


def test_the_noise_floor_falls_at_once_and_rises_slowly() -> None:
    subject = NoiseFloor()
    assert subject.gate == -38.0, "the floor of a quiet line, whatever comes first"
    subject.follow(-30.0, 500)
    assert subject.gate == pytest.approx(-20.0)
    subject.follow(-60.0, 5)
    low = subject.gate
    assert low == -38.0
    subject.follow(-30.0)
    assert subject.gate < -35.0


def take(subject: NoiseFloor, level: float, most: float) -> None:
    """A slot of a sound."""
    if subject.sound(level):
        subject.learn(most)


def test_speech_does_not_raise_the_noise_floor_and_a_noise_does_within_two_seconds() -> None:
    speech, steady = NoiseFloor(), NoiseFloor()
    for subject in (speech, steady):
        subject.follow(-60.0)
    for one in levels(np.resize(at_level(ulaw_clip("lv_0880.wav"), CALLER), 10 * RATE) + room(10.0)):
        take(speech, one, 0.0)
    for _ in range(100):
        take(steady, -25.0, 0.0)
    assert speech.gate < -30.0
    assert steady.gate == -15.0
    for _ in range(100):
        take(speech, -10.0, -22.0)
    assert speech.gate == -22.0, "a voice is not cut off by what is taken for its noise"


def test_the_first_sound_of_a_line_is_its_noise_once_the_model_has_said_that_it_is_no_voice() -> None:
    subject = NoiseFloor()
    subject.sound(-30.0)
    subject.sound(-28.0)
    assert subject.gate == -38.0
    subject.refused()
    assert subject.gate == -20.0
    subject.follow(LEAST, 5)
    subject.sound(-30.0)
    subject.refused()
    assert subject.gate == -38.0, "a cough on a line whose silence was heard"


def test_a_voice_is_the_caller_s_by_its_level() -> None:
    subject = Background()
    assert subject.least(0.2, agent_speaks=True) is None
    subject.confirmed(-20.0)
    at_once, later = (subject.least(seconds, agent_speaks=True) for seconds in (AT_ONCE, 1.0))
    assert at_once == -24.0
    assert later == -27.0
    assert subject.least(1.0, agent_speaks=False) == -29.0


def test_a_cough_s_length_of_voice_without_words_is_no_background_but_a_long_one_is() -> None:
    subject = Background()
    subject.refused(-30.0, 0.4)
    assert subject.least(0.2, agent_speaks=True) is None
    subject.refused(-30.0, 1.2)
    assert subject.least(AT_ONCE, agent_speaks=True) == -23.0
    subject.confirmed(-28.0)
    assert subject.least(AT_ONCE, agent_speaks=True) == -32.0, "it was the caller"


def test_murmurs_at_the_caller_s_own_level_are_never_a_background() -> None:
    subject = Background()
    subject.confirmed(-20.0)
    before = subject.least(AT_ONCE, agent_speaks=True)
    for _ in range(5):
        subject.refused(-21.0, 0.4)
    assert subject.least(AT_ONCE, agent_speaks=True) == before


def test_the_evidence_is_a_sentence_for_the_page_of_a_call() -> None:
    assert str(SoundEvidence(0.93, 0.18, -20.0)) == "voice 0.93 for 180 ms"
    assert str(SoundEvidence(0.93, 0.18, -20.0, return_loss=31.2)) == "voice 0.93 for 180 ms, echo \N{MINUS SIGN}31 dB"
    echoes = SoundEvidence(0.93, 0.18, -20.0, return_loss=31.2, margin=14.4)
    assert str(echoes) == "voice 0.93 for 180 ms, echo \N{MINUS SIGN}31 dB, +14 dB above it"
    assert str(SoundEvidence(0.4, 1.0, -33.0, background=True)) == "voice 0.40 for 1000 ms, background"


def test_every_state_is_left_and_every_event_happens() -> None:
    assert {state for state, _ in TABLE} == set(State)
    assert {event for _, event in TABLE} == set(Event)
    assert all(state is not after for (state, _), (after, _) in TABLE.items())


def test_levels_are_those_of_the_telephone_network() -> None:
    """A sine of 3.14 dBm0 is as loud as G.711 can make one (ITU-T G.711, table 5)."""
    time = np.arange(RATE) / RATE
    sine = (32124 * np.sin(2 * np.pi * 1000 * time)).astype("<i2").tobytes()
    assert level(sine) == pytest.approx(3.14, abs=0.02)
    assert level(to_linear(b"\xff" * 160)) == SILENT
    assert peak(sine) > level(sine)


def test_the_model_is_loaded_once_and_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    if load() is not None:
        one, other = make_judge(), make_judge()
        assert isinstance(one, ModelJudge)
        assert isinstance(other, ModelJudge)
        assert one._model is other._model
    load.cache_clear()
    try:
        monkeypatch.setattr("agent.hearing.voice.find_spec", lambda name: None)
        assert isinstance(make_judge(), Pitch)
    finally:
        load.cache_clear()


def unreadable() -> None:
    raise ModelError("not the model that was measured")


def unloadable() -> None:
    raise RuntimeError("the session was refused")


@pytest.mark.parametrize(
    "module",
    [None, SimpleNamespace(), SimpleNamespace(Silero=unreadable), SimpleNamespace(Silero=unloadable)],
    ids=["no module", "another module", "another file", "no session"],
)
def test_a_model_that_cannot_be_loaded_is_left_out_and_that_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    load.cache_clear()
    try:
        monkeypatch.setattr("agent.hearing.voice.find_spec", lambda name: name)
        monkeypatch.setitem(sys.modules, "agent.hearing.silero", module)
        with capture_logs() as logs:
            assert isinstance(make_judge(), Pitch)
            assert isinstance(make_judge(), Pitch)
    finally:
        load.cache_clear()
    assert [one["event"] for one in logs] == [BY_PITCH]


def test_the_sounds_of_two_lines_do_not_mix_in_the_model_that_they_share() -> None:
    model = silero()
    lines = [to_linear(to_ulaw(sound)) for sound in (JFK[: 2 * RATE], room(2.0))]
    apart, together = [], [list[float](), list[float]()]
    for line in lines:
        state = model.fresh()
        apart.append([model.judge_linear(state, window) for window in windows(line)])
    states = [model.fresh(), model.fresh()]
    for both in zip(*map(windows, lines), strict=True):
        for state, window, found in zip(states, both, together, strict=True):
            found.append(model.judge_linear(state, window))
    assert together == apart
    assert max(apart[0]) > 0.9


def windows(linear: bytes) -> list[bytes]:
    return [linear[at : at + 512] for at in range(0, len(linear) - 511, 512)]


class Failing:
    """A model that is sure of a voice until it fails."""

    window = 256

    def __init__(self, times: int) -> None:
        self._times = times

    def fresh(self) -> None:
        """It remembers nothing."""

    def judge_linear(self, _state: None, _window: bytes) -> float:
        self._times -= 1
        if self._times < 0:
            raise RuntimeError("out of memory")
        return 1.0


@pytest.mark.parametrize("times", [0, 5, 15])
def test_a_model_that_fails_in_a_call_is_replaced_by_the_pitch(times: int) -> None:
    subject = CallerSound(ModelJudge(Failing(times)))  # type: ignore[arg-type]
    gap = np.zeros(RATE)
    sound = to_ulaw(np.concatenate([gap, JFK[: 2 * RATE], gap, JFK[2 * RATE : 4 * RATE], gap]))
    with capture_logs() as logs:
        told = [
            change.kind
            for start in range(0, len(sound), SLOT)
            for change in subject.feed(sound[start : start + SLOT], start / RATE)
        ]
    assert [one["event"] for one in logs] == [BY_PITCH]
    assert told.count(Kind.VOICE_STARTED) >= 2
    assert subject.state is State.QUIET


def test_the_line_is_asked_for_other_pieces_as_soon_as_they_need_not_be_even_any_more() -> None:
    """Another provider of speech to speech takes over: the pieces of 20 ms would last until the caller's next sound."""
    subject, quiet = Listening(), b"\xff" * 800
    subject.hear(quiet, 1.0)
    assert subject.wants() == (0.1, -39)
    subject.even = True
    assert subject.wants() == (0.02, None)
    subject.hear(b"\x10\x90" * 400, 1.1)
    assert subject.wants() is None, "it has been asked for these already"
    subject.hear(quiet * 3, 1.4)
    assert subject.voice.wants() == (0.1, -39)
    subject.even = False
    assert subject.wants() == (0.1, -39)
    assert subject.wants() is None
