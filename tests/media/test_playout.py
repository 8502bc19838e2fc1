"""Playout: byte for byte what was said, exact positions, silence within a frame."""

from array import array
from itertools import pairwise
from math import sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME, SILENCE, from_linear, to_linear
from media.session.playout import CAPACITY, FADE, Heard, Mark, Playout

SPEECH = bytes(range(1, 241)) * 40


def frames(playout: Playout, count: int) -> bytes:
    return b"".join(playout.take()[0] for _ in range(count))


def test_nothing_said_is_silence():
    playout = Playout()
    assert playout.take() == (SILENCE, ())
    assert playout.position == Heard(0, 0)


@given(st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=20))
def test_sound_passes_byte_for_byte_however_it_is_cut(pieces):
    playout = Playout()
    for piece in pieces:
        playout.say(1, piece)
    playout.finish(1)
    whole = b"".join(pieces)
    out = frames(playout, -(-len(whole) // FRAME))
    assert out[: len(whole)] == whole
    assert set(out[len(whole) :]) <= {0xFF}
    assert playout.position == Heard(1, len(whole))


def test_the_first_and_the_last_frame_of_an_utterance_are_marked():
    playout = Playout()
    playout.say(1, SPEECH[:400])
    playout.finish(1)
    assert [list(playout.take()[1]) for _ in range(4)] == [[Mark(1, True)], [], [Mark(1, False)], []]


def test_utterances_follow_each_other_without_a_gap_and_their_marks_keep_the_order():
    playout = Playout()
    playout.say(1, SPEECH[:100])
    playout.say(2, SPEECH[100:320])
    playout.finish(1)
    playout.finish(2)
    first, marks = playout.take()
    second, more = playout.take()
    assert first + second == SPEECH[:320]
    assert marks == [Mark(1, True), Mark(1, False), Mark(2, True)]
    assert more == [Mark(2, False)]


def test_an_utterance_without_sound_ends_too():
    playout = Playout()
    playout.finish(3)
    assert playout.take()[1] == [Mark(1, False), Mark(2, False), Mark(3, False)]


def test_a_partial_frame_waits_for_its_rest():
    playout = Playout()
    playout.say(1, SPEECH[:200])
    assert playout.take()[0] == SPEECH[:160]
    assert playout.take()[0] == SILENCE
    assert playout.position == Heard(1, 160)
    playout.say(1, SPEECH[200:320])
    assert playout.take()[0] == SPEECH[160:320]
    assert playout.stats.underruns == 1


def test_the_end_of_a_finished_utterance_does_not_wait_for_the_next():
    playout = Playout()
    playout.say(1, SPEECH[:40])
    playout.finish(1)
    playout.say(2, SPEECH[40:80])
    frame, marks = playout.take()
    assert frame == SPEECH[:40] + SILENCE[40:]
    assert marks == [Mark(1, True), Mark(1, False)]
    assert playout.position == Heard(1, 40)
    playout.finish(2)
    assert playout.take()[0] == SPEECH[40:80] + SILENCE[40:]


def test_an_end_that_is_reached_is_no_underrun():
    playout = Playout()
    playout.say(1, SPEECH[:160])
    playout.finish(1)
    frames(playout, 5)
    assert playout.stats.underruns == 0


def test_stop_is_heard_one_short_fade_later_and_tells_the_exact_position():
    playout = Playout()
    playout.say(1, SPEECH)
    frames(playout, 7)
    assert playout.stop() == Heard(1, 7 * FRAME)
    edge, marks = playout.take()
    assert edge[FADE:] == SILENCE[FADE:]
    assert edge[:FADE] != SILENCE[:FADE]
    assert not marks
    assert frames(playout, 10) == SILENCE * 10
    assert playout.waiting == 0


@pytest.mark.parametrize("cut", [0, 1, 7, 39, 40, 41, 159])
@pytest.mark.parametrize("end", ["stop", "pause"])
def test_a_cut_does_not_click(end: str, cut: int):
    """Of a loud tone no step is larger than those of the tone itself, also where a piece of the queue ends."""
    tone = from_linear(array("h", (int(20000 * sin(at * 0.31)) for at in range(3200))).tobytes())
    playout = Playout()
    playout.say(1, tone[: 3 * FRAME + cut])
    playout.say(1, tone[3 * FRAME + cut :])
    sound = frames(playout, 3)
    assert getattr(playout, end)() == Heard(1, 3 * FRAME)
    sound += frames(playout, 2)
    assert sound[4 * FRAME :] == SILENCE
    linear = array("h", to_linear(sound))
    steps = [abs(after - before) for before, after in pairwise(linear)]
    assert max(steps[3 * FRAME - 1 :]) <= max(steps[: 3 * FRAME - 1])


def test_what_was_stopped_never_ends_and_what_is_said_next_begins():
    playout = Playout()
    playout.say(1, SPEECH)
    playout.say(2, SPEECH)
    frames(playout, 3)
    playout.stop()
    playout.take()
    playout.say(3, SPEECH[:160])
    playout.finish(3)
    assert playout.take() == (SPEECH[:160], [Mark(3, True), Mark(3, False)])


@pytest.mark.faults("B7")
@pytest.mark.parametrize("taken", [0, 1, 3, 40], ids=["before it began", "first frame", "middle", "after its sound"])
@pytest.mark.parametrize("paused", [False, True])
def test_sound_that_comes_for_what_was_stopped_is_not_played(taken: int, paused: bool):
    """A voice has more on its way when the caller interrupts."""
    playout = Playout()
    playout.say(1, SPEECH)
    frames(playout, taken)
    if paused:
        playout.pause()
    heard = playout.stop()
    playout.take()
    playout.say(1, SPEECH)
    playout.finish(1)
    assert frames(playout, 20) == SILENCE * 20
    assert (playout.waiting, playout.position) == (0, heard)
    playout.say(2, SPEECH[:160])
    playout.finish(2)
    assert playout.take() == (SPEECH[:160], [Mark(2, True), Mark(2, False)])


@pytest.mark.faults("B7")
def test_of_all_that_was_queued_when_it_stopped_nothing_more_is_played():
    playout = Playout()
    for utterance in (1, 2, 3):
        playout.say(utterance, SPEECH)
    playout.stop()
    for utterance in (1, 2, 3):
        playout.say(utterance, SPEECH)
    assert playout.waiting == 0


def test_pause_keeps_the_queue_and_resume_goes_on_at_the_very_sample():
    playout = Playout()
    playout.say(1, SPEECH)
    frames(playout, 5)
    assert playout.pause() == Heard(1, 5 * FRAME)
    playout.take()
    assert frames(playout, 50) == SILENCE * 50
    playout.resume()
    frame, _ = playout.take()
    assert frame[FADE:] == SPEECH[5 * FRAME + FADE : 6 * FRAME]
    assert playout.take()[0] == SPEECH[6 * FRAME : 7 * FRAME]
    assert playout.position == Heard(1, 7 * FRAME)
    assert playout.stats.underruns == 0


def test_stop_ends_a_pause():
    playout = Playout()
    playout.say(1, SPEECH)
    frames(playout, 5)
    playout.pause()
    frames(playout, 2)
    assert playout.stop() == Heard(1, 5 * FRAME)
    playout.say(2, SPEECH)
    assert playout.take()[0] == SPEECH[:FRAME]


def test_sound_said_while_paused_waits():
    playout = Playout()
    playout.pause()
    playout.say(1, SPEECH)
    playout.finish(1)
    assert playout.take() == (SILENCE, ())
    playout.resume()
    assert playout.take()[0] == SPEECH[:FRAME]


def test_the_queue_is_bounded_and_refuses_the_newest():
    playout = Playout()
    for _ in range(CAPACITY // len(SPEECH) + 2):
        playout.say(1, SPEECH)
    assert playout.waiting == CAPACITY
    assert playout.stats.refused == (CAPACITY // len(SPEECH) + 2) * len(SPEECH) - CAPACITY


def test_an_old_utterance_is_not_said_any_more():
    playout = Playout()
    playout.say(2, SPEECH[:160])
    playout.finish(2)
    playout.take()
    playout.say(1, SPEECH)
    assert playout.take()[0] == SILENCE


ORDERS = st.sampled_from(["say", "finish", "pause", "resume", "stop", "take", "next"])


@given(st.lists(st.tuples(ORDERS, st.integers(1, 500)), max_size=80))
def test_any_order_of_orders_keeps_frames_whole_and_positions_true(orders):
    playout, utterance, begun, ended = Playout(), 1, [], []
    for order, size in orders:
        before = playout.position
        match order:
            case "say":
                playout.say(utterance, SPEECH[:size])
            case "next":
                playout.finish(utterance)
                utterance += 1
            case "finish":
                playout.finish(utterance)
            case "take":
                frame, marks = playout.take()
                assert len(frame) == FRAME
                begun += [mark.utterance for mark in marks if mark.begins]
                ended += [mark.utterance for mark in marks if not mark.begins]
            case _:
                getattr(playout, order)()
        assert playout.position >= before
        assert playout.waiting >= 0
    assert begun == sorted(set(begun))
    assert ended == sorted(set(ended))
