"""PASSporTs are read as the RFCs write them, and whatever else a stranger sends is an error with a reason."""

import base64
import json
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from sipgw.policy.stir.verifier import genuine
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.sip.passport import (
    LARGEST,
    LONGEST,
    MOST,
    PassportError,
    Reconstruction,
    base64url,
    digits,
    encoded,
    identities,
    read,
)

KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7Xe
ebYS7Sb37g==
-----END PUBLIC KEY-----
"""
"""RFC 8225 Appendix A.2."""
TOKEN = (
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9."
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19."
    "VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw"
)
"""RFC 8225 Appendix A. Its signature belongs to neither of the keys that are printed there."""
DRAFT = (
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0",
    "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w",
)
"""Claims and signature of the same example in draft-ietf-stir-passport-03, which the key of A.2 made."""
JWS = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
)
"""RFC 7515 Appendix A.3: what is signed, the signature, and the key."""
INFO = "info=<https://cert.example.org/passport.cer>"
NOTHING = Reconstruction("", "", None)
SHAKEN = {
    "attest": "A", "dest": {"tn": ["12155550131"]}, "iat": 1443208345, "orig": {"tn": "12155550121"},
    "origid": "123e4567-e89b-12d3-a456-426655440000",
}  # fmt: skip
"""RFC 8588 §4."""


def public() -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(KEY)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def token(header: object, claims: object, signature: bytes = bytes(64)) -> str:
    parts = (json.dumps(one).encode() if not isinstance(one, bytes) else one for one in (header, claims))
    return ".".join(map(base64url, (*parts, signature)))


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def shaken(header: dict[str, object] | None = None, **claims: object) -> str:
    head = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": "https://cert.example.org/passport.cer"}
    return token(head | (header or {}), {k: v for k, v in (SHAKEN | claims).items() if v is not None})


def test_the_example_of_rfc_8225_is_read() -> None:
    found = read(f"{TOKEN};{INFO};alg=ES256", NOTHING)
    assert (found.x5u, found.ppt, found.orig, found.dest, found.iat) == (
        "https://cert.example.org/passport.cer", "", "12155551212", (), 1471375418,
    )  # fmt: skip
    header = {"alg": "ES256", "typ": "passport", "x5u": found.x5u}
    claims = {"dest": {"uri": ["sip:alice@example.com"]}, "iat": 1471375418, "orig": {"tn": "12155551212"}}
    assert encoded(header, claims) == TOKEN.rpartition(".")[0], "byte for byte as it is signed"


def test_signatures_are_verified() -> None:
    read_one, head = read(TOKEN, NOTHING), TOKEN.partition(".")[0]
    assert not genuine(read_one, public())
    claims, signature = DRAFT
    drafted = replace(read_one, signed=f"{head}.{claims}".encode(), signature=raw(signature))
    assert genuine(drafted, public())
    assert not genuine(replace(drafted, signed=f"{head}.{claims[:-4]}fX1=".encode()), public())
    assert not genuine(replace(drafted, signature=bytes(64)), public())
    text, signature, x, y = JWS
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(raw(x), "big"), int.from_bytes(raw(y), "big"), ec.SECP256R1())
    key = point.public_key()
    assert genuine(replace(read_one, signed=text.encode(), signature=raw(signature)), key)
    assert not genuine(drafted, key)


def test_the_claims_of_rfc_8588_are_read() -> None:
    found = read(f'{shaken()};{INFO};alg=ES256;ppt="shaken"', NOTHING)
    assert (found.attest, found.orig, found.dest) == ("A", "12155550121", ("12155550131",))
    assert found.origid == "123e4567-e89b-12d3-a456-426655440000"


@pytest.mark.parametrize(
    "value",
    [f"{TOKEN.partition('.')[0]}.{'.'.join(DRAFT)};{INFO}", f'{shaken(iat="1443208345")};{INFO};ppt="shaken"'],
    ids=["RFC 8225 section 7.1, erratum 5985", "RFC 8588 section 6, erratum 6656"],
)
def test_the_examples_whose_time_is_a_text_are_refused_as_their_errata_say(value: str) -> None:
    with pytest.raises(PassportError, match=r"without a time \(iat\)"):
        read(value, NOTHING)


def test_the_compact_form_of_the_example_needs_what_it_leaves_out() -> None:
    """RFC 8225 §7.1: two dots and the signature."""
    with pytest.raises(PassportError, match="compact form"):
        read(f"..{DRAFT[1]};{INFO}", NOTHING)
    rebuilt = read(f"..{DRAFT[1]};{INFO}", Reconstruction("12155551212", "12155551213", 1443208345))
    assert rebuilt.signature == raw(DRAFT[1]) and not genuine(rebuilt, public()), "it was signed for a URI"


def test_the_compact_form_is_rebuilt_as_rfc_8224_says() -> None:
    """The signature is over the text that From, To, Date and info give."""
    signature = TOKEN.rpartition(".")[2]
    found = read(f"..{signature};{INFO}", Reconstruction("12155551212", "12155551213", 1471375418))
    header, claims = (json.loads(raw(part)) for part in found.signed.decode().split("."))
    assert header == {"alg": "ES256", "typ": "passport", "x5u": "https://cert.example.org/passport.cer"}
    assert claims == {"dest": {"tn": ["12155551213"]}, "iat": 1471375418, "orig": {"tn": "12155551212"}}
    assert found.signed.partition(b".")[0].decode() == TOKEN.partition(".")[0], "byte for byte as in RFC 8225"
    for value, left_out in (
        (f"..{signature};{INFO};ppt=shaken", Reconstruction("1", "2", 3)),
        (f"..{signature};{INFO}", NOTHING),
        (f"..{signature}", Reconstruction("1", "2", 3)),
    ):
        with pytest.raises(PassportError, match="compact form"):
            read(value, left_out)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "three parts"),
        ("a.b", "three parts"),
        ("!.b.c", "not Base64"),
        ("a.b.c", "not Base64"),
        ("e30.e30.e30", "the algorithm"),
        (shaken({"alg": "none"}), "the algorithm 'none'"),
        (shaken({"alg": "HS256"}), "the algorithm 'HS256'"),
        (shaken() + ";alg=none", "the algorithm 'none'"),
        (shaken({"typ": "JWT"}), "another type"),
        (shaken({"crit": ["x"]}), "must be understood"),
        (shaken({"x5u": 1}), "without x5u"),
        (shaken({"ppt": 1}), "without x5u"),
        (shaken() + ";ppt=div", "another ppt"),
        (shaken() + ";info=<https://evil.example/x>", "another info"),
        (shaken(attest=None), "without attest or origid"),
        (shaken(attest="D"), "without attest or origid"),
        (shaken(origid=None), "without attest or origid"),
        (shaken(iat=None), "without a time"),
        (shaken(iat=True), "without a time"),
        (shaken(iat="1443208345"), "without a time"),
        (shaken(iat=1e9), "without a time"),
        (shaken(iat=-1), "without a time"),
        (shaken()[:-4], "another length"),
        (token(b"[" * LARGEST, SHAKEN), "no JSON objects"),
        (token(b'{"alg":"ES256","alg":"none"}', SHAKEN), "no JSON objects"),
        (token(b'{"a":"' + b"x" * LARGEST + b'"}', SHAKEN), "no JSON objects"),
        (token(b"\xff", SHAKEN), "no JSON objects"),
        (token([], SHAKEN), "no JSON objects"),
        ("x" * (LONGEST + 1), "more than"),
        (f'{shaken()};info="', "broken Identity"),
    ],
)
def test_what_is_no_passport_says_why(value: str, says: str) -> None:
    with pytest.raises(PassportError, match=says):
        read(value, NOTHING)


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("+1 (415) 555-0100", "14155550100"),
        ("14155550100", "14155550100"),
        ("*31#112", "*31#112"),
        ("alice", ""),
        ("", ""),
    ],
)
def test_numbers_are_compared_by_their_digits(number: str, found: str) -> None:
    assert digits(number) == found


def test_claims_of_other_types_name_nobody() -> None:
    odd = read(shaken(orig={"uri": "sip:a@b"}, dest={"tn": "12155550131"}), NOTHING)
    assert (odd.orig, odd.dest) == ("", ("12155550131",))
    for wrong in (None, [], "x", {"tn": {}}, {"tn": [1, None, {}]}):  # type: ignore[var-annotated]
        found = read(shaken(orig=wrong or {}, dest=wrong or {}), NOTHING)
        assert (found.orig, found.dest) == ("", ())


@given(st.text(max_size=300), st.integers(0, 9))
def test_any_header_is_read_or_refused(text: str, seed: int) -> None:
    value, source = f"{shaken()};{INFO};ppt=shaken", random.Random(seed)
    at = source.randint(0, len(value))
    for one in (text, value[:at] + text + value[at:], value[:at], f"{value[:at]};{text}"):
        try:
            found = read(one, Reconstruction("1", "2", 3))
        except PassportError:
            continue
        assert len(found.signature) == 64
        assert not genuine(found, public())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
        max_leaves=8,
    )
)
def test_any_claims_are_read_or_refused(value: object) -> None:
    for name in ("orig", "dest", "iat", "attest", "origid"):
        try:
            read(shaken(**{name: value}), NOTHING)  # type: ignore[arg-type]
        except PassportError:
            continue


def invite(*lines: str) -> Request:
    head = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
    text = head + "Call-ID: 1\r\nCSeq: 1 INVITE\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    message = parse_message(text.encode())
    assert isinstance(message, Request)
    return message


def test_several_headers_are_found_also_in_one_line_and_in_the_short_form() -> None:
    assert identities(invite("Identity: a.b.c;info=<https://x/,y>", "y: d.e.f")) == [
        "a.b.c;info=<https://x/,y>",
        "d.e.f",
    ]
    assert identities(invite("Identity: a.b.c,d.e.f")) == ["a.b.c", "d.e.f"]
    assert len(identities(invite(*["Identity: a.b.c,d.e.f"] * 20))) == MOST
    assert identities(invite()) == []
    assert identities(invite('Identity: a";b')) == ['a";b']
