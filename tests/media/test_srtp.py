"""SRTP of a call: what leaves is protected, what is not authentic does nothing, new keys cost no frame."""

import gc
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.packet import MAX_PACKET
from media.rtp.srtp import OVERLAP, PROFILES, Keys, Srtp, SrtpUnavailableError, check
from media.session.format import Format
from media.session.session import RtpSession

SDP = ("192.0.2.1", 4000)
NAT = ("198.51.100.7", 61_000)
FORMAT = Format("PCMU", 0, 101)
SPEECH = bytes(range(1, 161))
LENGTHS = dict(zip(PROFILES, (30, 30, 28, 44), strict=True))
CM80 = "AES_CM_128_HMAC_SHA1_80"


def keys(suite: str = CM80, ours: int = 1, theirs: int = 2, mki: bytes = b"") -> Keys:
    return Keys(suite, bytes([ours]) * LENGTHS[suite], bytes([theirs]) * LENGTHS[suite], mki)


def swapped(one: Keys) -> Keys:
    return Keys(one.suite, one.theirs, one.ours)


class Call:
    """A session under test, and the other side's SRTP."""

    def __init__(self, one: Keys, **more) -> None:
        self.session = RtpSession(random.Random(1).getrandbits)
        self.session.connect(FORMAT, SDP, 0.0, keys=one, **more)
        self.peer = Srtp(swapped(one))
        self.number = 0

    def sound(self, number: int | None = None, peer: Srtp | None = None, ssrc: int = 7) -> bytes:
        """The next packet of the other side's."""
        if number is None:
            number, self.number = self.number, self.number + 1
        return (peer or self.peer).protect(rtp.build(0, False, number & 0xFFFF, number * FRAME, ssrc, SPEECH))

    def hear(self, data: bytes, sender=SDP, now: float | None = None) -> bool:
        now = self.number * 0.02 if now is None else now
        return SPEECH in self.session.receive(data, sender, now)[0]

    def sent(self, slots: range, peer: Srtp | None = None) -> list[rtp.Packet]:
        wire = [data for slot in slots for data in self.session.transmit(slot)[0]]
        packets = [rtp.parse((peer or self.peer).unprotect(data, 0.0) or b"") for data in wire]
        return [packet for packet in packets if packet]


@pytest.fixture(params=PROFILES)
def suite(request) -> str:
    return request.param


def test_sound_goes_both_ways(suite: str) -> None:
    call = Call(keys(suite))
    call.session.playout.say(1, SPEECH * 50)
    assert [packet.payload for packet in call.sent(range(50))] == [SPEECH] * 50
    assert sum(call.hear(call.sound()) for _ in range(50)) == 50


def test_what_leaves_cannot_be_read(suite: str) -> None:
    call = Call(keys(suite))
    call.session.playout.say(1, SPEECH)
    (data,), _ = call.session.transmit(0)
    assert SPEECH[:8] not in data
    assert len(data) > 172


@pytest.mark.parametrize("mki", [b"", b"\0\0\0\1"])
def test_the_keys_of_a_call_are_gone_when_it_is(suite: str, mki: bytes) -> None:
    """The media process looks for no cycles: what is part of one stays."""
    gc.collect()
    gc.freeze()  # so that only objects of the call are looked at
    call = Call(keys(suite, mki=mki))
    assert call.session.receive(call.sound(), SDP, 0.0) is not None
    call.session.connect(FORMAT, SDP, 1.0, keys=keys(suite, 3, 4, mki=mki))
    gc.collect()
    gc.disable()
    try:
        del call
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_an_answer_vector_of_rfc_3711() -> None:
    """RFC 3711 B.3 gives key, salt and the session keys only, so this is libsrtp's own reference packet for them."""
    material = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    clear = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
    wire = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    srtp = Srtp(Keys(CM80, material, material))
    assert srtp.protect(clear) == wire
    assert srtp.unprotect(wire, 0.0) == clear


def test_an_hour_of_sound_passes_the_wrap_of_the_sequence_numbers() -> None:
    call = Call(keys())
    assert all(call.hear(call.sound()) for _ in range(70_000))
    assert len(call.sent(range(70_000))) == 70_000


# What is not authentic


def test_bad_packets_are_counted_and_do_nothing(suite: str) -> None:
    call = Call(keys(suite))
    assert call.hear(call.sound())
    good = call.sound()
    spoilt = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(12, len(good))]
    plain = [rtp.build(0, False, 5, 5 * FRAME, 7, SPEECH), b"\x80", good[:20], b"\x80" * (MAX_PACKET + 1)]
    for data in spoilt + plain:
        assert call.session.receive(data, SDP, 0.03) == (b"", None)
    assert call.session.stats()["unauthentic"] == len(spoilt) + len(plain)
    assert call.session.counts.malformed == call.session.counts.foreign == 0
    assert call.hear(good)


def test_a_replayed_packet_is_counted_and_not_heard_twice() -> None:
    call = Call(keys())
    packets = [call.sound() for _ in range(10)]
    assert all(map(call.hear, packets))
    assert not any(map(call.hear, packets))
    assert call.session.stats()["replayed"] == 10


def test_only_authentic_packets_latch() -> None:
    """media: whoever knows the ports, and even the sequence numbers, but not the key, diverts nothing."""
    call, stranger = Call(keys()), Srtp(keys(theirs=9, ours=9))
    for at in range(100):
        assert not call.hear(call.sound(at, stranger), NAT, at * 0.02)
    assert call.session.remote == SDP
    assert not call.session.inbound.heard_at
    heard = sum(call.hear(call.sound(), NAT, 2.0 + at * 0.02) for at in range(20))
    assert (call.session.remote, heard) == (NAT, 16)


def test_ten_thousand_spoofed_packets_a_second_divert_nothing_and_are_counted() -> None:
    """Three strangers, during set-up and in mid-call; one noise, one with a key of its own, one repeats what it saw."""
    call, chance, heard, seen = Call(keys()), random.Random(9), 0, b""
    foreign = [("203.0.113.9", 1000 + at) for at in range(3)]
    stranger = Srtp(keys(theirs=9, ours=9))
    forged = [stranger.protect(rtp.build(0, False, number, number * FRAME, 7, b"forged" * 26)) for number in range(600)]
    for number in range(300):
        now = number * 0.02
        for at in range(200):
            noise = b"\x80\x00" + chance.randbytes(180)
            data = (noise, forged[number + at], seen or noise)[at % 3]
            assert call.session.receive(data, foreign[at % 3], now + 0.001) == (b"", None)
        seen = call.sound()
        heard += call.hear(seen, now=now + 0.002)
        assert call.session.remote == SDP
    counts = call.session.stats()
    assert heard == 300
    assert counts["unauthentic"] + counts["replayed"] == 300 * 200
    assert counts["received"] == 300


def test_what_is_no_rtp_is_counted_as_that() -> None:
    """Linphone sends STUN (RFC 7983) to the ports of the sound."""
    call = Call(keys())
    stun = bytes.fromhex("000100002112a4428c28b6f320d17b9b9f7f2ce7")
    for data in (stun, b"", bytes(MAX_PACKET + 1), b"\xff" * 40):
        assert call.session.receive(data, SDP, 0.0) == (b"", None)
        assert not call.session.receive_rtcp(data, SDP, 0.0)
    stats = call.session.stats()
    assert (stats["malformed"], stats["rtcp_malformed"]) == (4, 4)
    assert (stats["unauthentic"], stats["rtcp_unauthentic"]) == (0, 0)


@given(st.lists(st.binary(max_size=80), max_size=30))
def test_whatever_arrives_nothing_is_raised(datagrams: list[bytes]) -> None:
    call = Call(keys(mki=b"\0\1"))
    for data in datagrams:
        call.session.receive(data, SDP, 0.0)
        call.session.receive_rtcp(data, SDP, 0.0)
    stats = call.session.stats()
    assert stats["rtcp_received"] == 0
    assert call.session.remote == SDP


# Key identifiers


@pytest.mark.parametrize("mki", [b"\1", b"\0\0\0\7", bytes(128)])
def test_a_key_identifier_is_taken_off(suite: str, mki: bytes) -> None:
    """RFC 3711 §3.1: before the tag; RFC 7714 §9: at the end, for the tag is part of the cipher."""
    call = Call(keys(suite, mki=mki))
    tag = {CM80: 10, "AES_CM_128_HMAC_SHA1_32": 4}.get(suite, 0)
    for _ in range(3):
        data = call.sound()
        assert call.hear(data[: len(data) - tag] + mki + data[len(data) - tag :])
    assert not call.hear(call.sound()), "without it"
    other = bytes(len(mki) - 1) + b"\xee"
    data = call.sound()
    assert not call.hear(data[: len(data) - tag] + other + data[len(data) - tag :])


# RTCP


def test_reports_are_protected_and_believed_only_if_authentic(suite: str) -> None:
    call = Call(keys(suite), control=SDP)
    call.sent(range(10))
    data, _ = call.session.bye(1.0)
    assert rtcp.parse(call.peer.unprotect_rtcp(data, 0.0) or b"")
    compound = rtcp.encode([rtcp.ReceiverReport(7, ()), rtcp.SourceDescription(7, "x")])
    theirs = call.peer.protect_rtcp(compound)
    assert not call.session.receive_rtcp(compound, SDP, 1.0)
    assert not call.session.receive_rtcp(theirs[:-1] + b"\0", SDP, 1.0)
    assert call.session.receive_rtcp(theirs, SDP, 1.0)
    assert not call.session.receive_rtcp(theirs, SDP, 1.0), "replayed"
    stats = call.session.stats()
    assert (stats["rtcp_unauthentic"], stats["replayed"]) == (2, 1)
    assert [(one["reason"], one["packets"]) for one in stats["refused_sources"]] == [("rtcp_unauthentic", 2)]


def test_reports_on_the_port_of_the_sound_are_not_taken_for_sound() -> None:
    call = Call(keys(), control=SDP)
    data = call.peer.protect_rtcp(rtcp.encode([rtcp.ReceiverReport(7, ()), rtcp.SourceDescription(7, "x")]))
    _, event = call.session.receive(data, SDP, 1.0)
    assert event is not None
    assert call.session.receive_rtcp(data, SDP, 1.0)
    assert call.session.stats()["unauthentic"] == 0


# New keys


def test_the_same_keys_again_change_nothing() -> None:
    """A session refresh or a hold: both rollover counters go on."""
    call = Call(keys())
    before = call.sent(range(10))
    assert all(call.hear(call.sound()) for _ in range(10))
    call.session.connect(FORMAT, SDP, 0.2, keys=keys())
    after = call.sent(range(10, 20))
    assert [p.sequence for p in before + after] == list(range(before[0].sequence, before[0].sequence + 20))
    assert {p.ssrc for p in before + after} == {before[0].ssrc}
    assert all(call.hear(call.sound()) for _ in range(10))


def test_their_new_key_costs_no_frame_in_either_direction() -> None:
    call = Call(keys())
    assert all(call.hear(call.sound()) for _ in range(10))
    late = [call.sound() for _ in range(5)]
    after = keys(theirs=3)
    call.session.connect(FORMAT, SDP, 0.2, keys=after)
    new = Srtp(swapped(after))
    call.session.playout.say(1, SPEECH * 20)
    assert all(call.hear(data) for data in late), "on their way under the old key"
    assert all(call.hear(call.sound(peer=new)) for _ in range(10))
    ours = [data for slot in range(20) for data in call.session.transmit(slot)[0]]
    kept, fresh = call.peer, Srtp(swapped(keys()))
    for receiver in (kept, fresh):
        assert all(receiver.unprotect(data, 0.0) for data in ours), "our key is the same, and their counter may be new"
    assert call.session.stats()["unauthentic"] == 0


def test_a_new_key_begins_a_stream_whose_rollover_counter_nobody_can_mistake() -> None:
    """After 22 minutes the sequence numbers have wrapped; a receiver that begins anew begins with counter 0."""
    call = Call(keys())
    before = call.sent(range(70_000))[-1]
    after = keys(theirs=3)
    call.session.connect(FORMAT, SDP, 1400.0, keys=after)
    first, *_, last = call.sent(range(70_000, 70_100), Srtp(swapped(after)))
    assert first.ssrc != before.ssrc
    assert first.sequence < 0x8000
    assert first.marker
    assert rtp.signed(first.timestamp - before.timestamp, 32) == FRAME
    assert rtp.signed(last.timestamp - first.timestamp, 32) == 99 * FRAME


def test_a_stream_that_is_left_for_another_says_bye_under_the_new_key() -> None:
    """RFC 3550 §6.3.7: at once, at the end of a full compound; and only once."""
    call = Call(keys())
    left = call.sent(range(50))[-1].ssrc
    call.session.handle_timer(1.0)
    after = keys(ours=4)
    call.session.connect(FORMAT, SDP, 1.01, keys=after)
    taken_on = call.sent(range(50, 52), Srtp(swapped(after)))[0].ssrc
    assert call.session.deadline <= 1.04
    data, _ = call.session.handle_timer(1.04)
    report, *_, bye = rtcp.parse(Srtp(swapped(after)).unprotect_rtcp(data, 0.0) or b"") or ()  # type: ignore[misc]
    assert (report.ssrc, bye) == (taken_on, rtcp.Bye((left,)))  # type: ignore[union-attr]
    last, _ = call.session.bye(20.0)
    assert rtcp.parse(Srtp(swapped(after)).unprotect_rtcp(last, 0.0) or b"")[-1] == rtcp.Bye((taken_on,))  # type: ignore[index]


def test_old_keys_are_not_taken_for_ever() -> None:
    call = Call(keys())
    old = [call.sound() for _ in range(2)]
    call.session.connect(FORMAT, SDP, 10.0, keys=keys(theirs=3))
    assert call.hear(old[0], now=10.0 + OVERLAP - 0.1)
    assert not call.hear(old[1], now=10.0 + OVERLAP)


def test_a_suite_can_change() -> None:
    call = Call(keys())
    assert call.hear(call.sound())
    after = keys("AEAD_AES_256_GCM", 5, 6)
    call.session.connect(FORMAT, SDP, 0.1, keys=after)
    call.peer = Srtp(swapped(after))
    assert call.hear(call.sound())
    assert len(call.sent(range(5))) == 5


def test_protection_can_end_and_begin() -> None:
    call = Call(keys())
    call.session.connect(FORMAT, SDP, 0.1)
    assert call.hear(rtp.build(0, False, 0, 0, 7, SPEECH))
    call.session.connect(FORMAT, SDP, 0.2, keys=keys())
    assert not call.hear(rtp.build(0, False, 1, FRAME, 7, SPEECH))
    assert call.hear(call.sound(1))


def test_keys_go_over_the_pipe_and_are_not_shown() -> None:
    one = keys(mki=b"\1\2")
    assert Keys.decode(one.encode()) == one
    assert repr(one) == f"Keys(suite='{CM80}')"


def test_without_the_library_it_is_said_what_to_do(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    with pytest.raises(SrtpUnavailableError, match=r"pip install pylibsrtp.*srtp = \"off\""):
        check()


@pytest.mark.slow
def test_the_library_is_loaded_with_the_first_keys_only() -> None:
    """A gateway without SRTP starts without it."""
    code = "import sys, media.process.worker, sipgw.gateway.gateway; sys.exit('pylibsrtp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
