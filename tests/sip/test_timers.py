"""The deadlines of the SIP core: what is cancelled holds no memory."""

import pytest

from sipgw.sip.timers import FEW, Timers
from tests.sip.wire import INVITE, Wire

B = "10.0.0.2"


def test_what_is_due_runs_once_and_in_order_whatever_was_cancelled() -> None:
    timers, ran = Timers(), list[int]()
    made = [timers.at(float(number % 100), lambda now, number=number: ran.append(number)) for number in range(5 * FEW)]  # type: ignore[misc]
    for number, timer in enumerate(made):
        if number % 5:
            timer.cancel()
            timer.cancel()
    assert len(timers) == FEW
    timers.run(49.0)
    assert ran == sorted((number for number in range(0, 5 * FEW, 5) if number % 100 < 50), key=lambda one: one % 100)
    for timer in made:
        timer.cancel()
    assert (len(timers), timers.deadline) == (0, None)


@pytest.mark.faults("F8")
def test_calls_that_may_ring_for_a_century_leave_no_timers_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    few = 100
    monkeypatch.setattr("sipgw.sip.timers.FEW", few)
    wire = Wire(B)
    wire.parties[B].on_call = lambda call, now: call.reject(486, now)
    for number in range(2 * few):
        wire.send(INVITE.format(call_id=f"n{number}").replace("Max-F", "Expires: 4294967295\nMax-F"))
        wire.run(0.01)
    timers = wire.parties[B].agent.core.timers
    timers.at(wire.now + 3600, lambda now: None)  # one that is due before them all, so that they are not on top
    wire.run(100)
    assert len(timers) == 1
    assert len(timers._heap) <= few + 2
