"""What is received is read liberally: a stranger costs little work, and what routing does not need costs no call."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer, reply_peer, sender_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Ended, Phase
from sipgw.sip.fields import CSeq, NameAddr, Via
from sipgw.sip.message import Request
from sipgw.sip.output import Packet
from sipgw.sip.parse import MAX_DATAGRAM, parse_message
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left
from tests.sip.test_torture import load
from tests.sip.wire import ANSWER, INVITE, Wire

A, B = "10.0.0.1", "10.0.0.2"
BROKEN = [
    "<sip:agent@10.0.0.2:5060;>;",
    "<sip:agent@10.0.0.2:5060>;expires=",
    "<sip:a gent@10.0.0.2>",
    "<sip:agent@[fe80::1%25eth0]>",
    '"agent <sip:agent@10.0.0.2:5060>',
    "agent",
]


@pytest.mark.faults("B2")
@pytest.mark.parametrize("contact", BROKEN)
def test_a_200_counts_whatever_its_contact_looks_like(contact: str) -> None:
    """Whoever picked up is heard and can be hung up on, not left alone with a caller who hears ringing."""
    wire = Wire()
    call = Call(wire)
    ours = b"Contact: <sip:agent@10.0.0.2:5060>"
    wire.spoil = lambda data: data.replace(ours, f"Contact: {contact}".encode()) if b"SIP/2.0 200" in data else data
    call.answered()
    assert call.here[-1] == Confirmed(ANSWER)
    assert len(wire.seen(B, 200)) == 1
    call.client.hangup(wire.now)
    wire.run(0.1)
    assert call.there[-1] == Ended("caller", "BYE")
    nothing_left(wire)


@pytest.mark.faults("B2", "F5")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<sip:me@10.0.0.1>;tag", "Jürgen Groß <sip:me@10.0.0.1>;tag"),
        ("<sip:me@10.0.0.1>;tag", "Smith (Office) <sip:me@10.0.0.1>;tag"),
        ("<sip:me@10.0.0.1>;tag", "(415) 555-0123 <sip:me@10.0.0.1>;tag"),
        ("<sip:me@10.0.0.1>;tag", "JOE & SONS <sip:+49 30 1@10.0.0.1>;tag"),
        ("To: <", "To: Sales (Bonn), 2nd floor <"),
        ("Max-Forwards", "Date: yesterday\nDate: today\nExpires: -1\nMax-Forwards"),
        *(("<sip:me@10.0.0.1:5060>", broken.replace(B, A)) for broken in BROKEN),
    ],
)
def test_an_invite_becomes_a_call_whatever_people_are_called(old: str, new: str) -> None:
    """Should the Contact be of no use, the other side is reached where it called from."""
    wire = Wire(B, "10.0.0.3")
    text = INVITE.format(call_id="x")
    assert old in text
    wire.send(text.replace(old, new))
    wire.run(0.1)
    (call,) = wire.parties[B].calls
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    ok = wire.last(B, 200)
    ack = parse_message(INVITE.format(call_id="x").replace("INVITE", "ACK").replace("\n", "\r\n").encode())
    assert isinstance(ack, Request)
    wire.send(str(ack.to_bytes(), "utf-8").replace("<sip:agent@10.0.0.2>", f"<sip:agent@{B}>;tag={ok.to.tag}").encode())
    wire.run(0.1)
    assert call.phase is Phase.CONFIRMED
    call.hangup(wire.now)
    wire.run(0.1)
    assert [to for _, host, to, one in wire.trace if isinstance(one, Request) and one.method == "BYE"] == [A]


def test_a_route_that_cannot_be_read_is_refused() -> None:
    """What we send in the call would go astray (RFC 3261 §12.1.1)."""
    wire = Wire(B)
    wire.send(INVITE.format(call_id="x").replace("Max-F", "Record-Route: <sip:p1;lr>, sip\nMax-F"))
    wire.run(0.1)
    assert wire.seen(B, 400)
    assert not wire.parties[B].calls


@pytest.mark.faults("F8")
def test_a_request_whose_via_cannot_be_read_is_answered_where_it_came_from() -> None:
    """RFC 4475 §3.1.2.1 wants a 400, and its Vias as they were."""
    wire = Wire(B)
    party = wire.parties[B]

    def answers() -> list[Packet]:
        party.agent.receive(load("badinv01"), Peer("udp", "192.0.2.15", 5999), wire.now)
        party.handle(wire.now)
        return list(party.agent.to_send())

    (packet,) = answers()
    assert packet.peer == Peer("udp", "192.0.2.15", 5999)
    assert packet.data.startswith(b"SIP/2.0 400 ")
    assert b"\r\nVia: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" in packet.data
    party.admit = lambda request, peer: Refusal(401)
    assert [packet.data[:12] for packet in answers()] == [b"SIP/2.0 401 "]
    party.admit = lambda request, peer: Refusal(0)
    assert not answers(), "strangers learn nothing"


@pytest.mark.faults("B12")
@pytest.mark.parametrize(("transport", "port"), [("udp", 5060), ("tcp", 5060), ("tls", 5061)])
def test_an_answer_goes_to_the_port_of_its_transport(transport: str, port: int) -> None:
    """RFC 3261 §18.2.2: a Via without a port means the default one, which for TLS is 5061."""
    text = (
        INVITE.format(call_id="x").replace("UDP 10.0.0.1:5060", f"{transport.upper()} 10.0.0.1").replace(";rport", "")
    )
    request = parse_message(text.replace("\n", "\r\n").encode())
    assert isinstance(request, Request)
    assert reply_peer(request, Peer(transport, A, 40000, 7)) == Peer(transport, A, port, 7)
    assert sender_of(request) == Peer(transport, A, port)


HEAD = (
    b"INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n"
    b"Call-ID: x\r\nCSeq: 1 INVITE\r\n"
)
ROOM = MAX_DATAGRAM - len(HEAD) - 100
HOSTILE = {
    "folds": HEAD + b"Subject: a" + b"\n a" * (ROOM // 3),
    "contacts": HEAD + b"Contact: <sip:h>" + b",<sip:h>" * (ROOM // 8),
    "quoted contacts": HEAD + b"Contact: <sip:h>" + b',"a\\b" <sip:h>' * (ROOM // 14),
    "lines of contacts": HEAD + b"m: <sip:h>\r\n" * 240,
    "contact parameters": HEAD + b"Contact: <sip:h>" + b";a" * (ROOM // 2),
    "contact URI parameters": HEAD + b"Contact: <sip:h" + b";a" * (ROOM // 2) + b">",
    "record-routes": HEAD + b"Record-Route: <sip:h>" + b",<sip:h>" * (ROOM // 8),
    "tokens": HEAD + b"Require: " + b"a," * (ROOM // 2),
    "vias in a line": HEAD.replace(b"\r\nFrom", b",SIP/2.0/UDP h" * (ROOM // 14) + b"\r\nFrom"),
    "commas in Via": HEAD.replace(b"\r\nFrom", b"," * ROOM + b"\r\nFrom"),
    "lines of vias": HEAD + b"v: SIP/2.0/UDP h\r\n" * 240,
    "via parameters": HEAD.replace(b"\r\nFrom", b";a" * (ROOM // 2) + b"\r\nFrom"),
    "from parameters": HEAD.replace(b";tag=1", b";a" * (ROOM // 2) + b";tag=1"),
    "from semicolons": HEAD.replace(b";tag=1", b";" * ROOM + b";tag=1"),
    "from URI parameters": HEAD.replace(b"a@h", b"a@h" + b";a" * (ROOM // 2)),
    "to URI parameters without brackets": HEAD.replace(b"<sip:h>", b"sip:h" + b";a" * (ROOM // 2)),
    "quotes": HEAD.replace(b"<sip:h>", b'"' * ROOM + b" <sip:h>"),
    "backslashes": HEAD.replace(b"<sip:h>", b'"' + b"\\" * ROOM + b"<sip:h>"),
    "escaped quotes": HEAD.replace(b"<sip:h>", b'"' + b'\\"' * (ROOM // 2) + b'" <sip:h>'),
    "escaped backslashes": HEAD.replace(b"<sip:h>", b'"' + b"\\" * (ROOM // 2 * 2) + b'" <sip:h>'),
    "open brackets": HEAD.replace(b"<sip:h>", b"<" * ROOM + b"sip:h>"),
    "lines": HEAD + b"X: y\r\n" * (ROOM // 6),
}


@pytest.mark.faults("A5")
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_stranger_costs_little_work(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted is what is read of the largest datagram until its sender is turned away."""
    assert MAX_DATAGRAM * 3 // 4 < len(data) + 4 <= MAX_DATAGRAM or data.count(b"\n") > 240
    work: Counter[str] = Counter()
    for kind, method in ((NameAddr, "party"), (NameAddr, "parse"), (Via, "parse"), (Uri, "parse"), (CSeq, "parse")):
        count(monkeypatch, work, kind, method)
    wire = Wire(B)
    wire.parties[B].admit = lambda request, peer: Refusal(0)
    party = wire.parties[B]

    def take() -> None:
        party.agent.receive(data + b"\r\n\r\n", Peer("udp", A, 5060), wire.now)
        party.handle(wire.now)

    steps = lines_run(take)
    assert work["NameAddr.parse"] == 0, "nobody has asked for a Contact or a Route"
    assert work["NameAddr.party"] <= 4, "the request, and the same with another Via"
    assert work["Via.parse"] <= 2
    assert work["Uri.parse"] <= 5
    assert work["CSeq.parse"] <= 2
    assert steps < 10_000, "lines of Python; 256 plain headers take 7,000"


def count(monkeypatch: pytest.MonkeyPatch, work: Counter[str], kind: type, method: str) -> None:
    real = getattr(kind, method)

    def counted(text: str) -> object:
        work[f"{kind.__name__}.{method}"] += 1
        return real(text)

    monkeypatch.setattr(kind, method, counted)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python `work` runs through."""
    lines, before = [0], sys.gettrace()

    def trace(frame: FrameType, event: str, value: object) -> object:
        lines[0] += event == "line"
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(before)
    return lines[0]


@pytest.mark.faults("A5")
def test_a_datagram_that_is_too_large_is_counted_and_nothing_else() -> None:
    async def receive() -> None:
        seen: list[Traced] = []
        options = EndpointOptions(host="127.0.0.1", port=0, tcp=False)
        async with Endpoint(options, lambda leg: None, lambda request, peer: Refusal(403), seen.append) as endpoint:
            peer = Peer("udp", "127.0.0.1", 9)
            endpoint.datagram(HEAD + b"X: " + b"x" * MAX_DATAGRAM + b"\r\n\r\n", peer)
            assert (endpoint.agent.counts, seen) == (Counter(oversized=1), [])
            endpoint.datagram(HEAD + b"\r\n", peer)
            assert [one.data[:11] for one in seen] == [b"INVITE sip:", b"SIP/2.0 403"]

    asyncio.run(receive())


@pytest.mark.faults("B2")
def test_a_redirection_leads_to_the_contacts_that_can_be_read() -> None:
    wire = Wire()
    call = Call(wire).start()
    wire.spoil = lambda data: data.replace(b"Server:", b"Contact: <sip:a b@c>, <sip:d@e>;\r\nServer:")
    call.server.reject(302, wire.now)
    wire.run(0.1)
    ended = call.here[-1]
    assert isinstance(ended, Ended)
    assert [str(uri) for uri in ended.contacts] == ["sip:d@e"]
