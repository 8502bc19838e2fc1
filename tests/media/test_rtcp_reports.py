# mypy: disable-error-code="index, misc, union-attr"
"""RTCP of a call on virtual time: our reports and their destination, accepted reports, quality."""

import itertools
import random

import aiortc.rtp as aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.rtcp import Bye, ExtendedReport, ReceiverReport, ReportBlock, SenderReport, SourceDescription
from media.rtp.xr import VoipMetrics
from media.session.quality import mos, rating
from media.session.rtcp_reports import RtcpRoute
from media.session.session import RtcpReceived, RtpSession
from tests.media.reporting import CONTROL, EPOCH, FORMAT, MEDIA, SPEECH, STRANGER, Call

# When, and what


def test_the_first_report_is_early_and_then_one_leaves_each_five_seconds_give_or_take_half():
    times = [at for at, _, _ in Call().run(180_000).reports]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] <= 0.76
    assert 2.48 <= min(gaps) < 2.7
    assert 7.3 < max(gaps) <= 7.52
    assert sum(gaps) / len(gaps) == pytest.approx(5, abs=0.2)


def test_two_calls_do_not_report_in_step():
    first, second = ([at for at, _, _ in Call(seed).run(3000).reports] for seed in (1, 2))
    assert first != second


def test_every_compound_begins_with_a_report_and_names_the_source():
    call = Call(send=False).run(1000)
    names = set()
    for _, data, _ in call.reports:
        report, name, *_ = rtcp.parse(data)
        assert isinstance(report, ReceiverReport)
        assert isinstance(name, SourceDescription)
        names.add(name)
    assert len(names) == 1


def test_a_sender_report_tells_what_was_sent_and_when():
    call = Call().run(1000)
    for at, data, packet in call.reports:
        report = aio.RtcpPacket.parse(data)[0]
        assert isinstance(report, aio.RtcpSrPacket)
        info = report.sender_info
        assert report.ssrc == packet.ssrc
        assert info.rtp_timestamp == packet.timestamp
        assert info.packet_count == round(at / 0.020) + 1
        assert info.octet_count == info.packet_count * FRAME
        assert info.ntp_timestamp / 2**32 == pytest.approx(EPOCH + 2_208_988_800 + at, abs=1e-5)


def test_two_reports_after_the_last_packet_we_are_no_sender_any_more():
    call = Call().run(1000)
    call.session.connect(FORMAT, MEDIA, call.now, send=False)
    before = len(call.reports)
    call.run(1500)
    kinds = [type(rtcp.parse(data)[0]) for _, data, _ in call.reports[before:]]
    assert kinds[:2] == [SenderReport, SenderReport]
    assert set(kinds[2:]) == {ReceiverReport}


def test_a_stream_of_ours_that_begins_anew_is_reported_at_once():
    call = Call().run(1000)
    call.session._sender.restart()
    before = len(call.reports)
    call.run(500)
    reports = [rtcp.parse(data)[0] for _, data, _ in call.reports]
    assert {type(report) for report in reports} == {SenderReport}
    assert len({report.ssrc for report in reports[:before]} | {report.ssrc for report in reports[before:]}) == 2
    assert reports[before].packets < reports[before - 1].packets


def test_a_report_goes_on_while_the_call_is_on_hold():
    call = Call(send=False, receive=False).run(1500, speaking=False)
    assert len(call.reports) >= 4


@pytest.mark.parametrize("step", [20_000, 40_000, 5000])
def test_a_call_is_rated_as_a_whole_when_the_other_side_begins_its_numbers_anew(step: int):
    call = Call().run(10_000, lost=range(0, 10_000, 100))
    before = call.session.stats()
    call.number = (call.number + step) & 0xFFFF
    call.run(500)
    after = call.session.stats()
    assert after["loss"] == pytest.approx(before["loss"] * 10_000 / 10_500, rel=0.05)
    assert after["mos"] == pytest.approx(before["mos"], abs=0.05)
    assert min(after["mos_by_interval"]) > 4.2


def test_the_receivers_part_tells_loss_of_the_interval_and_of_the_call():
    call = Call().run(2000, lost=range(100, 110))
    (block,) = aio.RtcpPacket.parse(call.reports[-1][1])[0].reports
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (7, 10, 0)
    assert block.highest_sequence == round(call.reports[-1][0] / 0.020)
    fractions = [aio.RtcpPacket.parse(data)[0].reports[0].fraction_lost for _, data, _ in call.reports]
    assert sum(fraction > 0 for fraction in fractions) == 1


def test_nothing_is_told_of_a_source_that_was_silent_since_the_last_report():
    call = Call().run(1000).run(1500, speaking=False)
    assert call.last()[0].blocks == ()
    assert not any(isinstance(packet, ExtendedReport) for packet in call.last())


def test_bye_leaves_at_once_and_ends_a_full_compound():
    call = Call().run(100)
    data, to = call.session.bye(call.now)
    report, name, _, bye = rtcp.parse(data)
    assert (report.ssrc, name.ssrc, bye) == (report.ssrc, report.ssrc, Bye((report.ssrc,)))
    assert to == CONTROL


def test_nothing_is_due_before_the_other_side_is_known():
    session = RtpSession(random.Random(1).getrandbits)
    assert session.deadline == float("inf")
    assert session.receive_rtcp(ReceiverReport(1).encode(), MEDIA, 1.0) is False
    assert session.bye(1.0)[1] is None


# Where to, and from whom


def test_reports_go_to_the_port_after_the_sound():
    assert Call().run(100).to == CONTROL


def test_or_to_where_the_description_says():
    assert Call(control=("192.0.2.3", 7777)).run(100).to == ("192.0.2.3", 7777)


def test_or_to_the_port_of_the_sound_itself_and_follow_it():
    call = Call(control=MEDIA).run(100, speaking=False)
    assert call.to == MEDIA
    for _ in range(6):
        call.hear(sender=STRANGER)
        call.run(1, speaking=False)
    assert call.session.remote == STRANGER  # by the rules for sources: nothing came from the announced one
    assert call.run(500, speaking=False).to == STRANGER


@pytest.mark.parametrize("media", [("0.0.0.0", 4000), ("::", 4000), ("192.0.2.1", 65_535)])
def test_nothing_is_sent_to_nowhere(media):
    assert Call(media=media).run(100, speaking=False).to is None


def report_by(ssrc: int = 7, **told) -> bytes:
    return ReceiverReport(ssrc, (ReportBlock(99, 0, 0, 0, 0, 0, 0)._replace(**told),)).encode()


def test_on_the_port_of_the_sound_rtcp_is_told_from_it():
    call = Call(control=MEDIA).run(10)
    assert call.session.receive(report_by(), MEDIA, call.now) == (b"", RtcpReceived())
    assert call.session.counts.malformed == 0


@pytest.mark.parametrize("sender", [MEDIA, CONTROL])
def test_reports_from_the_ports_that_were_named_are_believed(sender):
    call = Call().run(10)
    assert call.session.receive_rtcp(report_by(), sender, call.now)
    assert call.run(100).to == CONTROL


def test_strangers_are_counted_and_change_nothing():
    call = Call().run(10)
    for _ in range(100):
        assert not call.session.receive_rtcp(report_by(), STRANGER, call.now)
    stats = call.session.stats()
    assert stats["rtcp_foreign"] == 100
    (source,) = stats["refused_sources"]
    assert (source["host"], source["port"], source["reason"], source["packets"]) == (*STRANGER, "rtcp_foreign", 100)
    assert call.session.inbound.refused.sound == 0, "no sign that sound was refused"
    assert call.run(100).to == CONTROL


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)])
def test_datagrams_that_keep_a_nat_open_are_no_fault_and_no_source(data):
    call, nat, other = Call().run(10), (MEDIA[0], 61_001), (MEDIA[0], 61_002)
    assert not call.session.receive_rtcp(data, nat, call.now)
    assert call.session.receive_rtcp(report_by(), other, call.now)
    stats = call.session.stats()
    assert stats["rtcp_malformed"] + stats["rtcp_foreign"] == 1 and "refused_sources" not in stats


def test_the_last_reports_from_before_a_move_are_no_fault():
    call = Call().run(10)
    assert call.session.receive_rtcp(report_by(), CONTROL, call.now)
    call.session.connect(FORMAT, STRANGER, call.now)
    assert not call.session.receive_rtcp(report_by(), CONTROL, call.now)
    assert not call.session.receive_rtcp(report_by(), MEDIA, call.now)
    stats = call.session.stats()
    assert stats["rtcp_foreign"] == 2
    assert [(one["host"], one["port"]) for one in stats["refused_sources"]] == [MEDIA]


def test_an_address_that_was_chosen_by_ice_is_not_left_for_a_port_that_nobody_named():
    route, chosen, other = RtcpRoute(), (MEDIA[0], 61_001), (MEDIA[0], 61_002)
    route.connect(MEDIA, CONTROL, None)
    route.choose(chosen, MEDIA)
    assert not route.accept(other, MEDIA)
    assert route.accept(chosen, MEDIA) and route.to(MEDIA) == chosen


def test_behind_a_nat_the_first_port_of_the_sounds_host_is_kept():
    call = Call().run(10)
    nat, other = (MEDIA[0], 61_001), (MEDIA[0], 61_002)
    assert call.session.receive_rtcp(report_by(), nat, call.now)
    assert not call.session.receive_rtcp(report_by(), other, call.now)
    assert call.run(100).to == nat


def test_a_named_port_that_spoke_is_not_left_for_another():
    call = Call().run(10)
    assert call.session.receive_rtcp(report_by(), CONTROL, call.now)
    assert not call.session.receive_rtcp(report_by(), (MEDIA[0], 61_001), call.now)


def test_after_the_nat_of_the_sound_took_a_new_port_that_of_rtcp_is_learned_again():
    route, media = RtcpRoute(), (MEDIA[0], 61_000)
    route.connect(MEDIA, CONTROL, None)
    assert route.accept(CONTROL, MEDIA)
    assert not route.accept((MEDIA[0], 52_003), MEDIA)
    assert route.accept((MEDIA[0], 52_003), media)
    assert not route.accept((MEDIA[0], 52_004), media)
    assert route.to(media) == (MEDIA[0], 52_003)


def test_signalling_opens_the_port_again():
    call = Call().run(10)
    call.session.receive_rtcp(report_by(), CONTROL, call.now)
    call.session.connect(FORMAT, MEDIA, call.now)
    assert call.session.receive_rtcp(report_by(), (MEDIA[0], 61_001), call.now)


@pytest.mark.faults("F1")
def test_after_a_move_to_another_port_the_reports_of_the_old_one_do_not_shut_the_new_one_out():
    call = Call().run(10)
    assert call.session.receive_rtcp(report_by(), CONTROL, call.now)
    media, control = (MEDIA[0], MEDIA[1] + 10), (MEDIA[0], MEDIA[1] + 11)
    call.session.connect(FORMAT, media, call.now)
    call.session.receive_rtcp(report_by(), CONTROL, call.now)  # the old side has not heard of it yet
    assert call.session.receive_rtcp(report_by(), control, call.now)
    assert not call.session.receive_rtcp(report_by(), CONTROL, call.now)
    call.run(100, speaking=False)
    assert call.to == control


def test_malformed_compounds_are_counted():
    call = Call().run(10)
    assert not call.session.receive_rtcp(report_by()[:-1], CONTROL, call.now)
    stats = call.session.stats()
    assert stats["rtcp_malformed"] == 1
    assert [(one["port"], one["reason"]) for one in stats["refused_sources"]] == [(CONTROL[1], "rtcp_malformed")]


@given(st.lists(st.tuples(st.binary(max_size=200), st.sampled_from([MEDIA, CONTROL, STRANGER])), max_size=20))
def test_whatever_comes_is_counted_once(datagrams):
    call = Call().run(3)
    for data, sender in datagrams:
        call.session.receive_rtcp(data, sender, call.now)
        call.session.receive_rtcp(b"\x80\xc9\x00\x01" + data, sender, call.now)
    call.run(30)
    stats = call.session.stats()
    assert stats["rtcp_received"] + stats["rtcp_malformed"] + stats["rtcp_foreign"] == 2 * len(datagrams)


# Quality


def metrics_of(call: Call) -> VoipMetrics:
    (extended,) = (packet for packet in call.last() if isinstance(packet, ExtendedReport))
    (block,) = extended.metrics
    return block


def test_a_clean_call_is_told_as_such():
    block = metrics_of(Call().run(1000))
    assert (block.ssrc, block.loss_rate, block.discard_rate, block.burst_duration) == (7, 0, 0, 0)
    assert (block.gmin, block.mos_lq) == (16, 44)
    assert block.r_factor >= 91
    assert block.jitter_buffer_max == 40
    assert block.receiver_config == 0b1011 << 4  # losses concealed by interpolation, adaptive buffer


def test_bursts_and_gaps_are_told_apart():
    """A burst of 20 packets of which 10 are lost, and 4 single losses far apart, in 20 s."""
    call = Call().run(1000, lost={*range(300, 320, 2), 319, 500, 600, 700, 800} - {318})
    block = metrics_of(call)
    expected = round(call.reports[-1][0] / 0.020) + 1
    assert block.loss_rate == 14 * 256 // expected
    assert block.burst_density == 10 * 256 // 20
    assert block.gap_density == 4 * 256 // (expected - 20)
    assert block.burst_duration == 400
    assert block.gap_duration == round((expected - 20) * 20 / 2)


def test_late_packets_are_discarded_not_lost():
    call = Call().run(100)
    for at in range(5):
        missing, number = rtp.build(0, False, call.number, call.number * FRAME, 7, SPEECH), call.number
        call.hear(lost=True)
        call.run(10)
        call.session.receive(missing, MEDIA, call.now)
        assert call.number == number + 11, at
    call.run(400)
    block = metrics_of(call)
    assert block.loss_rate == 0
    assert block.discard_rate == 5 * 256 // (round(call.reports[-1][0] / 0.020) + 1 + 5) > 0
    assert call.last()[0].blocks[0].lost == 0


def test_each_five_seconds_and_the_call_have_a_score():
    call = Call().run(750, lost=range(260, 480, 20))
    stats = call.session.stats()
    delay = call.session.rtcp.delay
    clean, poor = (mos(rating(loss, 1, delay, concealed=True)) for loss in (0, 11 / 250))
    assert stats["mos_by_interval"] == pytest.approx([clean, poor], abs=0.011)
    assert clean > stats["mos"] > poor
    assert stats["loss"] == pytest.approx(11 / 750, abs=1e-5)


def test_the_score_of_a_call_goes_on_over_a_change_of_its_source():
    call = Call().run(500)
    call.session.connect(FORMAT, MEDIA, call.now)
    for at in range(250):
        call.session.receive(rtp.build(0, False, at, at * FRAME, 8, SPEECH), MEDIA, call.now)
        call.run(1, speaking=False)
    assert call.session.stats()["ssrc_changes"] == 1
    assert call.session.rtcp.report_state.expected == 750


def test_a_call_without_sound_has_no_score():
    assert "mos" not in Call().run(1000, speaking=False).session.stats()
