# mypy: disable-error-code="arg-type"
"""The soak can fail: it sees what is lost and what is left behind; and what it measures is there to be measured."""

import asyncio
import signal

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from tests.soak.far import Line
from tests.soak.media import Totals, Witnesses, judge, run
from tests.soak.witness import slots

FAR = {"received": 1000, "lost": 0, "doubled": 0, "jumped": 0, "misnumbered": 0, "streams": 1}


def totals(**changes) -> Totals:
    return Totals(**{"calls": 1, "sent": 1000, "theirs": 1000, "taken": 1000, "memory": [100] * 10} | changes)


def test_a_run_without_a_fault_passes():
    assert judge(totals(), FAR, (7, 0), (7, 0), excused=0, survived=True) == 0


@pytest.mark.parametrize(
    ("ours", "far", "after"),
    [
        ({}, {"lost": 1}, (7, 0)),
        ({}, {"doubled": 1}, (7, 0)),
        ({}, {"misnumbered": 1}, (7, 0)),
        ({}, {"received": 999}, (7, 0)),
        ({"taken": 999}, {}, (7, 0)),
        ({"lost": 1}, {}, (7, 0)),
        ({"skipped": 1}, {}, (7, 0)),
        ({"skipped": 1}, {"jumped": 1}, (7, 0)),
        ({}, {"jumped": 1}, (7, 0)),
        ({"uncounted": 1}, {}, (7, 0)),
        ({"memory": [100] * 9 + [104]}, {}, (7, 0)),
        ({}, {}, (8, 0)),
        ({}, {}, (7, 1)),
    ],
)
def test_each_fault_fails_it(ours, far, after):
    assert judge(totals(**ours), FAR | far, (7, 0), after, excused=0, survived=True) == 1


@pytest.mark.parametrize(
    ("timestamp", "counted"),
    [(160, (0, 0)), (640, (3, 0)), (200, (0, 1)), (0, (0, 1)), (-160, (0, 1))],
)
def test_a_timestamp_that_goes_over_slots_is_told_from_one_that_is_wrong(timestamp, counted):
    line = Line()
    for step in range(2):
        packet = rtp.parse(rtp.build(0, False, 65_535 + step, 2**32 - 80 + step * timestamp, 7, bytes(FRAME)))
        assert packet
        line.count(packet)
    line.sock.close()
    assert (line.counts["jumped"], line.counts["misnumbered"]) == counted


def test_a_media_process_that_was_restarted_fails_it():
    assert judge(totals(), FAR, (7, 0), (7, 0), excused=0, survived=False) == 1


@pytest.mark.parametrize(("excused", "status"), [(73, 1), (74, 0), (100, 0)])
def test_slots_that_the_machine_itself_slept_through_are_no_fault_of_ours(excused, status):
    assert judge(totals(skipped=74), FAR | {"jumped": 74}, (7, 0), (7, 0), excused=excused, survived=True) == status


@pytest.mark.parametrize(
    ("stops", "missed"),
    [
        ([], 0),
        ([(1.0, 1.03)], 2),
        ([(1.0, 1.03), (1.001, 1.031)], 3),  # one stop, seen by two CPUs
        ([(1.0, 1.03), (1.01, 1.02)], 2),
        ([(5.0, 5.015), (1.0, 1.05)], 4),
    ],
)
def test_a_stop_of_the_machine_covers_slots(stops, missed):
    assert slots(stops) == missed


def test_a_witness_tells_when_nobody_could_run():
    async def scenario():
        witnesses = await Witnesses.call()
        stopped = witnesses.processes[0]
        stopped.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.3)
        stopped.send_signal(signal.SIGCONT)
        return witnesses.granted, await witnesses.stops()

    granted, stops = asyncio.run(scenario())
    assert any(end - begin > 0.2 for begin, end in stops) == (granted == "realtime")


@pytest.mark.slow
def test_two_calls_leave_nothing_behind(capsys):
    asyncio.run(run(0.04, 2))
    said = capsys.readouterr().out
    assert "2 calls, " in said
    for nothing in ("descriptors left: 0", "ports left: 0", "doubled: 0", "misnumbered: 0", "without counters: 0"):
        assert nothing in said
