"""Digest authentication, both halves: RFC 3261 §22, RFC 7616, RFC 8760."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip.digest import Challenge, Credentials, authorize, choose, parse_digest, verify
from sipgw.sip.fields import FieldError

ALICE = Credentials("alice", 'open "sesame"')


def challenge(more: str = "") -> Challenge:
    return Challenge.parse(f'Digest realm="example.com", nonce="n1"{more}')


RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RFC_7616_UTF8 = (
    'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, charset=UTF-8, userhash=true, '
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"'
)
LION = Credentials("Mufasa", "Circle of Life")
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("value", "credentials", "uri", "cnonce", "response"),
    [
        # RFC 2617 §3.5
        (RFC_2617, Credentials("Mufasa", "Circle Of Life"), "/dir/index.html", "0a4f113b",
         "6629fae49393a05397450978507c4ef1"),
        # RFC 7616 §3.9.1
        (RFC_7616.format("MD5"), LION, "/dir/index.html", CNONCE, "8ca523f5e9506fed4657c9700eebdbec"),
        (RFC_7616.format("SHA-256"), LION, "/dir/index.html", CNONCE,
         "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        # RFC 7616 §3.9.2 as corrected by erratum 4897
        (RFC_7616_UTF8, Credentials("Jäsøn Doe", "Secret, or not?"), "/doe.json",
         "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
         "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"),
    ],
)  # fmt: skip
def test_the_examples_of_the_rfcs(value: str, credentials: Credentials, uri: str, cnonce: str, response: str) -> None:
    asked = Challenge.parse(value)
    given_value = authorize(asked, credentials, "GET", uri, nc=1, cnonce=cnonce)
    fields = parse_digest(given_value)
    assert fields["response"] == response
    assert (fields["nc"], fields["qop"], fields["opaque"]) == ("00000001", "auth", asked.opaque)
    assert verify(given_value, asked, credentials, "GET")


HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("session", ["", "-sess"])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_every_variant_follows_the_formula(algorithm: str, session: str, qop: str) -> None:
    """RFC 7616 §3.4.1 to §3.4.3, written out."""

    def h(text: str) -> str:
        return hashlib.new(HASHES[algorithm], text.encode()).hexdigest()

    asked = challenge(f", algorithm={algorithm}{session}" + (f', qop="{qop}"' if qop else ""))
    value = authorize(asked, ALICE, "INVITE", "sip:b@h", nc=26, cnonce="c", body=b"v=0")
    a1 = h('alice:example.com:open "sesame"')
    if session:
        a1 = h(f"{a1}:n1:c")
    a2 = h("INVITE:sip:b@h:" + h("v=0") if qop == "auth-int" else "INVITE:sip:b@h")
    assert parse_digest(value)["response"] == h(f"{a1}:n1:0000001a:c:{qop}:{a2}" if qop else f"{a1}:n1:{a2}")
    assert ("nc=" in value, "cnonce=" in value) == (bool(qop), bool(qop or session))
    assert verify(value, asked, ALICE, "INVITE", b"v=0")


def test_auth_is_preferred_to_auth_int() -> None:
    """A body changed by a proxy on the way would break auth-int."""
    assert (
        parse_digest(authorize(challenge(', qop="auth-int,auth"'), ALICE, "BYE", "sip:h", cnonce="c"))["qop"] == "auth"
    )


def test_what_a_challenge_says() -> None:
    asked = Challenge.parse(
        'digest  realm="a \\"b\\", c",nonce="x,y=z" , Stale=TRUE, algorithm=sha-256, qop=auth, opaque="", domain="x"'
    )
    assert asked == Challenge('a "b", c', "x,y=z", "sha-256", ("auth",), "", stale=True)
    assert challenge() == Challenge("example.com", "n1", "MD5", (), None, stale=False)
    assert parse_digest(authorize(asked, ALICE, "BYE", "sip:h", cnonce="c"))["realm"] == 'a "b", c'


def test_opaque_is_echoed_even_when_empty_and_only_if_given() -> None:
    assert 'opaque=""' in authorize(challenge(', opaque=""'), ALICE, "BYE", "sip:h")
    assert "opaque" not in authorize(challenge(), ALICE, "BYE", "sip:h")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        "Basic realm=x",
        'Digest realm="x"',
        'Digest nonce="x"',
        'Digest realm="x, nonce="y"',
        "Digest realm",
    ],
)
def test_what_is_no_challenge(value: str) -> None:
    with pytest.raises(FieldError):
        Challenge.parse(value)


def test_the_strongest_usable_challenge_is_chosen() -> None:
    """RFC 8760 §2.4 leaves the order to the server; we take the strongest that we know and can do."""

    def offer(algorithm: str, qop: str = "auth") -> str:
        return f'Digest realm="r", nonce="{algorithm}", algorithm={algorithm}, qop="{qop}"'

    def chosen(*values: str) -> str | None:
        found = choose(values)
        return found and found.nonce  # type: ignore[return-value]

    assert chosen(offer("MD5"), offer("SHA-256"), offer("SHA-512-256")) == "SHA-512-256"
    assert chosen(offer("MD5"), offer("sha-256-SESS")) == "sha-256-SESS"
    assert chosen(offer("SHA3-512"), "NTLM x", "Digest nonsense", offer("MD5")) == "MD5"
    assert chosen(offer("SHA-256", "auth-conf"), offer("MD5")) == "MD5"
    assert chosen(offer("AKAv1-MD5"), "Basic realm=r") is None
    assert chosen() is None


ASKED = challenge(', qop="auth", algorithm=SHA-256, opaque="o"')
ANSWER = authorize(ASKED, ALICE, "REGISTER", "sip:h", nc=1, cnonce="c")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Digest ", "Basic "),
        ('username="alice"', 'username="bob"'),
        ('realm="example.com"', 'realm="example.org"'),
        ('nonce="n1"', 'nonce="n2"'),
        ('uri="sip:h"', 'uri="sip:i"'),
        ("nc=00000001", "nc=00000002"),
        ('cnonce="c"', 'cnonce="d"'),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256, ", ""),
        ('opaque="o"', 'opaque="p"'),
        ('response="', 'response="0'),
        ('response="', 'response="é'),
        ('response="', 'x="'),
        ('"', ""),
    ],
)
def test_an_altered_answer_is_refused(old: str, new: str) -> None:
    assert verify(ANSWER, ASKED, ALICE, "REGISTER")
    assert old in ANSWER
    assert not verify(ANSWER.replace(old, new, 1), ASKED, ALICE, "REGISTER")


def test_another_method_password_or_unknown_algorithm_is_refused() -> None:
    assert not verify(ANSWER, ASKED, ALICE, "INVITE")
    assert not verify(ANSWER, ASKED, Credentials("alice", "guess"), "REGISTER")
    strange = challenge(', algorithm=ROT13, qop="auth", opaque="o"')
    assert not verify(ANSWER.replace("SHA-256", "ROT13"), strange, ALICE, "REGISTER")


def test_a_password_does_not_show() -> None:
    assert "sesame" not in repr(ALICE)
    assert "sesame" not in ANSWER


@given(st.binary(max_size=200))
def test_no_header_makes_it_stumble(data: bytes) -> None:
    value = "Digest " + data.decode("utf-8", "surrogateescape")
    choose([value])
    assert not verify(value, ASKED, ALICE, "REGISTER")
