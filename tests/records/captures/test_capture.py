"""SIP messages kept per call: which belong to it, within which limit, and what goes first."""

from datetime import UTC, datetime, timedelta

import pytest

from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.events import CallBegan, CallEnded, CallKey, Disposition
from sipgw.records.captures.capture import CALL_LIMIT, FIRST, OTHERS, SipCapture, SipMessages
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced

PEER = Peer("udp", "192.0.2.7", 5060)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def message(
    call: str, start: str = "INVITE sip:agent@192.0.2.9 SIP/2.0", *, out: bool = False, at: float = 0.0, size=0
):
    data = f"{start}\r\nCall-ID: {call}\r\n\r\n".encode()
    return Traced("out" if out else "in", PEER, data + b"x" * max(0, size - len(data)), at)


def began(call: str) -> CallBegan:
    return CallBegan(call, NOW, "in", "pbx", "agent", "100", "200", {})


def ended(call: str) -> CallEnded:
    return CallEnded(call, NOW, Disposition("caller_hung_up", ""), {})


def of(capture: SipCapture, call: str) -> SipMessages | None:
    """Of the call, or of the INVITE that was no call."""
    return capture.of(CallKey(call, NOW)) or capture.refused(call)


def starts(capture: SipCapture, call: str) -> list[str]:
    sip = of(capture, call)
    return [traced.data.split(b" ")[0].decode() for traced in sip.messages] if sip else []


def test_messages_are_kept_by_call_in_their_order():
    capture = SipCapture(1 << 20)
    capture.trace(message("a"))
    capture.trace(message("b"))
    capture.trace(message("a", "SIP/2.0 200 OK", out=True))
    capture.trace(message("a", "ACK sip:x SIP/2.0"))
    assert starts(capture, "a") == ["INVITE", "SIP/2.0", "ACK"]
    assert starts(capture, "b") == ["INVITE"]
    assert of(capture, "c") is None


@pytest.mark.parametrize("line", ["Call-ID: a", "call-id:a", "i: a", "CALL-ID \t:  a  ", "I:a"])
def test_the_call_id_is_found_however_it_is_written(line):
    capture = SipCapture(1 << 20)
    capture.trace(Traced("in", PEER, f"INVITE sip:x SIP/2.0\r\nVia: y\r\n{line}\r\n\r\n".encode(), 0.0))
    assert of(capture, "a")


def test_a_call_id_in_a_body_counts_for_nothing():
    capture = SipCapture(1 << 20)
    capture.trace(message("a"))
    capture.trace(Traced("in", PEER, b"INVITE sip:x SIP/2.0\r\nCall-ID: b\r\n\r\nCall-ID: a\r\n", 0.0))
    assert len(starts(capture, "a")) == 1


def test_the_legs_of_a_transfer_belong_to_the_call_that_they_were_made_for():
    on_behalf = "a"
    capture = SipCapture(1 << 20, lambda: on_behalf)
    capture.trace(message("a"))
    capture.watch(began("a"))
    capture.trace(message("leg2", out=True))
    on_behalf = ""
    capture.trace(message("leg2", "SIP/2.0 486 Busy"))
    capture.trace(message("other", out=True))
    assert starts(capture, "a") == ["INVITE", "INVITE", "SIP/2.0"]
    assert starts(capture, "other") == ["INVITE"]


def test_a_call_id_that_comes_back_begins_another_ladder_and_a_retransmission_does_not():
    capture, later = SipCapture(1 << 20), NOW + timedelta(hours=1)
    capture.trace(message("a"))
    capture.watch(began("a"))
    capture.watch(ended("a"))
    capture.trace(message("a", at=0.5))
    assert starts(capture, "a") == ["INVITE", "INVITE"]
    capture.trace(message("a", "INVITE sip:other@192.0.2.9 SIP/2.0"))
    assert capture.refused("a"), "it is no call yet"
    capture.watch(began("a")._replace(at=later))
    capture.trace(message("a", "SIP/2.0 200 OK", out=True))
    second = capture.of(CallKey("a", later))
    assert second and [traced.data[:12] for traced in second.messages] == [b"INVITE sip:o", b"SIP/2.0 200 "]
    assert starts(capture, "a") == ["INVITE", "INVITE"] and capture.refused("a") is None
    assert capture.latest("a") == began("a")._replace(at=later)


def test_the_same_invite_in_a_later_call_shows_nothing_of_the_earlier_one():
    capture, later = SipCapture(1 << 20), NOW + timedelta(hours=1)
    for at in (NOW, later):
        capture.trace(message("a"))
        capture.watch(began("a")._replace(at=at))
        capture.trace(message("a", f"SIP/2.0 {at.hour + 200} OK", out=True))
        capture.watch(ended("a"))
    first, second = capture.of(CallKey("a", NOW)), capture.of(CallKey("a", later))
    assert first and [traced.data[:11] for traced in first.messages] == [b"INVITE sip:", b"SIP/2.0 200", b"INVITE sip:"]
    assert second and [traced.data[:11] for traced in second.messages] == [b"SIP/2.0 201"]


def test_an_invite_that_comes_in_is_nobody_elses_leg():
    capture = SipCapture(1 << 20, lambda: "a")
    capture.trace(message("a"))
    capture.trace(message("b"))
    assert starts(capture, "b") == ["INVITE"]


def test_registrations_and_probes_are_kept_apart_and_bounded():
    capture = SipCapture(1 << 20)
    for number in range(OTHERS + 50):
        capture.trace(message(f"r{number}", "REGISTER sip:x SIP/2.0", out=True, size=60_000))
    assert len(capture.others) == OTHERS
    assert max(len(traced.data) for traced in capture.others) <= 4096
    assert capture.size == 0


def test_a_call_that_floods_keeps_how_it_began_and_what_came_last():
    capture = SipCapture(16 << 20)
    capture.watch(began("a"))
    capture.trace(message("a"))
    for number in range(2000):
        capture.trace(message("a", "INFO sip:x SIP/2.0", at=float(number), size=1000))
    sip = of(capture, "a")
    assert sip and sip.messages[0].data.startswith(b"INVITE") and sip.messages[-1].at == 1999.0
    assert sip.messages[FIRST - 1].at == FIRST - 2
    assert len(sip.messages) + sip.left_out == 2001
    assert capture.size <= CALL_LIMIT


def test_when_memory_is_full_strangers_go_first_then_the_call_that_ended_first_then_the_oldest():
    capture = SipCapture(12_000)
    for call in ("a", "b", "c"):
        capture.trace(message(call, size=1600))
        capture.watch(began(call))
    capture.watch(ended("b"))
    capture.watch(ended("a"))
    for number in range(50):
        capture.trace(message(f"stranger{number}", size=1600))
    calls = ("a", "b", "c", "stranger0", "stranger49")
    assert [bool(of(capture, call)) for call in calls] == [True] * 3 + [False, True]
    capture.watch(began("d"))
    for _ in range(2):
        capture.trace(message("d", size=1600))
    assert [bool(of(capture, call)) for call in ("a", "b", "c", "d", "stranger49")] == [True] * 4 + [False]
    capture.trace(message("d", size=1600))
    assert [bool(of(capture, call)) for call in ("a", "b", "c", "d")] == [True, False, True, True]
    capture.trace(message("d", size=1200))
    assert [bool(of(capture, call)) for call in ("a", "b", "c", "d")] == [False, False, True, True]
    assert capture.size <= 12_000


def test_messages_that_two_calls_share_stay_until_both_are_forgotten():
    capture, later = SipCapture(1 << 20), CallKey("a", NOW + timedelta(hours=1))
    capture.trace(message("a"))
    capture.watch(began("a"))
    capture.watch(began("a")._replace(at=later.began))
    capture.forget([later, CallKey("b", NOW)])
    assert capture.of(later) is None and capture.latest("a") is None
    assert starts(capture, "a") == ["INVITE"]
    capture.forget([CallKey("a", NOW)])
    assert starts(capture, "a") == [] and not list(capture.calls)
    assert capture.size == 0 and not capture._legs


def test_what_was_forgotten_leaves_nothing_behind():
    capture = SipCapture(10_000)
    for number in range(1000):
        capture.trace(message(f"stranger{number}"))
    assert len(capture._legs) == len(capture._strangers) < 30


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"INVITE", b"\xff\xfe\0", b"INVITE sip:x SIP/2.0\r\nCall-ID: " + b"\xff" * 5000]
)
def test_hostile_messages_do_no_harm(data):
    capture = SipCapture(1 << 20)
    capture.trace(Traced("in", PEER, data, 0.0))
    assert all(len(leg) <= 200 for leg in capture._legs)


@pytest.mark.parametrize("wrong", ["megabytes = 0", "megabytes = 70000", 'rtp = "some"'])
def test_options_are_checked(wrong):
    with pytest.raises(ConfigError):
        parse(f"[capture]\n{wrong}", "x", {})


def test_options():
    tap = parse('[capture]\nrtp = "always"\nmegabytes = 8', "x", {}).capture.tap
    assert (tap.keep, tap.seconds, tap.limit) == ("always", 60.0, 8 << 20)
