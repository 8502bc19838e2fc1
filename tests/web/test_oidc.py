"""Signing in by an identity provider, through the whole dashboard: the way that works, and every way that must not."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from sipgw.web import oidc_sign_in, throttle
from sipgw.web.accounts import audit_entries
from sipgw.web.oidc.flow import COOKIE as FLOW
from sipgw.web.oidc.flow import LIMIT
from sipgw.web.security import COOKIE
from tests.fakes.http import Exchange
from tests.fakes.identity_provider import SECRET, signed
from tests.web.gateway_view import visit
from tests.web.oidc_meeting import URL, Meeting, meeting, run

SUB = "4ace9133"
"""Digest of the subject of the fake provider."""


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256"])
def test_a_member_of_a_group_gets_its_role_and_the_page_that_was_wanted(tmp_path: Path, algorithm: str) -> None:
    async def check(met: Meeting) -> None:
        form = await met.there.browser.get("/sign-in?next=/trunks")
        assert '<a href="/sign-in/oidc?next=/trunks">Sign in with single sign-on</a>' in form.text
        assert not await met.is_in()
        entered = await met.sign_in()
        assert entered.status_code == 200
        # The browser comes from another site: a redirection would be asked for without the cookie, which is Strict.
        assert '<meta http-equiv="refresh" content="0;url=/trunks">' in entered.text
        session, flow = entered.headers.get_list("set-cookie")
        assert re.match(rf"{COOKIE}=[\w-]{{43}}; Path=/; HttpOnly; SameSite=Strict", session)
        assert flow.startswith(f"{FLOW}=; Path=/sign-in/oidc;")
        assert "Max-Age=0" in flow
        assert "oidc:ann" in (await met.there.browser.get("/trunks")).text
        assert (await met.there.browser.get("/configuration")).status_code == 403
        assert await met.audit() == [(f"oidc:ann~{SUB}", "signed in")]
        (entry,) = await audit_entries(met.there.gateway.store)
        assert (entry.target, entry.detail) == ("operator", f"248289761001 of {met.fake.url}")

    run(tmp_path, check, "", algorithm)


def test_signing_out_ends_the_session_and_local_accounts_stay(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        await met.sign_in()
        kept = met.there.browser.cookies[COOKIE]
        assert (await met.there.browser.post("/sign-out", headers=await met.there.token())).status_code == 204
        met.there.browser.cookies.set(COOKIE, kept)
        assert not await met.is_in()
        met.there.browser.cookies.clear()
        await met.there.auth.accounts.set_user("ann", "viewer", "correct horse")
        form = {"name": "ann", "password": "correct horse"}
        assert (await met.there.browser.post("/sign-in", data=form)).status_code == 303
        assert await met.is_in()

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("person", "more", "status", "configuration"),
    [
        ({"groups": ["phones", "it"]}, "", 200, 200),
        ({"groups": "it"}, "", 200, 200),
        ({"groups": []}, "", 403, 303),
        ({"groups": ["sales"]}, "", 403, 303),
        ({"groups": {"it": True}}, "", 403, 303),
        ({"groups": None}, "", 403, 303),
        ({"groups": [["it"], 7, "IT"]}, "", 403, 303),
        ({"email": "ann@example.com", "email_verified": True}, "email", 200, 200),
        ({"email": "ann@example.com", "email_verified": "true"}, "email", 403, 303),
        ({"email": "ann@example.com"}, "email", 403, 303),
    ],
)
def test_only_groups_with_a_role_let_in(
    tmp_path: Path, person: dict[str, Any], more: str, status: int, configuration: int
) -> None:
    async def check(met: Meeting) -> None:
        met.fake.person |= person
        entered = await met.sign_in()
        assert entered.status_code == status
        assert (COOKIE in met.there.browser.cookies) is (status == 200)
        assert (await met.there.browser.get("/configuration")).status_code == configuration
        assert await met.audit() == [(f"oidc:ann~{SUB}", "signed in" if status == 200 else "was not let in")]

    run(tmp_path, check, 'groups_claim = "email"\nadmins = ["ann@example.com"]\n' if more else "")


def test_keys_may_change_at_any_time(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        assert (await met.sign_in()).status_code == 200
        met.fake.number = 1
        assert (await met.sign_in()).status_code == 200
        assert met.fake.asked("/keys") == 2
        met.fake.lies.header, met.fake.lies.sign = {"kid": "key 0"}, lambda data: signed("RS256", data, 0)
        assert (await met.sign_in()).status_code == 401  # the former key is gone

    run(tmp_path, check)


def test_an_answer_counts_once(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        answer = await met.answered()
        flow = met.there.browser.cookies[FLOW]
        assert (await met.there.browser.get(answer)).status_code == 200
        met.there.browser.cookies.clear()
        assert (await met.there.browser.get(answer)).status_code == 400  # the cookie is gone
        met.there.browser.cookies.set(FLOW, flow)
        assert (await met.there.browser.get(answer)).status_code == 401  # the code is used
        assert not await met.is_in()

    run(tmp_path, check)


def test_an_answer_counts_only_in_the_browser_that_asked(tmp_path: Path) -> None:
    """Login CSRF: somebody sends a link with their own code, to sign another person in as themselves."""

    async def check(met: Meeting) -> None:
        theirs = await met.answered()
        met.there.browser.cookies.clear()
        refused = await met.there.browser.get(theirs)
        assert refused.status_code == 400
        assert f"Begin again at {URL}" in refused.text
        await met.begin()  # the victim's own sign-in is under way
        assert (await met.there.browser.get(theirs)).status_code == 400
        assert met.fake.asked("/token") == 0
        assert await met.audit() == []
        assert not await met.is_in()

    run(tmp_path, check)


def test_a_code_of_another_sign_in_is_refused(tmp_path: Path) -> None:
    """Code injection: the state is right, but the code is bound to another verifier and nonce."""

    async def check(met: Meeting) -> None:
        theirs = httpx.URL(await met.answered()).params["code"]
        mine = httpx.URL(await met.answered())
        assert (await met.there.browser.get(mine.copy_set_param("code", theirs))).status_code == 401
        assert not await met.is_in()

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("state", "", 400), ("state", "x" * 43, 400), ("state", "x" * 600, 422), ("code", "", 401),
        ("code", "x" * 43, 401), ("code", "x" * 5000, 422), ("iss", "https://login.example.com", 401), ("iss", "", 401),
        ("error", "access_denied", 401), ("error", "<script>", 401),
    ],
)  # fmt: skip
def test_answers_that_are_changed_are_refused(tmp_path: Path, name: str, value: str, status: int) -> None:
    async def check(met: Meeting) -> None:
        answer = httpx.URL(await met.answered())
        changed = answer.copy_set_param(name, value) if value else answer.copy_remove_param(name)
        refused = await met.there.browser.get(changed)
        assert refused.status_code == status
        assert "<script>" not in refused.text
        assert not await met.is_in()

    run(tmp_path, check)


def test_a_parameter_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        answer = httpx.URL(await met.answered())
        assert (await met.there.browser.get(answer.copy_add_param("code", "mine"))).status_code == 400

    run(tmp_path, check)


def test_a_sign_in_takes_ten_minutes_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(met: Meeting) -> None:
        answer, began = await met.answered(), oidc_sign_in._today()
        monkeypatch.setattr(oidc_sign_in, "_today", lambda: began + LIMIT + 1)
        assert (await met.there.browser.get(answer)).status_code == 400
        assert met.fake.asked("/token") == 0

    run(tmp_path, check)


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "javascript:alert(1)", '"><script>']
)
def test_the_way_back_never_leads_elsewhere(tmp_path: Path, where: str) -> None:
    async def check(met: Meeting) -> None:
        assert 'content="0;url=/"' in (await met.sign_in(where)).text
        # The cookie is the browser's, so what it says is checked again.
        answer = await met.answered("/")
        began = met.there.browser.cookies[FLOW].rsplit(".", 1)[0]
        met.there.browser.cookies.clear()
        met.there.browser.cookies.set(FLOW, f"{began}.%2F%2Fevil.example")
        assert 'content="0;url=/"' in (await met.there.browser.get(answer)).text

    run(tmp_path, check)


def test_a_page_of_others_begins_no_sign_in(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        for site in ("cross-site", "same-site"):
            shown = await met.begin(**{"sec-fetch-site": site})
            assert (shown.status_code, "set-cookie" in shown.headers) == (200, False)
        for site in ("same-origin", "none"):
            assert (await met.begin(**{"sec-fetch-site": site})).status_code == 303

    run(tmp_path, check)


def test_a_session_that_somebody_planted_is_not_the_one_that_counts(tmp_path: Path) -> None:
    """Session fixation: the token is a new one at every sign-in, and a known one opens nothing."""

    async def check(met: Meeting) -> None:
        planted = "a" * 43
        met.there.browser.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/")
        tokens = set()
        for _ in range(2):
            entered = await met.sign_in()
            tokens.add(entered.headers.get_list("set-cookie")[0].partition(";")[0])
        assert len(tokens) == 2
        met.there.browser.cookies.clear()
        met.there.browser.cookies.set(COOKIE, planted)
        assert not await met.is_in()

    run(tmp_path, check)


def test_a_name_is_never_that_of_a_local_user(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        met.fake.person["preferred_username"] = "admin\u202e\n" + "x" * 300
        await met.sign_in()
        met.fake.person["preferred_username"] = ["admin"]
        await met.sign_in()
        assert [who for who, _ in await met.audit()] == [
            f"oidc:248289761001~{SUB}",
            "oidc:admin" + "x" * 45 + f"~{SUB}",
        ]

    run(tmp_path, check)


def test_two_people_of_one_name_are_two(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        await met.sign_in()
        met.fake.person["sub"] = "somebody else"
        await met.sign_in()
        assert len({who for who, _ in await met.audit()}) == 2

    run(tmp_path, check)


def test_who_tries_too_often_has_to_wait_and_asks_the_provider_nothing(tmp_path: Path) -> None:
    async def check(met: Meeting) -> None:
        met.fake.lies.claims = {"aud": "mail"}
        assert [(await met.sign_in()).status_code for _ in range(throttle.TRIES)] == [401] * throttle.TRIES
        asked = met.fake.asked("/token")
        assert (await met.sign_in()).status_code == 429
        assert met.fake.asked("/token") == asked

    run(tmp_path, check)


async def _away(exchange: Exchange) -> None:
    exchange.reset()


async def _broken(exchange: Exchange) -> None:
    await exchange.answer(500, {"error": "<b>secret</b>"})


@pytest.mark.parametrize("answer", [_away, _broken])
@pytest.mark.parametrize(
    ("path", "status"), [("/.well-known/openid-configuration", 503), ("/token", 503), ("/keys", 503)]
)
def test_a_provider_that_is_away_lets_nobody_in_and_passwords_still_do(
    tmp_path: Path, path: str, status: int, answer: Any
) -> None:
    async def check(met: Meeting) -> None:
        met.fake.lies.respond[path] = answer
        if path.startswith("/."):
            refused = await met.begin()
        else:
            refused = await met.sign_in()
        assert refused.status_code == status
        assert "The identity provider cannot be used now." in refused.text
        assert "secret" not in refused.text
        assert not await met.is_in()
        await met.there.auth.accounts.set_user("ann", "viewer", "correct horse")
        form = {"name": "ann", "password": "correct horse"}
        assert (await met.there.browser.post("/sign-in", data=form)).status_code == 303

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("secret", "methods"),
    [("", ["none"]), (SECRET, ["client_secret_basic"]), (SECRET, ["client_secret_post"])],
)
def test_public_clients_and_secrets_in_a_header_or_form(tmp_path: Path, secret: str, methods: list[str]) -> None:
    async def check(met: Meeting) -> None:
        met.fake.lies.document["token_endpoint_auth_methods_supported"] = methods
        assert (await met.sign_in()).status_code == 200

    run(tmp_path, check, secret=secret)


def test_a_wrong_secret_is_said_in_the_log_without_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def check(met: Meeting) -> None:
        met.fake.secret = "another one"
        assert (await met.sign_in()).status_code == 401
        (entry,) = await audit_entries(met.there.gateway.store)
        assert entry.detail == "127.0.0.1 answers 401: invalid_client"

    run(tmp_path, check)
    said = "".join(capfd.readouterr())
    assert "invalid_client" in said
    assert SECRET not in said


def test_without_a_provider_there_are_no_such_pages_and_its_former_users_are_out(tmp_path: Path) -> None:
    async def look() -> None:
        async with meeting(tmp_path) as met:
            await met.sign_in()
            cookie = met.there.browser.cookies[COOKIE]
        async with visit(tmp_path, '[web]\npassword = "${PASSWORD}"') as there:
            for path in ("/sign-in/oidc", "/sign-in/oidc/callback"):
                assert (await there.browser.get(path)).status_code == 404
            assert "Sign in with" not in (await there.browser.get("/sign-in")).text
            there.browser.cookies.set(COOKIE, cookie)
            assert (await there.browser.get("/trunks")).status_code == 303

    asyncio.run(look())


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ('operators = ["phones"]\nadmins = ["it"]', 200),
        ('viewers = ["phones"]\nadmins = ["board"]', 303),
        ('operators = ["it"]', 403),
    ],
)
def test_after_a_restart_the_groups_count_as_they_are_configured_then(tmp_path: Path, config: str, status: int) -> None:
    """The person is in the group ``it``, which was one of admins."""

    async def look() -> None:
        async with meeting(tmp_path) as met:
            met.fake.person["groups"] = ["it"]
            await met.sign_in()
            cookie = met.there.browser.cookies[COOKIE]
            toml = f'[web.oidc]\nissuer = "{met.fake.url}"\nclient_id = "dashboard"\nurl = "{URL}"\n{config}\n'
            async with visit(tmp_path, toml) as there:
                there.browser.cookies.set(COOKIE, cookie)
                assert (await there.browser.get("/configuration")).status_code == status
            async with visit(tmp_path, toml.replace(met.fake.url, "https://login.example.com")) as there:
                there.browser.cookies.set(COOKIE, cookie)
                assert (await there.browser.get("/configuration")).status_code == 303, "another provider"

    asyncio.run(look())


def test_behind_a_proxy_the_session_of_an_https_address_is_for_https_only(tmp_path: Path) -> None:
    toml = (
        '[web]\npassword = "${PASSWORD}"\nnames = ["phone.example.com"]\n[web.oidc]\nissuer = "https://l.example.com"\n'
        'client_id = "x"\nurl = "https://phone.example.com"\nadmins = ["it"]\n'
    )

    async def look() -> None:
        async with visit(tmp_path, toml) as there:
            form = {"name": "admin", "password": "correct horse"}
            through = {"Host": "phone.example.com", "X-Forwarded-For": "192.0.2.1"}
            cookie = (await there.browser.post("/sign-in", data=form, headers=through)).headers["set-cookie"]
            assert re.fullmatch(rf"__Host-{COOKIE}=[\w-]{{43}}; Path=/; HttpOnly; SameSite=Strict; Secure", cookie)
            token = cookie.partition(";")[0].partition("=")[2]
            for name, status in (
                (f"__Host-{COOKIE}", 200),
                (COOKIE, 303),
            ):  # any host of the domain can plant the other
                there.browser.cookies.clear()
                answer = await there.browser.get("/trunks", headers={**through, "Cookie": f"{name}={token}"})
                assert answer.status_code == status
            here = await there.browser.post("/sign-in", data=form)  # on this machine, where nothing speaks https
            assert here.headers["set-cookie"].startswith(f"{COOKIE}=")

    asyncio.run(look())
