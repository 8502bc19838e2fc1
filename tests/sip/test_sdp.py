"""Session descriptions: RFC 8866."""

import pytest

from sipgw.sip.sdp import MAX_MEDIA, MAX_SDP, ConnectionLine, Sdp, SdpError
from tests.sip.test_torture import load

SESSION = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=a call\r\n"
OFFER = (
    SESSION + "i=more\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=sendonly\r\n"
    "m=audio 49170 RTP/AVP 0 96 101 13\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=rtcp-mux\r\nm=video 51372/2 RTP/AVP 31\r\nc=IN IP6 ff15::101/3\r\n"
)


def test_what_a_description_says() -> None:
    sdp = Sdp.parse(OFFER.encode())
    assert (sdp.origin, sdp.name, sdp.timing) == ("- 1 2 IN IP4 192.0.2.1", "a call", "0 0")
    assert sdp.connection == ConnectionLine("IP4", "192.0.2.1")
    assert (sdp.attribute("group"), sdp.attribute("sendonly"), sdp.attribute("x")) == ("BUNDLE 0 1", "", None)
    audio, video = sdp.media
    assert (audio.kind, audio.port, audio.protocol, audio.formats) == (
        "audio",
        49170,
        "RTP/AVP",
        ("0", "96", "101", "13"),
    )
    assert (audio.attribute("fmtp"), audio.attribute("rtcp-mux"), audio.connection) == ("101 0-16", "", None)
    assert (video.port, video.connection) == (51372, ConnectionLine("IP6", "ff15::101"))


def test_encodings_come_from_the_map_and_from_the_static_table() -> None:
    audio, video = Sdp.parse(OFFER.encode()).media
    assert audio.encodings == {
        "0": ("PCMU", 8000),
        "13": ("CN", 8000),
        "96": ("OPUS", 48000),
        "101": ("TELEPHONE-EVENT", 8000),
    }
    assert video.encodings == {}


def test_a_static_number_can_be_mapped_anew() -> None:
    media = Sdp.parse((SESSION + "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 x/1\r\na=rtpmap:8 PCMA/8000\r\n").encode()).media[0]
    assert media.encodings == {"0": ("X", 1)}


@pytest.mark.parametrize("name", ["baddate", "badinv01", "bcast", "esc01", "inv2543", "longreq", "sdp01", "wsinv"])
def test_the_bodies_of_rfc_4475_are_read(name: str) -> None:
    """They hold ``rtpmap:31 LPC``, which has no clock rate."""
    sdp = Sdp.parse(load(name).partition(b"\r\n\r\n")[2])
    assert sdp.media[0].encodings["0"] == ("PCMU", 8000)
    assert all(media.encodings == {"31": ("LPC", 0)} for media in sdp.media[1:])


def test_printing_and_parsing_come_back_to_the_same() -> None:
    sdp = Sdp.parse(OFFER.encode())
    assert Sdp.parse(sdp.to_bytes()) == sdp
    assert sdp.to_bytes().startswith(SESSION.encode())


@pytest.mark.parametrize("end", ["\n", "\r", " \r\n", "\r\n\r\n"])
def test_line_ends_of_all_kinds(end: str) -> None:
    assert Sdp.parse(OFFER.replace("\r\n", end).encode()) == Sdp.parse(OFFER.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "hello",
        "o=- 1 1 IN IP4 1.1.1.1\r\n",
        "m=audio 1 RTP/AVP 0\r\nv=0\r\n",
        SESSION + "nonsense\r\n",
        SESSION + "c=IN IP4\r\n",
        SESSION + "c=ATM NSAP 47\r\n",
        SESSION + "c=IN IP5 192.0.2.1\r\n",
        SESSION + "m=audio 49170 RTP/AVP\r\n",
        SESSION + "m=audio x RTP/AVP 0\r\n",
        SESSION + "m=audio -1 RTP/AVP 0\r\n",
        SESSION + "m=audio 65536 RTP/AVP 0\r\n",
        SESSION + "m=audio ٤ RTP/AVP 0\r\n",
        SESSION + "m=audio 1 RTP/AVP 0\r\nc=x\r\n",
        SESSION + "m=audio 1 RTP/AVP 0\r\n" * (MAX_MEDIA + 1),
        SESSION + "a=x\r\n" * 500,
        SESSION + "a=" + "x" * MAX_SDP,
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(SdpError):
        Sdp.parse(text.encode())


def test_as_many_sections_as_allowed() -> None:
    assert len(Sdp.parse((SESSION + "m=audio 1 RTP/AVP 0\r\n" * MAX_MEDIA).encode()).media) == MAX_MEDIA
