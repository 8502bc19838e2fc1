"""What a trace shows of a message: all but the credentials."""

import pytest

from sipgw.sip.trace import redacted


@pytest.mark.parametrize(
    "name", ["Authorization", "Proxy-Authorization", "AUTHORIZATION", "proxy-authorization ", "Identity", "y"]
)
def test_credentials_are_masked_and_nothing_else(name: str) -> None:
    secret = f'{name}: Digest username="u", response="0123",\r\n  nonce="n", cnonce="c"\r\n'
    message = "REGISTER sip:h SIP/2.0\r\nCall-ID: x\r\n{}Contact: <sip:a@h>\r\n\r\nAuthorization in a body\r\n"
    shown = redacted(message.format(secret).encode()).decode()
    assert shown == message.format(f"{name}: ***\r\n")


def test_a_challenge_is_shown() -> None:
    answer = b'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'
    assert redacted(answer) == answer


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:S3cr|2^20|1:4", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***"),
        ("a=crypto:2 AEAD_AES_256_GCM inline:S3cr;inline:S3cr", "a=crypto:2 AEAD_AES_256_GCM inline:***"),
        # not well formed, so that a key may stand anywhere
        ("a=crypto:1 S3cr", "a=crypto:1 ***"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 S3cr", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 ***"),
        ("a=crypto:inline:S3cr", "a=crypto:inline:***"),
        ("a=ice-pwd:asd88fgpdd777uzjYhagZg", "a=ice-pwd:***"),
    ],
)
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_keys_are_masked_and_the_suite_is_shown(line: str, shown: str, newline: str) -> None:
    message = newline.join(("INVITE sip:h SIP/2.0", "", "m=audio 4 RTP/SAVP 0", "{}", "a=ptime:20", ""))
    assert redacted(message.format(line).encode()).decode() == message.format(shown)


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "Signal=*\r\nDuration=160\r\n"),
        ("application/dtmf-relay", "Duration=160\nsignal = 5", "Duration=160\nsignal =*"),
        ("application/dtmf", "5", "*"),
        ("\r\n application/dtmf", "5", "*"),
        (
            "multipart/mixed;boundary=b",
            "--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n--b--",
            "--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=*\r\n--b--",
        ),
        (
            "multipart/mixed;boundary==b",
            "--=b\r\nContent-Type: application/dtmf\r\n\r\n5\r\n--=b--",
            "--=b\r\nContent-Type: application/dtmf\r\n\r\n*",
        ),
        ("text/plain", "Signal=5", "Signal=5"),
    ],
)
def test_which_key_an_info_presses_is_not_shown(kind: str, body: str, shown: str) -> None:
    """It may be one of a card number."""
    head = f"INFO sip:h SIP/2.0\r\nContent-Type: {kind}\r\n\r\n"
    assert redacted((head + body).encode()).decode() == head + shown
