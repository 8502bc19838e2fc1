"""Who has signed out, or was signed out by others, hears and sees no more of calls, whatever pages stay open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from agent.authorities import tls
from sipgw.calls.browser_phone import BrowserPhone, PendingOperator
from sipgw.web import authentication, feed, lasting_access
from sipgw.web.accounts import Accounts
from sipgw.web.authentication import Authentication
from sipgw.web.operator_sockets import SIGNED_OUT
from sipgw.web.sessions import Session, Sessions, digest
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView, live_call
from tests.web.test_operator_sockets import closed, dashboard, socket


@contextlib.asynccontextmanager
async def _operating(phone: BrowserPhone, offer: str, who: str) -> AsyncIterator[PendingOperator]:
    async def gone() -> str:
        return await asyncio.get_running_loop().create_future()

    yield PendingOperator("v=0", None, gone)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def signed_in(
    folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[FakeGatewayView, httpx.AsyncClient]]:
    """An operator in a browser, while a call goes on."""
    patch.setattr(lasting_access, "EVERY", 0.01)
    patch.setattr(authentication, "KEEP_EVERY", 0.0)
    patch.setattr(feed, "ALIVE_EVERY", 0.02)
    patch.setattr("sipgw.web.transcript.ALIVE_EVERY", 0.02)
    patch.setattr(BrowserPhone, "operating", _operating)
    async with dashboard(folder, 'password = "${PASSWORD}"') as (gateway, url):
        gateway.begin(live_call())
        async with httpx.AsyncClient(base_url=url, verify=tls()) as browser:
            await Accounts(gateway.store).set_user("anna", "operator", "battery staple")
            await browser.post("/sign-in", data={"name": "anna", "password": "battery staple"})
            yield gateway, browser


async def sign_out(gateway: FakeGatewayView, browser: httpx.AsyncClient, how: str) -> None:
    if how == "elsewhere":
        assert await Accounts(gateway.store).sign_out("anna") == 1
        return
    page = (await browser.get("/")).text
    token = page.partition('name="csrf" content="')[2].partition('"')[0]
    assert (await browser.post("/sign-out", headers={"X-CSRF-Token": token})).status_code == 204


@pytest.mark.parametrize("how", ["here", "elsewhere"])
@pytest.mark.parametrize("what", ["listen", "take-over"])
def test_who_is_signed_out_neither_hears_nor_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, how: str
) -> None:
    async def look() -> None:
        async with signed_in(tmp_path, monkeypatch) as (gateway, browser):
            mine = {"Cookie": f"sipgw_session={browser.cookies['sipgw_session']}"}
            url = str(browser.base_url).rstrip("/")
            async with socket(url, what, additional_headers=mine) as one:
                if what == "take-over":
                    await one.send('{"sdp": "v=0"}')
                    assert "sdp" in str(await one.recv()) and "taken" in str(await one.recv())
                await sign_out(gateway, browser, how)
                assert await closed(one) == SIGNED_OUT

    asyncio.run(look())


@pytest.mark.parametrize("how", ["here", "elsewhere"])
@pytest.mark.parametrize("path", ["/live/events", "/calls/call-1/words"])
def test_who_is_signed_out_reads_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, how: str) -> None:
    async def look() -> None:
        async with (
            signed_in(tmp_path, monkeypatch) as (gateway, browser),
            asyncio.timeout(HANG),
            browser.stream("GET", path) as answer,
        ):
            pieces = answer.aiter_raw()
            await anext(pieces)
            await sign_out(gateway, browser, how)
            async for _ in pieces:
                pass

    asyncio.run(look())


@pytest.mark.parametrize("what", ["/live/events", "/calls/call-1/words", "listen"])
def test_a_page_that_is_only_open_does_not_use_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """After `[web] session_idle` it is over, unless somebody listens."""

    async def look() -> None:
        async with signed_in(tmp_path, monkeypatch) as (_, browser), asyncio.timeout(HANG):
            cookie, idle, checked = browser.cookies["sipgw_session"], [0.0], asyncio.Event()
            find = Sessions.find

            def later(sessions: Sessions, token: str, now: float, **use: bool) -> Session | None:
                idle[0] += 3600.0
                found = find(sessions, token, now + idle[0], **use)
                if idle[0] > 24 * 3600.0:
                    checked.set()
                return found

            async with contextlib.AsyncExitStack() as stack:
                if what == "listen":
                    mine = {"Cookie": f"sipgw_session={cookie}"}
                    url = str(browser.base_url).rstrip("/")
                    one = await stack.enter_async_context(socket(url, what, additional_headers=mine))
                    monkeypatch.setattr(Sessions, "find", later)
                    await checked.wait()
                    assert one.close_code is None
                else:
                    answer = await stack.enter_async_context(browser.stream("GET", what))
                    pieces = answer.aiter_raw()
                    await anext(pieces)
                    monkeypatch.setattr(Sessions, "find", later)
                    async for _ in pieces:
                        pass
                    assert idle[0] <= 14 * 3600.0

    asyncio.run(look())


def test_what_another_gateway_has_seen_last_of_a_session_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is only open tells the database of its session, too."""

    async def look() -> None:
        async with signed_in(tmp_path, monkeypatch) as (gateway, browser):
            accounts, token = Accounts(gateway.store), digest(browser.cookies["sipgw_session"])
            here, there = [await accounts.session(token) for _ in range(2)]
            assert here and there
            there.used += 100.0
            assert await accounts.keep(there) and await accounts.keep(here)
            kept = await accounts.session(token)
            assert kept and kept.used == there.used

    asyncio.run(look())


def test_nobody_is_signed_out_because_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        async with (
            signed_in(tmp_path, monkeypatch) as (_, browser),
            asyncio.timeout(HANG),
            browser.stream("GET", "/live/events") as answer,
        ):
            pieces, asked = answer.aiter_raw(), 0
            await anext(pieces)

            async def away(*_: Any, **__: Any) -> None:
                nonlocal asked
                asked += 1
                raise OperationalError("select", {}, OSError("no route to the database"))

            with monkeypatch.context() as now:
                now.setattr(Authentication, "who", away)
                while asked < 3:
                    await anext(pieces)
            await anext(pieces)

    asyncio.run(look())
