"""The soak can fail: it sees what is lost and what is left behind; and what it measures is there to be measured."""

import asyncio

import pytest

from tests.soak.media import Totals, judge, run

FAR = {"received": 1000, "lost": 0, "doubled": 0, "misnumbered": 0, "streams": 1}


def totals(**changes) -> Totals:
    return Totals(**{"calls": 1, "sent": 1000, "theirs": 1000, "taken": 1000, "memory": [100] * 10} | changes)


def test_a_run_without_a_fault_passes():
    assert judge(totals(), FAR, (7, 0), (7, 0), survived=True) == 0


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
        ({"uncounted": 1}, {}, (7, 0)),
        ({"memory": [100] * 9 + [104]}, {}, (7, 0)),
        ({}, {}, (8, 0)),
        ({}, {}, (7, 1)),
    ],
)
def test_each_fault_fails_it(ours, far, after):
    assert judge(totals(**ours), FAR | far, (7, 0), after, survived=True) == 1


def test_a_media_process_that_was_restarted_fails_it():
    assert judge(totals(), FAR, (7, 0), (7, 0), survived=False) == 1


def test_two_calls_leave_nothing_behind(capsys):
    asyncio.run(run(0.04, 2))
    said = capsys.readouterr().out
    assert "2 calls, " in said
    for nothing in ("descriptors left: 0", "ports left: 0", "doubled: 0", "misnumbered: 0", "without counters: 0"):
        assert nothing in said
