"""Whether a media process answers, and how late it and its gateway are."""

from media.process.heartbeat import BEAT, KEPT, LATE, PATIENCE, Heartbeat


def started() -> Heartbeat:
    pulse = Heartbeat()
    pulse.ping(0.0, 0.0)
    pulse.silent = 0
    pulse.answered(0.0)
    return pulse


def beats(pulse: Heartbeat, count: int, late: float, answer: float = 0.0) -> None:
    """Questions that leave `late` and are answered after `answer` more."""
    for number in range(count):
        due = number * BEAT
        pulse.ping(due, due + late)
        pulse.silent = 0
        pulse.answered(due + late + answer)


def test_the_delay_is_that_of_the_gateway_and_of_the_media_process() -> None:
    pulse = started()
    assert pulse.delay == 0.0
    beats(pulse, KEPT, 0.25, 0.5)
    assert pulse.delay == 0.75


def test_one_moment_is_not_overload() -> None:
    pulse = started()
    beats(pulse, 1, 3.0)
    beats(pulse, 1, 0.0)
    assert pulse.delay == 0.0
    beats(pulse, KEPT // 2 + 1, 0.5)
    assert pulse.delay == 0.5
    beats(pulse, KEPT // 2 + 1, 0.0)
    assert pulse.delay == 0.0, "nor is it kept for longer than it lasts"


def test_a_process_that_does_not_answer_is_late_already() -> None:
    pulse = started()
    for number in range(KEPT):
        pulse.ping(number * BEAT, number * BEAT)
    assert pulse.delay > BEAT
    assert pulse.silent == KEPT < PATIENCE


def test_a_process_that_hangs_takes_no_calls_as_soon_as_its_delay_shows() -> None:
    """So that its delay refuses none of the calls that other processes take."""
    pulse, seen = started(), []
    for number in range(PATIENCE):
        pulse.ping(number * BEAT, number * BEAT)
        seen.append((pulse.answers, pulse.delay > 0.0))
    assert set(seen[: LATE - 1]) == {(True, False)}
    assert set(seen[LATE - 1 :]) == {(False, True)}


def test_starting_takes_its_time() -> None:
    pulse = Heartbeat()
    for number in range(PATIENCE):
        pulse.ping(number * BEAT, number * BEAT)
    assert (pulse.delay, pulse.silent < 0, pulse.answers) == (0.0, True, False)
