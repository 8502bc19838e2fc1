"""A call that goes deaf half way is told from one whose other side pauses, is muted or holds. On virtual time."""

from collections.abc import Iterable

import pytest

from media.g711 import FRAME
from media.process.worker_channel import WorkerChannel
from media.rtp import packet as rtp
from media.rtp.rtcp import ReceiverReport, SenderReport, encode
from media.session.session import COMFORT_NOISE

SDP, CONTROL, OTHER = ("192.0.2.1", 4000), ("192.0.2.1", 4001), ("203.0.113.9", 1000)
PHONE = 7
EACH = 0.02
WATCH = 0.5


class Call:
    """A call whose other side has been heard for ten seconds."""

    def __init__(self) -> None:
        self.channel = WorkerChannel(1)
        self.now, self.number = 100.0, 0
        self.connect()
        self.goes_on(10.0)

    def connect(self, *, send: bool = True, receive: bool = True) -> None:
        wanted = {"format": {"encoding": "PCMU", "payload_type": 0}, "host": SDP[0], "port": SDP[1], "control": None,
                  "keys": None, "send": send, "receive": receive}  # fmt: skip
        self.channel.connect(wanted, self.now)

    def goes_on(
        self,
        seconds: float,
        sender: tuple[str, int] | None = SDP,
        *,
        every: float = EACH,
        kind: int = 0,
        lost: bool = False,
        reports: str = "",
    ) -> float:
        """Let `sender`, None for nobody, send a packet `every` so often, and report as `reports` says each 5 s. Returns
        the seconds in which it was not heard, so far."""
        session = self.channel.session
        for slot in range(round(seconds / EACH)):
            if sender and slot % round(every / EACH) == 0:
                self.number += 1
                if not lost:
                    data = rtp.build(kind, False, self.number, self.number * FRAME, PHONE, bytes(FRAME))
                    session.receive(data, sender, self.now)
            if slot % round(5 / EACH) == 0:
                for report in self.reports(reports):
                    assert session.receive_rtcp(encode([report]), CONTROL, self.now)
            if slot % round(WATCH / EACH) == 0:
                self.channel.silent_for(self.now)
            self.now += EACH
        return float(self.channel.stats().get("unheard", 0.0))

    def reports(self, kind: str) -> Iterable[SenderReport | ReceiverReport]:
        if kind == "SR":
            yield SenderReport(PHONE, 0, 0, self.number, self.number * FRAME)
        elif kind == "RR":
            yield ReceiverReport(PHONE, ())


@pytest.mark.parametrize("reports", ["", "SR"])
def test_a_call_that_is_heard_all_the_time_is_not_deaf(reports: str) -> None:
    assert Call().goes_on(60.0, reports=reports) == 0


def test_packets_that_come_from_another_address_after_good_sound_are_not_heard() -> None:
    call = Call()
    assert call.goes_on(10.0, OTHER) == pytest.approx(10.0, abs=WATCH)
    assert call.goes_on(20.0) == pytest.approx(10.0, abs=WATCH), "and then it was heard again"


def test_packets_of_a_format_that_was_not_agreed_are_none_of_ours_to_hear() -> None:
    """They have a finding of their own."""
    assert Call().goes_on(10.0, kind=77) == 0


def test_packets_that_its_reports_count_and_that_do_not_come_are_not_heard() -> None:
    call = Call()
    call.goes_on(5.0, reports="SR")
    assert call.goes_on(20.0, lost=True, reports="SR") == pytest.approx(20.0, abs=WATCH)


def test_a_side_that_vanishes_with_its_reports_is_not_heard() -> None:
    call = Call()
    call.goes_on(10.0, reports="SR")
    assert call.goes_on(20.0, None) == 0, "reports may be lost"
    assert call.goes_on(9.0, None) == pytest.approx(29.0, abs=WATCH)


@pytest.mark.parametrize("reported", ["never", "long ago", "before a re-INVITE"])
def test_who_is_muted_and_reports_no_more_is_no_fault(reported: str) -> None:
    """A phone that detects voice, or a PBX that hands the call over to one, may report nothing."""
    call = Call()
    if reported != "never":
        call.goes_on(4.0, reports="SR")
    if reported == "long ago":
        call.goes_on(30.0)
    if reported == "before a re-INVITE":
        call.connect()
    assert call.goes_on(60.0, None) == 0


@pytest.mark.parametrize("reports", ["SR", "RR"])
def test_who_is_muted_or_pauses_and_reports_is_no_fault(reports: str) -> None:
    call = Call()
    call.goes_on(5.0, reports="SR")
    for _ in range(3):
        assert call.goes_on(60.0, None, reports=reports) == 0
        assert call.goes_on(5.0, reports=reports) == 0


def test_comfort_noise_is_heard() -> None:
    assert Call().goes_on(60.0, every=1.0, kind=COMFORT_NOISE) == 0


@pytest.mark.parametrize(("send", "receive"), [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize("sender", [None, OTHER])
def test_on_hold_nothing_is_expected(send: bool, receive: bool, sender: tuple[str, int] | None) -> None:
    call = Call()
    call.goes_on(5.0, reports="SR")
    call.connect(send=send, receive=receive)
    assert call.goes_on(120.0, sender) == 0
    call.connect()
    assert call.goes_on(10.0, None) == 0, "and it begins anew"


def test_few_packets_of_somebody_else_are_no_evidence() -> None:
    assert Call().goes_on(10.0, OTHER, every=0.5) == 0
