# mypy: disable-error-code="attr-defined, union-attr"
"""RFC 5359 §2.16, call pickup: an INVITE with Replaces for a call that rings (RFC 3891 §3)."""

import pytest

from sipgw.sip.events import Confirmed, Ended
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri
from tests.sip.ladder import A, B, C, Flow
from tests.sip.wire import ANSWER


@pytest.mark.parametrize("only", [True, False])
def test_2_16_who_rings_elsewhere_is_picked_up(only: bool) -> None:
    """As the caller: INVITE with Replaces for the early dialog, and the phone that rings is not wanted any more."""
    flow = Flow().dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    flow.ladder()
    came = flow.picks_up(A)
    named = Replaces(flow.alice.invite.call_id, flow.bob.dialog.remote.tag, flow.bob.tag, only)
    picking = flow.calls(C, Uri.parse(f"sip:x@{A}"), ("Replaces", str(named)), ("Require", "replaces"))
    assert came[0].replaced is flow.alice
    assert flow.ladder() == [
        "C>A INVITE", "A>C 100 INVITE", "A>C 200 INVITE",
        "A>B CANCEL", "B>A 200 CANCEL", "B>A 487 INVITE", "C>A ACK", "A>B ACK",
    ]  # fmt: skip
    assert picking.told[-1] == Confirmed(ANSWER)
    assert flow.bob_told == [Ended("caller", "CANCEL")]
    again = flow.calls(C, Uri.parse(f"sip:x@{A}"), ("Replaces", str(named)), ("Require", "replaces"))
    assert again.told[-1].status == 603, "it is over"
    picking.hangup(flow.wire.now)
    flow.nothing_left()


def test_2_16_a_call_that_rings_here_is_not_picked_up_by_somebody_else() -> None:
    """As the called: INVITE with Replaces and early-only is 481 (RFC 3891 §3), and we can still answer."""
    flow = Flow().dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    flow.ladder()
    number, here, there = flow.alice.invite.call_id, flow.bob.dialog.remote.tag, flow.bob.tag
    named = Replaces(number, there, here, True)
    picking = flow.calls(C, Uri.parse(f"sip:x@{B}"), ("Replaces", str(named)), ("Require", "replaces"))
    assert flow.ladder() == ["C>B INVITE", "B>C 481 INVITE", "C>B ACK"]
    assert picking.told[-1].status == 481
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.alice_told[-1] == Confirmed(ANSWER)
    flow.ends()
