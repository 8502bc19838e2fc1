# mypy: disable-error-code="arg-type"
"""The media of one call: accepted packets, sent packets and their times, on virtual time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf.events import BURST, PACE
from media.g711 import ALAW_TO_ULAW, FRAME, SILENCE, ULAW_TO_ALAW
from media.rtp import packet as rtp
from media.rtp.source import CANDIDATES, REBOUND_AFTER, REBOUND_JUMP, RUN_PACKETS, STALE, WINDOW
from media.session.format import Format
from media.session.session import KeyPress, RtcpReceived, RtpSession

SDP = ("192.0.2.1", 4000)
NAT = ("198.51.100.7", 61_000)
FORMAT = Format("PCMU", 0, 101)
SPEECH = bytes(range(1, 161))


def connected(form: Format = FORMAT, **directions: bool) -> RtpSession:
    session = RtpSession(random.Random(1).getrandbits)
    session.connect(form, SDP, 0.0, **directions)
    return session


def packet(number: int, *, kind: int = 0, ssrc: int = 7, payload: bytes = SPEECH, marker: bool = False) -> bytes:
    return rtp.build(kind, marker, number, number * FRAME, ssrc, payload)


def hear(session: RtpSession, numbers: range, sender=SDP, *, ssrc: int = 7, start: float | None = None) -> int:
    """Receive packets at their times; how many frames of speech came out."""
    heard = b""
    for number in numbers:
        now = number * 0.02 if start is None else start + (number - numbers[0]) * 0.02
        heard += session.receive(packet(number, ssrc=ssrc), sender, now)[0]
    return heard.count(SPEECH)


# Sending


def sent(session: RtpSession, slots) -> list[rtp.Packet]:
    return [rtp.parse(data) for slot in slots for data in session.transmit(slot)[0]]  # type: ignore[misc]


def test_an_hour_of_sending_is_on_the_grid():
    packets = sent(connected(), range(180_000))
    assert len(packets) == 180_000
    first = packets[0]
    assert all(
        (p.sequence, p.timestamp) == ((first.sequence + at) & 0xFFFF, (first.timestamp + at * FRAME) & 0xFFFF_FFFF)
        for at, p in enumerate(packets)
    )


def test_the_marker_is_on_the_first_packet_only():
    assert [p.marker for p in sent(connected(), range(5))] == [True, False, False, False, False]


def test_silence_is_sent_when_nothing_is_said():
    assert {p.payload for p in sent(connected(), range(50))} == {SILENCE}


def test_sound_leaves_byte_for_byte():
    session = connected()
    session.playout.say(1, SPEECH * 3)
    assert [p.payload for p in sent(session, range(3))] == [SPEECH] * 3


def test_to_an_a_law_peer_everything_is_translated():
    session = connected(Format("PCMA", 8))
    session.playout.say(1, SPEECH)
    session.playout.finish(1)
    speech, silence = sent(session, range(2))
    assert (speech.payload_type, speech.payload) == (8, SPEECH.translate(ULAW_TO_ALAW))
    assert silence.payload == b"\xd5" * FRAME


def test_one_slot_late_is_caught_up():
    session = connected()
    packets = sent(session, [0, 2, 3])
    assert [rtp.signed(p.timestamp - packets[0].timestamp, 32) // FRAME for p in packets] == [0, 1, 2, 3]


def test_more_than_that_is_skipped_in_time_and_no_word_is_lost():
    session = connected()
    session.playout.say(1, SPEECH * 4)
    packets = sent(session, [0, 250, 251, 252])
    assert [rtp.signed(p.timestamp - packets[0].timestamp, 32) // FRAME for p in packets] == [0, 250, 251, 252]
    assert [rtp.signed(p.sequence - packets[0].sequence, 16) for p in packets] == [0, 1, 2, 3]
    assert [p.payload for p in packets] == [SPEECH] * 4
    assert session.counts.skipped == 249


def test_time_goes_on_while_the_peer_wants_nothing():
    session = connected()
    before = sent(session, range(3))
    session.connect(FORMAT, SDP, 1.0, send=False)
    assert sent(session, range(3, 100)) == []
    session.connect(FORMAT, SDP, 2.0)
    after = sent(session, [100])
    assert rtp.signed(after[0].timestamp - before[0].timestamp, 32) == 100 * FRAME
    assert rtp.signed(after[0].sequence - before[-1].sequence, 16) == 1


def test_nothing_is_sent_before_the_address_is_known():
    assert RtpSession(random.Random(1).getrandbits).transmit(0) == ([], ())


# Whose packets


def test_the_announced_source_is_heard_from_its_first_packet():
    assert hear(connected(), range(10)) == 10


def test_a_caller_behind_a_nat_is_found_after_a_steady_run_and_answered_there():
    session = connected()
    assert hear(session, range(20), NAT) == 20 - RUN_PACKETS + 1
    assert session.remote == NAT


def test_a_run_must_last_eighty_milliseconds():
    session = connected()
    for number in range(20):
        session.receive(packet(number), NAT, 1.0 + number * 0.001)
    assert session.remote == SDP


def test_after_five_seconds_no_other_source_is_considered():
    session = connected()
    assert hear(session, range(1000, 1020), NAT, start=WINDOW + 0.1) == 0
    assert session.remote == SDP


def test_once_the_announced_source_spoke_no_other_is_considered():
    session = connected()
    hear(session, range(1))
    assert hear(session, range(1, 30), NAT) == 0
    assert session.remote == SDP
    assert session.counts.foreign == 29


MOVED = (SDP[0], SDP[1] + 10)


def test_a_stream_that_goes_on_from_another_port_of_its_address_is_followed():
    """A NAT that has forgotten the binding gives it a new port; nothing tells us of it."""
    session = connected()
    assert hear(session, range(50)) == 50
    silent = 1.0 + REBOUND_AFTER
    assert hear(session, range(50, 70), MOVED, start=silent) > 0
    assert session.remote == MOVED


@pytest.mark.parametrize(
    ("sender", "first", "after", "ssrc"),
    [
        (MOVED, 50, 0.1, None),  # the other one is still there, as far as we know
        (NAT, 50, 10.0, None),  # another address
        (MOVED, 50, 10.0, 0xBAD),  # another stream
        (MOVED, 20, 10.0, None),  # packets of the past, sent again
        (MOVED, 51 + REBOUND_JUMP, 10.0, None),  # a guess at the sequence
    ],
)
def test_nobody_else_is_followed(sender, first: int, after: float, ssrc: int | None):
    session = connected()
    hear(session, range(50))
    for at in range(20):
        other = packet(first + at) if ssrc is None else packet(first + at, ssrc=ssrc)
        session.receive(other, sender, 1.0 + after + at * 0.02)
    assert session.remote == SDP


def test_ten_thousand_spoofed_packets_a_second_divert_nothing():
    """RTP Bleed (AST-2017-005): three foreign sources, during set-up and in mid-call."""
    session, chance = connected(), random.Random(9)
    foreign = [("203.0.113.9", 1000 + at) for at in range(3)]
    heard = 0
    for number in range(300):
        for _ in range(200):
            forged = packet(chance.randrange(65_536), ssrc=chance.choice((7, 8)), payload=b"forged" * 26)
            sound, digit = session.receive(forged, chance.choice(foreign), number * 0.02 + 0.001)
            assert (sound, digit) == (b"", None)
        heard += session.receive(packet(number), SDP, number * 0.02 + 0.002)[0].count(SPEECH)
        assert session.remote == SDP
    assert heard == 300


def test_during_set_up_strangers_with_steady_streams_are_still_too_fast_for_a_caller():
    """Three of them, 10,000 packets a second in flawless order, before the caller has said anything."""
    session, sent = connected(), dict.fromkeys([("203.0.113.9", 1000 + at) for at in range(3)], 0)
    for number in range(250):
        now = 1.0 + number * 0.02
        for stranger in sent:
            for _ in range(67):
                assert session.receive(packet(sent[stranger], ssrc=stranger[1]), stranger, now) == (b"", None)
                sent[stranger] += 1
        assert session.remote == SDP
    assert hear(session, range(20), start=6.0) == 20


def test_packets_of_a_port_scan_do_not_keep_a_caller_behind_a_nat_out():
    session = connected()
    for at in range(CANDIDATES * 2):
        session.receive(packet(1), ("203.0.113.9", 1000 + at), 0.0)
    hear(session, range(30), NAT, start=STALE + 0.01)
    assert session.remote == NAT


def test_a_session_refresh_keeps_the_source_behind_the_nat_without_a_gap():
    session = connected()
    hear(session, range(20), NAT)
    session.connect(FORMAT, SDP, 0.4)
    assert session.remote == NAT
    assert hear(session, range(20, 40), NAT) == 20


def test_a_re_invite_with_another_address_moves_the_call_there():
    session = connected()
    hear(session, range(10))
    moved = ("192.0.2.99", 5000)
    session.connect(FORMAT, moved, 0.2)
    assert session.remote == moved
    assert hear(session, range(10, 20), moved, ssrc=99) == 10
    assert hear(session, range(20, 30), SDP) == 0


# Streams and kinds


def test_a_new_stream_of_the_address_before_does_not_delay_that_of_the_new_one():
    session, moved = connected(), ("192.0.2.99", 5000)
    hear(session, range(10))
    session.connect(FORMAT, moved, 0.2)
    assert hear(session, range(10, 20), ssrc=8) == 10
    assert hear(session, range(20, 30), moved, ssrc=99) == 10
    assert (session.counts.foreign, session.counts.wrong_ssrc) == (0, 0)


def test_a_new_ssrc_is_taken_after_two_packets_in_a_row():
    session = connected()
    hear(session, range(10))
    assert hear(session, range(500, 520), ssrc=8, start=0.2) == 19
    assert session.counts.ssrc_changes == 1
    assert session.counts.wrong_ssrc == 1


def test_after_a_re_invite_a_new_ssrc_is_taken_at_once():
    session = connected()
    hear(session, range(10))
    session.connect(FORMAT, SDP, 0.2)
    assert hear(session, range(500, 520), ssrc=8, start=0.2) == 20


def test_two_interleaved_streams_do_not_tear_each_other_apart():
    session = connected()
    heard = 0
    for number in range(50):
        heard += hear(session, range(number, number + 1))
        heard += hear(session, range(number + 700, number + 701), ssrc=8, start=number * 0.02)
    assert heard == 50
    assert session.counts.ssrc_changes == 0
    assert session.counts.wrong_ssrc == 50


@pytest.mark.parametrize("reinvited", [False, True])
def test_what_waits_behind_a_hole_is_heard_before_a_new_stream(reinvited: bool):
    session = connected()
    old, new, heard = SPEECH, SPEECH[::-1], b""
    for number in [*range(50), 51, 52]:
        heard += session.receive(packet(number, payload=old), SDP, number * 0.02)[0]
    if reinvited:
        session.connect(FORMAT, SDP, 1.05)
    for number in range(900, 920):
        heard += session.receive(packet(number, ssrc=8, payload=new), SDP, 1.06 + (number - 900) * 0.02)[0]
    assert heard.count(old) == 52
    assert heard.rindex(old) < heard.index(new)
    assert session.stats()["lost"] == 1


def test_a_key_is_told_and_takes_no_sound():
    session = connected()
    hear(session, range(5))
    told = [
        session.receive(rtp.build(101, at == 0, 5 + at, 5 * FRAME, 7, b"\x05\x0a\x00\xa0"), SDP, 0.1 + at * 0.02)[1]
        for at in range(5)
    ]
    assert [digit.key if digit else None for digit in told] == ["5", None, None, None, None]
    assert session.inbound.jitter.stats.lost == 0


@pytest.mark.faults("B10")
@pytest.mark.parametrize("kind", [96, 101])
def test_keys_come_under_either_payload_type_where_the_directions_have_two(kind: int):
    session = connected(Format("PCMU", 0, 96, dtmf_received=101))
    _, digit = session.receive(rtp.build(kind, True, 5, 5 * FRAME, 7, b"\x05\x0a\x00\xa0"), SDP, 0.1)
    assert digit is not None
    assert digit.key == "5"  # type: ignore[union-attr]


def test_keys_that_nobody_can_press_so_fast_are_not_told():
    session, told = connected(), 0
    for number in range(5000):
        event = rtp.build(101, True, number, number * 400, 7, b"\x05\x8a\x01\x90")
        told += session.receive(event, SDP, 1.0 + number / 5000)[1] is not None
    assert BURST <= told <= BURST + PACE
    assert session.counts.keys_dropped == 5000 - told
    late = rtp.build(101, True, 5000, 5000 * 400, 7, b"\x06\x8a\x01\x90")
    assert session.receive(late, SDP, 3.0)[1] == KeyPress("6")


def test_a_law_becomes_mu_law():
    session = connected(Format("PCMA", 8))
    sound, _ = session.receive(packet(0, kind=8, payload=b"\xd5" * FRAME), SDP, 0.0)
    assert sound == b"\xfe" * FRAME, "A-law has no zero; its least is the least of mu-law"


@pytest.mark.parametrize(("agreed", "sent"), [(Format("PCMU", 0), 8), (Format("PCMA", 8), 0)])
def test_the_other_form_of_g711_is_heard_as_well(agreed: Format, sent: int):
    session = connected(agreed)
    alaw = SPEECH.translate(ULAW_TO_ALAW)
    sound, _ = session.receive(packet(0, kind=sent, payload=alaw if sent == 8 else SPEECH), SDP, 0.0)
    assert sound == (alaw.translate(ALAW_TO_ULAW) if sent == 8 else SPEECH)
    assert session.counts.wrong_type == 0


def test_a_codec_that_was_not_agreed_is_counted_and_not_heard():
    session = connected()
    hear(session, range(5))
    assert session.receive(packet(5, kind=18), SDP, 0.1)[0] == b""
    assert session.counts.wrong_type == 1
    assert hear(session, range(6, 10)) == 4


def test_nothing_is_taken_that_was_not_agreed():
    session = connected(receive=False)
    assert hear(session, range(5)) == 0
    assert session.counts.unexpected == 5


def test_on_hold_the_recognisers_clock_goes_on():
    session = connected()
    hear(session, range(50))
    session.connect(FORMAT, SDP, 1.0, receive=False)
    assert sum(len(session.poll(1.0 + at * 0.02)) for at in range(500)) >= 9.7 * 8000


DATAGRAMS = st.one_of(
    st.binary(max_size=50),
    st.builds(
        rtp.build,
        st.sampled_from([0, 8, 13, 18, 101]),
        st.booleans(),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFF_FFFF),
        st.integers(1, 3),
        st.binary(max_size=200),
    ),
)


@given(st.lists(st.tuples(DATAGRAMS, st.sampled_from([SDP, NAT]), st.floats(0, 2)), max_size=60))
def test_whatever_arrives_nothing_is_raised_and_everything_is_counted(datagrams):
    session, now = connected(), 0.0
    for at, (data, sender, later) in enumerate(datagrams):
        now += later
        _, event = session.receive(data, sender, now)
        if isinstance(event, RtcpReceived):
            session.receive_rtcp(data, sender, now)
        session.poll(now)
        session.transmit(at)
    stats = session.stats()
    dropped = ("malformed", "foreign", "wrong_ssrc", "unexpected", "rtcp_malformed", "rtcp_foreign")
    assert sum(stats[name] for name in ("received", "rtcp_received", *dropped)) == len(datagrams)
    assert stats["out_of_window"] + stats["duplicate"] + stats["late"] <= stats["received"]
    assert all(value >= 0 for value in stats.values() if not isinstance(value, list))
