"""Keys in session descriptions: RFC 4568, and which policy takes what."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip import sdes
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, accept_answer, answer, make_offer
from sipgw.sip.sdes import SUITES, Crypto
from sipgw.sip.sdp import Sdp

SECRET = bytes(range(sdes.SECRET))
THEIR_SECRET = bytes(reversed(SECRET))
KEY = bytes(range(30))
INLINE = base64.b64encode(KEY).decode()
CM80 = "AES_CM_128_HMAC_SHA1_80"
LINE = f"1 {CM80} inline:{INLINE}"


def ours(policy: sdes.Policy) -> LocalMedia:
    return LocalMedia("203.0.113.7", 20000, srtp=policy, secret=SECRET, tls=True)


def offer(*media: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in media)
    return f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}".encode()


def crypto_lines(sdp: bytes) -> list[str]:
    return [line for line in sdp.decode().split("\r\n") if line.startswith("a=crypto")]


# One line


@pytest.mark.parametrize(
    ("value", "suite", "mki"),
    [
        (LINE, CM80, b""),
        (LINE.replace(" ", " \t "), CM80, b""),
        (f"{LINE}|2^20", CM80, b""),
        (f"{LINE}|2^48", CM80, b""),
        (f"{LINE}|1048576", CM80, b""),
        (f"{LINE}|2^20|1:4", CM80, b"\0\0\0\1"),
        (f"{LINE}|66051:3", CM80, b"\1\2\3"),
        (f"{LINE} WSH=128", CM80, b""),
        (f"{LINE} KDR=0 -NEW_AND_OPTIONAL", CM80, b""),
        (LINE.replace("_80", "_32"), "AES_CM_128_HMAC_SHA1_32", b""),
    ],
)
def test_what_is_understood(value: str, suite: str, mki: bytes) -> None:
    assert Crypto.parse(value) == Crypto(1, suite, KEY, mki)


@pytest.mark.parametrize(("suite", "length"), SUITES.items())
@pytest.mark.parametrize("padded", [True, False])
def test_a_key_has_the_length_of_its_suite(suite: str, length: int, *, padded: bool) -> None:
    """With or without the padding of base64, which some leave out (RFC 4568 §6.1 discards it)."""
    for given_length in range(length - 2, length + 3):
        key = bytes(given_length)
        inline = base64.b64encode(key).decode()
        parsed = Crypto.parse(f"7 {suite} inline:{inline if padded else inline.rstrip('=')}")
        assert parsed == (Crypto(7, suite, key) if given_length == length else None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"x {CM80} inline:{INLINE}",
        f"1234567890 {CM80} inline:{INLINE}",
        f"1 F8_128_HMAC_SHA1_80 inline:{INLINE}",
        f"1 {CM80} {INLINE}",
        f"1 {CM80} uri:{INLINE}",
        f"1 {CM80} inline:",
        f"1 {CM80} inline:{INLINE[:-1]}",
        f"1 {CM80} inline:{INLINE[:-1]}!",
        f"1 {CM80} inline:{INLINE[:-1]}é",
        f"{LINE};inline:{INLINE}|2^20|2:1",  # several keys
        f"{LINE}|0",
        f"{LINE}|2^0|x",
        f"{LINE}|2^49",
        f"{LINE}|2^99999999",
        f"{LINE}|1:0",
        f"{LINE}|1:129",
        f"{LINE}|256:1",
        f"{LINE}|1:4|2^20",
        f"{LINE}|2^20|1:4|1:4",
        f"{LINE}|",
        f"{LINE} UNENCRYPTED_SRTP",
        f"{LINE} UNENCRYPTED_SRTCP",
        f"{LINE} UNAUTHENTICATED_SRTP",
        f"{LINE} KDR=3",
        f"{LINE} FEC_ORDER=FEC_SRTP",
        f"{LINE} NEW_AND_MANDATORY",
    ],
)
def test_what_is_left_aside(value: str) -> None:
    assert Crypto.parse(value) is None


@pytest.mark.slow
@given(st.text(max_size=120))
def test_whatever_stands_there_is_read_or_left_aside(text: str) -> None:
    for value in (text, f"1 {CM80} inline:{text}", f"{LINE}{text}", f"{LINE}|{text}"):
        parsed = Crypto.parse(value)
        assert parsed is None or len(parsed.key) == SUITES[parsed.suite]


def test_what_is_written_can_be_read() -> None:
    for crypto in sdes.own(SECRET):
        assert Crypto.parse(crypto.attribute().removeprefix("crypto:")) == crypto


def test_every_suite_has_a_key_of_its_own() -> None:
    """RFC 4568 §6.1: the same key in two lines would be used with two transforms."""
    keys = [crypto.key for crypto in sdes.own(SECRET)]
    assert b"".join(keys) == SECRET


# Offer and answer


def negotiate(policy: sdes.Policy, *media: str) -> Negotiated:
    return answer(offer(*media), ours(policy))


SAVP = ("m=audio 4 RTP/SAVP 0", f"a=crypto:{LINE}")
AVP = ("m=audio 6 RTP/AVP 0",)
KEYED_AVP = (*AVP, f"a=crypto:{LINE}")
BOTH = (*AVP, *SAVP)


@pytest.mark.parametrize(
    ("policy", "media", "outcome"),
    [
        ("off", SAVP, "refused"),
        ("off", AVP, "plain"),
        ("off", KEYED_AVP, "plain"),
        ("off", BOTH, "plain"),
        ("optional", SAVP, "srtp"),
        ("optional", AVP, "plain"),
        ("optional", KEYED_AVP, "srtp"),
        ("optional", BOTH, "srtp"),
        ("optional", SAVP[:1], "refused"),
        ("optional", (*AVP, "a=crypto:1 NEW inline:x"), "plain"),
        ("required", SAVP, "srtp"),
        ("required", AVP, "refused"),
        ("required", KEYED_AVP, "srtp"),
        ("required", BOTH, "srtp"),
        ("required", SAVP[:1], "refused"),
    ],
)
def test_what_each_policy_takes(policy: sdes.Policy, media: tuple[str, ...], outcome: str) -> None:
    if outcome == "refused":
        with pytest.raises(NotAcceptable, match=r"SRTP|crypto"):
            negotiate(policy, *media)
        return
    agreed = negotiate(policy, *media)
    assert (agreed.srtp is not None) == (outcome == "srtp")
    assert len(crypto_lines(agreed.sdp)) == (outcome == "srtp")


def test_the_first_line_that_we_speak_is_answered_under_its_tag_with_our_key() -> None:
    """RFC 4568 §5.1.2."""
    lines = ("a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:x", f"a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}|2^31")
    agreed = negotiate("required", "m=audio 4 RTP/SAVP 0", *lines, f"a=crypto:{LINE}")
    (line,) = crypto_lines(agreed.sdp)
    key = next(one.key for one in sdes.own(SECRET) if one.suite == "AES_CM_128_HMAC_SHA1_32")
    assert line == f"a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:{base64.b64encode(key).decode()}"
    assert agreed.srtp == sdes.Secured("AES_CM_128_HMAC_SHA1_32", key, KEY)
    assert "m=audio 20000 RTP/SAVP 0" in agreed.sdp.decode()


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(
    ("policy", "protocol", "keys"), [("off", "RTP/AVP", 0), ("optional", "RTP/AVP", 4), ("required", "RTP/SAVP", 4)]
)
def test_our_offer(policy: sdes.Policy, protocol: str, keys: int, *, tls: bool) -> None:
    """``optional`` is best effort (RFC 8643): who does not know the keys leaves them aside; in clear they are none."""
    made = make_offer(replace(ours(policy), tls=tls))
    keys = 0 if policy == "optional" and not tls else keys
    assert Sdp.parse(made).media[0].protocol == protocol
    assert len(crypto_lines(made)) == keys


@pytest.mark.parametrize("mine", ["off", "optional", "required"])
@pytest.mark.parametrize("theirs", ["off", "optional", "required"])
def test_two_of_us_agree_on_the_same_keys(mine: sdes.Policy, theirs: sdes.Policy) -> None:
    peer = LocalMedia("198.51.100.1", 30000, srtp=theirs, secret=THEIR_SECRET, tls=False)
    made = make_offer(ours(mine))
    if {mine, theirs} == {"off", "required"}:
        with pytest.raises(NotAcceptable):
            answer(made, peer)
        return
    there = answer(made, peer)
    here = accept_answer(made, there.sdp, ours(mine))
    if "off" in (mine, theirs):
        assert (here.srtp, there.srtp) == (None, None)
        return
    assert here.srtp and there.srtp
    assert (here.srtp.ours, here.srtp.theirs) == (there.srtp.theirs, there.srtp.ours)
    assert here.srtp.suite == there.srtp.suite == CM80


@pytest.mark.parametrize(
    "keys",
    [
        (),
        (f"a=crypto:9 {CM80} inline:{INLINE}",),  # no such tag
        (f"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}",),  # another suite than that of the tag
        (f"a=crypto:{LINE}", f"a=crypto:{LINE}"),
        (f"a=crypto:{LINE} UNENCRYPTED_SRTP",),
    ],
)
def test_an_answer_with_keys_that_were_not_offered(keys: tuple[str, ...]) -> None:
    """RFC 4568 §5.1.3."""
    with pytest.raises(NotAcceptable):
        accept_answer(make_offer(ours("required")), offer("m=audio 4 RTP/SAVP 0", *keys), ours("required"))


def test_keys_in_an_answer_to_an_offer_without_are_left_aside() -> None:
    there = negotiate("optional", *KEYED_AVP)
    assert crypto_lines(there.sdp)
    local = replace(ours("optional"), tls=False)
    assert accept_answer(make_offer(local), there.sdp, local).srtp is None


def test_the_same_leg_keeps_its_keys() -> None:
    first, second = (negotiate("required", *SAVP).srtp for _ in range(2))
    assert first == second


def test_nothing_that_is_printed_holds_a_key() -> None:
    agreed = negotiate("required", *SAVP)
    shown = repr((agreed, ours("required"), Sdp.parse(agreed.sdp), Crypto.parse(LINE), sdes.own(SECRET)))
    assert agreed.srtp
    for key in (KEY, agreed.srtp.ours):
        assert base64.b64encode(key).decode()[:12] not in shown
        assert repr(key)[2:20] not in shown


@pytest.mark.parametrize("line", [f"a-crypto:{LINE}", f"inline:{INLINE}"])
def test_an_error_holds_no_key(line: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate("required", "m=audio 4 RTP/SAVP 0", line)
    assert INLINE[:16] not in str(caught.value)
