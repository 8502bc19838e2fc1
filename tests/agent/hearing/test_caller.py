"""What is taken for the caller's voice: recorded speech over G.711, with noises, echo and a television."""

from collections.abc import Callable

import numpy as np
import pytest

from agent.hearing.caller import LONGEST, SHORTEST, SOONEST, CallerSound
from agent.hearing.changes import CERTAIN, Kind
from agent.hearing.echo_path import Path
from agent.hearing.table import State
from agent.hearing.voice import Pitch, VoiceJudge
from media.process.wire import CHUNK, chunk
from tests.agent.hearing.lines import AGENT, CALLER, JUDGES, QUIET, Line, heard, kinds, line, model, of
from tests.agent.hearing.mixing import NOISES, RATE, Sound, at_level, echo, noise, place, to_ulaw, ulaw_clip

START, END = Kind.VOICE_STARTED, Kind.VOICE_ENDED
JUDGE = Callable[[], VoiceJudge]
SENTENCES = ("lv_0880.wav", "lv_0930.wav", "goforward.wav", "something.wav")


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def reply(seconds: float = 11.0) -> Sound:
    """What the agent says."""
    return at_level(np.resize(ulaw_clip("jfk.wav"), round(seconds * RATE)), AGENT)


def word() -> Sound:
    """A digit."""
    return at_level(ulaw_clip("fsdd_theo_7346.wav")[: round(0.36 * RATE)], CALLER)


def over(agent: Sound, *parts: tuple[float, Sound], back: Sound | None = None, room: float = QUIET) -> Line:
    """A call in which the caller makes sounds so many seconds after the agent began, over what comes `back`."""
    caller = place(len(agent), *parts)
    return line(len(agent) / RATE, rng(), agent, caller if back is None else caller + back, room=room)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("room", [QUIET, -42.0])
def test_a_caller_who_speaks_over_the_agent_is_noticed_soon(judge: JUDGE, name: str, room: float) -> None:
    said = at_level(ulaw_clip(name), CALLER)
    subject = CallerSound(judge())
    told = of(heard(subject, over(reply(), (4.0, said), room=room)), START)
    assert told
    assert 4.0 < told[0].at <= 4.5
    assert told[0].change.at == pytest.approx(4.0, abs=0.2)
    evidence = told[0].change.evidence
    assert evidence.seconds >= (SOONEST if evidence.voice >= CERTAIN else SHORTEST)
    assert evidence.return_loss is None
    assert subject.path is Path.CLEAN


class Judging:
    """A judge that gives these probabilities, one a slot, and the last one from then on."""

    late = 0
    graded = True

    def __init__(self, *probabilities: float) -> None:
        self._probabilities = probabilities
        self.slots = 0

    def begin(self, before: bytes) -> None:
        """See `VoiceJudge.begin`."""

    def judge(self, slot: bytes) -> float:
        self.slots += 1
        return self._probabilities[min(self.slots, len(self._probabilities)) - 1]

    def pass_over(self, slot: bytes) -> None:
        self.slots += 1


@pytest.mark.parametrize(("probability", "alarms", "back", "least"), [
    (0.97, 0, False, SOONEST), (0.7, 0, False, SHORTEST), (0.97, 1, False, LONGEST), (0.97, 0, True, SHORTEST),
])  # fmt: skip
def test_a_certain_voice_needs_less_on_a_line_without_echo_and_without_false_alarms(
    probability: float, alarms: int, back: bool, least: float
) -> None:
    said, agent = at_level(ulaw_clip("lv_0880.wav"), CALLER), reply()
    subject = CallerSound(Judging(probability))
    for _ in range(alarms):
        subject.false_alarm()
    comes_back = echo(agent, rng(), 0.15, 20.0) if back else None
    (told, *_) = of(heard(subject, over(agent, (4.0, said), back=comes_back)), START)
    assert told.change.evidence.needed == pytest.approx(least)
    assert least <= told.change.evidence.seconds <= least + 0.02


@pytest.mark.parametrize("speaks", [False, True])
def test_a_voice_that_becomes_clearer_is_told_to_be_certain_once(speaks: bool) -> None:
    said = at_level(ulaw_clip("jfk.wav")[: 4 * RATE], CALLER)
    judge = Judging(*[0.6] * 8, 0.97)
    changes = heard(CallerSound(judge), line(6.0, rng(), reply(6.0) if speaks else None, place(6 * RATE, (1.0, said))))
    assert kinds(changes)[:2] == [START, Kind.VOICE_CERTAIN]
    assert kinds(changes).count(Kind.VOICE_CERTAIN) == 1
    started, certain = (one.change for one in changes[:2])
    assert started.evidence.voice < CERTAIN <= certain.evidence.voice
    assert certain.at - started.at < 1.0


@pytest.mark.parametrize("probability", [0.6, 0.9])
def test_of_a_voice_that_is_certain_or_stays_doubtful_nothing_more_is_told(probability: float) -> None:
    said = at_level(np.resize(ulaw_clip("jfk.wav")[RATE // 2 : RATE], 20 * RATE), CALLER)
    judge = Judging(probability)
    changes = heard(CallerSound(judge), line(24.0, rng(), None, place(24 * RATE, (1.0, said))))
    assert Kind.VOICE_CERTAIN not in kinds(changes)
    assert START in kinds(changes)
    assert judge.slots < 4.0 * 50, "it is not asked for longer than that"


@pytest.mark.parametrize("judge", JUDGES)
def test_the_end_is_told_with_the_moment_of_the_last_sound(judge: JUDGE) -> None:
    said = at_level(ulaw_clip("cards_001.wav"), CALLER)
    changes = heard(CallerSound(judge()), line(6.0, rng(), None, place(6 * RATE, (2.0, said))))
    assert kinds(changes) == [START, END]
    assert changes[1].change.at == pytest.approx(2.0 + len(said) / RATE, abs=0.15)
    assert changes[1].at <= changes[1].change.at + 0.36


@pytest.mark.parametrize("speaks", [False, True])
@pytest.mark.parametrize("name", NOISES)
def test_a_noise_is_no_voice(name: str, speaks: bool) -> None:
    chance = rng()
    noises = [(at, NOISES[name](chance, chance.uniform(-26, -12))) for at in (2.0, 4.5, 7.0)]
    call = line(10.0, rng(), reply(10.0) if speaks else None, place(10 * RATE, *noises))
    changes = heard(CallerSound(model()), call)
    assert set(kinds(changes)) <= {Kind.NOISE}
    assert name == "click" or len(changes) >= 3


def test_without_a_model_clicks_and_breath_are_no_voice_either() -> None:
    chance = rng()
    for name in ("click", "breath", "rustle"):
        noises = [(at, NOISES[name](chance, chance.uniform(-26, -12))) for at in (2.0, 4.5, 7.0)]
        assert not of(heard(CallerSound(Pitch()), over(reply(10.0), *noises)), START)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_word_is_the_caller_s_while_the_agent_is_silent(judge: JUDGE) -> None:
    changes = heard(CallerSound(judge()), line(4.0, rng(), None, place(4 * RATE, (2.0, word()))))
    assert kinds(changes) == [START, END]
    assert changes[0].at < 2.3


def test_a_word_does_not_stop_the_agent_where_it_has_done_so_before_for_nothing() -> None:
    subject, agent = CallerSound(model()), reply()
    call = over(agent, (3.0, word()), (6.0, word()))
    assert kinds(heard(subject, call)) == [START, END, START, END]
    subject.false_alarm()
    assert kinds(heard(subject, call, clock=20.0)) == [Kind.SHORT_VOICE] * 2
    said = at_level(ulaw_clip("lv_0880.wav"), CALLER)
    (told, *_) = of(heard(subject, over(agent, (3.0, said)), clock=40.0), START)
    assert told.at <= 43.7
    assert told.change.evidence.needed == pytest.approx(LONGEST)
    for _ in range(5):
        subject.confirmed()
    assert of(heard(subject, call, clock=60.0), START)[0].change.evidence.needed <= SHORTEST


def test_a_voice_that_was_answered_stays_the_caller_s_although_it_stops_the_reply_without_words() -> None:
    """The recogniser ended the turn too soon, and tells the rest of the words late."""
    subject, said = CallerSound(model()), at_level(ulaw_clip("lv_0930.wav"), CALLER)
    call = line(8.0, rng(), None, place(8 * RATE, (1.0, said)))
    heard(subject, Line(call.came[: 2 * RATE], b""))
    subject.confirmed()
    heard(subject, Line(call.came[2 * RATE : 3 * RATE], b""), clock=2.0)
    subject.false_alarm()
    (ended,) = heard(subject, Line(call.came[3 * RATE :], b""), clock=3.0)
    assert (ended.change.kind, ended.change.evidence.background) == (END, False)
    assert ended.change.at > 3.5, "not when the reply went on"
    assert kinds(heard(subject, call, clock=20.0)) == [START, END], "nobody takes the caller for a background"


@pytest.mark.parametrize("after", [-0.2, 0.0, 0.1, 0.4])
def test_a_quick_answer_around_the_agent_s_last_word_is_the_caller_s(after: float) -> None:
    subject, agent = CallerSound(model()), at_level(ulaw_clip("lv_0930.wav"), AGENT)
    subject.false_alarm()
    end = len(agent) / RATE
    changes = heard(subject, line(8.0, rng(), agent, place(8 * RATE, (end + after, word()))))
    assert kinds(changes) == [START, END]
    assert changes[0].change.at == pytest.approx(end + after, abs=0.15)


@pytest.mark.parametrize("loss", [10.0, 20.0, 30.0])
@pytest.mark.parametrize("delay", [0.02, 0.15, 0.4])
@pytest.mark.parametrize("room", [0.0, 0.4])
def test_the_agent_s_echo_is_nobody_s_voice(loss: float, delay: float, room: float) -> None:
    subject, agent = CallerSound(model()), reply(20.0)
    back = echo(agent, rng(), delay, loss, room=room)
    assert subject.path is Path.UNKNOWN
    changes = heard(subject, over(agent, back=back))
    assert not of(changes, START)
    assert loss == 30.0 or changes[0].change.evidence.return_loss is not None
    assert subject.path is not Path.CLEAN  # type: ignore[comparison-overlap]
    said = at_level(ulaw_clip("something.wav"), CALLER)
    last = heard(subject, line(6.0, rng(), None, place(6 * RATE, (2.0, said))), clock=30.0)[0].change.evidence
    assert last.return_loss == pytest.approx(loss, abs=2.5) or loss == 30.0
    assert last.margin is None


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("loss", [20.0, 30.0])
def test_a_caller_who_speaks_over_an_echo_is_noticed(name: str, loss: float) -> None:
    agent = reply()
    said, back = at_level(ulaw_clip(name), CALLER), echo(agent, rng(), 0.15, loss, room=0.2)
    told = of(heard(CallerSound(model()), over(agent, (5.0, said), back=back)), START)
    assert 5.0 < told[0].at <= 5.5
    evidence = told[0].change.evidence
    assert evidence.return_loss is None or (evidence.margin is not None and evidence.margin > 6)


def test_another_line_has_another_echo() -> None:
    subject, agent = CallerSound(model()), reply()
    heard(subject, over(agent, back=echo(agent, rng(), 0.15, 15.0)))
    subject.reset()
    told = of(heard(subject, over(agent, (6.0, at_level(ulaw_clip("lv_0880.wav"), CALLER))), clock=20.0), START)
    assert told[0].change.evidence.return_loss is None


def television(seconds: float, below: float) -> Sound:
    """Somebody who speaks on, so many dB below the caller."""
    return np.resize(
        at_level(np.concatenate([ulaw_clip(name) for name in SENTENCES]), CALLER - below), round(seconds * RATE)
    )


def test_a_television_is_not_the_caller_whose_voice_is_known() -> None:
    subject, agent = CallerSound(model()), reply(20.0)
    heard(subject, line(6.0, rng(), None, place(6 * RATE, (2.0, at_level(ulaw_clip("jfk.wav")[: 3 * RATE], CALLER)))))
    subject.confirmed()
    changes = heard(subject, over(agent, (0.0, television(20.0, 12.0))), clock=20.0)
    assert not of(changes, START)
    assert any(one.change.evidence.background for one in of(changes, Kind.NOISE))
    said = at_level(ulaw_clip("cards_001.wav"), CALLER)
    both = over(agent, (0.0, television(20.0, 12.0)), (10.0, said))
    assert 50.0 < of(heard(subject, both, clock=40.0), START)[0].at < 51.2


def test_a_television_breaks_a_reply_once_and_not_twice() -> None:
    subject, agent = CallerSound(model()), reply(20.0)
    call = over(agent, (0.0, television(20.0, 12.0)))
    first = heard(subject, call, alarm=1.5)
    assert len(of(first, START)) == 1
    assert of(first, END)[0].change.evidence.background
    assert not of(heard(subject, call, clock=30.0, alarm=1.5), START)


def rustling(dbm0: float) -> Sound:
    """For five seconds."""
    chance = rng()
    return at_level(np.concatenate([NOISES["rustle"](chance, dbm0) for _ in range(12)])[: 5 * RATE], dbm0)


@pytest.mark.parametrize("at", [5.0, 5.1, 5.2, 5.3])
@pytest.mark.parametrize(("dbm0", "soon"), [(-32.0, 0.5), (CALLER - 4, 1.2)])
def test_a_caller_who_speaks_into_a_noise_is_noticed(at: float, dbm0: float, soon: float) -> None:
    said = at_level(ulaw_clip("cards_001.wav"), CALLER)
    changes = heard(CallerSound(model()), over(reply(9.0), (3.5, rustling(dbm0)), (at, said)))
    assert kinds(changes)[0] is Kind.NOISE
    assert at < of(changes, START)[0].at <= at + soon


def test_a_voice_in_the_background_is_told_before_it_ends() -> None:
    subject = CallerSound(model())
    heard(subject, line(6.0, rng(), None, place(6 * RATE, (2.0, at_level(ulaw_clip("jfk.wav")[: 3 * RATE], CALLER)))))
    subject.confirmed()
    said = at_level(ulaw_clip("lv_0880.wav"), CALLER - 12)
    changes = heard(subject, over(reply(6.0), (2.0, said)), clock=20.0)
    assert set(kinds(changes)) == {Kind.NOISE}
    assert changes[0].at < 22.0 + 1.6 < 22.0 + len(said) / RATE
    assert changes[0].change.evidence.background


def test_noise_alone_is_no_voice_however_loud_and_is_hardly_told() -> None:
    for room, told in ((-50.0, 0), (-40.0, 0), (-30.0, 2)):
        assert len(heard(CallerSound(model()), line(10.0, rng(), reply(10.0), room=room))) <= told


@pytest.mark.parametrize("name", SENTENCES)
def test_a_caller_whose_packets_come_only_with_speech_is_heard_every_time(name: str) -> None:
    said = at_level(ulaw_clip(name), CALLER)
    call = line(10.0, rng(), reply(10.0), place(10 * RATE, (1.0, said), (6.0, said)))
    spoken = range(RATE, RATE + len(said)), range(6 * RATE, 6 * RATE + len(said))
    sent = bytes(one if any(at in part for part in spoken) else 0xFF for at, one in enumerate(call.came))
    told = of(heard(CallerSound(model()), Line(sent, call.sent)), START)
    assert any(1.0 < one.at < 1.6 for one in told)
    assert any(6.0 < one.at < 6.6 for one in told)


def test_it_makes_no_difference_in_which_pieces_sound_comes() -> None:
    agent = reply()
    call = over(agent, (4.0, at_level(ulaw_clip("lv_0880.wav"), CALLER)), back=echo(agent, rng(), 0.1, 25.0))
    results = []
    for piece in (160, 320, 800):
        subject = CallerSound(model())
        found = []
        for at in range(0, len(call.came), piece):
            end = at + piece
            found += subject.feed(call.came[at:end], end / RATE, call.sent[at // 160 : end // 160])
        results.append([(one.kind, round(one.at, 3)) for one in found])
    assert results[0] == results[1] == results[2]
    assert results[0]


def test_pieces_that_are_no_whole_slots_lose_nothing() -> None:
    sound = to_ulaw(noise(rng(), 4.0, QUIET) + place(4 * RATE, (2.0, word())))
    subject = CallerSound(model())
    found = [one.kind for at in range(0, len(sound), 90) for one in subject.feed(sound[at : at + 90], (at + 90) / RATE)]
    assert found == [START, END]


def test_a_caller_whose_silence_is_not_sent_is_heard_at_once() -> None:
    subject = CallerSound(model())
    speech = to_ulaw(at_level(ulaw_clip("lv_0880.wav"), CALLER))[74 * 160 : 124 * 160]
    assert [change.kind for change in subject.feed(speech, 1.0)] == [Kind.VOICE_STARTED]


def test_a_voice_of_which_nothing_comes_any_more_has_ended() -> None:
    subject = CallerSound(model())
    assert not subject.lapse(5.0)
    subject.feed(to_ulaw(at_level(ulaw_clip("lv_0880.wav"), CALLER))[74 * 160 : 124 * 160], 10.0)
    assert not subject.lapse(10.3)
    (told,) = subject.lapse(10.5)
    assert told.kind is END
    assert told.at == pytest.approx(10.0, abs=0.1)
    assert not subject.speaking
    assert not subject.lapse(10.6)


def test_sound_is_wanted_in_small_pieces_only_while_something_happens() -> None:
    subject = CallerSound(model())
    quiet, loud = to_ulaw(noise(rng(), 2.0, QUIET)), to_ulaw(at_level(ulaw_clip("lv_0880.wav"), CALLER))
    subject.feed(quiet, 2.0)
    assert subject.wants() == (0.1, -39), "the quietest sound that counts has -38 dBm0"
    subject.feed(quiet, 2.1)
    assert subject.wants() == (0.1, -39)
    subject.feed(loud[:800], 2.1)
    assert subject.state is State.SOUND
    assert subject.wants() == (0.02, None)
    subject.feed(loud[800:2240], 2.28)
    assert subject.speaking
    assert subject.wants() == (0.04, None)
    subject.feed(quiet[:160], 2.32)
    subject.feed(quiet[:160], 2.34)
    assert subject.wants() == (0.02, None)
    subject.feed(quiet, 4.4)
    assert subject.wants() == (0.1, -39)


@pytest.mark.parametrize("dbm0", [-9.0, 0.0])
def test_a_noise_as_loud_as_any_can_be_is_ordered_in_pieces_that_the_line_can_bring(dbm0: float) -> None:
    """A tone of a fax machine, for example, from the first packet of the call on."""
    subject, sound = CallerSound(model()), to_ulaw(noise(rng(), 2.0, dbm0))
    for at in range(0, len(sound), 160):
        subject.feed(sound[at : at + 160], at / RATE)
        wanted = subject.wants()
        assert CHUNK.unpack(chunk(*wanted))[1] == -(wanted.alert or 0)
    assert subject.state is State.QUIET


def test_a_muted_line_brings_nothing_at_once() -> None:
    """Whoever waits on hold hears music: its sound does not come to the agent, and would in pieces of 20 ms."""
    subject, at = CallerSound(Pitch()), 0.0
    for muted, alert in ((False, -39), (True, None), (False, -39)):
        subject.reset(muted=muted)
        for _ in range(20):
            at += 0.1
            subject.feed(b"\xff" * 800, at, b"\x14" * 5)
            subject.wants()
        assert subject._pieces == (0.1, alert) or not muted
        assert subject._pieces.alert == alert


def test_it_keeps_no_more_after_an_hour_than_after_a_minute() -> None:
    subject, agent = CallerSound(Pitch()), reply()
    call = over(agent, (4.0, at_level(ulaw_clip("lv_0880.wav"), CALLER)))

    def kept() -> int:
        echo_path = subject._echo
        return len(echo_path._sent) + len(echo_path._came) + len(subject._before) + len(subject._rest)

    for number in range(40):
        heard(subject, call, clock=20.0 * number)
        assert kept() < 5000
