"""Challenging those who call us (RFC 3261 §22, RFC 7616, RFC 8760), answered by our own client half and by forgers."""

import hashlib
from itertools import count

import pytest

from sipgw.sip import challenge as module
from sipgw.sip.challenge import NONCE_LIFE, Challenger, Proof
from sipgw.sip.digest import Challenge, Credentials, authorize, choose
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message

HOST = "192.0.2.7"
PASSWORD = "correct horse"


def challenger(key: bytes = b"k" * 32) -> Challenger:
    tokens = count(1)
    return Challenger("sipgw", {"anna": PASSWORD, "bob": "bobs own word"}, key, lambda: f"t{next(tokens)}")


def asked(door: Challenger, now: float = 100.0, *, stale: bool = False, algorithm: str = "SHA-256") -> Challenge:
    values = [value for _, value in door.challenge(HOST, now, stale=stale)]
    return next(one for one in map(Challenge.parse, values) if one.algorithm == algorithm)


def request(authorization: str = "", method: str = "INVITE", uri: str = "sip:agent@10.0.0.2") -> Request:
    more = f"Authorization: {authorization}\r\n" if authorization else ""
    text = (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST};branch=z9hG4bKx\r\nFrom: <sip:anna@x>;tag=1\r\n"
        f"To: <sip:agent@x>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
    message = parse_message(text.encode())
    assert isinstance(message, Request)
    return message


def answered(
    one: Challenge, user: str = "anna", password: str = PASSWORD, nc: int = 1, uri: str = "sip:agent@10.0.0.2"
) -> Request:
    return request(authorize(one, Credentials(user, password), "INVITE", uri, nc=nc, cnonce="c"))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_proves_the_user(algorithm: str) -> None:
    door = challenger()
    one = answered(asked(door, algorithm=algorithm))
    assert door.prove(one, HOST, 101.0) is Proof.GIVEN
    assert door.user(one) == "anna"


def test_both_algorithms_are_offered_the_stronger_first() -> None:
    values = [value for name, value in challenger().challenge(HOST, 1.0) if name == "WWW-Authenticate"]
    assert [Challenge.parse(value).algorithm for value in values] == ["SHA-256", "MD5"]
    assert all(Challenge.parse(value).qop == ("auth",) for value in values)
    best = choose(values)
    assert best is not None
    assert best.algorithm == "SHA-256"


def test_an_algorithm_that_is_not_offered_is_not_taken() -> None:
    door = Challenger("sipgw", {"anna": PASSWORD}, b"k", lambda: "t", ["MD5"])
    (only,) = [Challenge.parse(value) for _, value in door.challenge(HOST, 100.0)]
    assert only.algorithm == "MD5"
    stronger = Challenge(only.realm, only.nonce, "SHA-256", only.qop)
    assert door.prove(answered(stronger), HOST, 101.0) is Proof.WRONG
    assert door.prove(answered(only), HOST, 101.0) is Proof.GIVEN


def test_without_credentials_nothing_is_proven() -> None:
    door = challenger()
    other = Challenge("other realm", "n", qop=("auth",))
    assert door.prove(request(), HOST, 1.0) is Proof.NONE
    assert door.prove(answered(other), HOST, 1.0) is Proof.NONE
    assert door.prove(request("Basic YW5uYTp4"), HOST, 1.0) is Proof.NONE
    assert door.prove(request('Digest realm="sipgw", nonce'), HOST, 1.0) is Proof.NONE


@pytest.mark.parametrize(("user", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("ANNA", PASSWORD)])
def test_wrong_passwords_and_unknown_users_are_the_same(user: str, password: str) -> None:
    door = challenger()
    assert door.prove(answered(asked(door), user, password), HOST, 101.0) is Proof.WRONG


def test_the_secret_that_stands_in_for_unknown_users_opens_nothing() -> None:
    door = challenger()
    assert door.prove(answered(asked(door), "nobody", door._nobody), HOST, 101.0) is Proof.WRONG


def test_an_unknown_user_is_refused_with_as_many_hashes_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work, so the same time: counted, not clocked."""
    door = challenger()
    hashed: list[int] = []

    def sha256(data: bytes = b"") -> "hashlib._Hash":
        hashed.append(1)
        return hashlib.sha256(data)

    monkeypatch.setitem(module.Challenge.hash.fget.__globals__["ALGORITHMS"], "SHA-256", sha256)  # type: ignore[attr-defined]
    one = asked(door)
    requests = [answered(one, "anna", "wrong"), answered(one, "nobody", "wrong")]
    counts = []
    for each in requests:
        hashed.clear()
        assert door.prove(each, HOST, 101.0) is Proof.WRONG
        counts.append(len(hashed))
    assert counts[0] == counts[1] > 0


def test_a_nonce_count_is_good_once() -> None:
    door = challenger()
    one = asked(door)
    assert door.prove(answered(one, nc=1), HOST, 101.0) is Proof.GIVEN
    assert door.prove(answered(one, nc=1), HOST, 101.0) is Proof.STALE, "replayed"
    assert door.prove(answered(one, nc=2), HOST, 101.0) is Proof.GIVEN
    assert door.prove(answered(one, nc=1), HOST, 101.0) is Proof.STALE
    assert door.prove(answered(one, nc=0), HOST, 101.0) is Proof.STALE


def test_a_nonce_expires() -> None:
    door = challenger()
    one = asked(door, 100.0)
    assert door.prove(answered(one), HOST, 100.0 + NONCE_LIFE) is Proof.STALE
    assert all("stale=true" in value for _, value in door.challenge(HOST, 1.0, stale=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda nonce: nonce.replace("t1", "t2"),
        lambda nonce: nonce[:-1] + ("0" if nonce[-1] != "0" else "1"),
        lambda nonce: "",
        lambda nonce: "fff." + nonce,
        lambda nonce: "é" + nonce,
        lambda nonce: nonce.rpartition(".")[0],
    ],
)
def test_a_forged_nonce_is_refused(change) -> None:
    door = challenger()
    one = asked(door)
    forged = Challenge(one.realm, change(one.nonce), one.algorithm, one.qop)
    assert door.prove(answered(forged), HOST, 101.0) is Proof.STALE


def test_a_forged_nonce_tells_nothing_of_the_password() -> None:
    """Else passwords could be guessed with it: right and wrong are answered alike, and neither is looked at."""
    door = challenger()
    forged = Challenge("sipgw", "64.x.0123", "SHA-256", ("auth",))
    for user, password in (("anna", PASSWORD), ("anna", "wrong"), ("nobody", "x")):
        assert door.prove(answered(forged, user, password), HOST, 101.0) is Proof.STALE


def test_an_old_nonce_and_a_wrong_password_are_a_wrong_password() -> None:
    door = challenger()
    assert door.prove(answered(asked(door, 100.0), "anna", "wrong"), HOST, 100.0 + NONCE_LIFE) is Proof.WRONG


def test_a_nonce_is_good_only_where_it_was_given() -> None:
    door = challenger()
    assert door.prove(answered(asked(door)), "192.0.2.8", 101.0) is Proof.STALE


def test_another_gateway_or_an_earlier_run_of_this_one_says_stale() -> None:
    """So a phone asks nobody for the password again after a restart."""
    assert challenger(b"o" * 32).prove(answered(asked(challenger())), HOST, 101.0) is Proof.STALE


def test_the_uri_must_be_that_of_the_request() -> None:
    door = challenger()
    one = asked(door)
    assert door.prove(answered(one, uri="sip:other@10.0.0.2"), HOST, 101.0) is Proof.WRONG
    assert door.prove(answered(one, uri="nonsense"), HOST, 101.0) is Proof.WRONG
    assert door.prove(answered(one, uri="sip:agent@10.0.0.2;line=1"), HOST, 101.0) is Proof.GIVEN, "§19.1.4"


@pytest.mark.parametrize("qop", [(), ("auth-int",)])
def test_only_qop_auth_is_taken(qop: tuple[str, ...]) -> None:
    door = challenger()
    one = asked(door)
    weaker = Challenge(one.realm, one.nonce, one.algorithm, qop)
    assert door.prove(answered(weaker), HOST, 101.0) is Proof.WRONG


@pytest.mark.parametrize(
    ("old", "new"),
    [("nc=00000001", "nc=1"), ("nc=00000001", "nc=٠٠٠٠٠٠٠١"), ('cnonce="c"', 'cnonce=""'), ("SHA-256", "SHA-512"),
     ("algorithm=SHA-256", "algorithm=MD5"), ("response=", "respond=")],
)  # fmt: skip
def test_hostile_parameters_are_wrong_and_nothing_worse(old: str, new: str) -> None:
    door = challenger()
    value = answered(asked(door)).headers.get("authorization")
    assert value is not None
    assert old in value
    assert door.prove(request(value.replace(old, new)), HOST, 101.0) is Proof.WRONG


def test_challenges_take_no_memory_and_proofs_a_bounded_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTS_KEPT", 3)
    door = challenger()
    for _ in range(1000):
        door.challenge(HOST, 100.0)
    assert not door._counts
    given = [answered(asked(door, 100.0 + at)) for at in range(5)]
    for one in given:
        assert door.prove(one, HOST, 110.0) is Proof.GIVEN
    assert len(door._counts) == 3
    assert [door.prove(one, HOST, 110.0) for one in given] == [Proof.STALE] * 5, "what is forgotten cannot be replayed"
