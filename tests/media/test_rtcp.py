"""RTCP packets (RFC 3550 §6.4, RFC 3611), with aiortc as an independent reader and writer."""

import aiortc.rtp as aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp import rtcp
from media.rtp.rtcp import Bye, ExtendedReport, ReceiverReport, ReportBlock, SenderReport, SourceDescription
from media.rtp.xr import VoipMetrics

WORD = st.integers(0, 0xFFFF_FFFF)
BLOCK = st.builds(ReportBlock, WORD, st.integers(0, 255), st.integers(-0x80_0000, 0x7F_FFFF), WORD, WORD, WORD, WORD)
BLOCKS = st.lists(BLOCK, max_size=4).map(tuple)
NAME = st.text(st.characters(codec="ascii", min_codepoint=33), max_size=64)
METRICS = st.builds(
    VoipMetrics,
    WORD,
    *[st.integers(0, 255)] * 4,
    *[st.integers(0, 0xFFFF)] * 4,
    *[st.integers(-128, 127)] * 2,
    *[st.integers(0, 255)] * 7,
    *[st.integers(0, 0xFFFF)] * 3,
)
SENDER = st.builds(SenderReport, WORD, st.integers(0, 2**64 - 1), WORD, WORD, WORD, BLOCKS)
RECEIVER = st.builds(ReceiverReport, WORD, BLOCKS)


def as_aiortc(block: ReportBlock) -> aio.RtcpReceiverInfo:
    return aio.RtcpReceiverInfo(
        ssrc=block.ssrc,
        fraction_lost=block.fraction_lost,
        packets_lost=block.lost,
        highest_sequence=block.highest_sequence,
        jitter=block.jitter,
        lsr=block.last_report,
        dlsr=block.delay,
    )


def read_by_aiortc(packet: rtcp.Rtcp):
    (read,) = aio.RtcpPacket.parse(packet.encode())
    return read


@given(SENDER)
def test_sender_reports_are_what_aiortc_reads_and_writes(report):
    info = aio.RtcpSenderInfo(report.ntp, report.timestamp, report.packets, report.octets)
    theirs = aio.RtcpSrPacket(report.ssrc, info, [as_aiortc(block) for block in report.blocks])
    assert read_by_aiortc(report) == theirs
    assert rtcp.parse(bytes(theirs)) == [report]


@given(RECEIVER)
def test_receiver_reports_are_what_aiortc_reads_and_writes(report):
    theirs = aio.RtcpRrPacket(report.ssrc, [as_aiortc(block) for block in report.blocks])
    assert read_by_aiortc(report) == theirs
    assert rtcp.parse(bytes(theirs)) == [report]


@given(WORD, NAME)
def test_the_canonical_name_is_what_aiortc_reads(ssrc, name):
    read = read_by_aiortc(SourceDescription(ssrc, name))
    assert read.chunks == [aio.RtcpSourceInfo(ssrc, [(1, name.encode())])]


@given(WORD, NAME)
def test_the_canonical_name_is_found_among_what_aiortc_writes(ssrc, name):
    items = [(2, b"a name for people"), (1, name.encode())]
    compound = ReceiverReport(ssrc).encode() + bytes(aio.RtcpSdesPacket([aio.RtcpSourceInfo(ssrc, items)]))
    assert rtcp.parse(compound) == [ReceiverReport(ssrc), SourceDescription(ssrc, name)]


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd"])
def test_zeros_end_the_items_and_fill_the_word(name):
    encoded = SourceDescription(1, name).encode()
    assert len(encoded) % 4 == 0
    zeros = len(encoded) - len(encoded.rstrip(b"\0")) if name else 4
    assert 1 <= zeros <= 4
    two = SourceDescription(2, "other").encode()
    both = bytes([0x82, 202, 0, (len(encoded) + len(two)) // 4 - 2]) + encoded[4:] + two[4:]
    assert rtcp.parse(both) == [SourceDescription(1, name), SourceDescription(2, "other")]


@given(st.lists(WORD, max_size=31).map(tuple))
def test_bye_is_what_aiortc_reads_and_writes(sources):
    theirs = aio.RtcpByePacket(list(sources))
    assert read_by_aiortc(Bye(sources)) == theirs
    assert rtcp.parse(ReceiverReport(1).encode() + bytes(theirs)) == [ReceiverReport(1), Bye(sources)]


def test_a_reason_for_leaving_is_read_over():
    bye = bytes([0x81, 203, 0, 3]) + b"\x00\x00\x00\x07" + b"\x06camera" + b"\x00"
    assert rtcp.parse(ReceiverReport(1).encode() + bye) == [ReceiverReport(1), Bye((7,))]


def test_the_voip_metrics_block_is_the_one_of_the_rfc():
    metrics = VoipMetrics(
        0x01020304, 13, 7, 128, 2, 320, 9000, 85, 60, -20, -60, 50, 16, 91, 127, 43, 41, 0xB5, 40, 80, 200
    )
    assert metrics.encode() == bytes.fromhex(
        "07000008"  # block type 7, reserved, eight words follow
        "01020304"  # source
        "0d078002"  # loss, discard, burst density, gap density
        "01402328"  # burst and gap duration
        "0055003c"  # round trip, end system delay
        "ecc43210"  # signal, noise, echo return loss, Gmin
        "5b7f2b29"  # R, external R, MOS-LQ, MOS-CQ
        "b5000028"  # receiver configuration, reserved, jitter buffer nominal
        "005000c8"  # jitter buffer maximum, absolute maximum
    )


@given(SENDER | RECEIVER, NAME, st.lists(METRICS, max_size=3).map(tuple), st.booleans())
def test_a_compound_is_read_as_it_was_written(report, name, metrics, leaves):
    compound = [report, SourceDescription(report.ssrc, name), ExtendedReport(report.ssrc, metrics)]
    compound += [Bye((report.ssrc,))] * leaves
    assert rtcp.parse(rtcp.encode(compound)) == compound


def test_blocks_and_packets_of_other_types_are_left_out():
    receiver_time = bytes([4, 0, 0, 2]) + bytes(8)
    extended = bytes([0x80, 207, 0, 13]) + b"\x00\x00\x00\x09" + receiver_time + VoipMetrics(7).encode()
    feedback = bytes([0x81, 206, 0, 2]) + bytes(8)
    assert rtcp.parse(ReceiverReport(9).encode() + extended + feedback) == [
        ReceiverReport(9),
        ExtendedReport(9, (VoipMetrics(7),)),
    ]


def test_extensions_of_a_report_are_read_over():
    extended = bytes([0x80, 201, 0, 2]) + b"\x00\x00\x00\x09" + b"more"
    assert rtcp.parse(extended) == [ReceiverReport(9)]


def test_what_begins_without_a_report_is_read():
    assert rtcp.parse(Bye((1,)).encode() + NAMED) == [Bye((1,)), SourceDescription(1, "caller")]


def test_padding_is_taken_off_the_last_packet():
    padded = bytes([0xA1, 203, 0, 2]) + b"\x00\x00\x00\x07" + b"\x00\x00\x00\x04"
    assert rtcp.parse(ReceiverReport(1).encode() + padded) == [ReceiverReport(1), Bye((7,))]


BLOCK_OF_7 = ReportBlock(7, 0, 0, 0, 0, 0, 0)
REPORT = ReceiverReport(1, (BLOCK_OF_7,)).encode()
SENT = SenderReport(1, 2, 3, 4, 5, (BLOCK_OF_7,)).encode()
NAMED = SourceDescription(1, "caller").encode()
EXTENDED = ExtendedReport(1, (VoipMetrics(7),)).encode()


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("nothing", b""),
        ("a report of no source", bytes([0x80, 201, 0, 0])),
        ("half a word too long", REPORT + b"\x00\x00"),
        ("version 1", b"\x41" + REPORT[1:]),
        ("no type of RTCP first", b"\x80\xc7" + REPORT[2:]),
        ("a length beyond the datagram", REPORT[:2] + b"\xff\xff" + REPORT[4:]),
        ("a second packet cut short", REPORT + NAMED[:-4]),
        ("a receiver report of more blocks than bytes", b"\x82" + REPORT[1:]),
        ("a sender report of more blocks than bytes", b"\x82" + SENT[1:]),
        ("more names than bytes", REPORT + b"\x82" + NAMED[1:]),
        ("a name longer than the packet", REPORT + NAMED[:9] + b"\xff" + NAMED[10:]),
        ("a BYE of more sources than bytes", REPORT + bytes([0x82, 203, 0, 1]) + bytes(4)),
        ("an extended report of no source", REPORT + bytes([0x80, 207, 0, 0])),
        ("an extended block longer than the packet", REPORT + EXTENDED[:10] + b"\x00\x09" + EXTENDED[12:]),
        ("padding in the midst", b"\xa1" + REPORT[1:-1] + b"\x04" + NAMED),
        ("padding of no bytes", b"\xa1" + REPORT[1:-1] + b"\x00"),
        ("padding longer than the packet", b"\xa1" + REPORT[1:-1] + b"\xfc"),
        ("padding of half a word", b"\xa1" + REPORT[1:-1] + b"\x02"),
        ("longer than any datagram that is looked at", REPORT * 60),
    ],
)
def test_malformed_compounds_are_not_read(fault, data):
    assert rtcp.parse(data) is None, fault


COMPOUND = st.lists(SENDER | RECEIVER | METRICS.map(lambda block: ExtendedReport(1, (block,))), min_size=1, max_size=4)


@given(COMPOUND.map(rtcp.encode), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8))
def test_damaged_compounds_are_read_or_refused_but_never_raise(data, damages):
    damaged = bytearray(data)
    for at, value in damages:
        damaged[at % len(damaged)] = value
    for cut in (len(damaged), len(damaged) // 2):
        read = rtcp.parse(bytes(damaged[:cut]))
        assert read is None or len(read) <= len(data) // 4


@given(st.binary(max_size=1600).map(lambda data: b"\x80\xc9" + data))
def test_noise_never_raises(data):
    rtcp.parse(data)


def test_rtcp_is_told_from_rtp_by_its_second_byte():
    assert rtcp.is_rtcp(REPORT)
    assert not rtcp.is_rtcp(bytes([0x80, 0x80 | 101]) + bytes(10))
    assert not rtcp.is_rtcp(b"\x80")
