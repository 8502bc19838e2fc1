"""Room for calls while other requests flood: of strangers, of a forged address, or in one call."""

import pytest

from sipgw.sip.events import Ended
from sipgw.sip.message import Response
from tests.sip.test_calls import Call, nothing_left
from tests.sip.test_requests import B, ask
from tests.sip.wire import INVITE, Wire


@pytest.mark.faults("F8")
@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "MESSAGE", "BYE", "CANCEL", "DANCE"])
def test_a_flood_of_other_requests_leaves_room_for_calls(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a known network, or with its address forged: they are answered, alike each time (§8.2.7), and forgotten."""
    monkeypatch.setattr("sipgw.sip.user_agent.MAX_TRANSACTIONS", 20)
    wire = Wire(B)
    for number in range(50):
        wire.send(ask(method).replace("z9hG4bKone", f"z9hG4bK{number}").replace("outside", f"n{number}"))
        wire.run(0.02)
    wire.send(ask(method).replace("z9hG4bKone", "z9hG4bK0").replace("outside", "n0"))
    wire.run(0.1)
    answers = [m for _, _, _, m in wire.trace if isinstance(m, Response)]
    assert len(answers) == 51
    assert answers[0].to_bytes() == answers[-1].to_bytes()
    assert {answer.status for answer in answers}.isdisjoint({503})
    assert wire.parties[B].agent.open == 0
    wire.send(INVITE.format(call_id="call"))
    wire.run(0.1)
    assert len(wire.parties[B].calls) == 1


@pytest.mark.faults("F8")
def test_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not take the room of the others."""
    monkeypatch.setattr("sipgw.sip.user_agent.MAX_OF_ONE_DIALOG", 10)
    wire = Wire()
    call, other = Call(wire).answered(), Call(wire).answered()
    before, dialog = wire.parties[B].agent.open, call.client.dialog
    assert dialog is not None
    request = ask("INFO").replace("outside", dialog.id.call_id).replace("tag=mine", f"tag={dialog.id.local_tag}")
    request = request.replace(f"To: <sip:agent@{B}>", f"To: <sip:agent@{B}>;tag={dialog.id.remote_tag}")
    for number in range(50):
        wire.send(request.replace("z9hG4bKone", f"z9hG4bK{number}").replace("CSeq: 7", f"CSeq: {20_000 + number}"))
    wire.run(0.1)
    agent = wire.parties[B].agent
    assert agent.open <= before + 10
    assert (agent.counts["no room for a transaction"], len(wire.seen(B, 503))) == (40, 40)
    other.client.hangup(wire.now)
    call.server.hangup(wire.now)
    wire.run(0.1)
    assert other.there[-1] == Ended("caller", "BYE")
    nothing_left(wire)
