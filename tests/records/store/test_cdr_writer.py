# mypy: disable-error-code="call-arg, var-annotated"
"""Records: written beside the call, whatever becomes of the database, in order and once."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, ToolRun, ToolStarted
from sipgw.config.records import PrivacyOptions, StoreOptions
from sipgw.events import CallReported, CallTransferred, Disposition, Event, Watchers
from sipgw.records.cdr import spool_feed, writer
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.privacy.redaction import redactor_for
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from tests.cdr_events import START, a_call, at, turn
from tests.waiting import HANG, until

LOOKUP = ToolRun("get_order_status", {"order_number": "7346"}, {"item": "a blue raincoat"}, "", 0.004)
TURNS = [
    turn("", "Hello."),
    replace(turn("Where is 7346?", "It is on its way.", LOOKUP), agent="billing", language="es", discarded=2),
]


class World(NamedTuple):
    store: Store
    writer: CdrWriter
    watchers: Watchers

    def tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self.watchers.tell(event)


@contextlib.asynccontextmanager
async def keeping(folder: Path, **more: Any) -> AsyncIterator[World]:
    watchers = Watchers()
    async with Store(StoreOptions(str(folder / "x.db"), **more)) as store, CdrWriter(store, watchers) as kept:
        yield World(store, kept, watchers)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GATHER", 0.005)
    monkeypatch.setattr(writer, "RETRY", (0.02,))
    monkeypatch.setattr(writer, "GOODBYE", 0.3)


async def written(world: World) -> None:
    async with asyncio.timeout(HANG):
        await world.writer.written()


def files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "x.db.spool").rglob("*.jsonl")]


def test_a_call_is_kept_with_all_that_happened_in_it(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            began, *between, ended = a_call(turns=TURNS)
            more = [
                CallReported("c", at(20), Interrupted("It is")),
                CallReported("c", at(21), ProviderFailed("tts", "401")),
                CallTransferred("c", at(30), "sip:anna@pbx", False, 486, "Busy Here"),
            ]
            media = {"packets_received": 3000, "recording": {"file": "/r/1.wav"}, "mos": float("nan")}
            replaced = ({"number": "+15550002"},)
            world.tell([began, *between, *more, ended._replace(media=media, replaced_by=replaced)])  # type: ignore[list-item]
            await written(world)
            return await world.store.call("c")

    call = asyncio.run(scenario())
    assert call
    events = call.pop("events")
    first, second = call.pop("turns")
    assert (call["direction"], call["trunk"], call["agent"], call["caller"], call["called"]) == (
        "in",
        "pbx",
        "agent",
        "+15550002",
        "100",
    )
    assert (call["began"], call["answered"], call["ended"]) == (START, at(2), at(60))
    assert call["began"].tzinfo is UTC
    assert (call["ending"], call["cause"], call["recording"]) == ("caller_hung_up", "caller: BYE", "/r/1.wav")
    assert call["media"] == {"packets_received": 3000, "recording": {"file": "/r/1.wav"}, "mos": None}
    assert call["identity"] == {"number": "+14155550123", "replaced_by": [{"number": "+15550002"}]}
    assert (first["said"], first["tools"]) == ("Hello.", [])
    assert (second["agent"], second["language"]) == ("billing", "es")
    assert (first["discarded"], second["discarded"]) == (0, 2)
    assert (second["caller"], second["heard"], second["latency_ms"]) == (
        "Where is 7346?",
        "It is on its way.",
        {"sending": 812, "total": 812},
    )
    assert second["tools"] == [
        {
            "at": at(11),
            "name": "get_order_status",
            "arguments": {"order_number": "7346"},
            "result": {"item": "a blue raincoat"},
            "error": "",
            "seconds": 0.004,
        }
    ]
    assert [(event["kind"], event["at"]) for event in events] == [
        ("ringing", at(1)),
        ("answered", at(2)),
        ("interrupted", at(20)),
        ("provider_failed", at(21)),
        ("transferred", at(30)),
    ]
    assert events[-1]["about"] == {"to": "sip:anna@pbx", "accepted": False, "status": 486, "reason": "Busy Here"}


def test_a_call_is_there_while_it_goes_on(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            world.tell(a_call(turns=TURNS)[:-1])
            world.tell(
                [CallReported("c", at(50), CallerSaid("Thank", False)), CallReported("c", at(51), ToolStarted("x", {}))]
            )
            await written(world)
            found = await world.store.call("c")
            world.tell(a_call()[-1:])
            return found, await world.store.calls(), await world.store.calls(CallFilter(ended=False))

    found, ended, going = asyncio.run(scenario())
    assert found and found["ended"] is None
    assert len(found["turns"]) == 2
    assert (ended, [call["id"] for call in going]) == ([], ["c"])


@pytest.mark.slow
def test_a_locked_database_holds_up_nothing_and_gets_everything_in_order_and_once(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                for number in range(50):
                    world.tell(a_call(f"call-{number}", TURNS))
                await until(lambda: world.writer.behind)
                other.execute("ROLLBACK")
            await written(world)
            return await world.store.calls()

    calls = asyncio.run(scenario())
    assert sorted(call["id"] for call in calls) == sorted(f"call-{number}" for number in range(50))
    assert all(len(call["turns"]) == 2 and len(call["turns"][1]["tools"]) == 1 for call in calls)


@pytest.mark.slow
def test_a_database_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            world.tell(a_call("before"))
            await written(world)
            for path in tmp_path.glob("x.db*"):
                if path.is_file():
                    path.unlink()
            (tmp_path / "x.db").mkdir()  # nothing can be opened there
            world.tell(a_call("meanwhile"))
            await until(lambda: world.writer.behind)
            (tmp_path / "x.db").rmdir()
            await written(world)
            return [call["id"] for call in await world.store.calls()]

    assert asyncio.run(scenario()) == ["meanwhile"]


@pytest.mark.slow
def test_what_could_not_be_written_is_written_at_the_next_start(tmp_path: Path) -> None:
    async def locked():
        async with keeping(tmp_path) as world:
            other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            world.tell(a_call(turns=TURNS))
        other.close()

    async def again():
        async with keeping(tmp_path) as world:
            return await world.store.calls()

    asyncio.run(locked())
    assert files(tmp_path) == ["000001.jsonl"]
    (call,) = asyncio.run(again())
    assert (call["ending"], len(call["turns"])) == ("caller_hung_up", 2)
    assert files(tmp_path) == [], "what is in the database is not kept twice"


@pytest.mark.slow
def test_whenever_the_gateway_is_killed_the_next_start_has_every_call_once(tmp_path: Path) -> None:
    """A kill leaves the files as they are at that moment, so copies of them are what is taken up."""

    async def scenario() -> int:
        (tmp_path / "run").mkdir()
        async with keeping(tmp_path / "run") as world:
            world.tell(a_call("whole", TURNS))
            world.tell(a_call("cut", TURNS, identity={"number": "7", "stir": {"result": "pending"}})[:-1])
            last = [
                CallReported("cut", at(40), CallerSaid("Thank", True)),
                CallReported("cut", at(41), AgentSays("Good")),
            ]
            world.tell(last)
            await until(lambda: not world.writer._feed._gathered)
            await spool_feed.SPOOL.run(int)  # the thread has appended them
            for moment in range(8):
                shutil.copytree(tmp_path / "run", tmp_path / f"killed-{moment}")
                await (written(world) if moment == 5 else asyncio.sleep(0.004))
            return 8

    async def again(moment: int):
        async with keeping(tmp_path / f"killed-{moment}") as world:
            return {call["id"]: call for call in await world.store.calls()}

    for moment in range(asyncio.run(scenario())):
        for _ in range(2):  # also the second start finds it so
            calls = asyncio.run(again(moment))
            assert sorted(calls) == ["cut", "whole"]
            assert (calls["whole"]["ending"], len(calls["whole"]["turns"])) == ("caller_hung_up", 2)
            assert len(calls["whole"]["turns"][1]["tools"]) == 1
            cut = calls["cut"]
            assert (cut["ending"], cut["cause"], cut["ended"]) == ("interrupted", writer.INTERRUPTED, at(41))
            no_verdict = {"result": "unverified", "reason": writer.INTERRUPTED}
            assert cut["identity"] == {"number": "7", "stir": no_verdict}
            assert [(one["caller"], one["said"]) for one in cut["turns"]][-1] == ("Thank", "Good")


def test_a_full_disk_costs_no_call_and_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full, real = [True], os.write

    def write(file: int, data: bytes) -> int:
        if not full[0]:
            return real(file, data)
        if len(data) > 40:
            return real(file, data[:20])  # what has room is written
        raise OSError(28, "No space left on device")

    async def scenario():
        async with keeping(tmp_path) as world:
            monkeypatch.setattr(os, "write", write)
            world.tell(a_call("one", TURNS))
            world.tell(a_call("two", TURNS))
            await asyncio.sleep(0.1)
            full[0] = False
            await written(world)
            return await world.store.calls()

    calls = asyncio.run(scenario())
    assert [(call["id"], call["ending"], len(call["turns"])) for call in calls] == [
        ("one", "caller_hung_up", 2),
        ("two", "caller_hung_up", 2),
    ]


@pytest.mark.slow
def test_hostile_texts_get_into_the_database_as_far_as_they_can(tmp_path: Path) -> None:
    odd = "a\0b\ud800" + "x" * 100_000
    deep: Any = odd
    for _ in range(100):
        deep = {odd: [deep, float("inf"), 1 << 70]}

    async def scenario():
        async with keeping(tmp_path) as world:
            began: Any
            began, *rest = a_call(odd, [turn(odd, odd, ToolRun(odd, deep, deep, odd, 1.0))])
            world.tell([began._replace(caller=odd, called=odd, trunk=odd, agent=odd, identity={"x": deep}), *rest])
            world.tell(a_call("next"))
            await written(world)
            return await world.store.calls(), world.writer.rejected

    (first, second), rejected = asyncio.run(scenario())
    assert (len(first["id"]), first["caller"][:3], len(first["caller"]), second["id"]) == (255, "a\ufffdb", 200, "next")
    assert len(first["turns"][0]["caller"]) < 20_001
    assert rejected == 0


def test_an_entry_that_the_database_refuses_holds_up_no_other(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            world.tell(a_call("one"))
            world.writer.keep(
                {"call": "bad", "new": {"began": START.isoformat(), "trunk": None, "caller": "", "called": ""}}
            )
            world.writer.keep({"call": "bad", "event": {"at": "tomorrow", "kind": "x", "about": {}}})
            world.tell(a_call("two", TURNS))
            await written(world)
            return [
                (call["id"], len(call["turns"])) for call in await world.store.calls(CallFilter())
            ], world.writer.rejected

    assert asyncio.run(scenario()) == ([("one", 0), ("two", 2)], 2)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_id_that_is_used_again_is_another_call(tmp_path: Path, at_once: bool) -> None:
    async def scenario():
        async with keeping(tmp_path) as world:
            for number in range(2):
                first, *rest = a_call("c", TURNS[: number + 1], caller=f"+1555000{number}")
                world.tell([first._replace(at=at(number)), *rest])
                if not at_once:
                    await written(world)
            await written(world)
            return [(call["caller"], call["ending"], len(call["turns"])) for call in await world.store.calls()]

    assert sorted(asyncio.run(scenario())) == [("+15550000", "caller_hung_up", 1), ("+15550001", "caller_hung_up", 2)]


def test_two_gateways_share_a_folder(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path) as one, keeping(tmp_path) as two:
            one.tell(a_call("one")[:-1])
            two.tell(a_call("two"))
            await written(one)
            await written(two)
            async with keeping(tmp_path):
                pass  # a third takes nothing for interrupted that goes on
            going = await one.store.calls(CallFilter(ended=False))
            one.tell(a_call("one")[-1:])
            return [call["id"] for call in going]

    assert asyncio.run(scenario()) == ["one"]


def test_a_spool_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    async def scenario():
        async with keeping(tmp_path, spool=str(tmp_path / "x.db" / "spool")):
            pass

    with pytest.raises(StoreError, match=r"cannot keep records in .*; set \[store\] spool"):
        asyncio.run(scenario())


def test_what_is_private_is_in_no_file(tmp_path: Path) -> None:
    async def scenario():
        store = StoreOptions(str(tmp_path / "x.db"))
        watchers = Watchers()
        async with (
            Store(store) as database,
            CdrWriter(database, watchers, lambda agent: redactor_for(PrivacyOptions(), "records")) as kept,
        ):
            card = "four one one one " + "1" * 12
            run = ToolRun(
                "pay",
                {"card": "4111 1111 1111 1111"},
                ["4111111111111111", 4111111111111111],
                "4111-1111-1111-1111 refused",
                0.1,
            )
            *before_end, end = a_call("c", [turn(f"It is {card}.", f"You said {card}?", run)])
            for event in (*before_end, end._replace(ending=Disposition("agent_hung_up", f"no account of {card}"))):
                watchers.tell(event)
            before = b"".join(path.read_bytes() for path in (tmp_path / "x.db.spool").rglob("*.jsonl"))
            await kept.written()
            call = await database.call("c")
        return before, b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()), call

    spooled, kept, call = asyncio.run(scenario())
    (one,) = call["turns"]
    assert call["cause"] == "no account of [card ••1111]"
    assert (one["caller"], one["said"]) == ("It is [card ••1111].", "You said [card ••1111]?")
    (run,) = one["tools"]
    assert (run["arguments"], run["result"], run["error"]) == (
        {"card": "[card ••1111]"},
        ["[card ••1111]", "[card ••1111]"],
        "[card ••1111] refused",
    )
    assert b"1111 1111" not in spooled + kept and b"11111" not in spooled + kept
