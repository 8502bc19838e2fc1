"""Who gets in: passwords, sessions, keys, roles; and what is written down of it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from sipgw.config.web import WebOptions
from sipgw.web import authentication
from sipgw.web.accounts import AccountError, Accounts, audit_entries
from sipgw.web.security import COOKIE
from sipgw.web.sessions import Sessions
from sipgw.web.sign_in import inside
from tests.web.gateway_view import Visit, live_call, visit

PASSWORD = '[web]\npassword = "${PASSWORD}"'
ABROAD = '[web]\nhost = "0.0.0.0"'


async def sign_in(there: Visit, name: str = "admin", password: str = "correct horse") -> httpx.Response:
    return await there.browser.post("/sign-in", data={"name": name, "password": password, "next": "/trunks"})


def test_only_loopback_without_a_password_is_open() -> None:
    assert not WebOptions().needs_sign_in
    assert not WebOptions(host="::1").needs_sign_in
    assert WebOptions(password="correct horse").needs_sign_in
    for host in ("0.0.0.0", "::", "192.0.2.1", "phone.example.com"):
        assert WebOptions(host=host).needs_sign_in


def test_a_stranger_is_sent_to_the_form_and_back(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            sent = await there.browser.get("/trunks")
            assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/trunks")
            assert 'name="next" value="/trunks"' in (await there.browser.get(sent.headers["location"])).text
            for path in ("/live/events", "/calls", "/nowhere"):
                assert (await there.browser.get(path)).status_code == 303
            assert (await there.browser.get("/api/v1/calls")).status_code == 401
            assert (await there.browser.post("/sign-out")).status_code == 401
            entered = await sign_in(there)
            assert (entered.status_code, entered.headers["location"]) == (303, "/trunks")
            cookie = entered.headers["set-cookie"]
            assert cookie.startswith(f"{COOKIE}=")
            assert "; HttpOnly; SameSite=Strict" in cookie
            assert (await there.browser.get("/trunks")).status_code == 200

    asyncio.run(look())


def test_a_wrong_password_opens_nothing_and_is_written_down(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await there.auth.accounts.set_user("ann", "viewer", "battery staple")
            for name, password in (("admin", "wrong horse"), ("ann", "correct horse"), ("nobody", "correct horse")):
                answer = await sign_in(there, name, password)
                assert answer.status_code == 401
                assert "set-cookie" not in answer.headers
            deeds = await audit_entries(there.gateway.store)
            assert [(deed.who, deed.action) for deed in deeds] == [
                ("nobody", "was not let in"), ("ann", "was not let in"), ("admin", "was not let in"),
            ]  # fmt: skip

    asyncio.run(look())


def test_who_tries_too_often_has_to_wait(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            assert [(await sign_in(there, password="x")).status_code for _ in range(6)] == [401] * 5 + [429]
            assert (await sign_in(there)).status_code == 429  # also the right one: it might have been guessed

    asyncio.run(look())


def test_who_signs_in_rightly_spends_no_try(tmp_path: Path) -> None:
    """Colleagues behind one NAT in the morning."""

    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            assert {(await sign_in(there)).status_code for _ in range(12)} == {303}
            assert [(await sign_in(there, password="x")).status_code for _ in range(6)] == [401] * 5 + [429]

    asyncio.run(look())


def test_the_first_password_is_set_once_by_the_printed_link(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, ABROAD) as there:
            token = there.auth.setup
            assert token
            wrong = await there.browser.post("/setup", data={"token": "guess", "password": "correct horse"})
            assert wrong.status_code == 400
            short = await there.browser.post("/setup", data={"token": token, "password": "short"})
            assert "8 to 200 characters" in short.text
            right = await there.browser.post("/setup", data={"token": token, "password": "correct horse"})
            assert right.status_code == 303
            assert (await there.browser.get("/")).status_code == 200
            again = await there.browser.post("/setup", data={"token": token, "password": "another horse"})
            assert again.status_code == 404
            there.browser.cookies.clear()
            assert (await sign_in(there)).status_code == 303
        async with visit(tmp_path, ABROAD) as there:
            assert there.auth.setup == ""  # and so it stays

    asyncio.run(look())


def test_signing_out_ends_the_session_on_the_server_too(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await sign_in(there)
            kept = dict(there.browser.cookies)
            assert (await there.browser.post("/sign-out")).status_code == 403  # without the token of a page
            assert (await there.browser.post("/sign-out", headers=await there.token())).status_code == 204
            there.browser.cookies.update(kept)
            assert (await there.browser.get("/")).status_code == 303

    asyncio.run(look())


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("admin", 200)])
def test_the_configuration_is_for_admins(tmp_path: Path, role: str, status: int) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await there.auth.accounts.set_user("ann", role, "battery staple")  # type: ignore[arg-type]
            await sign_in(there, "ann", "battery staple")
            assert (await there.browser.get("/configuration")).status_code == status
            assert (await there.browser.get("/")).status_code == 200

    asyncio.run(look())


def test_a_key_counts_for_the_interface_only_and_until_it_is_revoked(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            accounts = there.auth.accounts
            key = await accounts.add_key("crm", ["calls:read"])
            bearer = {"Authorization": f"Bearer {key}"}
            assert (await there.browser.get("/api/v1/live", headers=bearer)).status_code == 200
            assert (await there.browser.get("/", headers=bearer)).status_code == 303
            for wrong in (key[:-1], key[:-1] + ("A" if key[-1] != "A" else "B"), "sipgw_", ""):
                answer = await there.browser.get("/api/v1/live", headers={"Authorization": f"Bearer {wrong}"})
                assert answer.status_code == 401
            (kept,) = await accounts.keys()
            assert await accounts.revoke(kept.id) == ""
            assert (await there.browser.get("/api/v1/live", headers=bearer)).status_code == 401

    asyncio.run(look())


def test_machines_that_watch_over_it_need_no_password_and_a_key_for_the_figures(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            assert (await there.browser.get("/healthz")).status_code == 200
            assert (await there.browser.get("/readyz")).status_code in (200, 503)
            assert (await there.browser.get("/metrics")).status_code == 401
            for scope, status in (("metrics:read", 200), ("calls:read", 403)):
                key = await there.auth.accounts.add_key("prometheus", [scope])
                answer = await there.browser.get("/metrics", headers={"Authorization": f"Bearer {key}"})
                assert answer.status_code == status

    asyncio.run(look())


def test_what_cannot_be_a_user_or_key(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            accounts = there.auth.accounts
            for name, role, password in (("", "admin", "long enough"), ("a b", "admin", "long enough"),
                                         ("ann", "queen", "long enough"), ("ann", "admin", "short")):  # fmt: skip
                with pytest.raises(AccountError):
                    await accounts.set_user(name, role, password)  # type: ignore[arg-type]
            for name, scopes in (("crm", ["calls:steal"]), ("crm", []), ("", ["calls:read"])):
                with pytest.raises(AccountError):
                    await accounts.add_key(name, scopes)

    asyncio.run(look())


@pytest.mark.slow
def test_a_restart_signs_nobody_out_and_who_signed_out_stays_out(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await there.auth.accounts.set_user("ann", "viewer", "battery staple")
            await sign_in(there, "ann", "battery staple")
            ann = there.browser.cookies[COOKIE]
            await sign_in(there)
            admin = dict(there.browser.cookies)
            assert (await there.browser.post("/sign-out", headers=await there.token())).status_code == 204
        async with visit(tmp_path, PASSWORD) as there:
            there.browser.cookies.set(COOKIE, ann)
            assert "ann" in (await there.browser.get("/")).text
            assert (await there.browser.post("/sign-out")).status_code == 403  # its own token is needed as before
            assert (await there.browser.get("/configuration")).status_code == 403
            there.browser.cookies.clear()
            there.browser.cookies.update(admin)
            assert (await there.browser.get("/")).status_code == 303
        async with visit(tmp_path, PASSWORD + "\nsession_idle = 1e-6") as there:
            there.browser.cookies.set(COOKIE, ann)
            assert (await there.browser.get("/")).status_code == 303

    asyncio.run(look())


def test_a_new_password_ends_sessions_also_if_another_process_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await there.auth.accounts.set_user("ann", "operator", "battery staple")
            await sign_in(there, "ann", "battery staple")
            await there.auth.accounts.set_user("ann", "viewer", "battery staple")
            assert (await there.browser.get("/")).status_code == 200  # nobody has looked yet
            monkeypatch.setattr(authentication, "KEEP_EVERY", 0.0)
            assert (await there.browser.get("/")).status_code == 303
            await sign_in(there, "ann", "battery staple")
            assert (await there.browser.get("/")).status_code == 200
            await sign_in(there)
            admin = there.browser.cookies[COOKIE]
        async with visit(tmp_path, '[web]\npassword = "${ANOTHER}"') as there:  # from now on it is admin's
            there.browser.cookies.set(COOKIE, admin)
            assert (await there.browser.get("/")).status_code == 303
            assert (await sign_in(there)).status_code == 401
            assert (await sign_in(there, password="battery staple")).status_code == 303

    asyncio.run(look())


@pytest.mark.slow
def test_a_session_counts_at_every_gateway_of_the_database(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there, visit(tmp_path, PASSWORD) as beside:
            await sign_in(there)
            beside.browser.cookies.update(there.browser.cookies)
            assert (await beside.browser.get("/trunks")).status_code == 200
            assert (await beside.browser.post("/sign-out", headers=await beside.token())).status_code == 204
            beside.browser.cookies.update(there.browser.cookies)
            assert (await beside.browser.get("/trunks")).status_code == 303

    asyncio.run(look())


def test_the_link_of_the_first_password_ends_when_another_process_sets_it(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, ABROAD) as there:
            token = there.auth.setup
            assert (await there.browser.get(f"/setup?token={token}")).status_code == 200
            await Accounts(there.gateway.store).set_user("admin", "admin", "battery staple")
            late = await there.browser.post("/setup", data={"token": token, "password": "correct horse"})
            assert (late.status_code, "set already" in late.text) == (404, True)
            assert (await there.browser.get(f"/setup?token={token}")).status_code == 404
            assert (await sign_in(there)).status_code == 401
            assert (await sign_in(there, password="battery staple")).status_code == 303

    asyncio.run(look())


class Tokens:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        return f"token {self.made}"


def test_a_session_ends_when_idle_and_in_any_case() -> None:
    sessions = Sessions(100, 250, Tokens())
    _, token = sessions.open("ann", "viewer", 0)
    assert sessions.find(token, 100)
    assert sessions.find(token, 200)
    assert sessions.find(token, 251) is None
    _, other = sessions.open("ann", "viewer", 300)
    assert sessions.find(other, 401) is None


@pytest.mark.faults("C7")
def test_the_cookie_of_the_sign_in_counts_for_the_whole_day_whatever_was_asked_with_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1e9]
    monkeypatch.setattr(authentication, "_today", lambda: now[0])

    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await sign_in(there)
            cookie = there.browser.cookies[COOKIE]
            for _ in range(5):
                now[0] += 2 * 3600
                await listen(there, cookie)  # a browser may not read the cookies of this answer
                now[0] += 61
                shown = await there.browser.get("/")
                assert shown.status_code == 200
                assert "set-cookie" not in shown.headers

    asyncio.run(look())


async def listen(there: Visit, cookie: str) -> None:
    """Open a websocket of a call that is not there."""
    headers = [(b"host", b"127.0.0.1:8080"), (b"cookie", f"{COOKIE}={cookie}".encode())]
    scope = {"type": "websocket", "path": "/calls/none/listen", "raw_path": b"/", "query_string": b"", "scheme": "ws",
             "client": ("127.0.0.1", 1), "headers": headers, "subprotocols": []}  # fmt: skip

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(_: Any) -> None:
        pass

    transport: Any = there.browser._transport
    await transport.app(scope, receive, send)


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"])
def test_the_way_back_never_leads_elsewhere(path: str) -> None:
    assert inside(path) == "/"


def test_without_the_database_a_key_that_was_good_still_acts_and_what_needs_records_is_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            accounts, live = there.auth.accounts, there.gateway.begin(live_call())
            known = {"Authorization": f"Bearer {await accounts.add_key('crm', ['calls:read', 'calls:control'])}"}
            other = {"Authorization": f"Bearer {await accounts.add_key('pbx', ['calls:read'])}"}
            get, post = there.browser.get, there.browser.post
            assert (await get("/api/v1/live", headers=known)).status_code == 200

            def away(*_: object, **__: object) -> None:
                raise OperationalError("select", {}, OSError("no route to the database"))

            monkeypatch.setattr(there.gateway.store, "read", away)
            monkeypatch.setattr(there.gateway.store, "write", away)
            assert (await get("/api/v1/live", headers=known)).status_code == 200
            assert (await post("/api/v1/calls/call-1/end", headers=known, json={})).status_code == 200
            talking: Any = live.context.conversation
            assert talking.did, "it was hung up"
            for path, who in (("/api/v1/live", other), ("/api/v1/calls", known), ("/api/v1/calls/x", known)):
                answer = await get(path, headers=who)
                assert (answer.status_code, answer.json()) == (503, {"detail": "the database does not answer"}), path

            async def late(*_: object) -> None:
                await asyncio.sleep(0.01)
                away()

            monkeypatch.setattr(accounts, "key", late)
            async with asyncio.TaskGroup() as group:
                both = [group.create_task(get("/api/v1/live", headers=known)) for _ in range(2)]
            assert [task.result().status_code for task in both] == [200, 200], "each keeps the key"

    asyncio.run(look())


@pytest.mark.faults("H3")
def test_an_open_entrance_that_cannot_look_for_a_password_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        async with visit(tmp_path, "") as there:
            assert (await there.browser.get("/trunks")).status_code == 200
            accounts, empty = there.auth.accounts, there.auth.accounts.empty

            async def fails() -> bool:
                raise OperationalError("select", {}, OSError("no route to the database"))

            monkeypatch.setattr(authentication, "LOOK_EVERY", 0.0)
            monkeypatch.setattr(accounts, "empty", fails)
            for _ in range(2):
                assert (await there.browser.get("/trunks")).status_code == 503
            monkeypatch.setattr(accounts, "empty", empty)
            assert (await there.browser.get("/trunks")).status_code == 200
            await accounts.set_user("admin", "admin", "correct horse")
            assert (await there.browser.get("/trunks")).status_code == 303

    asyncio.run(look())
