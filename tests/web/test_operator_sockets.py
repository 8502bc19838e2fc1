"""Who may listen to a live call and take it over, by websocket; whole calls: tests/browser/test_browser_operator.py."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent.authorities import tls
from sipgw.calls.listeners import MOST
from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.web import operator_sockets
from sipgw.web.accounts import Accounts, audit_entries
from sipgw.web.server import Dashboard
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView, live_call

BLOCK = bytes(range(200)) * 8


@contextlib.asynccontextmanager
async def dashboard(folder: Path, toml: str = "") -> AsyncIterator[tuple[FakeGatewayView, str]]:
    config = parse(f"[web]\nport = 0\n{toml}", "x", {"PASSWORD": "correct horse"})
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        gateway = FakeGatewayView(config, store)
        async with Dashboard(gateway, config.web) as served:  # type: ignore[arg-type]
            yield gateway, served.url.rstrip("/")


def socket(url: str, what: str, call: str = "call-1", **options: Any) -> connect:
    return connect(f"ws{url.removeprefix('http')}/api/live/{call}/{what}", compression=None, **options)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as why:
        while True:
            async with asyncio.timeout(HANG):
                await socket.recv()
    assert why.value.rcvd
    return why.value.rcvd.code, why.value.rcvd.reason


async def until_heard(gateway: FakeGatewayView, count: int) -> Any:
    listeners = gateway.calls["call-1"].context.line.listeners  # type: ignore[union-attr]
    async with asyncio.timeout(HANG):
        while len(listeners._queues) < count:
            await asyncio.sleep(0.01)
    return listeners


def test_several_listen_until_the_call_is_over(tmp_path: Path) -> None:
    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            gateway.begin(live_call())
            async with socket(url, "listen") as one, socket(url, "listen") as other:
                listeners = await until_heard(gateway, 2)
                listeners.hear(BLOCK)
                assert await one.recv() == await other.recv() == BLOCK
                listeners.hear(b"")
                assert await closed(one) == await closed(other) == (4001, "The call is over.")
            assert not listeners._queues
            deeds = await audit_entries(gateway.store)
            assert [(deed.who, deed.action, deed.target) for deed in deeds] == [("you", "listened", "call-1")] * 2

    asyncio.run(look())


def test_who_leaves_is_listened_for_no_more(tmp_path: Path) -> None:
    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            gateway.begin(live_call())
            async with socket(url, "listen"):
                listeners = await until_heard(gateway, 1)
            async with asyncio.timeout(HANG):
                while listeners._queues:
                    await asyncio.sleep(0.01)

    asyncio.run(look())


def test_a_stream_is_limited_so_that_who_signed_out_hears_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_sockets, "LISTEN_LIMIT", 0.1)

    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            gateway.begin(live_call())
            async with socket(url, "listen") as one:
                assert await closed(one) == (4000, "")

    asyncio.run(look())


@pytest.mark.parametrize("what", ["listen", "take-over"])
def test_a_call_that_is_over_or_rings_cannot_be_heard(tmp_path: Path, what: str) -> None:
    offer = '{"sdp": "v=0"}'

    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            async with socket(url, what) as one:
                await one.send(offer)
                assert await closed(one) == (4001, "The call is over.")
            gateway.begin(live_call(answered=None))
            async with socket(url, what) as one:
                await one.send(offer)
                code, reason = await closed(one)
                assert code == 4003
                assert reason in ("the call is not answered yet", "the offer has no media at all")

    asyncio.run(look())


def test_a_mode_that_there_is_not_is_refused(tmp_path: Path) -> None:
    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            gateway.begin(live_call())
            with pytest.raises(InvalidStatus) as why:
                async with socket(url, "take-over?mode=shout"):
                    pass
            assert why.value.response.status_code == 403
            async with socket(url, "take-over?mode=whisper") as one:
                await one.send("{}")
                assert await closed(one) == (4003, "The browser made no offer.")

    asyncio.run(look())


def test_an_audience_that_is_full_says_so(tmp_path: Path) -> None:
    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            listeners: Any = gateway.begin(live_call()).context.line.listeners  # type: ignore[union-attr]
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(MOST):
                    stack.enter_context(listeners.listen())
                async with socket(url, "listen") as one:
                    assert await closed(one) == (4003, "20 people already listen")

    asyncio.run(look())


@pytest.mark.parametrize("wrong", ["", "{}", "[" * 1000, '{"sdp": 7}', b"\x00", "x" * 300_000])
def test_an_offer_that_is_none_is_refused(tmp_path: Path, wrong: str | bytes) -> None:
    async def look() -> None:
        async with dashboard(tmp_path) as (gateway, url):
            gateway.begin(live_call())
            async with socket(url, "take-over") as one:
                await one.send(wrong)
                code, reason = await closed(one)
                assert code == 1009 or (code, reason) == (4003, "The browser made no offer.")

    asyncio.run(look())


@pytest.mark.slow
@pytest.mark.parametrize("what", ["listen", "take-over"])
def test_only_operators_from_a_page_of_ours_come_in(tmp_path: Path, what: str) -> None:
    async def refused(url: str, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as why:
            async with socket(url, what, **options):
                pass
        return int(why.value.response.status_code)

    async def look() -> None:
        async with dashboard(tmp_path, 'password = "${PASSWORD}"') as (gateway, url):
            gateway.begin(live_call())
            accounts, cookies = Accounts(gateway.store), {}
            for name in ("viewer", "operator"):
                await accounts.set_user(name, name, "battery staple")  # type: ignore[arg-type]
                async with httpx.AsyncClient(base_url=url, verify=tls()) as browser:
                    await browser.post("/sign-in", data={"name": name, "password": "battery staple"})
                    cookies[name] = {"Cookie": f"sipgw_session={browser.cookies['sipgw_session']}"}
            key = {"Authorization": f"Bearer {await accounts.add_key('crm', ['calls:control'])}"}
            assert await refused(url) == 401
            assert await refused(url, additional_headers=cookies["viewer"]) == 403
            assert await refused(url, additional_headers=key) in (401, 403)
            assert await refused(url, additional_headers=cookies["operator"], origin="http://evil.example") == 403
            host = {"Host": "evil.example"}
            assert await refused(url, additional_headers=cookies["operator"] | host) in (400, 421)
            async with socket(url, what, additional_headers=cookies["operator"], origin=url):
                pass

    asyncio.run(look())
