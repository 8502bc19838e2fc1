# mypy: disable-error-code="var-annotated"
"""Records of a gateway that is killed, and in PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.records import StoreOptions
from sipgw.events import Watchers
from sipgw.records.cdr.spool_feed import SPOOL
from sipgw.records.cdr.writer import INTERRUPTED, CdrWriter
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.records.webhooks import deliveries
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.sip.uri import Uri
from tests.cdr_events import a_call, at
from tests.interop.postgresql import Server, postgresql, server
from tests.interop.served import served
from tests.phone import calling
from tests.records.store.test_cdr_writer import TURNS
from tests.records.store.test_store import ten_calls
from tests.records.webhooks.test_webhooks import TARGET, WHOLE, World
from tests.waiting import HANG, until

__all__ = ["server"]


def test_after_a_kill_the_call_has_its_record(tmp_path: Path) -> None:
    async def hold(port: int, kill) -> None:
        async with calling(Uri("sip", "agent", "127.0.0.1", port), lambda _: b"\x7f" * 160) as phone:
            async with asyncio.timeout(HANG):
                while len(phone.received) < 100:  # the greeting is being said
                    await asyncio.sleep(0.05)
            kill()

    with served(tmp_path) as gateway:
        asyncio.run(hold(gateway.port, gateway.kill))
    with served(tmp_path) as gateway:
        (record,) = gateway.calls(1)
    assert (record["ending"], record["cause"]) == ("interrupted", INTERRUPTED)
    assert record["answered"]
    assert record["turns"][0]["said"], "also what was said in the turn that was going on"


@pytest.mark.programs("postgresql")
def test_postgresql_keeps_what_sqlite_keeps(server: Server, tmp_path: Path) -> None:
    async def scenario():
        watchers = Watchers()
        options = StoreOptions(url=server.url, spool=str(tmp_path / "spool"))
        async with Store(options) as store, CdrWriter(store, watchers) as writer:
            for event in [*a_call("c", TURNS), *a_call("c", TURNS), *a_call("a\0b\ud800", TURNS), *a_call("cut")[:-1]]:
                watchers.tell(event)
            await writer.written()
            whole = await store.call("c")
            await ten_calls(store)
            pages = [await store.page(CallFilter(trunk="telnyx"), 3)]
            pages.append(await store.page(CallFilter(trunk="telnyx"), 3, pages[0].next))
            words = await store.page(CallFilter(words="NUMBER 6, 50% off_", number="+1415555000*"))
            every = len(await store.calls(CallFilter()))
            order = await store.order("7346")
        return whole, [call["id"] for page in (*pages, words) for call in page.calls], every, order

    whole, found, every, order = asyncio.run(scenario())
    assert whole
    assert (whole["ended"], whole["turns"][1]["tools"][0]["result"]) == (at(60), {"item": "a blue raincoat"})
    assert found == [f"call-{number}" for number in (9, 7, 5, 3, 1, 6)]
    assert every == 14
    assert order


@pytest.mark.programs("postgresql")
def test_a_server_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    async def scenario(server: Server):
        watchers = Watchers()
        options = StoreOptions(url=server.url, spool=str(tmp_path / "spool"))
        async with Store(options) as store, CdrWriter(store, watchers) as writer:
            for number in range(3):
                for event in a_call(f"before-{number}", TURNS):
                    watchers.tell(event)
            await asyncio.to_thread(server.stop)  # noqa: TID251
            for number in range(3):
                for event in a_call(f"meanwhile-{number}", TURNS):
                    watchers.tell(event)
            await asyncio.sleep(0.5)
            assert writer.behind
            await asyncio.to_thread(server.start)  # noqa: TID251
            async with asyncio.timeout(HANG):
                await writer.written()
            return [(call["id"], len(call["turns"])) for call in await store.calls()]

    with postgresql() as server:
        calls = asyncio.run(scenario(server))
    names = ("before", "meanwhile")
    assert sorted(calls) == sorted((f"{name}-{number}", 2) for name in names for number in range(3))


@pytest.mark.programs("postgresql")
def test_webhooks_come_once_and_in_order_though_the_server_is_away_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, run = Counter[str](), SPOOL.run

    async def counted(work: Callable[..., Any], *given: Any) -> Any:
        ran[work.__name__] += 1
        return await run(work, *given)

    monkeypatch.setattr(SPOOL, "run", counted)
    monkeypatch.setattr(deliveries, "GOODBYE", 0.5)

    async def scenario(server: Server, world: World) -> None:
        options = StoreOptions(url=server.url, spool=str(tmp_path / "spool"))
        async with (
            Store(options) as store,
            Deliveries(store, (TARGET,), send=world.send, now=world.now) as queue,
            CdrWriter(store, watchers := Watchers(), deliveries=queue) as writer,
        ):
            for call in ("first", "before"):
                ran.clear()  # the first transaction begins a file
                for event in a_call(call, TURNS):
                    watchers.tell(event)
                await until(lambda call=call: world.of(call) == WHOLE)  # type: ignore[misc]
            assert set(ran) <= {"read", "tidy"}, "a transaction takes the thread of the spool once"
            await asyncio.to_thread(server.stop)  # noqa: TID251
            for event in a_call("meanwhile", TURNS):
                watchers.tell(event)
            await until(lambda: ran["flush"] > 0)
            await asyncio.to_thread(server.start)  # noqa: TID251
            async with asyncio.timeout(HANG):
                await writer.written()
            await until(lambda: world.of("meanwhile") == WHOLE)

    with postgresql() as server:
        asyncio.run(scenario(server, world := World()))
    assert [world.of(call) for call in ("first", "before", "meanwhile")] == [WHOLE] * 3


@pytest.mark.programs("postgresql")
def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    async def scenario():
        async with Store(StoreOptions(url="postgresql://me:secret@127.0.0.1:1/x")):
            pass

    with pytest.raises(StoreError, match=r"cannot open the database 127.0.0.1:1/x: .*\[store\] url") as told:
        asyncio.run(scenario())
    assert "secret" not in str(told.value)
