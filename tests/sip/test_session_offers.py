"""Offers and answers in a session that goes on, and what is offered one after the other (RFC 3264 §8, RFC 4568)."""

from dataclasses import replace

import pytest

from sipgw.sip.offer_answer import NotAcceptable, accept_answer, answer, make_offer, offers
from sipgw.sip.sdes import Policy
from sipgw.sip.sdp import Sdp
from tests.sip.test_offer_answer import TWILIO, US, lines, negotiate, offer

VIDEO = ("m=video 6000 RTP/AVP 96", "a=rtpmap:96 VP8/90000")
SOUND = ("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")


@pytest.mark.faults("F3")
@pytest.mark.parametrize("theirs", [(*VIDEO, *SOUND), (*SOUND, *VIDEO), (*VIDEO, *SOUND, *VIDEO)])
def test_an_offer_in_a_session_has_every_stream_of_it_in_its_place(theirs: tuple[str, ...]) -> None:
    """RFC 3264 §8: the number of m-lines never shrinks; what was refused stays switched off."""
    agreed = negotiate(*theirs)
    offered = Sdp.parse(make_offer(replace(US, session=agreed.sdp)))
    assert [media.kind for media in offered.media] == [line[2:7] for line in theirs if line.startswith("m=")]
    assert [media.port for media in offered.media] == [20000 if media.kind == "audio" else 0 for media in offered.media]


def test_what_a_payload_type_means_it_goes_on_to_mean() -> None:
    """RFC 3264 §8.3.2."""
    agreed = negotiate("m=audio 4 RTP/AVP 101 96", "a=rtpmap:101 PCMU/8000", "a=rtpmap:96 telephone-event/8000")
    offered = lines(make_offer(replace(US, session=agreed.sdp)))
    assert "m=audio 20000 RTP/AVP 101 8 96" in offered
    agreed = negotiate("m=audio 4 RTP/AVP 101", "a=rtpmap:101 PCMU/8000")
    assert "m=audio 20000 RTP/AVP 101 8 102" in lines(make_offer(replace(US, session=agreed.sdp)))


def test_a_description_that_changes_has_the_next_version_and_one_that_does_not_the_same() -> None:
    """RFC 3264 §8."""
    local, versions = US, []
    for direction in ("sendrecv", "sendrecv", "sendonly", "sendonly", "inactive"):
        local = replace(local, session=make_offer(local, direction))
        versions.append(Sdp.parse(local.session).origin.split()[2])
    assert versions == ["1", "1", "2", "2", "3"]


@pytest.mark.faults("F7")
def test_a_stream_that_is_switched_off_in_a_session_is_answered_with_port_0_and_may_come_back() -> None:
    """RFC 3264 §6, §8.2."""
    first = negotiate(*SOUND)
    off = answer(offer("m=audio 0 RTP/AVP 0"), replace(US, session=first.sdp))
    assert (off.remote_port, off.direction, off.on_hold) == (0, "inactive", True)
    assert [media.port for media in Sdp.parse(off.sdp).media] == [0]
    again = answer(offer(*SOUND), replace(US, session=off.sdp))
    assert (again.remote_port, again.direction) == (4000, "sendrecv")
    ours = Sdp.parse(make_offer(replace(US, session=off.sdp)))
    assert [(media.kind, media.port) for media in ours.media] == [("audio", 20000)]


@pytest.mark.faults("F7")
def test_a_stream_that_is_switched_off_stays_off_through_a_refresh_of_ours() -> None:
    """RFC 4028 §7.4: our re-INVITE repeats port 0, and their answer does (RFC 3264 §6)."""
    off = answer(offer("m=audio 0 RTP/AVP 0"), replace(US, session=negotiate(*SOUND).sdp))
    for local in (US, replace(US, session=off.sdp)):
        again = accept_answer(off.sdp, offer("m=audio 0 RTP/AVP 0"), local)
        assert (again.sdp, again.remote_port, again.direction) == (off.sdp, 0, "inactive")
    stays = accept_answer(off.sdp, offer(*SOUND), replace(US, session=off.sdp))
    assert (stays.remote_port, stays.direction) == (0, "inactive"), "only an offer can switch it on again"


@pytest.mark.faults("F7")
def test_an_answer_may_switch_a_stream_off_in_a_session_and_not_in_a_new_one() -> None:
    """The offer is what they had asked for by a re-INVITE without one."""
    first = negotiate(*SOUND)
    local = replace(US, session=make_offer(replace(US, session=first.sdp)))
    off = accept_answer(local.session, offer("m=audio 0 RTP/AVP 0"), local)
    assert (off.remote_port, off.direction, off.on_hold) == (0, "inactive", True)
    with pytest.raises(NotAcceptable):
        accept_answer(local.session, offer("m=audio 0 RTP/AVP 0"), US)


def test_sound_that_gives_way_to_fax_is_refused() -> None:
    """Then the other side sends the fax as sound, which is better than nothing."""
    with pytest.raises(NotAcceptable):
        answer(offer("m=audio 0 RTP/AVP 0", "m=image 4000 udptl t38"), replace(US, session=negotiate(*SOUND).sdp))


@pytest.mark.faults("B10")
def test_each_direction_has_a_payload_type_of_its_own_for_keys() -> None:
    """RFC 3264 §5.1, §6.1: theirs is what we send under, ours what they may send under."""
    agreed = accept_answer(make_offer(US), offer("m=audio 4 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000"), US)
    assert (agreed.dtmf_payload_type, agreed.dtmf_received) == (96, 101)
    assert negotiate(*TWILIO).dtmf_received is None
    assert accept_answer(make_offer(US), offer("m=audio 4 RTP/AVP 0"), US).dtmf_received is None


# Protection


@pytest.mark.faults("G1")
@pytest.mark.parametrize(
    ("policy", "tls", "expected"),
    [
        ("off", True, [("RTP/AVP", 0)]),
        ("required", True, [("RTP/SAVP", 4)]),
        ("required", False, [("RTP/SAVP", 4)]),
        ("optional", False, [("RTP/AVP", 0)]),
        ("optional", True, [("RTP/AVP", 4), ("RTP/SAVP", 4), ("RTP/AVP", 0)]),
    ],
)
def test_what_is_offered_one_after_the_other(policy: Policy, tls: bool, expected: list[tuple[str, int]]) -> None:
    """Asterisk takes the first whether it encrypts or not, FreeSWITCH the second or the third."""
    local = replace(US, srtp=policy, tls=tls, secret=bytes(range(200)))
    made = offers(local)
    assert [(Sdp.parse(one).media[0].protocol, one.count(b"a=crypto:")) for one in made] == expected
    assert [Sdp.parse(one).origin.split()[2] for one in made] == [str(at + 1) for at in range(len(made))]


@pytest.mark.faults("G1")
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(("protocol", "keyed"), [("RTP/SAVP", True), ("RTP/AVP", True), ("RTP/AVP", False)])
def test_an_offer_in_a_session_is_protected_as_the_session_is(protocol: str, keyed: bool, tls: bool) -> None:
    local = replace(US, srtp="optional", tls=tls, secret=bytes(range(200)))
    keys = (f"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{'A' * 40}",) if keyed else ()
    agreed = answer(offer(f"m=audio 4000 {protocol} 0", *keys), local)
    offered = make_offer(replace(local, session=agreed.sdp))
    assert (Sdp.parse(offered).media[0].protocol, b"a=crypto:" in offered) == (protocol, keyed)


@pytest.mark.faults("F8")
@pytest.mark.parametrize(
    ("limit", "taken"), [("10", False), ("19", False), ("20", True), ("60", True), ("", True), ("0", True), ("x", True)]
)
def test_who_cannot_take_packets_of_20_ms_is_refused_and_not_sent_them(limit: str, taken: bool) -> None:
    """RFC 8866 §6.4: ``maxptime`` is a limit, ``ptime`` a wish."""
    theirs = offer("m=audio 4 RTP/AVP 0", "a=ptime:10", f"a=maxptime:{limit}")
    if taken:
        assert answer(theirs, US).encoding == "PCMU"
        return
    with pytest.raises(NotAcceptable, match="maxptime"):
        answer(theirs, US)
    with pytest.raises(NotAcceptable, match="maxptime"):
        accept_answer(make_offer(US), theirs, US)
