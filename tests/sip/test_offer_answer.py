"""Offer and answer: RFC 3264, with the examples of RFC 4317 where they fit."""

from dataclasses import replace

import aiortc.sdp
import pytest

from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, accept_answer, answer, make_offer
from sipgw.sip.sdp import Sdp

US = LocalMedia("203.0.113.7", 20000, session_id=7, tls=False)
US6 = LocalMedia("2001:db8::7", 20000, tls=False)


def offer(*media: str, connection: str = "c=IN IP4 192.0.2.1\r\n", session: str = "") -> bytes:
    lines = "".join(f"{line}\r\n" for line in media)
    return f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n{connection}t=0 0\r\n{session}{lines}".encode()


def negotiate(*media: str, **more: str) -> Negotiated:
    return answer(offer(*media, **more), US)


def refusal(*media: str, **more: str) -> str:
    with pytest.raises(NotAcceptable) as caught:
        negotiate(*media, **more)
    return str(caught.value)


def lines(sdp: bytes) -> list[str]:
    return sdp.decode().split("\r\n")


TWILIO = (
    "m=audio 10234 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", "a=maxptime:20", "a=sendrecv",
)  # fmt: skip


def test_our_offer() -> None:
    assert lines(make_offer(US)) == [
        "v=0",
        "o=sipgw 7 1 IN IP4 203.0.113.7",
        "s=-",
        "c=IN IP4 203.0.113.7",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=rtcp-mux",
        "a=rtcp-xr:voip-metrics",
        "a=sendrecv",
        "",
    ]


def test_our_answer_to_a_carrier() -> None:
    agreed = negotiate(*TWILIO)
    assert (agreed.encoding, agreed.payload_type, agreed.dtmf_payload_type) == ("PCMU", 0, 101)
    assert (agreed.remote_address, agreed.remote_port) == ("192.0.2.1", 10234)
    assert (agreed.direction, agreed.on_hold) == ("sendrecv", False)
    assert lines(agreed.sdp) == [
        "v=0",
        "o=sipgw 7 1 IN IP4 203.0.113.7",
        "s=-",
        "c=IN IP4 203.0.113.7",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=rtcp-xr:voip-metrics",
        "a=sendrecv",
        "",
    ]


@pytest.mark.parametrize("sdp", [make_offer(US), make_offer(US6, "sendonly"), negotiate(*TWILIO).sdp])
def test_what_we_write_is_read_by_somebody_else(sdp: bytes) -> None:
    theirs = aiortc.sdp.SessionDescription.parse(sdp.decode())
    (media,) = theirs.media
    assert (media.kind, media.port, media.profile) == ("audio", 20000, "RTP/AVP")
    assert next(codec.name for codec in media.rtp.codecs if codec.clockRate == 8000) == "PCMU"
    assert (media.host or theirs.host) in (US.address, US6.address)


@pytest.mark.parametrize(
    ("media", "encoding", "payload", "dtmf"),
    [
        # mu-law before A-law whatever the order: it is passed through untouched
        (("m=audio 4 RTP/AVP 8 0",), "PCMU", 0, None),
        (("m=audio 4 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"), "PCMA", 8, 101),
        (("m=audio 4 RTP/AVP 9 18 0",), "PCMU", 0, None),
        # numbers are the offerer's
        (("m=audio 4 RTP/AVP 96 97", "a=rtpmap:96 telephone-event/8000", "a=rtpmap:97 pcmu/8000"), "PCMU", 97, 96),
        # telephone events at another clock rate belong to another codec
        (("m=audio 4 RTP/AVP 111 0 110", "a=rtpmap:111 opus/48000/2", "a=rtpmap:110 telephone-event/48000"),
         "PCMU", 0, None),
        (("m=audio 4 RTP/AVP 0 110 126", "a=rtpmap:110 telephone-event/48000", "a=rtpmap:126 telephone-event/8000"),
         "PCMU", 0, 126),
        # wideband mu-law is another codec
        (("m=audio 4 RTP/AVP 96 8", "a=rtpmap:96 PCMU/16000"), "PCMA", 8, None),
        (("m=audio 4 RTP/AVP 0 8", "a=rtpmap:0 L16/8000"), "PCMA", 8, None),
        # a payload type is a number below 128
        (("m=audio 4 RTP/AVP 999 0 x", "a=rtpmap:999 PCMU/8000", "a=rtpmap:x telephone-event/8000"), "PCMU", 0, None),
    ],
)  # fmt: skip
def test_the_codec(media: tuple[str, ...], encoding: str, payload: int, dtmf: int | None) -> None:
    agreed = negotiate(*media)
    assert (agreed.encoding, agreed.payload_type, agreed.dtmf_payload_type) == (encoding, payload, dtmf)
    formats = Sdp.parse(agreed.sdp).media[0].formats
    assert formats == tuple(str(number) for number in (payload, dtmf) if number is not None)


@pytest.mark.parametrize(
    ("theirs", "ours", "on_hold"),
    [
        ("sendrecv", "sendrecv", False),
        ("sendonly", "recvonly", True),
        ("recvonly", "sendonly", False),
        ("inactive", "inactive", True),
    ],
)
def test_the_direction_is_mirrored(theirs: str, ours: str, on_hold: bool) -> None:
    """RFC 3264 §6.1; an attribute of the session counts where the stream has none."""
    for agreed in (
        negotiate("m=audio 4 RTP/AVP 0", f"a={theirs}"),
        negotiate("m=audio 4 RTP/AVP 0", session=f"a={theirs}\r\n"),
        negotiate("m=audio 4 RTP/AVP 0", f"a={theirs}", session="a=sendrecv\r\n"),
    ):
        assert (agreed.direction, agreed.on_hold) == (ours, on_hold)
        assert f"a={ours}" in lines(agreed.sdp)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("", "inactive"), ("a=sendrecv", "inactive"), ("a=recvonly", "inactive"), ("a=sendonly", "recvonly")],
)
@pytest.mark.parametrize("connection", ["c=IN IP4 0.0.0.0", "c=IN IP6 ::"])
def test_the_old_way_of_holding(connection: str, theirs: str, ours: str) -> None:
    """RFC 3264 §8.4. To send there would be to send to ourselves."""
    media = [line for line in ("m=audio 4 RTP/AVP 0", connection, theirs) if line]
    agreed = negotiate(*media)
    assert (agreed.direction, agreed.on_hold) == (ours, True)


def test_other_streams_are_refused_in_their_places() -> None:
    """RFC 3264 §6: as many m-lines as offered, in their order; a refused one has port 0."""
    agreed = negotiate(
        "m=video 4 RTP/AVP 31",
        "a=rtpmap:31 H261/90000",
        "m=audio 6 RTP/SAVP 0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "m=audio 8 RTP/AVP 0",
        "m=audio 10 RTP/AVP 8",
        "m=image 12 udptl t38",
        "a=T38FaxVersion:0",
    )
    assert [line for line in lines(agreed.sdp) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 20000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 8",
        "m=image 0 udptl t38",
    ]
    assert agreed.remote_port == 8
    assert not any("crypto" in line or "T38" in line for line in lines(agreed.sdp))


def test_what_we_cannot_do_is_not_claimed() -> None:
    agreed = negotiate(
        "m=audio 4 RTP/AVPF 0",
        "a=mid:0",
        "a=ice-ufrag:x",
        "a=candidate:1 1 udp 1 192.0.2.1 4 typ host",
        session="a=group:BUNDLE 0\r\n",
    )
    for word in ("BUNDLE", "ice", "candidate", "mid"):
        assert word not in agreed.sdp.decode()
    assert "m=audio 20000 RTP/AVPF 0" in lines(agreed.sdp)


def test_where_to_send() -> None:
    """The address of the stream goes before that of the session."""
    assert negotiate("m=audio 4 RTP/AVP 0", "c=IN IP4 198.51.100.9").remote_address == "198.51.100.9"
    only = negotiate("m=audio 4 RTP/AVP 0", "c=IN IP4 198.51.100.9", connection="")
    assert only.remote_address == "198.51.100.9"
    agreed = answer(offer("m=audio 4 RTP/AVP 0", connection="c=IN IP6 2001:DB8::1\r\n"), US6)
    assert agreed.remote_address == "2001:db8::1"
    assert "c=IN IP6 2001:db8::7" in lines(agreed.sdp)


@pytest.mark.parametrize(
    ("media", "more", "said"),
    [
        ((), {}, "no media"),
        (("m=video 4 RTP/AVP 31",), {}, "video is not audio"),
        (("m=audio 0 RTP/AVP 0",), {}, "port 0"),
        (("m=audio 4 RTP/SAVP 0",), {}, "RTP/SAVP"),
        (("m=audio 4 UDP/TLS/RTP/SAVPF 0",), {}, "UDP/TLS/RTP/SAVPF"),
        (("m=audio 4 RTP/AVP 9 96", "a=rtpmap:96 opus/48000/2"), {}, "G722, OPUS"),
        (("m=audio 4 RTP/AVP 77",), {}, "unknown codecs"),
        (("m=audio 4 RTP/AVP 200", "a=rtpmap:200 PCMU/8000"), {}, "payload type"),
        (("m=audio 4 RTP/AVP 0",), {"connection": ""}, "no c= line"),
        (("m=audio 4 RTP/AVP 0", "c=IN IP4 pbx.example.com"), {}, "no IP address"),
        (("m=audio 4 RTP/AVP 0", "c=IN IP4 239.1.1.1/127"), {}, "many receivers"),
        (("m=audio 4 RTP/AVP 0", "c=IN IP4 255.255.255.255"), {}, "many receivers"),
        (("m=audio 4 RTP/AVP 0", "c=IN IP6 2001:db8::1"), {}, "IPv6"),
        (("nonsense",), {}, "no SDP line"),
    ],
)
def test_a_refusal_says_what_was_there(media: tuple[str, ...], more: dict[str, str], said: str) -> None:
    assert said in refusal(*media, **more)


def test_a_refusal_is_short_and_printable() -> None:
    """It goes into logs and records."""
    names = [f"a=rtpmap:{number} \x1b[31m{'x' * 60}/8000" for number in range(96, 128)]
    reason = refusal(f"m=audio 4 RTP/AVP {' '.join(map(str, range(96, 128)))}", *names)
    assert len(reason) <= 300
    assert reason.isprintable()


@pytest.mark.parametrize(("formats", "encoding", "payload"), [("8 0", "PCMA", 8), ("0 8", "PCMU", 0), ("8", "PCMA", 8)])
def test_of_an_answer_with_both_codecs_the_first_is_meant(formats: str, encoding: str, payload: int) -> None:
    """RFC 3264 §6.1: its formats stand in the order of preference, and it is the first that the other side sends."""
    agreed = accept_answer(make_offer(US), offer(f"m=audio 4 RTP/AVP {formats} 101"), US)
    assert (agreed.encoding, agreed.payload_type) == (encoding, payload)


def test_the_answer_to_our_offer() -> None:
    agreed = accept_answer(make_offer(US), negotiate("m=audio 4 RTP/AVP 8 0", "a=rtpmap:8 PCMA/8000").sdp, US)
    assert (agreed.encoding, agreed.payload_type, agreed.dtmf_payload_type) == ("PCMU", 0, None)
    assert (agreed.remote_address, agreed.remote_port, agreed.direction) == ("203.0.113.7", 20000, "sendrecv")
    assert agreed.sdp == make_offer(US)


@pytest.mark.parametrize(
    ("offered", "answered", "ours"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "sendonly", "recvonly"),
        ("sendrecv", "recvonly", "sendonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "recvonly", "sendonly"),
        # answers that take more than was offered
        ("sendonly", "sendrecv", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendrecv", "recvonly"),
        ("inactive", "sendrecv", "inactive"),
    ],
)
def test_the_direction_that_an_answer_leaves_us(offered: str, answered: str, ours: str) -> None:
    """RFC 3264 §6.1, §7."""
    reply = offer("m=audio 4 RTP/AVP 0", f"a={answered}")
    assert accept_answer(make_offer(US, offered), reply, US).direction == ours


@pytest.mark.parametrize(
    "media",
    [(), ("m=audio 0 RTP/AVP 0",), ("m=audio 4 RTP/AVP 9",), ("m=audio 4 RTP/AVP 0", "m=audio 6 RTP/AVP 0"), ("x",)],
)
def test_an_answer_that_cannot_be_used(media: tuple[str, ...]) -> None:
    with pytest.raises(NotAcceptable):
        accept_answer(make_offer(US), offer(*media), US)


def test_two_of_us_agree() -> None:
    peer = LocalMedia("198.51.100.1", 30000, tls=False)
    theirs = answer(make_offer(US), peer)
    ours = accept_answer(make_offer(US), theirs.sdp, US)
    assert (ours.encoding, ours.payload_type, ours.dtmf_payload_type) == ("PCMU", 0, 101)
    assert (ours.remote_address, ours.remote_port) == (peer.address, peer.port)
    assert (theirs.remote_address, theirs.remote_port) == (US.address, US.port)


def test_an_answer_of_ours_that_a_refresh_offers_again_keeps_its_streams_in_their_places() -> None:
    """RFC 4028 §7.4: a refresh repeats our description, whose first stream may be one that we refused."""
    theirs = offer("m=video 6000 RTP/AVP 96", "m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
    ours = answer(theirs, US).sdp
    again = accept_answer(ours, theirs.replace(b"6000", b"0").replace(b"4000", b"4002"), US)
    assert (again.encoding, again.remote_port, again.direction) == ("PCMA", 4002, "sendrecv")


@pytest.mark.parametrize(
    ("attributes", "control"),
    [
        ((), None),
        (("a=rtcp-mux",), ("192.0.2.1", 4000)),
        (("a=rtcp:5000",), ("192.0.2.1", 5000)),
        (("a=rtcp:5000 IN IP4 192.0.2.9",), ("192.0.2.9", 5000)),
        (("a=rtcp:5000 IN IP4 192.0.2.9", "a=rtcp-mux"), ("192.0.2.1", 4000)),
        # a hint that cannot be followed is not followed
        (("a=rtcp:0",), None),
        (("a=rtcp:70000",), None),
        (("a=rtcp:x IN IP4 192.0.2.9",), None),
        (("a=rtcp:5000 IN IP4 224.0.0.1",), None),
        (("a=rtcp:5000 IN IP4 phone.example.com",), None),
        (("a=rtcp:5000 IN IP6 2001:db8::1",), None),
    ],
)
def test_where_reports_go(attributes: tuple[str, ...], control: tuple[str, int] | None) -> None:
    theirs = ("m=audio 4000 RTP/AVP 0", *attributes)
    agreed = negotiate(*theirs)
    assert agreed.control == control
    assert ("a=rtcp-mux" in lines(agreed.sdp)) == ("a=rtcp-mux" in attributes)
    assert accept_answer(make_offer(US), offer(*theirs), US).control == control


def test_one_port_for_all_is_only_used_if_we_offered_it() -> None:
    ours = make_offer(US).replace(b"a=rtcp-mux\r\n", b"")
    assert accept_answer(ours, offer("m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), US).control is None


def test_an_answer_with_keys_that_a_refresh_offers_again_is_agreed_on_by_its_own_tag() -> None:
    """RFC 4568 §5.1.3: what counts is the tag that was offered, here one that the other side has chosen."""
    secret = bytes(range(200))
    local = replace(US, srtp="optional", secret=secret)
    theirs = offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{'A' * 40}")
    first = answer(theirs, local)
    again = accept_answer(first.sdp, theirs, local)
    assert first.srtp is not None
    assert again.srtp == first.srtp
