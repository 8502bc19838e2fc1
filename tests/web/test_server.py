# mypy: disable-error-code="arg-type"
"""The dashboard as it is served: its port, its end, and a browser that stays."""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import structlog
import uvicorn
from typer.testing import CliRunner

from agent.authorities import tls
from sipgw.cli.main import app
from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.records.store.store import Store
from sipgw.web import authentication
from sipgw.web.server import Dashboard, WebError, _Server, listen
from tests import virtual
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView, live_call


def test_a_taken_port_is_told_in_one_line() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WebError, match=rf"cannot listen on 127.0.0.1:{port}: Address already in use; set \[web\]"):
            listen(WebOptions(port=port))


def test_a_taken_default_port_is_stepped_over() -> None:
    with contextlib.closing(listen(WebOptions())) as first, contextlib.closing(listen(WebOptions())) as second:
        assert first.getsockname()[1] < second.getsockname()[1]


def test_no_answer_waits_until_the_browser_has_confirmed_the_one_before() -> None:
    """Nagle's algorithm would hold the body of each answer back for 40 ms."""

    async def options() -> int:
        accepted: asyncio.Queue[int] = asyncio.Queue()

        class Served(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                there = transport.get_extra_info("socket")
                accepted.put_nowait(there.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                assert isinstance(transport, asyncio.Transport)
                transport.close()

        listening = listen(WebOptions(port=0))
        async with await asyncio.get_running_loop().create_server(Served, sock=listening):
            with contextlib.closing(socket.create_connection(listening.getsockname())):
                return await accepted.get()

    assert asyncio.run(options())


def test_it_ends_at_once_although_a_browser_listens(tmp_path: Path) -> None:
    async def look() -> None:
        async with Store(StoreOptions(str(tmp_path / "test.db"))) as store:
            gateway = FakeGatewayView(parse("", "x", {}), store)
            gateway.begin(live_call())
            async with httpx.AsyncClient(verify=tls()) as browser, contextlib.AsyncExitStack() as stack:
                async with Dashboard(gateway, WebOptions(port=0)) as dashboard:
                    stream = await stack.enter_async_context(browser.stream("GET", f"{dashboard.url}live/events"))
                    lines = stream.aiter_lines()
                    assert await anext(lines) == "event: board"
                async with asyncio.timeout(HANG):
                    assert "event: closed" in [line async for line in lines]

    asyncio.run(look())


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async def look() -> None:
        gateway = FakeGatewayView(parse("", "x", {}), Store(StoreOptions(str(tmp_path / "test.db"))))
        async with Dashboard(gateway, WebOptions(enabled=False)) as dashboard:
            assert dashboard.url == ""

    asyncio.run(look())


@pytest.mark.slow
@pytest.mark.faults("H3")
def test_a_password_set_in_the_terminal_protects_the_pages_of_a_running_gateway_and_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(authentication, "LOOK_EVERY", 0.0)
    given = ["web", "password"]

    async def serve(browser: httpx.AsyncClient, look: Callable[[str], Awaitable[None]]) -> None:
        async with Store(StoreOptions()) as store:
            async with Dashboard(FakeGatewayView(parse("", "x", {}), store), WebOptions(port=0)) as dashboard:
                await look(dashboard.url)
            await browser.aclose()

    async def before_and_after(url: str) -> None:
        assert (await here.get(url)).status_code == 200
        asked = await asyncio.to_thread(CliRunner().invoke, app, given, input="long enough\n" * 2)  # noqa: TID251
        assert asked.exit_code == 0, asked.output
        await closed(url)

    async def closed(url: str) -> None:
        assert (await here.get(url)).headers["location"] == "/sign-in?next=/"
        assert (await here.get(f"{url}api/v1/live")).status_code == 401
        assert (await here.get(f"{url}healthz")).status_code == 200
        through_a_proxy = await here.get(url, headers={"X-Forwarded-For": "192.0.2.1"})
        assert through_a_proxy.status_code == 303
        entered = await here.post(f"{url}sign-in", data={"name": "admin", "password": "long enough"})
        assert entered.status_code == 303
        assert (await here.get(url)).status_code == 200

    for look in (before_and_after, closed):
        here = httpx.AsyncClient(verify=tls())
        asyncio.run(serve(here, look))
    structlog.reset_defaults()  # it wrote to what the runner has closed


def test_passwords_and_keys_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    asked = runner.invoke(app, ["web", "password", "--user", "ann", "--role", "viewer"], input="long enough\n" * 2)
    assert asked.exit_code == 0, asked.output
    assert runner.invoke(app, ["web", "users"]).output == "ann  viewer\n"
    with contextlib.closing(sqlite3.connect("sipgw.db")) as database:
        ((kept,),) = database.execute("SELECT password FROM users")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "64 MiB and four threads"
    assert runner.invoke(app, ["web", "password", "--role", "queen"], input="long enough\n" * 2).exit_code == 1
    asked = runner.invoke(app, ["web", "password", "--user", "ann"], input="long enough\n" * 2)
    assert "ann may sign in as viewer" in asked.output, "a new password is no new role"
    asked = runner.invoke(app, ["web", "password", "--user", "ben"], input="long enough\n" * 2)
    assert (asked.exit_code, "say which role" in asked.output) == (1, True)
    assert "the only user" in runner.invoke(app, ["web", "remove", "ann"]).output
    assert runner.invoke(app, ["web", "password"], input="long enough\n" * 2).exit_code == 0
    assert runner.invoke(app, ["web", "remove", "ann"]).exit_code == 0
    assert runner.invoke(app, ["web", "users"]).output == "admin  admin\n"
    assert "no user" in runner.invoke(app, ["web", "remove", "ann"]).output
    assert runner.invoke(app, ["web", "sign-out", "admin"]).output == "sessions ended: 0\n"
    made = runner.invoke(app, ["web", "key", "add", "crm", "--scope", "calls:read", "--scope", "calls:place"])
    assert made.output.startswith("sipgw_")
    shown = runner.invoke(app, ["web", "key", "list"]).output.split()
    assert shown[1:] == ["crm", "calls:place", "calls:read"]
    assert shown[0] in made.output
    assert runner.invoke(app, ["web", "key", "revoke", shown[0]]).exit_code == 0
    assert "no key" in runner.invoke(app, ["web", "key", "revoke", shown[0]]).output
    assert runner.invoke(app, ["web", "key", "add", "crm", "--scope", "calls:steal"]).exit_code == 1
    structlog.reset_defaults()  # it wrote to what the runner has closed


def test_an_idle_dashboard_wakes_once_a_second_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on virtual time: uvicorn's own loop wakes ten times as often."""
    server, ticks = _Server(uvicorn.Config(lambda: None)), list[float]()
    told = server.on_tick

    async def scenario() -> float:
        now = asyncio.get_running_loop().time
        began = now()

        async def on_tick(counter: int) -> bool:
            ticks.append(now() - began)
            return await told(counter)

        monkeypatch.setattr(server, "on_tick", on_tick)
        asyncio.get_running_loop().call_later(60.5, server.stop)
        await server.main_loop()
        return now() - began

    assert virtual.run(scenario()) == pytest.approx(60.5)
    assert len(ticks) == 62
