"""The schedule of all calls, and the packets that a call sends after the process was blocked, on virtual time."""

import random
from itertools import pairwise

import pytest

from media.g711 import FRAME_SECONDS
from media.process.schedule import MAX_LATE, PHASES, SHARE, TICK, Lateness, Schedule, phase_of
from media.session.format import Format
from media.session.session import RtpSession


def test_every_call_has_its_slot_each_twenty_milliseconds():
    schedule, seen = Schedule(100.0), []
    for step in range(1000):
        while tick := schedule.due(100.0 + step * TICK + 1e-9):
            seen.append((tick.phase, tick.slot))
    assert seen == [(at % PHASES, at // PHASES) for at in range(1000)]


def test_being_late_moves_no_deadline():
    schedule = Schedule(0.0)
    while schedule.due(0.0305):
        pass
    assert schedule.deadline == pytest.approx(0.035)


def test_after_a_long_stall_ticks_are_left_out_and_the_slots_tell():
    schedule = Schedule(0.0)
    schedule.due(0.0)
    ticks = []
    while tick := schedule.due(5.0):
        ticks.append(tick)
    assert [(tick.slot, tick.phase) for tick in ticks] == [(250, 0)]


def test_a_phase_without_calls_is_passed_over_but_never_two_in_a_row():
    schedule, seen = Schedule(0.0), []
    for step in range(3 * PHASES):
        while tick := schedule.due(step * TICK + 1e-9):
            seen.append((tick.slot, tick.phase))
            schedule.pass_over([["a call"], [], [], []])
    assert seen == [(slot, phase) for slot in range(3) for phase in (0, 2)]


def test_few_calls_share_two_phases_and_many_are_spread_evenly():
    phases: list[list[int]] = [[] for _ in range(PHASES)]
    for number in range(500):
        phases[phase_of(phases)].append(number)
        if number + 1 == 2 * SHARE:
            assert [len(calls) for calls in phases] == [SHARE, 0, SHARE, 0]
    assert {len(calls) for calls in phases} == {125}


@pytest.mark.parametrize("stall", [*range(20, 100, 3), 250, 5000])
@pytest.mark.parametrize("at", [0, 3, *(pytest.param(one, marks=pytest.mark.slow) for one in range(6, 20, 3))])
def test_after_a_stall_no_call_sends_more_than_two_packets_at_once(stall: int, at: int) -> None:
    """Two are inside every far buffer. In stalls that are caught up a third may follow, in its own slot."""
    schedule, calls = Schedule(0.0), [RtpSession(random.Random(phase).getrandbits) for phase in range(PHASES)]
    for call in calls:
        call.connect(Format("PCMU", 0, 101), ("192.0.2.1", 4000), 0.0)
    sent: list[list[tuple[float, float]]] = [[] for _ in calls]
    now, begins = 0.0, 0.1 + at / 1000
    while now < begins + stall / 1000 + 0.3:
        now = max(now, schedule.deadline)
        if begins and now >= begins:
            now, begins = now + stall / 1000, 0.0
        while tick := schedule.due(now):
            due = tick.slot * FRAME_SECONDS + tick.phase * TICK
            sent[tick.phase] += [(now, now - due)] * len(calls[tick.phase].transmit(tick.slot, now)[0])
            now += 20e-6
    for times in sent:
        for first, _, (third, late) in zip(times, times[1:], times[2:], strict=False):
            assert third - first[0] > TICK or (stall / 1000 <= MAX_LATE and late < TICK)
        assert max(later - earlier for (earlier, _), (later, _) in pairwise(times)) <= stall / 1000 + 0.0401


def test_the_quantiles_of_lateness_are_known_within_half_an_octave() -> None:
    chance, lateness = random.Random(1), Lateness()
    assert lateness.quantile(0.5) == 0
    ticks = sorted(chance.lognormvariate(-9, 1.5) for _ in range(10_000))
    for one in ticks:
        lateness.add(one)
    for part in (0.1, 0.5, 0.9, 0.99, 0.999, 1.0):
        true = ticks[round(part * 10_000) - 1]
        assert 0.99 <= lateness.quantile(part) / true <= 1.45
    for strange in (0.0, 1e-9, 1e6):
        lateness.add(strange)
