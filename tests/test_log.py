"""What looks like a credential is not written."""

import pytest

from sipgw.log import redact


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Authorization: Digest x", "Authorization: ***"),
        ("api_key=abc, next", "api_key=***, next"),
        ("sk-0123456789abcdef0123", "***"),
        (
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^31",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^31",
        ),
        ("an inline: comment", "an inline: comment"),
    ],
)
def test_credentials_and_keys_are_masked(text: str, written: str) -> None:
    assert redact(text) == written
