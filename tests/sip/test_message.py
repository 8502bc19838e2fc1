"""Requests and responses: RFC 3261 §7, §8.2.6, §20, §25."""

import pytest

from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.sip.parse import MAX_FIELDS, ParseError, parse_message
from tests.sip.vias import vias

INVITE = b"""INVITE sip:agent@203.0.113.7 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK+8a2f+1+!x*y;rport, SIP/2.0/TCP [2001:db8::9];branch=z9hG4bKb
v: SIP/2.0/TLS c.example.com;branch=z9hG4bKc
Record-Route: <sip:p1.example.com;lr;ftag=a+1=>, <sip:p2.example.com;lr>
Record-Route: <sip:p3.example.com>
f: "Bell, A. \\"Alex\\"" <sip:a@example.com>;tag=+1+
t: <sip:agent@203.0.113.7>
i: 7d33@192.0.2.1
CSeq: 314159 INVITE
Max-Forwards: 70
m: <sip:a@192.0.2.1:5060>
k: timer, 100rel
Require: precondition
Timestamp: 54
c: application/sdp;charset=utf-8
l: 4

v=0
""".replace(b"\n", b"\r\n")


def invite(old: bytes = b"", new: bytes = b"") -> bytes:
    assert old in INVITE
    return INVITE.replace(old, new)


def request(data: bytes = INVITE) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def refusal(data: bytes) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_message(data)
    return caught.value


def test_a_request_knows_its_fields() -> None:
    message = request()
    assert (message.method, str(message.uri)) == ("INVITE", "sip:agent@203.0.113.7")
    assert [str(via) for via in vias(message)] == [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK+8a2f+1+!x*y;rport",
        "SIP/2.0/TCP [2001:db8::9];branch=z9hG4bKb",
        "SIP/2.0/TLS c.example.com;branch=z9hG4bKc",
    ]
    assert [str(route) for route in message.record_routes] == [
        "<sip:p1.example.com;lr;ftag=a+1=>",
        "<sip:p2.example.com;lr>",
        "<sip:p3.example.com>",
    ]
    assert (message.from_.display, message.from_.tag, message.to.tag) == ('Bell, A. "Alex"', "+1+", "")
    assert (message.call_id, message.cseq.number, message.cseq.method) == ("7d33@192.0.2.1", 314159, "INVITE")
    assert (message.max_forwards, message.require, message.supported) == (70, ["precondition"], ["timer", "100rel"])
    assert str(message.contact) == "<sip:a@192.0.2.1:5060>"
    assert (message.content_type, message.body) == ("application/sdp", b"v=0\r")
    assert message.routes == ()


def test_a_message_is_printed_with_its_own_spelling_and_a_computed_length() -> None:
    lines = request().to_bytes().split(b"\r\n")
    assert b'f: "Bell, A. \\"Alex\\"" <sip:a@example.com>;tag=+1+' in lines
    assert lines[-3:] == [b"Content-Length: 4", b"", b"v=0\r"]
    assert bytes(request()) == request().to_bytes()


def test_bytes_that_are_no_utf8_survive() -> None:
    data = invite(b"Timestamp: 54", b"Subject: caf\xe9 \xff\xfe")
    assert b"\r\nSubject: caf\xe9 \xff\xfe\r\n" in request(data).to_bytes()


def test_headers_are_found_by_any_spelling() -> None:
    headers = Headers((("VIA", "a"), ("v", "b"), ("Via", "c"), ("X-Twilio-CallSid", "CA0"), ("o", "presence")))
    assert headers.lines("Via") == ["a", "b", "c"]
    assert (headers.get("x-twilio-callsid"), headers.get("EVENT"), headers.get("none")) == ("CA0", "presence", None)
    assert headers.without("Via").fields == (("X-Twilio-CallSid", "CA0"), ("o", "presence"))
    assert headers.with_(("A", "1")).fields[-1] == ("A", "1")


def test_only_lists_are_taken_apart_at_commas() -> None:
    headers = Headers(
        (
            ("Contact", '"A, B" <sip:a,b@h>;q=1, <sip:c@h>'),
            ("m", "<sip:d@h>"),
            ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"),
            ("Authorization", 'Digest username="a", realm="b"'),
            ("Allow", "INVITE,ACK , BYE"),
            ("Supported", ""),
        )
    )
    assert headers.all("contact") == ['"A, B" <sip:a,b@h>;q=1', "<sip:c@h>", "<sip:d@h>"]
    assert headers.all("date") == ["Sat, 13 Nov 2010 23:29:00 GMT"]
    assert headers.all("authorization") == ['Digest username="a", realm="b"']
    assert headers.all("allow") == ["INVITE", "ACK", "BYE"]
    assert headers.tokens("supported") == []
    assert Headers((("Require", '"'),)).tokens("require") == []


def test_folded_lines_are_joined() -> None:
    assert (
        request(invite(b"Timestamp: 54", b"Subject: one\r\n two\r\n\tthree")).headers.get("subject") == "one two three"
    )


def test_line_feeds_alone_are_let_through() -> None:
    """Not legal, but written by hand-made clients and harmless."""
    assert request(INVITE.replace(b"\r\n", b"\n")).headers.fields == request().headers.fields


def test_empty_lines_before_a_message_are_skipped() -> None:
    """RFC 3261 §7.5."""
    assert request(b"\r\n\r\n" + INVITE) == request()


def test_a_datagram_without_content_length_ends_where_it_ends() -> None:
    """RFC 3261 §18.3."""
    assert request(invite(b"l: 4\r\n")).body == b"v=0\r\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SIP/2.0\r\nVia", b"SIP/2.0\r\n Via"),  # a folded line with nothing before it
        (b"Via: SIP/2.0/UDP 192", b"Via: SIP/2.0/UDP exa mple.com 192"),
        (b"Via: SIP/2.0/UDP", b"Via: SIP//UDP"),
        (b"Via: SIP/2.0/UDP", b"Via: HTTP/2.0/UDP"),
        (b";rport", b";rport=abc"),
        (b";rport", b";rport=123456"),
        (b"Via: SIP/2.0/UDP 192", b"Via: , SIP/2.0/UDP 192"),
        (b";rport", b";rport;;"),
        (b";tag=+1+", b";tag=a b"),
        (b";tag=+1+", b";tag=1, <sip:mallory@example.com>;tag=2"),
        (b";tag=+1+", b"\r\nFrom: <sip:mallory@example.com>;tag=2"),
        (b"t: <sip:agent@203.0.113.7>", b"t: <sip:agent@203.0.113.7"),
        (b"t: <sip:agent@203.0.113.7>", b"t: sip:agent@203.0.113.7>"),
        (b"t: <sip:agent@203.0.113.7>", b"t:"),
        (b"t: <sip:agent@203.0.113.7>\r\n", b""),
        (b"i: 7d33@192.0.2.1", b"i:"),
        (b"CSeq: 314159 INVITE", b"CSeq:"),
        (b"CSeq: 314159 INVITE", b"CSeq: 314159"),
        (b"CSeq: 314159 INVITE", b"CSeq: 314159 INVITE INVITE"),
        (b"CSeq: 314159 INVITE", b"CSeq: -1 INVITE"),
        (b"CSeq: 314159 INVITE", b"CSeq: 2147483648 INVITE"),
        (b"CSeq: 314159 INVITE", "CSeq: ١ INVITE".encode()),
        (b"CSeq: 314159 INVITE", b"CSeq: 314159 invite"),
        (b"Max-Forwards: 70", b"Max-Forwards: 256"),
        (b"Max-Forwards: 70", b"Max-Forwards: " + b"0" * 5000 + b"70"),
        (b"Max-Forwards: 70", b"Max-Forwards:"),
        (b"l: 4", b"l: 4\r\nContent-Length: 5"),
        (b"l: 4", b"l: 0x4"),
        (b"l: 4", b"l: 6"),  # beyond the end
        (b"Timestamp: 54", b"Timestamp 54"),
        (b"Timestamp: 54", b": 54"),
        (b"Timestamp: 54", b"Time stamp: 54"),
        (b"Timestamp: 54", b"Timestamp: 54\rX: injected"),
        (b"Timestamp: 54\r\n", b"X: y\r\n" * MAX_FIELDS),
        (b"INVITE sip:agent@203.0.113.7", b"INVITE agent"),
        (b"INVITE sip:agent@203.0.113.7 SIP/2.0", b"IN<VITE sip:agent@203.0.113.7 SIP/2.0"),
        (b" SIP/2.0\r\nVia", b" HTTP/1.1\r\nVia"),
        (b"\r\nl: 4\r\n\r\nv=0\r\n", b"\r\n"),  # cut off after a header
        (b"\r\nl: 4\r\n\r\nv=0\r\n", b""),
        (b"8\r\nl: 4\r\n\r\nv=0\r\n", b""),
    ],
)
def test_a_broken_request_is_a_400(old: bytes, new: bytes) -> None:
    assert refusal(invite(old, new)).status == 400


@pytest.mark.faults("B2", "F5")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"m: <", b"m: sip:a?b@h, <"),
        (b"m: <sip:a@192.0.2.1:5060>", b"m: <sip:a@192.0.2.1:5060>;"),
        (b"m: <sip:a@192.0.2.1:5060>", b"m: <sip:a a@192.0.2.1>"),
        (b"m: <sip:a@192.0.2.1:5060>", b"m: <sip:a@[fe80::1%25eth0]>"),
        (b"m: <sip:a@192.0.2.1:5060>", b'm: "a'),
        (b'f: "Bell', b"f: Bell"),
        (b'f: "Bell, A. \\"Alex\\"" <sip:a@example.com>', b"f: J\xfcrgen (Bonn) & Co <sip:@anonymous.invalid>"),
        (b"t: <sip:agent@203.0.113.7>", b"t: <sip:agent@203.0.113.7>;"),
        (b"Record-Route: <sip:p3.example.com>", b"Record-Route: sip"),
        (b"Timestamp: 54", b"Date: x\r\nDate: y\r\nSubject: a\r\nSubject: b\r\nContent-Type: x\r\nExpires: -1"),
        (b";rport", b";rport;"),
        (b";rport, SIP/2.0/TCP [2001:db8::9];branch=z9hG4bKb", b";rport, mumble, ,"),
    ],
)
def test_what_routing_does_not_need_costs_no_message(old: bytes, new: bytes) -> None:
    message = request(invite(old, new))
    assert message.from_.tag == "+1+"
    assert parse_message(response_to(message, 200, to_tag="x").to_bytes()).to.tag == "x"


@pytest.mark.faults("B2")
def test_who_asks_for_a_field_that_cannot_be_read_is_told() -> None:
    contacts = request(invite(b"m: <sip:a@192.0.2.1:5060>", b"m: <sip:a b@c>, <sip:d@e>")).contacts
    assert ([str(one) for one in contacts], contacts.malformed is not None) == (["<sip:d@e>"], True)
    assert request(invite(b"Timestamp: 54", b"Expires: -1")).expires is None
    assert request(invite(b"Timestamp: 54", b"Expires: 90")).expires == 90


def test_a_version_of_the_future_is_a_505() -> None:
    error = refusal(invite(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"))
    assert (error.status, error.message is not None) == (505, True)


def test_a_message_over_the_limit_is_not_read() -> None:
    assert refusal(invite(b"Timestamp: 54", b"X: " + b"x" * 65536)).status == 513


@pytest.mark.parametrize("start", [b"SIP/2.0 200", b"sip/2.0 200 OK", b"SIP/2.0 200 ", b"SIP/2.0 699 x"])
def test_status_lines(start: bytes) -> None:
    """The version is compared without regard to case (§7.1); a missing reason phrase is let through."""
    message = parse_message(invite(b"INVITE sip:agent@203.0.113.7 SIP/2.0", start))
    assert isinstance(message, Response)
    assert message.status in (200, 699)


def test_a_reason_phrase_can_be_stored_and_shown_whatever_was_sent() -> None:
    """It goes into records and databases, which take no bytes that are not UTF-8."""
    message = parse_message(invite(b"INVITE sip:agent@203.0.113.7 SIP/2.0", b"SIP/2.0 486 Ger\xe4t be\0setzt"))
    assert isinstance(message, Response)
    assert message.reason == "Ger?t be setzt"


@pytest.mark.parametrize("call_id", [b"caf\xe9@h", "caf\u00e9@h".encode(), b"a\0b", b"a\x07b"])
def test_a_call_id_is_plain_text(call_id: bytes) -> None:
    """RFC 3261 §25.1; records, files and keys are named after it."""
    error = refusal(invite(b"i: 7d33", b"i: " + call_id))
    assert (error.status, error.message is not None) == (400, True)


@pytest.mark.parametrize(
    "start", [b"SIP/2.0 99 x", b"SIP/2.0 099 x", b"SIP/2.0 700 x", b"SIP/2.0 4294967301 x", b"SIP/3.0 200 OK", b"SIP/"]
)
def test_a_broken_response_is_never_answered(start: bytes) -> None:
    assert refusal(invite(b"INVITE sip:agent@203.0.113.7 SIP/2.0", start)).message is None


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\x00" * 100, b"\xff" * 1400, b"GET / HTTP/1.1\r\n\r\n", b"jaK"])
def test_what_is_not_sip_is_never_answered(data: bytes) -> None:
    assert refusal(data).message is None


def test_a_response_repeats_what_the_rfc_says() -> None:
    """RFC 3261 §8.2.6.2, §12.1.1: byte for byte, in order, and nothing else."""
    response = response_to(request(), 180, to_tag="x1", headers=(("Contact", "<sip:us>"),))
    assert response.headers.fields == (
        ("Via", INVITE.decode().split("\r\n")[1].removeprefix("Via: ")),
        ("Via", "SIP/2.0/TLS c.example.com;branch=z9hG4bKc"),
        ("Record-Route", "<sip:p1.example.com;lr;ftag=a+1=>, <sip:p2.example.com;lr>"),
        ("Record-Route", "<sip:p3.example.com>"),
        ("From", '"Bell, A. \\"Alex\\"" <sip:a@example.com>;tag=+1+'),
        ("To", "<sip:agent@203.0.113.7>;tag=x1"),
        ("Call-ID", "7d33@192.0.2.1"),
        ("CSeq", "314159 INVITE"),
        ("Contact", "<sip:us>"),
    )
    assert (response.status, response.reason) == (180, "Ringing")


def test_a_tag_of_the_request_is_kept() -> None:
    within = request(invite(b"t: <sip:agent@203.0.113.7>", b"t: <sip:agent@203.0.113.7>;tag=ours"))
    assert response_to(within, 200, to_tag="other").to.tag == "ours"


def test_what_depends_on_the_status() -> None:
    trying, refused = response_to(request(), 100), response_to(request(), 486, "Busy")
    assert trying.headers.get("timestamp") == "54"  # RFC 3261 §8.2.6.1
    assert refused.headers.get("timestamp") is None
    assert trying.record_routes == refused.record_routes == ()
    assert refused.reason == "Busy"


def test_a_response_with_a_body() -> None:
    response = parse_message(response_to(request(), 200, body=b"v=0\r\n", content_type="application/sdp").to_bytes())
    assert (response.content_type, response.body) == ("application/sdp", b"v=0\r\n")
    assert response.headers.get("content-length") == "5"


def test_the_400_to_doubled_headers_holds_each_once() -> None:
    """RFC 4475 §3.3.8: which of them does not matter, but the answer is a well-formed one."""
    error = refusal(invite(b"CSeq: 314159 INVITE", b"CSeq: 1 INVITE\r\nCSeq: 2 INVITE"))
    assert error.message is not None
    answer = parse_message(response_to(error.message, error.status, error.reason, to_tag="x").to_bytes())
    assert (answer.cseq.number, answer.to.tag) == (1, "x")


def test_the_topmost_via_can_be_replaced() -> None:
    message = request()
    changed = message.with_top_via(message.via.with_received("198.51.100.4", 1024))
    assert [str(via) for via in vias(changed)] == [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK+8a2f+1+!x*y;received=198.51.100.4;rport=1024",
        *map(str, vias(message)[1:]),
    ]
    assert changed.headers.without("via").fields == message.headers.without("via").fields


def test_a_star_is_no_contact() -> None:
    assert request(invite(b"m: <sip:a@192.0.2.1:5060>", b"m: *")).contact is None
    both = Request("INVITE", request().uri, headers=Headers((("Contact", "*, <sip:a>"),))).contacts
    assert both.malformed is not None
