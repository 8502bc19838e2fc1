"""ID tokens that prove nothing, through the whole dashboard: wrong claims and wrong signatures."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.http import Exchange
from tests.fakes.identity_provider import SECRET, by_public_key, signed, text
from tests.web.oidc_meeting import Meeting, run


def now() -> int:
    return int(datetime.now(UTC).timestamp())


WRONG = {
    "another issuer": {"iss": "https://login.example.com"},
    "no issuer": {"iss": ...},
    "a list of issuers": {"iss": ["https://login.example.com"]},
    "another audience": {"aud": "mail"},
    "no audience": {"aud": ...},
    "an audience that contains the name": {"aud": "dashboard2"},
    "several audiences without azp": {"aud": ["dashboard", "mail"]},
    "another party": {"aud": ["dashboard", "mail"], "azp": "mail"},
    "another party for one audience": {"azp": "mail"},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": ...},
    "a nonce of another kind": {"nonce": ["x"]},
    "expired": {"exp": now() - 3600},
    "no end": {"exp": ...},
    "an end that is no number": {"exp": "never"},
    "an end that is true": {"exp": True},
    "an end that is NaN": {"exp": float("nan")},
    "an end at infinity": {"exp": float("inf")},
    "a huge end": {"exp": 10**400},
    "no beginning": {"iat": ...},
    "made in the future": {"iat": now() + 3600},
    "made long ago": {"iat": now() - 7200},
    "not valid yet": {"nbf": now() + 3600},
    "nobody": {"sub": ...},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "a subject with a line break": {"sub": "a\nb"},
    "more than fits": {"groups": ["x" * 100] * 1000},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG)
def test_a_token_with_wrong_claims_proves_nothing(tmp_path: Path, claims: dict[str, Any]) -> None:
    async def check(met: Meeting) -> None:
        met.fake.lies.claims = claims
        assert (await met.sign_in()).status_code == 401
        assert not await met.is_in()
        assert await met.audit() == [("oidc:", "was not let in")]
        met.fake.lies.claims = {}
        assert (await met.sign_in()).status_code == 200

    run(tmp_path, check)


def test_clocks_may_differ_a_little_and_the_client_may_be_one_of_several_audiences(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        for claims in ({"iat": now() + 30, "nbf": now() + 30}, {"exp": now() - 30}, {"aud": ["dashboard"]},
                       {"aud": ["dashboard", "mail"], "azp": "dashboard"}):  # fmt: skip
            met.fake.lies.claims = claims
            assert (await met.sign_in()).status_code == 200, claims

    run(tmp_path, check)


def _unsigned(met: Meeting) -> None:
    met.fake.lies.header, met.fake.lies.sign = {"alg": "none"}, lambda data: b""


def _by_public_key(met: Meeting) -> None:
    met.fake.lies.header, met.fake.lies.sign = {"alg": "HS256"}, by_public_key(met.fake)


def _by_secret(met: Meeting) -> None:
    import hmac

    met.fake.lies.header = {"alg": "HS256"}
    met.fake.lies.sign = lambda data: hmac.digest(SECRET.encode(), data, "sha256")


def _by_key_inside(met: Meeting) -> None:
    from tests.fakes.identity_provider import public

    met.fake.lies.header = {"jwk": public("RSA", "mine", 9), "kid": ...}
    met.fake.lies.sign = lambda data: signed("RS256", data, 9)


def _by_another_key(met: Meeting) -> None:
    met.fake.lies.sign = lambda data: signed("RS256", data, 9)


def _by_another_algorithm(met: Meeting) -> None:
    met.fake.lies.header = {"alg": "PS256"}


def _by_another_kind(met: Meeting) -> None:
    met.fake.lies.header, met.fake.lies.sign = {"alg": "ES256"}, lambda data: signed("ES256", data)


def _sha_1(met: Meeting) -> None:
    met.fake.lies.header = {"alg": "RS1"}


def _unknown_extension(met: Meeting) -> None:
    met.fake.lies.header = {"crit": ["vendor"]}


def _empty(met: Meeting) -> None:
    met.fake.lies.sign = lambda data: b""


@pytest.mark.parametrize(
    "lie",
    [_unsigned, _by_public_key, _by_secret, _by_key_inside, _by_another_key, _by_another_algorithm, _by_another_kind,
     _sha_1, _unknown_extension, _empty],
)  # fmt: skip
def test_a_token_that_no_key_of_the_provider_signed_proves_nothing(
    tmp_path: Path, lie: Callable[[Meeting], None]
) -> None:
    async def check(met: Meeting) -> None:
        lie(met)
        assert (await met.sign_in()).status_code == 401
        assert not await met.is_in()

    run(tmp_path, check)


def test_a_token_that_is_too_long_is_told_in_the_log_to_which_the_page_leads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def check(met: Meeting) -> None:
        met.fake.person["groups"] = [f"group {number}" for number in range(5000)]
        refused = await met.sign_in()
        assert refused.status_code == 401 and "the log of the gateway says why" in refused.text
        assert "the ID token has more than 65536 bytes" in capfd.readouterr().out

    run(tmp_path, check)


def test_a_symmetric_key_in_the_document_of_keys_is_no_key(tmp_path: Path) -> None:
    async def keys(exchange: Exchange) -> None:
        await exchange.answer(200, {"keys": [{"kty": "oct", "kid": "key 0", "alg": "HS256", "k": text(b"x" * 32)}]})

    async def check(met: Meeting) -> None:
        import hmac

        met.fake.lies.respond["/keys"] = keys
        met.fake.lies.header, met.fake.lies.sign = {"alg": "HS256"}, lambda data: hmac.digest(b"x" * 32, data, "sha256")
        assert (await met.sign_in()).status_code == 401

    run(tmp_path, check)


@pytest.mark.parametrize("token", ["", "x", "..", "a.b.c", "é.é.é", "x" * 100_000, None, 7, ["x"]])
def test_what_is_no_token_proves_nothing(tmp_path: Path, token: Any) -> None:
    async def gives(exchange: Exchange) -> None:
        await exchange.answer(200, {"token_type": "Bearer", "id_token": token})

    async def check(met: Meeting) -> None:
        met.fake.lies.respond["/token"] = gives
        assert (await met.sign_in()).status_code == 401
        assert not await met.is_in()

    run(tmp_path, check)
