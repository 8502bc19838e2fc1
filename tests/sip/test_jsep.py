"""Offers of browsers (RFC 9429) and what they are answered."""

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipgw.sip.jsep import BrowserOffer, Ends
from sipgw.sip.offer_answer import NotAcceptable

PRINT = ":".join(["AB"] * 32)
CHROME = f"""\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 3f0c
m=audio 51472 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.0.2.7
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1467250027 1 udp 2122260223 192.0.2.7 51472 typ host generation 0 network-id 1
a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
a=ice-options:trickle
a=fingerprint:sha-256 {PRINT}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:3f0c 9b2e
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2563941357 cname:L7iz
""".replace("\n", "\r\n")
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
OURS = Ends("ours", "p" * 22, (("sha-256", PRINT),), ("1 1 udp 2130706431 192.0.2.1 40000 typ host",))


def parse(text: str) -> BrowserOffer:
    return BrowserOffer.parse(text.encode())


def test_an_offer_of_chrome():
    offer = parse(CHROME)
    assert (offer.payload_type, offer.dtmf_payload_type, offer.direction) == (0, 126, "sendrecv")
    assert offer.far == Ends("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", (("sha-256", PRINT),))


def test_the_answer_agrees_to_mulaw_and_keys_only():
    assert parse(CHROME).answer(OURS, 7).decode().splitlines() == [
        "v=0",
        "o=- 7 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0 126",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:20",
        "a=rtcp-mux",
        "a=setup:active",
        "a=sendrecv",
        "a=mid:0",
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:126 0-16",
        "a=ice-ufrag:ours",
        "a=ice-pwd:" + "p" * 22,
        f"a=fingerprint:sha-256 {PRINT}",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host",
        "a=end-of-candidates",
    ]


def test_every_other_stream_is_refused_in_its_place():
    answer = SessionDescription.parse(parse(CHROME + VIDEO).answer(OURS, 1).decode())
    assert [(media.kind, media.port, media.rtp.muxId) for media in answer.media] == [
        ("audio", 9, "0"),
        ("video", 0, "1"),
    ]
    assert answer.group[0].items == ["0"]


def test_attributes_may_stand_above_the_streams():
    """RFC 8839 §5.4, RFC 8122 §5: so Firefox has its fingerprint."""
    lines = CHROME.split("\r\n")
    moved = [line for line in lines if line.startswith(("a=fingerprint", "a=ice-ufrag", "a=ice-pwd", "a=setup"))]
    rest = [line for line in lines if line not in moved]
    assert parse("\r\n".join([*rest[:4], *moved, *rest[4:]])).far == parse(CHROME).far


def test_the_direction_is_mirrored():
    assert parse(CHROME.replace("a=sendrecv", "a=recvonly")).direction == "sendonly"


def test_a_password_is_not_shown():
    assert "P2uYro0UCOQ4zxjKXaWCBui1" not in repr(parse(CHROME))


CHANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.text(max_size=40)), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CHANGES)
def test_whatever_is_offered_is_answered_or_refused(changes):
    lines = (CHROME + VIDEO).split("\r\n")
    for at, other, text in changes:
        match len(text) % 4:
            case 0:
                lines[at] = lines[other]
            case 1:
                lines.insert(at, lines[other])
            case 2:
                lines[at] = lines[at][:other] + text
            case 3:
                lines[at] = text
    try:
        offer = BrowserOffer.parse("\r\n".join(lines).encode("utf-8", "replace"))
    except NotAcceptable as refused:
        assert str(refused)
        return
    answer = offer.answer(OURS, 1).decode()
    assert answer.count("\r\nm=") == len(offer.sdp.media)


def test_nothing_of_the_offer_becomes_a_line_of_the_answer():
    with pytest.raises(NotAcceptable, match="name of the stream"):
        parse(CHROME.replace("a=mid:0", "a=mid:0 evil"))
