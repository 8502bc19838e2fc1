"""Messages on a stream: RFC 3261 §18.3, keepalives of RFC 5626 §3.5.1, and what a stranger may cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip import parse
from sipgw.sip.message import Request, Response
from sipgw.sip.parse import MAX_BODY, MAX_HEAD, ParseError, Ping, StreamFramer

OPTIONS = (
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK%d\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n"
    b"Call-ID: x\r\nCSeq: %d OPTIONS\r\n%s%s\r\n%s"
)


def options(number: int, body: bytes = b"", length: bytes | None = None, more: bytes = b"") -> bytes:
    stated = b"Content-Length: %d\r\n" % len(body) if length is None else length
    return OPTIONS % (number, number, more, stated, body)


def everything(framer: StreamFramer) -> list[Request | Response | Ping]:
    found = []
    while (message := framer.next_message()) is not None:
        found.append(message)
    return found  # type: ignore[return-value]


STREAM = (
    b"\r\n\r\n" + options(1) + options(2, b"v=0\r\n\r\nx") + b"\r\n" + options(3) + b"\r\n\r\n\r\n\r\n" + options(4)
)


def names(messages: list[Request | Response | Ping]) -> list[str]:
    return ["ping" if isinstance(one, Ping) else f"{one.cseq.number} {one.body!r}" for one in messages]


EXPECTED = ["ping", "1 b''", "2 b'v=0\\r\\n\\r\\nx'", "3 b''", "ping", "4 b''"]


def pings_joined(found: list[str]) -> list[str]:
    """Pairs of empty lines that follow one another are as many pings as there were reads that brought them."""
    return [name for name, before in zip(found, ["", *found], strict=False) if (name, before) != ("ping", "ping")]


def test_a_stream_is_cut_into_messages_and_pings() -> None:
    framer = StreamFramer()
    framer.feed(STREAM)
    assert names(everything(framer)) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=20).map(sorted))
def test_it_does_not_matter_how_the_bytes_arrive(cuts: list[int]) -> None:
    framer, found = StreamFramer(), []
    for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        framer.feed(STREAM[start:end])
        found += everything(framer)
    assert pings_joined(names(found)) == EXPECTED
    assert not framer.pending


def test_byte_by_byte() -> None:
    framer, found = StreamFramer(), []
    for at in range(len(STREAM)):
        framer.feed(STREAM[at : at + 1])
        found += everything(framer)
    assert names(found) == [*EXPECTED[:5], *EXPECTED[4:]], "each pair came alone"


@pytest.mark.faults("F8")
def test_a_read_full_of_keepalives_is_one_keepalive() -> None:
    framer = StreamFramer()
    framer.feed(b"\r\n" * 100_001)
    assert names(everything(framer)) == ["ping"]
    assert not framer.pending
    framer.feed(b"\r\n")
    assert names(everything(framer)) == ["ping"], "the odd line was the first half of the next one"
    framer.feed(b"\r\n\r\n\r\n" + options(1))
    assert names(everything(framer)) == ["ping", "1 b''"]


def test_what_is_pending() -> None:
    """The empty line that answers our keepalive must not look like a message that never ends."""
    framer = StreamFramer()
    assert not framer.pending
    framer.feed(b"\r\n")
    assert framer.next_message() is None
    assert not framer.pending
    framer.feed(options(1)[:5])
    assert framer.next_message() is None
    assert framer.pending
    framer.feed(options(1)[5:])
    assert names(everything(framer)) == ["1 b''"]
    assert not framer.pending


def refusal(data: bytes) -> ParseError:
    framer = StreamFramer()
    framer.feed(data)
    with pytest.raises(ParseError) as caught:
        everything(framer)
    return caught.value


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"", 400),  # RFC 3261 §18.3: on a stream it must be there
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: x\r\n", 400),
        (b"Content-Length: 0\r\nl: 7\r\n", 400),
        (b"l: %d\r\n" % (MAX_BODY + 1), 413),
        (b"l: 99999999999999999999\r\n", 400),
    ],
)
def test_a_length_that_cannot_be_followed_ends_the_stream(length: bytes, status: int) -> None:
    error = refusal(options(1, length=length))
    assert (error.status, error.message is not None) == (status, True)


def test_a_head_without_end_is_not_collected_for_ever() -> None:
    framer = StreamFramer()
    framer.feed(b"A" * MAX_HEAD)
    assert framer.next_message() is None
    framer.feed(b"A")
    with pytest.raises(ParseError) as caught:
        framer.next_message()
    assert caught.value.status == 513


def test_a_head_over_the_limit_is_refused_even_when_it_comes_at_once() -> None:
    assert refusal(options(1, more=b"X: %s\r\n" % (b"x" * MAX_HEAD))).status == 513


@pytest.mark.parametrize(
    ("right", "wrong", "status"),
    [
        (b"CSeq: 1 OPTIONS", b"CSeq: 1 BYE", 400),
        (b"To: <sip:h>", b"To: <sip:h", 400),
        (b"Call-ID: x", b"no header at all", 400),
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"OPTIONS sip:h SIP", b"GET /index.html HTTP", 400),
    ],
)
def test_a_message_that_is_broken_but_tells_its_end_does_not_break_the_stream(
    right: bytes, wrong: bytes, status: int
) -> None:
    framer = StreamFramer()
    framer.feed(options(1, b"body").replace(right, wrong) + options(2))
    error = framer.next_message()
    assert isinstance(error, ParseError)
    assert error.status == status
    assert names(everything(framer)) == ["2 b''"]


def test_a_folded_length_is_a_length() -> None:
    framer = StreamFramer()
    framer.feed(options(1, b"body", b"l :\r\n   4\r\n") + options(2))
    assert names(everything(framer)) == ["1 b'body'", "2 b''"]


def test_a_body_that_trickles_in_does_not_have_its_head_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a stranger makes us read 64 KiB of headers for each byte it sends."""
    reads = []
    real = parse._parse_head
    monkeypatch.setattr(parse, "_parse_head", lambda head: reads.append(len(head)) or real(head))  # type: ignore[func-returns-value]
    framer, data = StreamFramer(), options(1, b"x" * 500)
    for at in range(len(data)):
        framer.feed(data[at : at + 1])
        framer.next_message()
    assert len(reads) == 1
