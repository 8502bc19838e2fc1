"""How many streams of one call libsrtp keeps: two, however many the other side begins, and no packet is taken twice."""

import random

import pylibsrtp
import pytest

from media.rtp import rtcp
from media.rtp.srtp import PROFILES, Srtp
from media.session.session import RtpSession
from tests.media.test_srtp import SDP, Call, keys


def kept(session: RtpSession) -> int:
    """How many SSRCs libsrtp keeps state of, of what comes in: those that can be taken away again."""
    assert session._srtp is not None
    streams = session._srtp.sound
    return sum(_taken_away(streams.context.session, ssrc) for ssrc in range(2000))


def _taken_away(session, ssrc: int) -> bool:
    try:
        session.remove_stream(ssrc)
    except pylibsrtp.Error:
        return False
    return True


@pytest.mark.faults("A2")
@pytest.mark.parametrize("mki", [b"", b"\0\0\0\1"])
@pytest.mark.parametrize("suite", PROFILES)
def test_of_however_many_streams_two_are_kept(suite: str, mki: bytes) -> None:
    """libsrtp itself keeps each authentic one for good, and looks through all of them at each packet."""
    call = Call(keys(suite, mki=mki))
    tag = PROFILES[suite][1]
    for ssrc in range(1000):
        data = call.sound(ssrc=ssrc)
        call.hear(data[: len(data) - tag] + mki + data[len(data) - tag :])
    assert call.session.stats()["streams_given_up"] == 998
    assert kept(call.session) == 2


@pytest.mark.faults("A2")
def test_reports_of_however_many_streams_two_are_kept() -> None:
    call = Call(keys(), control=SDP)
    for ssrc in range(1000):
        data = call.peer.protect_rtcp(rtcp.encode([rtcp.ReceiverReport(ssrc, ()), rtcp.SourceDescription(ssrc, "x")]))
        assert call.session.receive_rtcp(data, SDP, 1.0)
        assert not call.session.receive_rtcp(data, SDP, 1.0), "replayed"
    assert call.session.stats()["streams_given_up"] == 998
    assert all(call.hear(call.sound()) for _ in range(50)), "sound has places of its own"


@pytest.mark.faults("A2")
def test_the_stream_that_is_heard_stays_whoever_knocks() -> None:
    call, chance = Call(keys()), random.Random(3)
    for _ in range(500):
        assert call.hear(call.sound())
        call.hear(call.sound(0, ssrc=chance.randrange(1 << 32)))
    stranger = Srtp(keys(theirs=9, ours=9))
    given_up = call.session.stats()["streams_given_up"]
    for ssrc in range(500):
        call.hear(call.sound(0, stranger, ssrc))
    assert call.session.stats()["streams_given_up"] == given_up, "who has not the key has no place"


@pytest.mark.faults("A2")
def test_who_has_wrapped_and_comes_back_after_two_others_is_heard_under_a_new_ssrc_alone() -> None:
    """The limit that the page on SRTP names: nobody knows the rollover counter any more."""
    call = Call(keys())
    phone = [call.sound(number) for number in range(65_500, 65_600)]
    assert sum(map(call.hear, phone[:50])) >= 48
    for ssrc in (1, 2):
        assert sum(call.hear(call.sound(at, ssrc=ssrc)) for at in range(10)) == 9
    assert not any(map(call.hear, phone[50:]))
    assert sum(call.hear(call.sound(at, ssrc=3)) for at in range(10)) == 9


@pytest.mark.faults("A2")
def test_who_comes_back_after_two_others_is_heard_and_no_packet_twice() -> None:
    """A relay that keeps the SSRCs: the phone, an announcement, music, and the phone again, all under one key."""
    call = Call(keys())
    phone = [call.sound() for _ in range(50)]
    heard = sum(map(call.hear, phone[:25]))
    for ssrc in (1, 2):
        assert sum(call.hear(call.sound(at, ssrc=ssrc)) for at in range(10)) == 9
    assert call.session.stats()["streams_given_up"] == 1
    assert not any(map(call.hear, phone[:25])), "what somebody has recorded on the way"
    assert heard + sum(map(call.hear, phone[25:])) == 49
    assert not any(map(call.hear, phone))


@pytest.mark.faults("A2")
def test_a_stream_whose_numbers_have_wrapped_is_not_taken_again_once_it_is_given_up() -> None:
    """Its rollover counter is gone with it (RFC 3711 §3.3.1): packets of its first round would pass for new ones."""
    call = Call(keys())
    early = [call.sound() for _ in range(200)]
    assert all(map(call.hear, early))
    for _ in range(65_400):
        call.hear(call.sound())
    for ssrc in (1, 2):
        for at in range(10):
            call.hear(call.sound(at, ssrc=ssrc))
    assert not any(map(call.hear, early))
