# mypy: disable-error-code="call-overload"
"""What looks like a credential is not written."""

import pytest

from sipgw.config.records import PrivacyOptions
from sipgw.records.privacy.redaction import redactor_for
from sipgw.telemetry.log import masking, redact


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
        ("no token, 'sorry'", "no token, 'sorry'"),
        ("{'Authorization': 'Bearer abc', 'X': 'y'}", "{'Authorization': '***', 'X': 'y'}"),
        ("[(b'Proxy-Authorization', b'Basic abc')]", "[(b'Proxy-Authorization', b'***')]"),
        (r'{"sent": "{\"authorization\": \"Bearer abc\"}"}', r'{"sent": "{\"authorization\": \"***\"}"}'),
        ("{'authorization': 'Digest username=\"a\", response=\"b\"'}", "{'authorization': '***'}"),
        (r'{"authorization": "Digest username=\"a\", response=\"b\""}', '{"authorization": "***"}'),
        ('{"token": "it\'s me", "x": 1}', '{"token": "***", "x": 1}'),
        ('{"token": "", "x": 1}', '{"token": "", "x": 1}'),
        ('{"password": "correct horse", "x": 1}', '{"password": "***", "x": 1}'),
        ("password = 'correct horse'", "password = '***'"),
        ("x-api-key: abc def", "x-api-key: *** def"),
    ],
)
def test_credentials_and_keys_are_masked(text: str, written: str) -> None:
    assert redact(text) == written


def test_what_is_private_is_not_written_either() -> None:
    mask = masking(redactor_for(PrivacyOptions(), "logs"))
    event = {"event": "caller: 4111 1111 1111 1111", "call": {"said": ["four" + " one" * 15]}, "seconds": 1.5}
    assert mask(None, "info", event) == {
        "event": "caller: [card ••1111]",
        "call": {"said": ["[card ••1111]"]},
        "seconds": 1.5,
    }


def test_the_identity_of_a_call_stays_what_it_is() -> None:
    event = {"event": "call began", "call": "5a324968765316efba4d", "caller": "5a324968765316efba4d"}
    written = masking(redactor_for(PrivacyOptions(), "logs"))(None, "info", event)
    assert (written["call"], written["caller"]) == ("5a324968765316efba4d", "5a[aadhaar ••5316]efba4d")  # type: ignore[index]
