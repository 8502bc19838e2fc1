"""The parts of the sign-in by an identity provider that need no dashboard: options, the cookie, discovery."""

import asyncio
import base64
import hashlib
from typing import Any

import pytest

from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.config.oidc import OidcOptions, role_in, unusable
from sipgw.web.oidc import provider as provider_module
from sipgw.web.oidc.flow import LIMIT, LONGEST, SignIn, over
from sipgw.web.oidc.provider import AGAIN, OidcError, OidcProvider, read
from tests.fakes.http import Exchange
from tests.fakes.identity_provider import IdentityProvider
from tests.waiting import HANG

RIGHT = {
    "issuer": "https://login.example.com/office", "client_id": "dashboard", "url": "https://phone.example.com",
    "admins": ["phones"],
}  # fmt: skip
DOCUMENT = {
    "issuer": "https://login.example.com/office",
    "authorization_endpoint": "https://login.example.com/authorize",
    "token_endpoint": "https://login.example.com/token",
    "jwks_uri": "https://keys.example.com/keys",
    "response_types_supported": ["code", "id_token"],
}
OPTIONS = OidcOptions(**{**RIGHT, "admins": ("phones",)})  # type: ignore[arg-type]


def configured(**changes: Any) -> str:
    lines = (f"{name} = {value!r}".replace("'", '"') for name, value in {**RIGHT, **changes}.items())
    return '[web]\nnames = ["phone.example.com"]\n[web.oidc]\n' + "\n".join(lines)


def test_the_options_are_off_by_default_and_sign_in_is_needed_when_they_are_on() -> None:
    assert not parse("", "t", {}).web.needs_sign_in
    assert parse(configured(), "t", {}).web.needs_sign_in


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": "http://login.example.com"}, "issuer: it must begin with https://"),
        ({"issuer": "https://login.example.com?tenant=1"}, "issuer: it has a query"),
        ({"issuer": "https://ann@login.example.com"}, "issuer: it has a user or a fragment"),
        ({"client_id": ""}, "client_id is missing"),
        ({"client_secret": "in clear"}, "secrets stand in the environment"),
        ({"url": "https://phone.example.com/dashboard"}, "url: it has a path"),
        ({"url": "http://phone.example.com"}, "url: it must begin with https://"),
        ({"url": "https://other.example.com"}, "must be in the names of"),
        ({"scopes": ["profile"]}, 'scopes: must contain "openid"'),
        ({"admins": []}, "nobody could sign in"),
        ({"viewers": [""]}, "a group has no name"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(configured(**changes), "t", {})
    assert says in str(caught.value)
    assert "in clear" not in str(caught.value)


def test_the_secret_is_in_no_repr() -> None:
    config = parse(configured(client_secret="${OIDC_SECRET}"), "t", {"OIDC_SECRET": "open sesame"})
    assert config.web.oidc.client_secret == "open sesame"
    assert "sesame" not in repr(config)


def test_the_highest_role_counts_and_nobody_has_one_without_a_group() -> None:
    options = OidcOptions(viewers=("all",), operators=("desk",), admins=("it",))
    for groups, role in (({"all"}, "viewer"), ({"all", "desk"}, "operator"), ({"it", "all"}, "admin"), ({"ALL"}, None),
                         (set(), None)):  # fmt: skip
        assert role_in(options.groups, frozenset(groups)) == role


@pytest.mark.parametrize(
    "url",
    ["", "https://", "ftp://a.example", "https://a.example/#x", "https://a b.example", "https://a.example:x/",
     "http://192.0.2.1", "https://ä.example", "https://a.example\\@b.example", "https://a.example/" + "x" * 3000],
)  # fmt: skip
def test_addresses_that_are_not_used(url: str) -> None:
    assert unusable(url)


def cookie_of(flow: SignIn) -> str:
    return flow.cookie("https://phone.example.com").partition(";")[0].partition("=")[2]


def test_the_cookie_carries_the_whole_sign_in_for_ten_minutes() -> None:
    flow = SignIn.begin("/calls?x=ä;\n", 1000.9)
    cookie = flow.cookie("https://phone.example.com")
    assert cookie.endswith("; Path=/sign-in/oidc; HttpOnly; SameSite=Lax; Secure; Max-Age=600")
    assert "Secure" not in flow.cookie("http://127.0.0.1:8080")
    assert "; Max-Age=0" in over("https://phone.example.com")
    for now in (1000.9, 1000 + LIMIT - 1):
        assert SignIn.read(cookie_of(flow), now) == flow
    for now in (1000 + LIMIT, 0, 998):
        assert SignIn.read(cookie_of(flow), now) is None
    assert SignIn.begin("/" + "x" * LONGEST, 0).where == "/"


@pytest.mark.parametrize("letter", ["x", "ä", "日", "%", " "])
def test_a_sign_in_is_in_its_cookie_however_long_its_page_is(letter: str) -> None:
    for many in range(0, 3100, 100):
        flow = SignIn.begin("/calls?x=" + letter * many, 1000)
        assert SignIn.read(cookie_of(flow), 1000) == flow
        assert len(f"sipgw_oidc={cookie_of(flow)}") <= 4096
    assert SignIn.begin("/calls?x=" + letter * 300, 0).where != "/"


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43 + ".1", "a" * 43 + ".x./", "a" * 42 + ".1000./", "." * 4000])
def test_what_is_no_cookie_of_a_sign_in(cookie: str) -> None:
    assert SignIn.read(cookie, 1000) is None


def test_state_nonce_and_verifier_differ_and_the_challenge_is_the_hash_of_the_verifier() -> None:
    flow, other = SignIn.begin("/", 0), SignIn.begin("/", 0)
    assert len({flow.state, flow.nonce, flow.verifier, flow.challenge, other.state, other.nonce, other.verifier}) == 7
    assert len(flow.verifier) == 43
    digest = hashlib.sha256(flow.verifier.encode("ascii")).digest()
    assert flow.challenge == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert flow.answers(flow.state)
    for state in ("", other.state, flow.nonce, "ä"):
        assert not flow.answers(state)


def test_a_document_without_what_is_optional_is_enough() -> None:
    found = read(DOCUMENT, OPTIONS)
    assert (found.token_endpoint, found.by_post, found.names_itself) == (
        "https://login.example.com/token",
        False,
        False,
    )
    post = {**DOCUMENT, "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"]}
    assert read(post, OPTIONS).by_post


@pytest.mark.parametrize(
    ("changes", "says", "fault"),
    [
        ({"issuer": "https://login.example.com/office/"}, "that of the issuer", "issuer"),
        ({"issuer": None}, "that of the issuer", "issuer"),
        ({"token_endpoint": None}, "token_endpoint is not used: there is none", "unsuited"),
        ({"token_endpoint": ["https://login.example.com"]}, "token_endpoint is not used: there is none", "unsuited"),
        ({"jwks_uri": "http://login.example.com/keys"}, "jwks_uri is not used: it must begin with https", "unsuited"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "jwks_uri is not used: it must begin with https", "unsuited"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is not used", "unsuited"),
        ({"response_types_supported": ["id_token"]}, "response_type=code", "unsuited"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE", "unsuited"),
        ({"code_challenge_methods_supported": 7}, "PKCE", "unsuited"),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, "signs ID tokens by none of", "unsuited"),
    ],
)
def test_a_document_that_is_wrong_is_refused(changes: dict[str, Any], says: str, fault: str) -> None:
    with pytest.raises(OidcError) as caught:
        read({**DOCUMENT, **changes}, OPTIONS)
    assert says in str(caught.value)
    assert caught.value.fault == fault


def test_a_secret_needs_a_provider_that_takes_one() -> None:
    options = OidcOptions(**{**RIGHT, "admins": ("phones",), "client_secret": "x"})  # type: ignore[arg-type]
    with pytest.raises(OidcError, match="takes no client secret"):
        read({**DOCUMENT, "token_endpoint_auth_methods_supported": ["private_key_jwt"]}, options)


def client_of(fake: IdentityProvider) -> OidcProvider:
    return OidcProvider(OidcOptions(fake.url, "dashboard", url="http://127.0.0.1:8080", admins=("phones",)))


def test_document_and_keys_are_fetched_once_and_keys_again_when_asked() -> None:
    async def look() -> None:
        async with IdentityProvider("http://127.0.0.1:8080/sign-in/oidc/callback") as fake:
            there = client_of(fake)
            for _ in range(3):
                await there.keys()
            assert (fake.asked("/.well-known/openid-configuration"), fake.asked("/keys")) == (1, 1)
            await there.keys(again=True)
            assert fake.asked("/keys") == 2

    asyncio.run(look())


async def _redirects(exchange: Exchange) -> None:
    await exchange.answer(302, {}, {"location": "http://127.0.0.1:1/secret"})


async def _huge(exchange: Exchange) -> None:
    await exchange.start(200, "application/json")
    await exchange.send(b'{"issuer": "')
    for _ in range(1000):
        await exchange.send(b"x" * 4096)


async def _hangs(exchange: Exchange) -> None:
    await exchange.start(200, "application/json")
    await exchange.hang()


async def _deep(exchange: Exchange) -> None:
    await exchange.start(200, "application/json")
    await exchange.send(b"[" * 200_000)
    await exchange.finish()


async def _breaks(exchange: Exchange) -> None:
    exchange.reset()


async def _no_object(exchange: Exchange) -> None:
    await exchange.answer(200, ["issuer"])


@pytest.mark.parametrize(
    ("answer", "says", "fault"),
    [
        (_redirects, "answers 302", "unreachable"), (_huge, "more than 262144 bytes", "unsuited"),
        (_hangs, "no answer within", "unreachable"), (_deep, "no JSON object", "unsuited"),
        (_breaks, "cannot be asked", "unreachable"), (_no_object, "no JSON object", "unsuited"),
    ],
)  # fmt: skip
def test_a_provider_that_answers_wrongly_is_refused_and_not_asked_again_at_once(
    answer: Any, says: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is _hangs:
        monkeypatch.setattr(provider_module, "LIMIT", 0.2)

    async def look() -> None:
        async with IdentityProvider("") as fake:
            fake.lies.respond["/.well-known/openid-configuration"] = answer
            there = client_of(fake)
            for _ in range(2):
                with pytest.raises(OidcError, match=says) as caught:
                    await there.metadata()
                assert caught.value.fault == fault
            assert len(fake.exchanges) <= 1
            fake.lies.respond.clear()
            monkeypatch.setattr(provider_module, "LIMIT", HANG)
            monkeypatch.setattr(provider_module, "_now", lambda: asyncio.get_running_loop().time() + AGAIN)
            assert await there.metadata()

    asyncio.run(look())


def test_keys_that_cannot_be_fetched_are_not_asked_for_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "LIMIT", 0.2)

    async def look() -> None:
        async with IdentityProvider("") as fake:
            there = client_of(fake)
            await there.metadata()
            fake.lies.respond["/keys"] = _hangs

            async def ask(*, again: bool) -> None:
                with pytest.raises(OidcError, match="no answer within"):
                    await there.keys(again=again)

            async with asyncio.TaskGroup() as people:
                for number in range(5):
                    people.create_task(ask(again=bool(number)))
            assert fake.asked("/keys") == 1, "each of the others would wait for a fetch of its own"
            fake.lies.respond.clear()
            monkeypatch.setattr(provider_module, "LIMIT", HANG)
            monkeypatch.setattr(provider_module, "_now", lambda: asyncio.get_running_loop().time() + AGAIN)
            assert await there.keys()

    asyncio.run(look())


def test_a_document_leads_nowhere_inside_the_own_network() -> None:
    async def look() -> None:
        async with IdentityProvider("") as fake:
            for inside in ("https://10.0.0.7/keys", "https://[::1]/keys", "https://169.254.169.254/keys",
                           "https://localhost/keys"):  # fmt: skip
                fake.lies.document["jwks_uri"] = inside
                with pytest.raises(OidcError, match="into a private network"):
                    await client_of(fake).keys()

    asyncio.run(look())


def test_nobody_listens_there() -> None:
    there = OidcProvider(
        OidcOptions("http://127.0.0.1:9", "dashboard", url="http://127.0.0.1:8080", admins=("phones",))
    )
    with pytest.raises(OidcError, match="cannot be asked") as caught:
        asyncio.run(there.metadata())
    assert caught.value.fault == "unreachable"
