"""Refused packets: which sources are told, with which reason and times, and what a flood of strangers cannot fill."""

import random
from pathlib import Path
from typing import Any, get_args

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from media.rtp.refused import ANNOUNCED, MOST, Reason, RefusedSources
from media.rtp.srtp import Keys, Srtp
from media.session.format import Format
from media.session.session import RtpSession

HOME, MOVED, STRANGER = ("192.0.2.1", 4000), ("192.0.2.2", 4002), ("203.0.113.9", 9)
EPOCH = 1_000.0
STUN = bytes.fromhex("000100002112a442") + bytes(12)
"""A binding request without attributes."""


def session(**wanted: Any) -> RtpSession:
    made = RtpSession(random.Random(1).getrandbits, EPOCH)
    made.connect(Format("PCMU", 0, 101), HOME, 0.0, **wanted)
    return made


def sound(number: int, *, ssrc: int = 7, kind: int = 0) -> bytes:
    return rtp.build(kind, False, number, number * FRAME, ssrc, bytes(FRAME))


def refused(call: RtpSession) -> list[dict[str, Any]]:
    return call.stats().get("refused_sources", [])


def test_of_a_call_without_refused_packets_nothing_is_told() -> None:
    call = session()
    call.receive(sound(1), HOME, 0.1)
    assert not {"refused_sources", "refused_others"} & set(call.stats())


def test_an_address_is_told_with_its_packets_times_and_what_signalling_said_of_it() -> None:
    call = session()
    for number in range(10):
        call.receive(sound(number), HOME, 0.1 + number * 0.02)
        call.receive(sound(number, ssrc=8), MOVED, 0.1 + number * 0.02)
        call.receive(sound(number, ssrc=9), (HOME[0], 5000), 0.1 + number * 0.02)
    call.connect(Format("PCMU", 0, 101), MOVED, 1.0)
    call.receive(sound(10, ssrc=8), MOVED, 1.1)
    for number in range(10, 40):
        call.receive(sound(number), HOME, 1.2 + number * 0.02)
    home, *others = refused(call)
    assert home == {
        "host": HOME[0], "port": HOME[1], "reason": "foreign", "packets": 30, "first": 1001.4, "last": 1001.98,
        "announced": 1000.0, "left": 1001.0,
    }  # fmt: skip
    assert {"host": MOVED[0], "port": MOVED[1], "reason": "foreign", "packets": 10, "first": 1000.1, "last": 1000.28,
            "announced": 1001.0} in others  # fmt: skip
    (port,) = (one for one in others if one["port"] == 5000)
    assert port["announced_port"] == HOME[1]


@pytest.mark.parametrize(
    ("reason", "data", "receive"),
    [("malformed", b"\x00" * 20, True), ("wrong_type", sound(2, kind=9), True), ("unexpected", sound(2), False),
     ("wrong_ssrc", sound(2, ssrc=8), True), ("unauthentic", sound(2), True)],
)  # fmt: skip
def test_every_other_reason_is_that_of_its_counter(reason: str, data: bytes, receive: bool) -> None:
    keys = Keys("AES_CM_128_HMAC_SHA1_80", b"a" * 30, b"b" * 30) if reason == "unauthentic" else None
    call = session(receive=receive, keys=keys)
    if keys is None:
        call.receive(sound(1), HOME, 0.1)
    before = call.stats()
    call.receive(data, HOME, 0.2)
    after = call.stats()
    assert after[reason] - before[reason] == 1
    assert [(one["host"], one["reason"]) for one in after["refused_sources"]][-1] == (HOME[0], reason)


def test_the_page_of_a_call_has_words_for_every_reason() -> None:
    words = (Path(__file__).parents[2] / "sipgw/web/static/quality.js").read_text()
    assert [one for one in get_args(Reason) if f' {one}: "' not in words] == []


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", STUN], ids=["nothing", "line ends", "STUN"])
def test_what_keeps_a_nat_open_is_no_refused_source(data: bytes) -> None:
    """Nor is a check of ICE that is faster than our 200: Asterisk repeats it 0.1 s later."""
    call = session()
    call.receive(data, HOME, 0.1)
    assert call.stats()["malformed"] == 1
    assert not refused(call)


def test_a_packet_that_the_network_repeats_is_no_refused_source() -> None:
    theirs = Srtp(Keys("AES_CM_128_HMAC_SHA1_80", b"b" * 30, b"a" * 30))
    call = session(keys=Keys("AES_CM_128_HMAC_SHA1_80", b"a" * 30, b"b" * 30))
    packet = theirs.protect(sound(1))
    call.receive(packet, HOME, 0.1)
    call.receive(packet, HOME, 0.2)
    assert call.stats()["replayed"] == 1
    assert not refused(call)


def test_a_scan_of_the_port_takes_no_room_and_the_table_is_bounded() -> None:
    sources = RefusedSources()
    for at in range(1000):
        sources.note(("203.0.113.9", at), "foreign", 0.0)
    for _ in range(267):
        sources.note(STRANGER, "foreign", 1.0)
    told = sources.stats()
    assert len(told["refused_sources"]) == MOST
    assert told["refused_sources"][0]["packets"] == 267
    assert sum(one["packets"] for one in told["refused_sources"]) + told["refused_others"] == 1267
    busy = RefusedSources()
    for at in range(2 * MOST):
        for _ in range(2):
            busy.note(("203.0.113.9", at), "foreign", 0.0)
    assert (len(busy.stats()["refused_sources"]), busy.stats()["refused_others"]) == (MOST, 2 * MOST)


def test_what_was_no_sound_keeps_no_sound_from_being_told() -> None:
    """An agent of ICE checks from many addresses."""
    sources = RefusedSources()
    for at in range(MOST):
        for _ in range(5):
            sources.note(("203.0.113.9", at), "ice_refused", 0.0)
    sources.note(("203.0.113.9", MOST), "rtcp_foreign", 0.0)
    sources.note(STRANGER, "foreign", 1.0)
    told = sources.stats()
    assert [one["reason"] for one in told["refused_sources"]] == ["ice_refused"] * (MOST - 1) + ["foreign"]
    assert (told["refused_others"], sources.sound) == (6, 1)


def test_the_addresses_of_signalling_are_bounded() -> None:
    sources = RefusedSources()
    for at in range(100):
        sources.announce(("192.0.2.1", at), float(at))
    assert len(sources._announced) == ANNOUNCED
    sources.note(("192.0.2.1", 99), "wrong_ssrc", 200.0)
    (one,) = sources.stats()["refused_sources"]
    assert one["announced"] == 99.0 and "left" not in one
