"""Whatever comes from the network: the parsers raise their own errors and nothing else."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipgw.sip.fields import CSeq, FieldError, NameAddr, Via
from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, accept_answer, answer, make_offer
from sipgw.sip.parse import ParseError, StreamFramer, parse_message
from sipgw.sip.sdp import Sdp, SdpError
from sipgw.sip.uri import Uri, UriError
from tests.bench.sip import INVITE, OFFER
from tests.sip.test_torture import DATA
from tests.sip.vias import vias

SEEDS = [*(path.read_bytes() for path in sorted(DATA.glob("*.dat"))), INVITE]
US = LocalMedia("203.0.113.7", 20000, tls=False)
SPLICES = [
    b"\r\n", b"\r", b"\n", b"\0", b'"', b"\\", b"<", b">", b";", b",", b":", b"=", b"@", b"[", b"]", b"%", b" ",
    b"\xff", b"SIP/2.0", b"Via:", b"CSeq:", b"\r\n ", b"tag=", b"rport=", b"99999999999", b"0" * 5000,
    "٣".encode(), "é".encode(),
]  # fmt: skip
JUNK = b'0123456789abcxyz\r\n\t "\\<>;,:=@[]%&?/\x00\x7f\xc3\xa9\xff'


def mutate(data: bytes, source: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or spliced in."""
    for _ in range(source.randint(1, 4)):
        at, width = source.randint(0, len(data)), source.choice((1, 1, 2, 8, 80))
        piece = source.choice((b"", source.choice(SPLICES), data[at : at + width] * 2, bytes([source.choice(JUNK)])))
        data = data[:at] + piece + data[at + width :]
    return data


def touch(message: Request | Response) -> None:
    """Read everything that a user agent reads of a message that has passed the parser."""
    with suppress(FieldError):  # those below the topmost are only echoed
        _ = [str(one) for one in vias(message)]
    _ = message.via.branch, message.via.rport, message.via.received, message.from_.tag, message.to.tag
    _ = message.call_id, message.cseq.number, message.contact, message.routes, message.record_routes
    _ = message.require, message.supported, message.content_type
    _ = [str(one) for one in (message.via, message.from_, message.to, *message.contacts, *message.record_routes)]
    if isinstance(message, Request):
        _ = message.max_forwards, message.uri.transport, message.uri.equivalent(message.from_.uri)
        _ = message.with_top_via(message.via.with_received("192.0.2.1", 5060)).to_bytes()


def read(data: bytes) -> Request | Response | None:
    """Parse, use and answer, as the user agent does."""
    try:
        message = parse_message(data)
    except ParseError as error:
        assert 400 <= error.status <= 699
        if error.message is not None:
            check_answer(response_to(error.message, error.status, error.reason, to_tag="t"))
        return None
    touch(message)
    if isinstance(message, Request):
        check_answer(response_to(message, 200, to_tag="t"))
    return message


def check_answer(response: Response) -> None:
    """No byte of a request may end a line of the response."""
    head = response.to_bytes().partition(b"\r\n\r\n")[0]
    assert len(head.split(b"\r\n")) == len(response.headers.fields) + 2
    assert head.count(b"\r") == head.count(b"\n") == len(response.headers.fields) + 1


@pytest.mark.slow
def test_mutated_messages() -> None:
    """20,000 of them, the same every time."""
    source = random.Random(4475)
    understood = 0
    for _ in range(20_000):
        message = read(mutate(source.choice(SEEDS), source))
        understood += message is not None
    assert 2_000 < understood < 18_000  # the mutations are neither all deadly nor all harmless


def test_what_is_understood_is_printed_as_the_same() -> None:
    source = random.Random(3261)
    for _ in range(3_000):
        message = read(mutate(source.choice(SEEDS), source))
        if message is not None:
            again = parse_message(message.to_bytes())
            assert (again.via, again.from_, again.to, again.cseq) == (
                message.via, message.from_, message.to, message.cseq
            )  # fmt: skip
            assert again.body == message.body


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    read(data)
    read(b"OPTIONS sip:h SIP/2.0\r\n" + data)


@pytest.mark.slow
def test_mutated_streams() -> None:
    source = random.Random(5626)
    for _ in range(2_000):
        framer = StreamFramer()
        data = mutate(b"".join(source.choices(SEEDS, k=3)), source)
        try:
            while data:
                cut = source.randint(1, 2000)
                framer.feed(data[:cut])
                data = data[cut:]
                while (message := framer.next_message()) is not None:
                    if isinstance(message, Request | Response):
                        touch(message)
                    elif isinstance(message, ParseError):  # its boundary says 500 of what no parser declares
                        assert message.status != 500
        except ParseError:
            continue


TEXT = st.one_of(
    st.text(alphabet='sip:a@b;=<>"\\,[]%/2.0UDP \t\r\n\x00é٣', max_size=60), st.binary(max_size=60).map(repr)
)


@pytest.mark.parametrize(
    ("parse", "error"),
    [(Uri.parse, UriError), (NameAddr.parse, FieldError), (Via.parse, FieldError), (CSeq.parse, FieldError)],
    ids=["uri", "address", "via", "cseq"],
)
def test_fields(parse: Callable[[str], object], error: type[Exception]) -> None:
    @settings(max_examples=5 * settings().max_examples)
    @given(TEXT, st.sampled_from(["", "sip:", "<sip:", '"', "SIP/2.0/UDP ", "1 "]))
    def any_text(text: str, prefix: str) -> None:
        try:
            value = parse(prefix + text)
        except error:
            return
        assert parse(str(value)) == value

    any_text()


@pytest.mark.slow
def test_mutated_descriptions() -> None:
    source = random.Random(3264)
    bodies = [OFFER, *(body for seed in SEEDS if (body := seed.partition(b"\r\n\r\n")[2]).startswith(b"v=0"))]
    agreed = 0
    for _ in range(10_000):
        body = mutate(source.choice(bodies), source)
        try:
            parsed = Sdp.parse(body)
            assert Sdp.parse(parsed.to_bytes()).media == parsed.media
        except SdpError:
            continue
        try:
            negotiated = answer(body, US)
        except NotAcceptable:
            continue
        agreed += 1
        assert len(Sdp.parse(negotiated.sdp).media) == len(parsed.media)
        assert negotiated.sdp.count(b"\n") == negotiated.sdp.count(b"\r\n")
        assert 0 < negotiated.remote_port < 65536
        try:
            accept_answer(make_offer(US), body, US)
        except NotAcceptable:
            continue
    assert 1_000 < agreed < 9_000


VICTIM = (
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n"
    b"Call-ID: x\r\nCSeq: 1 OPTIONS\r\n%s\r\n\r\n"
)
SIZE = 60_000
PATHOLOGICAL = {
    "folds": b"X: a" + b"\r\n a" * (SIZE // 4),
    "commas": b"Contact: " + b"," * SIZE,
    "addresses": b"Contact: <sip:h>" + b",<sip:h>" * (SIZE // 8),
    "quotes": b"Contact: " + b'"' * SIZE,
    "quoted pairs": b'Contact: "' + b"\\" * SIZE,
    "open brackets": b"Contact: " + b"<" * SIZE,
    "closed brackets": b"Contact: " + b">" * SIZE,
    "quoted, then junk": b"Contact: " + b'"a"' * (SIZE // 3) + b"x",
    "parameters": b"Contact: <sip:h>" + b";a" * (SIZE // 2),
    "uri parameters": b"Contact: <sip:h" + b";a" * (SIZE // 2) + b">",
    "spaces": b"Subject:" + b" " * SIZE + b"x",
    "vias": b"Via: SIP/2.0/UDP h" + b",SIP/2.0/UDP h" * (SIZE // 14),
    "ats": b"Contact: <sip:" + b"a@" * (SIZE // 2) + b"h>",
    "escapes": b"Contact: <sip:" + b"%00" * (SIZE // 3) + b"@h>",
    "digits": b"Max-Forwards: " + b"9" * SIZE,
    "tokens": b"Require: " + b"a," * (SIZE // 2),
}


@pytest.mark.parametrize("line", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_the_worst_that_fits_into_a_datagram_comes_to_an_end(line: bytes) -> None:
    """Each takes milliseconds; were one of the parsers quadratic with a Python step, it would take minutes."""
    read(VICTIM % line)


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 4 RTP/AVP " + "0 " * 8000,
        "m=audio 4 RTP/AVP " + " ".join(map(str, range(2500))) + "\r\na=rtpmap:1 x" * 300,
        "m=audio 4 RTP/AVP 9\r\n" * 31,
    ],
)
def test_the_worst_description_comes_to_an_end(media: str) -> None:
    try:
        answer(f"v=0\r\nc=IN IP4 192.0.2.1\r\n{media}".encode(), US)
    except NotAcceptable as error:
        assert len(str(error)) <= 300
