# mypy: disable-error-code="comparison-overlap"
"""Bodies of several parts (RFC 3261 §8.2.3, RFC 5621), as carriers send them with ISUP or a place."""

import random

import pytest

from sipgw.sip.body import DEEPEST, MAX_PARTS, plain, understands
from sipgw.sip.events import Answered, Changed, Confirmed, KeyPressed, Offered, Progress
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, request_in_dialog
from tests.sip.test_fuzz_parsers import mutate
from tests.sip.test_torture import get
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire

A, B = "10.0.0.1", "10.0.0.2"
CRLF = b"\r\n"
MIXED = "multipart/mixed;boundary=b1"


def part(kind: str, content: bytes, *headers: str) -> bytes:
    head = [*([f"Content-Type: {kind}"] if kind else []), *headers]
    return "".join(f"{line}\r\n" for line in head).encode() + CRLF + content


def multi(*parts: bytes, boundary: str = "b1") -> bytes:
    mark = b"--" + boundary.encode()
    return b"preamble\r\n" + b"".join(mark + CRLF + one + CRLF for one in parts) + mark + b"--\r\nepilogue"


SESSION = part("application/sdp", OFFER)
ISUP = part("application/ISUP;version=itu-t92+", bytes(range(256)), "Content-Disposition: signal; handling=optional")
NEEDED = part("application/isup", b"\x01\x00", "Content-Disposition: signal;handling=required")
PLACE = part("application/pidf+xml", b"<presence/>", "Content-ID: <target123@atlanta.example.com>")
EARLY = part("application/sdp", ANSWER, "Content-Disposition: early-session; handling=optional")
CODED = part("application/sdp", b"dj0w", "Content-Transfer-Encoding: base64")
NESTED = part('multipart/alternative; boundary="in ner"', multi(part("text/plain", b"hi"), SESSION, boundary="in ner"))


def request(kind: str, body: bytes, *headers: tuple[str, str], method: str = "INVITE") -> Request:
    fields = (("CSeq", f"1 {method}"), *((("Content-Type", kind),) if kind else ()), *headers)
    return Request(method, Uri.parse("sip:h"), headers=Headers(fields), body=body)


@pytest.mark.faults("B9", "F2")
@pytest.mark.parametrize(
    ("kind", "body", "session"),
    [
        ("application/sdp", OFFER, OFFER),
        ("Application/SDP; charset=utf-8", OFFER, OFFER),
        ("", OFFER, OFFER),
        (MIXED, multi(SESSION, ISUP), OFFER),
        (MIXED, multi(ISUP, SESSION), OFFER),
        (MIXED, multi(PLACE, SESSION), OFFER),
        (MIXED, multi(SESSION, PLACE, ISUP).replace(CRLF + b"--b1--\r\nepilogue", b""), OFFER),
        (MIXED, multi(SESSION).replace(b"--b1\r\n", b"--b1  \r\n"), OFFER),
        ('Multipart/Mixed ; boundary="b1"', multi(EARLY, SESSION), OFFER),
        (MIXED, multi(part("", b"text"), SESSION), OFFER),
        (MIXED, multi(NESTED, ISUP), OFFER),
        ("multipart/related;boundary=b1", multi(SESSION, PLACE), OFFER),
        ("multipart/alternative;boundary=b1", multi(part("application/sdp", ANSWER), SESSION, PLACE), OFFER),
        (MIXED, multi(ISUP, PLACE), b""),
        (MIXED, multi(EARLY), b""),
    ],
)
def test_the_session_description_is_found(kind: str, body: bytes, session: bytes) -> None:
    message = request(kind, body)
    assert understands(message)
    taken = plain(message)
    assert taken.body == session
    assert taken.content_type == ("application/sdp" if session else "")
    assert plain(taken) is taken
    answer = Response(200, headers=message.headers, body=body)
    assert plain(answer).body == session


@pytest.mark.faults("B9", "F2", "F8")
@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        ("text/plain", b"hi", ()),
        ("", b"hi", ()),
        ("application/isup", b"\1", (("Content-Disposition", "signal;handling=required"),)),
        ("application/isup", b"\1", (("Content-Disposition", "signal"),)),
        ("application/sdp", OFFER, (("Content-Encoding", "gzip"),)),
        ("application/sdp", OFFER, (("e", "GZIP"),)),
        (MIXED, multi(SESSION), (("Content-Encoding", "gzip"),)),
        (MIXED, multi(SESSION, NEEDED), ()),
        (MIXED, multi(CODED), ()),
        (MIXED, multi(PLACE, part("application/sdp", OFFER, "Content-Encoding: gzip")), ()),
        (MIXED, multi(SESSION, part(MIXED.replace("b1", "b2"), multi(NEEDED, boundary="b2"))), ()),
        (MIXED, multi(SESSION, *[PLACE] * MAX_PARTS), ()),
        (MIXED, b"", ()),
        (MIXED, b"--b2\r\n\r\n", ()),
        ("multipart/mixed", multi(SESSION), ()),
        ('multipart/mixed;boundary="b1', multi(SESSION), ()),
        ("multipart/alternative;boundary=b1", multi(PLACE), ()),
    ],
)  # fmt: skip
def test_what_has_to_be_understood_and_is_not(kind: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
    message = request(kind, body or b"x", *headers)
    assert not understands(message)
    assert plain(message) is message, "to be refused"
    assert plain(Response(200, headers=message.headers, body=message.body)).body == b"", "it cannot be refused"


@pytest.mark.faults("F2")
def test_a_lone_part_that_is_optional_is_no_body() -> None:
    optional = (("Content-Disposition", "signal;handling=optional"),)
    taken = plain(request("application/isup", b"\1", *optional))
    assert (taken.body, taken.content_type, taken.headers.get("content-disposition")) == (b"", "", None)
    taken = plain(request("application/sdp", b"\1", *optional, ("Content-Encoding", "gzip")))
    assert taken.body == b""


def test_a_multipart_in_a_multipart_is_followed_only_so_far() -> None:
    def nested(depth: int) -> Request:
        body, kind = OFFER, "application/sdp"
        for at in range(depth):
            body, kind = multi(part(kind, body), boundary=f"b{at}"), f"multipart/mixed;boundary=b{at}"
        return request(kind, body)

    assert plain(nested(DEEPEST)).body == OFFER
    assert not understands(nested(DEEPEST + 1))
    assert not understands(nested(400))


def test_the_binary_part_of_rfc_4475_does_not_hide_the_others() -> None:
    message = get("mpart01")
    assert plain(message) is message, "MESSAGE is no method of ours"


@pytest.mark.slow
def test_spoilt_parts_are_understood_or_refused() -> None:
    source = random.Random(5621)
    whole = multi(PLACE, NESTED, ISUP, NEEDED, EARLY)
    found = 0
    for _ in range(5_000):
        message = request(MIXED, mutate(whole.replace(b"required", source.choice((b"required", b"optional"))), source))
        taken = plain(message)
        found += taken.body == OFFER
        assert (taken is message) == (not understands(message))
    assert 500 < found < 4_500


def sent(wire: Wire, body: bytes, kind: str, *headers: str) -> None:
    text = INVITE.format(call_id="x").replace("Content-Length: 0", f"Content-Length: {len(body)}")
    text = text.replace("Max-F", "".join(f"{line}\n" for line in (f"Content-Type: {kind}", *headers)) + "Max-F")
    wire.send(text.replace("\n", "\r\n").encode() + body)
    wire.run(0.1)


@pytest.mark.faults("B9", "F2")
def test_an_invite_with_isup_is_a_call_with_an_offer() -> None:
    wire = Wire(B)
    sent(wire, multi(SESSION, ISUP), MIXED)
    (call,) = wire.parties[B].calls
    assert call.invite.body == OFFER


@pytest.mark.faults("F2")
def test_an_invite_with_nothing_but_an_optional_part_wants_our_offer() -> None:
    wire = Wire(B)
    sent(wire, b"\1\2", "application/isup", "Content-Disposition: signal;handling=optional")
    (call,) = wire.parties[B].calls
    assert call.invite.body == b""


@pytest.mark.faults("F8")
@pytest.mark.parametrize(
    ("kind", "header", "encoding"),
    [("application/sdp", "Content-Encoding: gzip", "identity"), ("text/plain", "X: y", None)],
)
def test_a_body_that_cannot_be_read_is_a_415(kind: str, header: str, encoding: str | None) -> None:
    wire = Wire(B)
    sent(wire, OFFER, kind, header)
    refusal = wire.last(B, 415)
    assert (refusal.headers.get("accept"), refusal.headers.get("accept-encoding")) == ("application/sdp", encoding)


def packed(data: bytes, description: bytes) -> bytes:
    """The same message with its description among other parts."""
    if data.count(description) != 1:
        return data
    body = multi(PLACE, part("application/sdp", description), ISUP)
    head = data.partition(CRLF + CRLF)[0].replace(b"application/sdp", MIXED.encode(), 1)
    head = CRLF.join(line for line in head.split(CRLF) if not line.startswith(b"Content-Length"))
    return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.faults("B9", "F2")
def test_all_of_a_call_goes_with_multiparts() -> None:
    """The INVITE, a 183, the 200, the re-INVITE and its 200."""
    wire = Wire()
    wire.spoil = lambda data: packed(packed(data, OFFER), ANSWER)
    call = Call(wire).start()
    assert call.server.invite.body == OFFER
    call.server.progress(ANSWER, wire.now)
    wire.run(0.1)
    assert call.here[-1] == Progress(183, "Session Progress", ANSWER)
    call.server.answer(ANSWER, wire.now)
    wire.run(0.1)
    assert call.here[-1] == Confirmed(ANSWER)
    call.client.session.change(OFFER, wire.now)
    wire.run(0.1)
    assert call.there[-1] == Offered(OFFER)
    call.server.accept_offer(ANSWER, wire.now)
    wire.run(0.1)
    assert call.here[-1] == Changed(ANSWER, 200, "OK")
    assert not [one for one in call.here if isinstance(one, Answered)]


@pytest.mark.faults("B9")
def test_the_answer_in_an_ack_may_be_one_of_several_parts() -> None:
    wire = Wire()
    call = Call(wire).answered()
    wire.send(request_in_dialog(call, "INVITE", 20000))
    wire.run(0.1)
    call.server.accept_offer(OFFER, wire.now)
    wire.run(0.1)
    ack = request_in_dialog(call, "ACK", 20000, ANSWER.decode().replace("\r\n", "\n"), "application/sdp")
    wire.send(packed(ack.replace("\n", "\r\n").encode(), ANSWER))
    wire.run(0.1)
    assert call.there[-1] == Confirmed(ANSWER)


@pytest.mark.faults("F8")
def test_a_reinvite_that_cannot_be_read_changes_nothing() -> None:
    wire = Wire()
    call = Call(wire).answered()
    before = len(call.there)
    text = request_in_dialog(call, "INVITE", 20000, OFFER.decode().replace("\r\n", "\n"), "application/sdp")
    wire.send(text.replace("Max-F", "Content-Encoding: gzip\nMax-F", 1))
    wire.run(0.1)
    assert wire.last(B, 415).headers.get("accept-encoding") == "identity"
    assert len(call.there) == before


def test_a_key_may_come_with_other_parts() -> None:
    keys = part("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
    assert plain(request(MIXED, multi(ISUP, keys), method="INFO")).body == b"Signal=5\r\nDuration=160\r\n"
    wire = Wire()
    call = Call(wire).answered()
    body = multi(ISUP, keys).decode("latin-1").encode("ascii", "replace").decode().replace("\r\n", "\n")
    wire.send(request_in_dialog(call, "INFO", 20000, body, MIXED))
    wire.run(0.1)
    assert call.there[-1] == KeyPressed("5", 0.16)
