"""What a trace shows of a message: all but the credentials."""

import pytest

from sipgw.sip.trace import redacted


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "AUTHORIZATION", "proxy-authorization "])
def test_credentials_are_masked_and_nothing_else(name: str) -> None:
    secret = f'{name}: Digest username="u", response="0123",\r\n  nonce="n", cnonce="c"\r\n'
    message = "REGISTER sip:h SIP/2.0\r\nCall-ID: x\r\n{}Contact: <sip:a@h>\r\n\r\nAuthorization in a body\r\n"
    shown = redacted(message.format(secret).encode()).decode()
    assert shown == message.format(f"{name}: ***\r\n")


def test_a_challenge_is_shown() -> None:
    answer = b'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'
    assert redacted(answer) == answer
