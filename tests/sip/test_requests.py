# mypy: disable-error-code="func-returns-value"
"""What becomes of requests outside a dialog (RFC 3261 §8.2), of strangers, and of rubbish."""

import random
from pathlib import Path

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.events import Ended, Phase
from sipgw.sip.message import Request, Response
from sipgw.sip.stateless import BUSY, SHARE, SentOn
from sipgw.sip.timers import TIMEOUT
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left
from tests.sip.wire import ANSWER, INVITE, Wire

A, B = "10.0.0.1", "10.0.0.2"
WAITING = "Event: message-summary\nContent-Type: application/simple-message-summary\n"
TORTURE = sorted((Path(__file__).parent.parent / "data" / "rfc4475").glob("*.dat"))


def ask(method: str = "OPTIONS", target: str = f"sip:agent@{B}", extra: str = "", body: str = "", via: str = "") -> str:
    contact = "" if "Contact:" in extra else f"Contact: <sip:me@{A}>\n"
    return f"""{method} {target} SIP/2.0
Via: {via or f"SIP/2.0/UDP {A}:5060;branch=z9hG4bKone;rport"}
From: <sip:me@{A}>;tag=mine
To: <sip:agent@{B}>
Call-ID: outside
CSeq: 7 {method}
{contact}{extra}Content-Length: {len(body)}

{body}"""


def answer_to(request: str) -> Response:
    wire = Wire(B)
    wire.send(request)
    wire.run(0.1)
    responses = [m for _, _, _, m in wire.trace if isinstance(m, Response) and m.status != 100]
    assert len(responses) == 1
    nothing_left(wire)
    return responses[0]


def test_options_tells_what_we_can_do() -> None:
    response = answer_to(ask())
    assert response.status == 200
    assert "INVITE" in (response.headers.get("allow") or "")
    assert response.headers.get("accept") == "application/sdp"
    assert response.to.tag


@pytest.mark.parametrize(
    ("request_text", "status", "header"),
    [
        (ask("SUBSCRIBE"), 405, ("allow", "INVITE")),
        (ask("REGISTER"), 405, ("allow", "INVITE")),
        (ask("NOTIFY", extra=WAITING, body="Messages-Waiting: yes\n"), 489, ("allow-events", "refer")),
        (ask("NOTIFY", extra='Event: refer;id="\n'), 400, None),
        (ask("NOTIFY", extra="Event: Refer;id=1\n"), 481, None),
        (ask("DANCE"), 501, ("allow", "INVITE")),
        (ask("INVITE", extra="Require: 100rel, frob, x\n"), 420, ("unsupported", "frob, x")),
        (ask("INVITE", target="soap.beep://x"), 416, None),
        (ask("INVITE", extra="Max-Forwards: 0\n"), 483, None),
        (ask("INVITE", extra="Content-Type: text/plain\n", body="hello"), 415, ("accept", "application/sdp")),
        (ask("INVITE", extra="Accept: text/plain\n"), 406, None),
        (ask("BYE"), 481, None),
        (ask("CANCEL"), 481, None),
        (ask("UPDATE"), 481, None),
        (ask("OPTIONS").replace("SIP/2.0\nVia", "SIP/3.0\nVia"), 505, None),
        (ask("OPTIONS").replace("CSeq: 7", "CSeq: 4294967296"), 400, None),
    ],
)
def test_what_cannot_be_used_is_answered(request_text: str, status: int, header: tuple[str, str] | None) -> None:
    response = answer_to(request_text)
    assert response.status == status
    if header:
        assert header[1] in (response.headers.get(header[0]) or "")


def test_responses_go_back_where_the_request_came_from() -> None:
    """RFC 3581: with rport the source port is used and told; without, the port of the Via."""
    wire = Wire(B)
    peers = []
    original = wire.parties[B].agent.to_send

    def spy():
        for packet in original():
            peers.append((packet.peer.host, packet.peer.port))
            yield packet

    wire.parties[B].agent.to_send = spy  # type: ignore[method-assign]
    wire.send(ask(via="SIP/2.0/UDP 192.168.1.9:7777;branch=z9hG4bKa;rport"))
    wire.run(0.1)
    assert peers == [(A, 5060)]
    assert (wire.last(B, 200).via.received, wire.last(B, 200).via.rport) == (A, 5060)
    wire.send(ask(via="SIP/2.0/UDP 192.168.1.9:7777;branch=z9hG4bKb").replace("outside", "second"))
    wire.run(0.1)
    assert peers[1] == (A, 7777)
    assert wire.last(B, 200).via.received == A


def test_the_same_request_by_two_ways_is_merged() -> None:
    wire = Wire(B)
    wire.send(INVITE.format(call_id="merge"))
    wire.send(INVITE.format(call_id="merge").replace("z9hG4bKinv", "z9hG4bKother"))
    wire.run(0.2)
    assert wire.seen(B, 482)
    assert len(wire.parties[B].calls) == 1


def test_an_rfc_2543_caller_without_branch_is_served() -> None:
    wire = Wire(B)
    old = INVITE.format(call_id="old").replace(";branch=z9hG4bKinvold", "")
    wire.send(old)
    wire.send(old)
    wire.run(0.2)
    assert len(wire.parties[B].calls) == 1


def test_record_routes_lead_our_requests_back_through_the_proxies() -> None:
    """The route set of a callee is the Record-Route as it stands (§12.1.1); the first one is the next hop."""
    wire = Wire(B, "10.0.0.7")
    routes = "Record-Route: <sip:10.0.0.7;lr;x=1>, <sip:10.0.0.8;lr>\nContact: <sip:me@172.16.0.1:5070>\n"
    invite = INVITE.format(call_id="routed").replace("Contact: <sip:me@10.0.0.1:5060>\n", routes)
    wire.send(invite, source="10.0.0.7")
    wire.run(0.1)
    call = wire.parties[B].calls[0]
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    ok = wire.last(B, 200)
    assert [str(route.uri) for route in ok.record_routes] == ["sip:10.0.0.7;lr;x=1", "sip:10.0.0.8;lr"]
    ack = INVITE.format(call_id="routed").replace("INVITE", "ACK").replace("z9hG4bKinv", "z9hG4bKack")
    wire.send(ack.replace(f"To: <sip:agent@{B}>", f"To: <sip:agent@{B}>;tag={ok.to.tag}"), source="10.0.0.7")
    wire.run(0.1)
    call.hangup(wire.now)
    wire.run(0.1)
    bye = wire.last(B, "BYE")
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:me@172.16.0.1:5070"
    assert bye.headers.all("route") == ["<sip:10.0.0.7;lr;x=1>", "<sip:10.0.0.8;lr>"]
    assert [peer for _, host, peer, m in wire.trace if host == B and m is bye] == ["10.0.0.7"]


def test_a_callers_route_set_is_the_record_route_turned_round() -> None:
    wire = Wire()
    call = Call(wire).start()
    call.server.answer(ANSWER, wire.now)
    wire.collect()
    ok = wire.last(B, 200).to_bytes()
    wire._flying.clear()
    routed = ok.replace(b"Contact:", b"Record-Route: <sip:10.0.0.2;lr;n=1>, <sip:10.0.0.3;lr;n=2>\r\nContact:")
    wire.send(routed, source=B, target=A)
    wire.run(0.1)
    ack = wire.last(A, "ACK")
    assert ack.headers.all("route") == ["<sip:10.0.0.3;lr;n=2>", "<sip:10.0.0.2;lr;n=1>"]


def test_behind_nat_the_bye_goes_to_where_the_call_came_from() -> None:
    wire = Wire(B, "203.0.113.5")
    invite = INVITE.format(call_id="nat").replace("<sip:me@10.0.0.1:5060>", "<sip:me@192.168.1.20:5060>")
    wire.send(invite, source="203.0.113.5")
    wire.run(0.1)
    assert wire.parties[B].calls[0].dialog.next_hop.host == "203.0.113.5"  # type: ignore[union-attr]


# Strangers, overload, rubbish


@pytest.mark.faults("F8")
def test_a_copy_of_what_was_answered_503_is_answered_503_also_when_there_is_room_again() -> None:
    """RFC 3261 §8.2.7: its sender has gone elsewhere; a call now would ring for nobody."""
    wire = Wire(B)
    busy = iter([Refusal(503, headers=(("Retry-After", "5"),))])
    wire.parties[B].admit = lambda request, peer: next(busy, None)
    invite = INVITE.format(call_id="busy")
    wire.send(invite)
    wire.run(1.3)
    wire.send(invite)
    wire.run(0.1)
    first, second = (one for _, _, _, one in wire.trace)
    assert first.to_bytes() == second.to_bytes()
    assert wire.parties[B].calls == []
    assert wire.parties[B].agent.open == 0
    wire.send(invite.replace("CSeq: 1", "CSeq: 2").replace("z9hG4bKinv", "z9hG4bKnew"))
    wire.run(0.1)
    assert len(wire.parties[B].calls) == 1, "another try of his is another request"


def test_a_stranger_gets_no_answer_and_takes_no_memory() -> None:
    wire = Wire(B)
    wire.parties[B].admit = lambda request, peer: Refusal(0)
    for request in (
        ask(),
        ask("REGISTER"),
        INVITE.format(call_id="x"),
        ask("OPTIONS").replace("SIP/2.0\nVia", "SIP/9.0\nVia"),
        ask("CANCEL"),
        ask("BYE").replace(f"To: <sip:agent@{B}>", f"To: <sip:agent@{B}>;tag=guessed"),
    ):
        wire.send(request, source="198.51.100.9")
    wire.run(1)
    assert wire.trace == []
    assert wire.parties[B].agent.open == 0


def test_what_cannot_be_read_is_answered_where_it_came_from() -> None:
    wire = Wire(B)
    wire.send(ask(via="SIP/2.0/UDP 192.168.1.9:7777;branch=z9hG4bKa;rport", extra="Max-Forwards: x\n"))
    wire.run(0.1)
    via = wire.last(B, 400).via
    assert (via.received, via.rport) == (A, 5060)


def test_a_full_memory_refuses_new_calls_and_keeps_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    call = Call(wire).answered()
    monkeypatch.setattr("sipgw.sip.user_agent.MAX_TRANSACTIONS", 0)
    wire.send(INVITE.format(call_id="more"))
    wire.run(0.1)
    assert wire.last(B, 503).headers.get("retry-after")
    call.client.hangup(wire.now)
    wire.run(0.1)
    assert call.there[-1] == Ended("caller", "BYE")


@pytest.mark.faults("F8")
@pytest.mark.parametrize("full", ["admission", "transactions"])
def test_a_copy_of_a_call_that_went_elsewhere_becomes_no_call(full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """§8.2.7: the same answer as to the first, although there is a place by then. A new try is another matter."""
    wire = Wire(B)
    party = wire.parties[B]
    if full == "admission":
        party.admit = lambda request, peer: Refusal(503, headers=(("Retry-After", "5"),))
    else:
        monkeypatch.setattr("sipgw.sip.user_agent.MAX_TRANSACTIONS", 0)
    wire.send(INVITE.format(call_id="x"))
    wire.run(0.1)
    party.admit = lambda request, peer: None
    monkeypatch.setattr("sipgw.sip.user_agent.MAX_TRANSACTIONS", 20)
    wire.run(1.2)
    wire.send(INVITE.format(call_id="x"))
    wire.run(0.1)
    first, second = [m for _, _, _, m in wire.trace if isinstance(m, Response)]
    assert first.to_bytes() == second.to_bytes()
    assert not party.calls
    wire.send(INVITE.format(call_id="x").replace("z9hG4bKinv", "z9hG4bKagain").replace("CSeq: 1", "CSeq: 2"))
    wire.run(0.1)
    assert len(party.calls) == 1
    wire.run(32)
    wire.send(INVITE.format(call_id="x2").replace("z9hG4bKinvx2", "z9hG4bKinvx"))
    wire.run(0.1)
    assert len(party.calls) == 2


@pytest.mark.faults("F8")
def test_calls_that_went_elsewhere_are_remembered_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.sip.stateless.SENT_ON", 10)
    wire = Wire(B)
    wire.parties[B].admit = lambda request, peer: Refusal(503)
    for number in range(50):
        wire.send(INVITE.format(call_id=f"n{number}"))
    wire.run(1)
    assert wire.parties[B].agent.counts == {"refused": 50, "forgotten 503": 40}


@pytest.mark.faults("F8")
def test_an_address_that_is_refused_all_the_time_has_no_other_one_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.sip.stateless.SENT_ON", 10)
    monkeypatch.setattr("sipgw.sip.stateless.SHARE", 7)
    sent, hosts = SentOn(), {}
    for number in range(3):
        hosts[f"quiet{number}",] = "192.0.2.1"
        assert not sent.add((f"quiet{number}",), "192.0.2.1", BUSY, number)
    for number in range(50):
        assert sent.add((f"loud{number}",), "192.0.2.2", BUSY, 3) is (number >= 7)
    assert all(sent.find(key, host, 4) is BUSY for key, host in hosts.items())
    assert [number for number in range(50) if sent.find((f"loud{number}",), "192.0.2.2", 4)] == list(range(43, 50))
    assert sent.add(("one more",), "192.0.2.3", BUSY, 4)
    assert sent.find(("quiet0",), "192.0.2.1", 4) is None, "there is an end to all of them together"
    assert sent.find(("one more",), "192.0.2.3", 4 + TIMEOUT) is None
    assert not sent._refusals
    assert not sent._keys


@pytest.mark.faults("F8")
def test_a_whole_overload_of_a_known_address_is_remembered() -> None:
    """200 calls a second, each refused, for as long as a copy may come."""
    assert SHARE >= 200 * TIMEOUT


@pytest.mark.faults("F8")
def test_every_request_that_is_turned_away_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for want of room for transactions, and when it comes again."""
    monkeypatch.setattr("sipgw.sip.user_agent.MAX_TRANSACTIONS", 0)
    wire = Wire(B)
    for _ in range(3):
        wire.send(INVITE.format(call_id="x"))
        wire.run(0.1)
    assert len(wire.seen(B, 503)) == 3
    assert wire.parties[B].agent.counts["refused"] == 3


@pytest.mark.faults("F8")
@pytest.mark.parametrize(("expires", "over"), [("2", True), ("300", False), ("0", False), ("-1", False), ("x", False)])
def test_a_call_waits_no_longer_than_its_caller_wants(expires: str, over: bool) -> None:
    """§13.3.1: what Expires says of an INVITE is how long it may ring; an Expires that cannot be read says nothing."""
    wire = Wire(B)
    told: list[object] = []
    wire.parties[B].on_call = lambda call, now: (setattr(call, "on_event", told.append), call.ringing(now))[1]
    wire.send(INVITE.format(call_id="x").replace("Max-F", f"Expires: {expires}\nMax-F"))
    wire.run(1.9)
    assert not told
    wire.run(0.2)
    assert bool(wire.seen(B, 487)) == over
    assert [getattr(event, "how", "") for event in told] == ["487"] * over


@pytest.mark.faults("F8")
def test_a_call_that_is_answered_does_not_expire() -> None:
    wire = Wire(B)
    wire.parties[B].on_call = lambda call, now: call.answer(ANSWER, now)
    wire.send(INVITE.format(call_id="x").replace("Max-F", "Expires: 2\nMax-F"))
    wire.run(4)
    assert wire.parties[B].calls[0].phase is Phase.ANSWERED


def test_overload_is_answered_503_with_retry_after_and_takes_no_memory() -> None:
    wire = Wire(B)
    wire.parties[B].admit = lambda request, peer: Refusal(503, headers=(("Retry-After", "5"),))
    for number in range(50):
        wire.send(INVITE.format(call_id=f"n{number}"))
    wire.run(1)
    assert len(wire.seen(B, 503)) == 50
    assert wire.last(B, 503).headers.get("retry-after") == "5"
    assert wire.parties[B].agent.open == 0


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_never_raise_and_leave_nothing(seed: int) -> None:
    chance = random.Random(seed)
    wire = Wire(seed=seed)
    call = Call(wire).answered()
    seeds = [path.read_bytes() for path in TORTURE]
    seeds += [message.to_bytes() for _, _, _, message in wire.trace]
    for _ in range(1500):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(1, 40)]
                case 2:
                    data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(60)]
                case _:
                    data[at:at] = chance.choice([b"\r\n", b'"', b"<", b";", b",", b"\0", b"%", b"SIP/2.0 200 OK\r\n"])
            if not data:
                break
        wire.send(bytes(data), target=chance.choice([A, B]))
        wire.run(0.02)
    for party in wire.parties.values():
        for stray in party.calls:
            stray.hangup(wire.now)
    call.client.hangup(wire.now)
    wire.run(5)
    assert isinstance(call.here[-1], Ended)
    nothing_left(wire)


def test_a_uri_that_names_nobody_is_still_a_call() -> None:
    """Whom the agent answers for is the trunk's business, not the Request-URI's."""
    wire = Wire(B)
    wire.send(INVITE.format(call_id="any").replace("INVITE sip:agent@10.0.0.2", "INVITE tel:+15551234"))
    wire.run(0.1)
    assert wire.parties[B].calls[0].invite.uri == Uri.parse("tel:+15551234")


def test_who_is_turned_away_without_memory_gets_the_same_tag_each_time() -> None:
    """§8.2.7: a stateless answer to a resent request is the same answer."""
    wire = Wire(B)
    wire.parties[B].admit = lambda request, peer: Refusal(401)
    for _ in range(3):
        wire.send(ask("INVITE"))
    wire.send(ask("INVITE", via=f"SIP/2.0/UDP {A}:5060;branch=z9hG4bKtwo;rport"))
    wire.run(1)
    tags = [message.to.tag for _, _, _, message in wire.trace if isinstance(message, Response)]
    assert len(tags) == 4
    assert len(set(tags[:3])) == 1
    assert tags[3] != tags[0]
    nothing_left(wire)
