"""The verdict of the driver on a request outside all calls, and what comes before it."""

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.output import Unjudged
from sipgw.sip.user_agent import IncomingCall
from tests.sip.test_calls import A, B
from tests.sip.wire import INVITE, Wire


@pytest.mark.parametrize(("verdicts", "calls"), [((None, None), 1), ((Refusal(503), None), 0), ((Refusal(0), None), 1)])
def test_a_copy_that_comes_before_the_verdict_is_not_another_request(
    verdicts: tuple[Refusal | None, ...], calls: int
) -> None:
    """Nothing is done for a request until the driver has judged it; then its copies get what it got."""
    wire = Wire(B)
    agent = wire.parties[B].agent
    for _ in verdicts:
        agent.receive(INVITE.format(call_id="x").replace("\n", "\r\n").encode(), Peer("udp", A, 5060), wire.now)
    assert agent.open == 0
    assert not list(agent.to_send())
    waiting = [agent.next_event() for _ in verdicts]
    for event, verdict in zip(waiting, verdicts, strict=True):
        assert isinstance(event, Unjudged)
        agent.judged(event, verdict, wire.now)
    assert [type(event) for event in iter(agent.next_event, None)] == [IncomingCall] * calls
