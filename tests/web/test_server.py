"""The dashboard as it is served: its port, its end, and a browser that stays."""

import asyncio
import contextlib
import socket
from pathlib import Path

import httpx
import pytest

from sipgw.config import parse
from sipgw.store import Store, StoreOptions
from sipgw.web.options import WebOptions
from sipgw.web.server import Dashboard, WebError, listen
from tests.web.house import Standing, live_call


def test_a_taken_port_is_told_in_one_line() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WebError, match=rf"cannot listen on 127.0.0.1:{port}: Address already in use; set \[web\]"):
            listen(WebOptions(port=port))


def test_a_taken_default_port_is_stepped_over() -> None:
    with contextlib.closing(listen(WebOptions())) as first, contextlib.closing(listen(WebOptions())) as second:
        assert first.getsockname()[1] < second.getsockname()[1]


def test_it_ends_at_once_although_a_browser_listens(tmp_path: Path) -> None:
    async def look() -> None:
        async with Store(StoreOptions(str(tmp_path / "test.db"))) as store:
            house = Standing(parse("", "x", {}), store)
            house.begin(live_call())
            async with httpx.AsyncClient() as browser, contextlib.AsyncExitStack() as stack:
                async with Dashboard(house, WebOptions(port=0)) as dashboard:
                    stream = await stack.enter_async_context(browser.stream("GET", f"{dashboard.url}live/events"))
                    lines = stream.aiter_lines()
                    assert await anext(lines) == "event: board"
                async with asyncio.timeout(2):
                    assert "event: closed" in [line async for line in lines]

    asyncio.run(look())


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async def look() -> None:
        house = Standing(parse("", "x", {}), Store(StoreOptions(str(tmp_path / "test.db"))))
        async with Dashboard(house, WebOptions(enabled=False)) as dashboard:
            assert dashboard.url == ""

    asyncio.run(look())
