# mypy: disable-error-code="arg-type"
"""Keys by INFO, as PBXs with ``dtmfmode=info`` send them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.calls.dtmf_deduplicator import WINDOW, DtmfDeduplicator
from sipgw.sip.events import KeyPressed
from sipgw.sip.info import LONGEST, PRESSED, key_of
from sipgw.sip.message import Request
from tests.info_keys import KeySender
from tests.sip.test_calls import Call, nothing_left, request_in_dialog
from tests.sip.wire import Wire

A, B = "10.0.0.1", "10.0.0.2"
RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"


@pytest.mark.parametrize(
    ("kind", "body", "pressed"),
    [
        (RELAY, b"Signal=5\r\nDuration=250\r\n", KeyPressed("5", 0.25)),
        (RELAY, b"Signal= 5\r\nDuration= 160", KeyPressed("5", 0.16)),
        (RELAY, b"Signal=*\nDuration=100\n", KeyPressed("*", 0.1)),
        (RELAY, b"Signal=10", KeyPressed("*", PRESSED)),
        (RELAY, b"Signal=11\r\n", KeyPressed("#", PRESSED)),
        (RELAY, b"signal=d\r\nduration=x\r\n", KeyPressed("D", PRESSED)),
        (RELAY, b"Signal=15\r\nDuration=999999\r\n", KeyPressed("D", LONGEST)),
        (RELAY, b"Signal=16\r\n", None),
        (RELAY, b"Signal=hf\r\n", None),
        (RELAY, b"Duration=100\r\n", None),
        (RELAY, b"", None),
        (PLAIN, b"7", KeyPressed("7", PRESSED)),
        (PLAIN, b" # \r\n", KeyPressed("#", PRESSED)),
        (PLAIN, b"77", None),
        (PLAIN, "\u0665".encode(), None),
        (PLAIN, b"", None),
    ],
)
def test_what_a_body_means(kind: str, body: bytes, pressed: KeyPressed | None) -> None:
    assert key_of(kind, body) == pressed


@given(st.sampled_from([RELAY, PLAIN]), st.binary(max_size=300))
def test_any_body_can_be_read(kind: str, body: bytes) -> None:
    pressed = key_of(kind, body)
    assert pressed is None or (pressed.key in "0123456789*#ABCD" and 0 <= pressed.seconds <= LONGEST)


@pytest.mark.parametrize(
    ("kind", "body", "status", "told"),
    [
        (RELAY, "Signal=5\nDuration=160\n", 200, 1),
        (RELAY, "Signal=16\n", 200, 0),
        ("", "", 200, 0),  # some phones ask so whether the call is still up
        ("application/media_control+xml", "<x/>", 415, 0),
    ],
)
def test_info_is_answered(kind: str, body: str, status: int, told: int) -> None:
    wire = Wire()
    call = Call(wire).answered()
    before = len(call.there)
    wire.send(request_in_dialog(call, "INFO", 20000, body, kind))
    wire.run(0.1)
    assert wire.seen(B, status)
    assert len(call.there) - before == told
    if status == 415:
        assert wire.last(B, 415).headers.get("accept") == "application/dtmf-relay, application/dtmf"


def test_a_package_of_info_that_nobody_asked_for_is_refused() -> None:
    wire = Wire()
    call = Call(wire).answered()
    text = request_in_dialog(call, "INFO", 20000, "Signal=5\n", RELAY)
    wire.send(text.replace("Max-Forwards", "Info-Package: x\nMax-Forwards", 1))
    wire.run(0.1)
    assert wire.last(B, 469).headers.get("recv-info") == ""


def bodies(wire: Wire) -> list[bytes]:
    return [
        message.body for _, _, _, message in wire.trace if isinstance(message, Request) and message.method == "INFO"
    ]


def test_keys_are_sent_one_after_the_other_and_arrive_as_keys() -> None:
    wire = Wire()
    call = Call(wire).answered()
    keys = KeySender(call.server)
    for key in "1#d":
        keys.press(key, 0.1, wire.now)
    wire.collect()
    assert bodies(wire) == [b"Signal=1\r\nDuration=100\r\n"], "the next waits for the answer"
    wire.run(0.2)
    assert call.here[-3:] == [KeyPressed("1", 0.1), KeyPressed("#", 0.1), KeyPressed("D", 0.1)]
    assert len(wire.seen(A, 200)) == 3
    call.server.hangup(wire.now)
    nothing_left(wire)


def test_lost_keys_come_once_and_in_order() -> None:
    wire = Wire(lost=0.3, seed=4)
    call = Call(wire)
    call.start()
    wire.run(10)
    call.server.answer(b"v=0\r\n", wire.now)
    wire.run(30)
    keys = KeySender(call.client)
    for key in "1234567890":
        keys.press(key, 0.1, wire.now)
    wire.run(120)
    assert "".join(event.key for event in call.there if isinstance(event, KeyPressed)) == "1234567890"


def test_a_press_that_is_told_twice_counts_once() -> None:
    keys = DtmfDeduplicator()
    told = [("1", "rtp", 1.0), ("1", "info", 1.2), ("1", "info", 1.5), ("1", "rtp", 1.6), ("2", "info", 1.7)]
    assert [keys.press(*one) for one in told] == [True, False, True, False, True]


def test_a_late_double_of_a_quick_sequence_is_paired_press_by_press() -> None:
    keys = DtmfDeduplicator()
    assert [keys.press(key, "rtp", 1 + at / 10) for at, key in enumerate("1122")] == [True] * 4
    assert [keys.press(key, "info", 1.5 + at / 10) for at, key in enumerate("1122")] == [False] * 4


def test_the_same_key_by_another_way_much_later_is_another_press() -> None:
    keys = DtmfDeduplicator()
    assert keys.press("1", "rtp", 1.0)
    assert keys.press("1", "info", 1.01 + WINDOW)


@pytest.mark.parametrize("way", ["rtp", "info"])
def test_one_way_alone_loses_nothing(way) -> None:
    keys = DtmfDeduplicator()
    assert all(keys.press("1", way, at / 100) for at in range(200))


def pressed(wire: Wire, call: Call, *branches: str, gap: float = 0.05) -> str:
    """The keys that arrive of "12345", each in an INFO that waits for no answer to the one before."""
    for number, key in enumerate("12345"):
        text = request_in_dialog(call, "INFO", 20000 + number, f"Signal={key}\nDuration=100\n", RELAY)
        if branches:
            text = re.sub(r"branch=[^;\n]+", f"branch={branches[number % len(branches)]}", text, count=1)
        wire.send(text)
        wire.run(gap)
    wire.run(40)
    return "".join(event.key for event in call.there if isinstance(event, KeyPressed))


@pytest.mark.faults("F9")
@pytest.mark.parametrize("gap", [0.0, 0.001, 0.05, 0.2])
def test_keys_pressed_within_a_second_all_arrive(gap: float) -> None:
    wire = Wire()
    call = Call(wire).answered()
    assert pressed(wire, call, gap=gap) == "12345"
    assert len(wire.seen(B, 200)) == 6, "each of them is answered"


@pytest.mark.faults("F9")
@pytest.mark.parametrize("branches", [("z9hG4bK1764000000",), ("z9hG4bK1764000000", "z9hG4bK1764000001"), ("z9hG4bK",)])
def test_keys_are_told_apart_by_who_makes_branches_of_the_clock(branches: tuple[str, ...]) -> None:
    """Branches have to be unique (RFC 3261 §8.1.1.7), but some are so only once a second."""
    wire = Wire()
    call = Call(wire).answered()
    assert pressed(wire, call, *branches) == "12345"


@pytest.mark.faults("F9")
def test_a_key_that_is_resent_counts_once() -> None:
    wire = Wire()
    call = Call(wire).answered()
    text = request_in_dialog(call, "INFO", 20000, "Signal=1\nDuration=100\n", RELAY)
    for _ in range(3):
        wire.send(text)
        wire.run(0.1)
    assert sum(isinstance(event, KeyPressed) for event in call.there) == 1


@pytest.mark.faults("F9")
def test_a_key_that_comes_late_is_refused_and_not_put_behind_those_pressed_after_it() -> None:
    """RFC 3261 §12.2.2 wants a 500, which tells the sender to press it again; "21" for "12" would tell nobody."""
    wire = Wire()
    call = Call(wire).answered()
    for number, key in ((20001, "2"), (20000, "1"), (20002, "3")):
        wire.send(request_in_dialog(call, "INFO", number, f"Signal={key}\n", RELAY))
        wire.run(0.1)
    assert "".join(event.key for event in call.there if isinstance(event, KeyPressed)) == "23"
    assert len(wire.seen(B, 500)) == 1
