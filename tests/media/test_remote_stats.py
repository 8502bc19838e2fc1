# mypy: disable-error-code="union-attr"
"""Reports of the other side of a call: the round trip, how it receives our sound, and its delay."""

import aiortc.rtp as aio
import pytest

from media.rtp import rtcp
from media.rtp.remote_stats import BUFFER
from media.rtp.rtcp import ExtendedReport, ReceiverReport, ReportBlock, SenderReport
from media.rtp.xr import VoipMetrics
from tests.media.reporting import CONTROL, EPOCH, Call


class FarEnd:
    """The other side as aiortc writes it: answers the last sender report after a while."""

    def __init__(self, call: Call, *, one_way: float, rests: float = 0.7) -> None:
        self.call, self.one_way, self.rests = call, one_way, rests

    def answer(self, *more: rtcp.Rtcp, **told) -> None:
        """A receiver report on what `call` sent last, as it arrives."""
        at, data, packet = self.call.reports[-1]
        ntp = aio.RtcpPacket.parse(data)[0].sender_info.ntp_timestamp
        block = aio.RtcpReceiverInfo(
            ssrc=packet.ssrc,
            fraction_lost=0,
            packets_lost=told.get("lost", 0),
            highest_sequence=0,
            jitter=told.get("jitter", 0),
            lsr=ntp >> 16 & 0xFFFF_FFFF,
            dlsr=int(self.rests * 65536),
        )
        compound = bytes(aio.RtcpRrPacket(7, [block])) + rtcp.encode(more)
        assert self.call.session.receive_rtcp(compound, CONTROL, at + 2 * self.one_way + self.rests)

    @property
    def metrics(self) -> VoipMetrics:
        packet = self.call.reports[-1][2]
        assert packet is not None
        return VoipMetrics(packet.ssrc)


@pytest.mark.parametrize("one_way", [0.0, 0.003, 0.040, 0.350])
def test_the_round_trip_is_exact(one_way):
    call = Call().run(100)
    FarEnd(call, one_way=one_way).answer()
    assert call.session.stats()["round_trip"] == pytest.approx(2 * one_way, abs=0.001)


def test_an_answer_that_names_no_report_measures_nothing():
    call = Call().run(100)
    packet = call.reports[-1][2]
    report = ReceiverReport(7, (ReportBlock(packet.ssrc, *[0] * 6),))
    assert call.session.receive_rtcp(report.encode(), CONTROL, call.now)
    assert "round_trip" not in call.session.stats()


@pytest.mark.parametrize("rests", [5.0, -100.0])
def test_a_round_trip_that_cannot_be_is_not_believed(rests):
    call = Call().run(100)
    far_end = FarEnd(call, one_way=0.01)
    far_end.answer()
    at, _, packet = call.reports[-1]
    middle = int((EPOCH + 2_208_988_800 + at) * 65536) & 0xFFFF_FFFF
    block = ReportBlock(packet.ssrc, 0, 0, 0, 0, middle, int(rests * 65536) & 0xFFFF_FFFF)
    call.session.receive_rtcp(ReceiverReport(7, (block,)).encode(), CONTROL, at + 0.1)
    assert call.session.stats()["round_trip"] == pytest.approx(0.020, abs=0.001)


def test_we_tell_the_other_side_what_it_needs_for_its_round_trip():
    call = Call().run(100)
    theirs = SenderReport(7, 0x1234_5678_9ABC_DEF0, 0, 0, 0)
    call.session.receive_rtcp(theirs.encode(), CONTROL, call.now)
    at = call.now
    call.run(400)
    (block,) = call.last()[0].blocks
    assert block.last_report == 0x5678_9ABC
    assert block.delay / 65536 == pytest.approx(call.reports[-1][0] - at, abs=0.001)


def test_how_the_other_side_hears_us_is_in_the_record():
    call = Call().run(100)
    far_end = FarEnd(call, one_way=0.02)
    far_end.answer(ExtendedReport(7, (far_end.metrics._replace(mos_cq=38),)), lost=12, jitter=80)
    stats = call.session.stats()
    assert (stats["remote_lost"], stats["remote_jitter"], stats["remote_mos"]) == (12, 0.010, 3.8)


@pytest.mark.parametrize("one_way", [0.002, 0.020, 0.080, 0.200])
@pytest.mark.parametrize("buffer", [0.020, 0.040, 0.060, 0.080])
def test_what_the_caller_has_heard_is_known_to_forty_milliseconds(one_way, buffer):
    """Where the far end plays each frame `buffer` after it came, and does not tell so."""
    call = Call().run(100)
    FarEnd(call, one_way=one_way).answer()
    assert call.session.rtcp.remote.delay == pytest.approx(one_way + buffer, abs=0.040)


@pytest.mark.parametrize("buffer", [0.010, 0.120, 0.300])
def test_and_better_if_it_tells_its_buffer(buffer):
    call = Call().run(100)
    far_end = FarEnd(call, one_way=0.03)
    far_end.answer(ExtendedReport(7, (far_end.metrics._replace(jitter_buffer=round(buffer * 1000)),)))
    assert call.session.rtcp.remote.delay == pytest.approx(0.03 + buffer, abs=0.002)


def test_until_anything_is_told_a_usual_buffer_is_assumed_and_no_absurd_one_believed():
    call = Call().run(100)
    assert call.session.rtcp.remote.delay == BUFFER
    far_end = FarEnd(call, one_way=0.0)
    far_end.answer(ExtendedReport(7, (far_end.metrics._replace(jitter_buffer=65_535),)))
    assert call.session.rtcp.remote.delay == pytest.approx(0.5, abs=0.001)


def test_metrics_of_somebody_else_are_not_ours():
    call = Call().run(100)
    FarEnd(call, one_way=0.0).answer(ExtendedReport(7, (VoipMetrics(4711, jitter_buffer=200, mos_cq=10),)))
    assert call.session.rtcp.remote.metrics is None


def test_that_nothing_of_ours_arrives_any_more_is_known_from_the_numbers_that_stand_still():
    call, ssrc = Call().run(100), 0
    for at, highest in ((5, 100), (10, 350), (15, 350), (20, 350)):
        ssrc = ssrc or call.reports[-1][2].ssrc
        report = ReceiverReport(7, (ReportBlock(ssrc, 0, 0, highest, 0, 0, 0),))
        assert call.session.receive_rtcp(report.encode(), CONTROL, float(at))
    assert call.session.stats()["remote_deaf"] == 10.0
