"""Blind transfer (RFC 3515): REFER out, its outcome by NOTIFY."""

from sipgw.sip.uri import Uri
from sipgw.sip.usage import Referred
from tests.sip.test_calls import Call
from tests.sip.wire import ANSWER, INVITE, Wire, in_dialog

A, B = "10.0.0.1", "10.0.0.2"


def test_refer_tells_the_outcome_that_notify_brings() -> None:
    wire = Wire()
    call = Call(wire).answered()
    call.server.refer(Uri.parse("sip:human@10.0.0.9"), wire.now)
    wire.run(0.1)
    refer = wire.last(B, "REFER")
    assert refer.headers.get("refer-to") == "<sip:human@10.0.0.9>"
    assert wire.seen(A, 603), "we take no REFER ourselves"
    assert call.there[-1] == Referred(False, 603, "Decline")


def test_refer_accepted_and_connected() -> None:
    wire = Wire(B)
    call_id = "refer-me"
    wire.parties[B].on_call = lambda call, now: (setattr(wire, "call", call), setattr(call, "tell", events.append))
    events: list[object] = []
    wire.send(INVITE.format(call_id=call_id))
    wire.run(0.1)
    wire.call.answer(ANSWER, wire.now)
    wire.run(0.1)
    tag = wire.call.tag
    wire.send(in_dialog("ACK", 1, call_id, tag))
    wire.run(0.1)
    wire.call.refer(Uri.parse("tel:+15551234"), wire.now)
    wire.run(0.1)
    refer = wire.last(B, "REFER")
    accepted = "SIP/2.0 202 Accepted\n" + "".join(f"{name}: {value}\n" for name, value in refer.headers) + "\n"
    wire.send(accepted)
    wire.send(in_dialog("NOTIFY", 2, call_id, tag, "SIP/2.0 100 Trying"))
    wire.run(0.1)
    assert not any(isinstance(event, Referred) for event in events)
    wire.send(in_dialog("NOTIFY", 3, call_id, tag, "SIP/2.0 200 OK"))
    wire.run(0.1)
    assert events[-1] == Referred(True, 200, "OK")
