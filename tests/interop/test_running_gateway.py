"""Commands beside a gateway that runs: it makes their calls, from the port that its carrier knows."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.exc import OperationalError

from sipgw.calls.request import OriginateRequest
from sipgw.cli import running
from sipgw.cli.running import RunningGateway, call_by, found
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.events import Disposition, Event
from sipgw.records.store.store import Store
from sipgw.sip.leg import Leg
from sipgw.trunks.route_selector import NotDialled
from sipgw.web.accounts import Accounts
from sipgw.web.local_key import key_file
from sipgw.web.server import Dashboard
from tests.callee import Callee, callee, carrier_lines
from tests.cloud import Cloud
from tests.interop.served import GATE, served
from tests.outbound.test_call_out import calling_out
from tests.ports import free_ports
from tests.waiting import HANG

Restarted = Callable[[WebOptions | None], Awaitable[None]]


def command(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    whole = [sys.executable, "-m", "sipgw", *arguments, "--config", str(folder / "gateway.toml")]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.Popen(
        whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


async def ran(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    told = await asyncio.to_thread(process.communicate, timeout=HANG)  # noqa: TID251
    return process.returncode, *told


def rows(folder: Path, query: str, *values: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "gateway.db")) as database:
        return database.execute(query, values).fetchall()


def takes(person: Callee, leg: Leg) -> None:
    """Some pick up for two seconds, the others are busy."""
    if str(leg.request.uri.user).endswith("1"):
        leg.ringing()
        person.after(0.3, person.pick_up, leg)
        person.after(3.0, Leg.hangup, leg)
    else:
        leg.reject(486)


async def alone_beside_it(folder: Path, person: Callee, port: int) -> None:
    """``--alone`` while the gateway is in a call: ports of its own, one audit and one database, the same caps."""
    before = len(person.legs)
    by_it = command(folder, "call", "+14155550151")
    alone = command(folder, "call", "+14155550161", "--alone")
    for both in (by_it, alone):
        status, shown, errors = await ran(both)
        assert (status, "answered" in shown) == (0, True), shown + errors
    first, second = person.legs[before:]
    assert {leg.source.port == port for leg in (first, second)} == {True, False}, "one of them is not the gateway's"
    heard_at = {re.search(rb"m=audio (\d+)", leg.offer or b"")[1] for leg in (first, second)}  # type: ignore[index]
    assert len(heard_at) == 2, "both have the same range of RTP ports, and share none of it"
    status, shown, _ = await ran(command(folder, "call", "+14155550161"))
    assert (status, "was called 1 times within 24 hours" in shown) == (14, True), "the gateway knows the other's calls"
    lines = [json.loads(line) for file in (folder / "gateway.db.gate").glob("*.jsonl") for line in file.open()]
    numbers = ["+14155550151", "+14155550161"]
    assert sorted(line["number"] for line in lines if line["permitted"] and line["number"] in numbers) == numbers
    query = "SELECT called, ending FROM calls WHERE answered IS NOT NULL AND called IN (?, ?) ORDER BY called"
    assert rows(folder, query, *numbers) == [(number, "callee_hung_up") for number in numbers]


def test_a_call_and_a_campaign_go_out_by_the_gateway_that_runs(tmp_path: Path) -> None:
    async def scenario(person: Callee, port: int) -> None:
        status, shown, errors = await ran(command(tmp_path, "call", "+14155550101"))
        assert status == 0, shown + errors
        assert "by the gateway that runs at http://127.0.0.1:" in errors
        lines = [line.split(maxsplit=1)[0] for line in shown.splitlines()]
        assert [line for line in lines if line in ("calling", "ringing", "answered", "ended")] == [
            "calling", "ringing", "answered", "ended",
        ]  # fmt: skip
        assert "Hello, this is" in shown
        status, shown, _ = await ran(command(tmp_path, "call", "+14155550102"))
        assert (status, "ended     busy" in shown) == (10, True)
        status, _, errors = await ran(command(tmp_path, "call", "+14155550101", "--agent", "nobody"))
        assert (status, "there is no agent 'nobody'" in errors) == (2, True)
        status, shown, _ = await ran(command(tmp_path, "call", "+442079460000"))
        assert (status, "not permitted" in shown) == (14, True)

        (tmp_path / "people.csv").write_text("number\n+14155550101\n+14155550111\n+14155550121\n")
        campaign = command(tmp_path, "campaign", "run", str(tmp_path / "people.csv"), "--consent", "--concurrent", "3")
        states: dict[str, str] = {}
        async with asyncio.timeout(HANG):
            while list(states.values()) != ["planned", "done", "done"]:
                await asyncio.sleep(0.2)
                states = dict(rows(tmp_path, "SELECT number, state FROM jobs ORDER BY number"))
        campaign.send_signal(signal.SIGINT)
        status, shown, errors = await ran(campaign)
        assert (status, "people: 2 done, 1 planned" in shown) == (0, True), shown + errors
        ((reason, attempts, wait),) = rows(
            tmp_path, "SELECT reason, attempts, due - unixepoch() FROM jobs WHERE state = 'planned'"
        )
        assert "was called 1 times within 24 hours" in reason, "one day's cap holds for whoever makes the call"
        assert (attempts, 23 < wait / 3600 < 24) == (0, True), "and it is called again when the gate lets it out"
        assert {leg.source.port for leg in person.legs} == {port}, "all of it came from the port that the carrier knows"
        assert rows(tmp_path, "SELECT id FROM api_keys") == [], "no key is left"
        await alone_beside_it(tmp_path, person, port)

    beside(tmp_path, scenario, GATE.replace("[gate]", "[gate]\nper_number_per_day = 1"))


def test_a_campaign_is_left_to_the_gateway_that_runs_paused_and_resumed(tmp_path: Path) -> None:
    async def scenario(person: Callee, port: int) -> None:
        (tmp_path / "people.csv").write_text("number\n+14155550102\n+14155550112\n")

        async def campaign(*arguments: str) -> tuple[int, str, str]:
            return await ran(command(tmp_path, "campaign", *arguments))

        status, shown, errors = await campaign("run", "people.csv", "--detach", "--consent", "--busy", "86400")
        assert (status, "people: 2 new rows" in shown) == (0, True), shown + errors
        assert "dialled by the gateway that runs at http://127.0.0.1:" in errors
        async with asyncio.timeout(HANG):
            while rows(tmp_path, "SELECT attempts FROM jobs") != [(1,), (1,)]:
                await asyncio.sleep(0.2)
        assert (await campaign("pause", "people"))[:2] == (0, "people is paused\n")
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
            database.execute("UPDATE jobs SET due = 0")
            database.commit()
        status, shown, _ = await campaign("status")
        assert re.search(r"people +. paused", shown), shown
        assert len(person.legs) == 2
        assert (await campaign("resume", "people"))[1] == "people is running\n"
        async with asyncio.timeout(HANG):
            while rows(tmp_path, "SELECT attempts FROM jobs") != [(2,), (2,)]:
                await asyncio.sleep(0.2)
        assert {leg.source.port for leg in person.legs} == {port}

    beside(tmp_path, scenario)


def test_one_ctrl_c_pauses_a_campaign_and_a_second_one_ends_its_calls(tmp_path: Path) -> None:
    async def scenario(person: Callee, _: int) -> None:
        person.takes = Callee.ring
        (tmp_path / "people.csv").write_text("number\n+14155550103\n+14155550113\n")
        campaign = command(tmp_path, "campaign", "run", "people.csv", "--consent", "--concurrent", "1")
        async with asyncio.timeout(HANG):
            while not person.legs:
                await asyncio.sleep(0.1)
            campaign.send_signal(signal.SIGINT)
            while rows(tmp_path, "SELECT state FROM campaigns") != [("paused",)]:
                await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        assert (campaign.poll(), person.ended) == (None, []), "it still rings"
        campaign.send_signal(signal.SIGINT)
        status, shown, errors = await ran(campaign)
        assert (status, "people: 2 planned" in shown) == (0, True), shown + errors
        assert "people is stopped; `sipgw campaign resume people` goes on" in shown
        assert [leg.how for leg in person.ended] == ["CANCEL"]
        assert rows(tmp_path, "SELECT attempts FROM jobs") == [(0,), (0,)]

    beside(tmp_path, scenario)


def beside(folder: Path, scenario: Callable[[Callee, int], Awaitable[None]], gate: str = GATE) -> None:
    """Run `scenario` beside a gateway that calls people, with the port from which it calls."""

    async def people() -> None:
        async with callee(takes) as person:
            more = f"[web]\nport = {free_ports()}\n{carrier_lines(person.port)}{gate}"
            loop = asyncio.get_running_loop()

            def run() -> None:
                with served(folder, more) as gateway:
                    asyncio.run_coroutine_threadsafe(scenario(person, gateway.port), loop).result()  # type: ignore[arg-type]

            await asyncio.to_thread(run)  # noqa: TID251

    asyncio.run(people())


class Beside:
    """A command beside a gateway: the calls that it has the gateway make."""

    def __init__(self, gateway: RunningGateway, store: Store) -> None:
        self.gateway = gateway
        self.store = store
        self.stop = asyncio.Event()
        self.told: list[Event] = []

    async def call(self, number: str = "+14155550100", **variables: str) -> Disposition:
        return await call_by(
            self.gateway, self.store, OriginateRequest(number, "agent", variables), self.told.append, self.stop
        )

    async def until_it_begins(self) -> None:
        async with asyncio.timeout(HANG):
            while not self.told:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def ringing(folder: Path) -> AsyncIterator[tuple[Callee, Cloud, WebOptions, Beside, Restarted]]:
    """A gateway that rings somebody, as a command sees it, and what restarts its dashboard at another address."""
    async with (
        callee(Callee.ring) as person,
        calling_out(folder, person) as (world, _),
        contextlib.AsyncExitStack() as on,
        Store(world.gateway.config.store) as store,
    ):
        web = WebOptions(port=free_ports())

        async def restarted(web: WebOptions | None) -> None:
            await on.aclose()
            if web is not None:
                await on.enter_async_context(Dashboard(world.gateway, web, key_file(world.gateway.config.store.path)))

        await restarted(web)
        async with found(world.gateway.config) as there:
            assert there is not None
            yield person, world, web, Beside(there, store), restarted


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOOK", 0.05)


def test_a_gateway_is_ours_if_it_has_our_database(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _):
            ours = replace(world.gateway.config, web=WebOptions(port=free_ports()))
            theirs = replace(ours, store=StoreOptions(str(tmp_path / "other.db")))
            async with found(ours) as there:
                assert there is None, "nobody listens"
            async with Dashboard(world.gateway, ours.web, key_file(ours.store.path)):
                async with found(theirs) as there:
                    assert there is None, "somebody else's gateway makes no calls for us"
                async with found(ours) as there, Store(ours.store) as store, asyncio.TaskGroup() as group:
                    assert there is not None
                    assert await Accounts(world.gateway.store).keys() == [], "what is in memory ends with the process"
                    command = Beside(there, store)
                    calling = group.create_task(command.call())
                    while not person.phones:
                        await asyncio.sleep(0.02)
                    command.stop.set()
                    ending = await calling
                    assert (ending.kind, ending.cause) == ("ended_here", "it was cancelled here")
                    with pytest.raises(NotDialled, match="unknown"):
                        await command.call(unknown="x")
                    world.gateway.admission.capacity.draining = True
                    with pytest.raises(NotDialled, match="the gateway is stopping"):
                        await command.call()
            assert await Accounts(world.gateway.store).keys() == []

    asyncio.run(scenario())


def test_a_gateway_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PATIENCE", 0.5)

    async def scenario() -> None:
        async with ringing(tmp_path) as (_, _, _, command, restarted), asyncio.TaskGroup() as group:
            calling = group.create_task(command.call())
            await command.until_it_begins()
            await restarted(None)
            assert await calling == running.GONE
            with pytest.raises(NotDialled, match="does not answer"):
                await command.call()

    asyncio.run(scenario())


def test_a_call_is_followed_while_the_database_is_away_and_made_once_if_its_answer_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE", 5.0)

    async def scenario() -> None:
        async with ringing(tmp_path) as (person, world, _, command, _), asyncio.TaskGroup() as group:
            command.gateway._client.timeout = 0.5
            note, late = Accounts.note, asyncio.Event()

            async def slowly(*arguments: Any, **named: Any) -> None:
                await late.wait()
                await note(*arguments, **named)

            monkeypatch.setattr(Accounts, "note", slowly)
            calling = group.create_task(command.call())
            await asyncio.sleep(1.2)
            late.set()
            await command.until_it_begins()
            read = command.store.read

            def away() -> Any:
                raise OperationalError("select", {}, OSError("no route to the database"))

            monkeypatch.setattr(command.store, "read", away)
            monkeypatch.setattr(running, "PATIENCE", 0.5)
            await asyncio.sleep(1.5)
            assert world.gateway.calls, "it still rings"
            assert not calling.done()
            monkeypatch.setattr(command.store, "read", read)
            command.stop.set()
            ending = await calling
            assert (ending.kind, ending.cause) == ("ended_here", "it was cancelled here")
            assert len(person.legs) == 1, "however often it was asked for"

    asyncio.run(scenario())


def cut_off(command: Beside, monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[None]]) -> None:
    """Let the answer to the next request for a call be lost, and `then` happen."""
    ask = command.gateway._client.request

    async def request(method: str, *arguments: Any, **named: Any) -> Any:
        answer = await ask(method, *arguments, **named)
        if method == "POST":
            monkeypatch.setattr(command.gateway._client, "request", ask)
            await then()
            raise httpx2.ReadError("the gateway went")
        return answer

    monkeypatch.setattr(command.gateway._client, "request", request)


@pytest.mark.faults("C5", "C12")
def test_the_gateway_that_has_taken_over_is_asked_by_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with ringing(tmp_path) as (person, _, web, command, restarted):

            async def made_and_stopped(number: str) -> None:
                one = Beside(command.gateway, command.store)
                async with asyncio.TaskGroup() as group:
                    calling = group.create_task(one.call(number))
                    await one.until_it_begins()
                    one.stop.set()
                    assert (await calling).kind == "ended_here"

            for place in (web, WebOptions(port=free_ports())):
                await restarted(place)
                await made_and_stopped("+14155550100")
                assert command.gateway.url == f"http://127.0.0.1:{place.port}/"
            assert len(person.legs) == 2
            cut_off(command, monkeypatch, lambda: restarted(web))
            await made_and_stopped("+14155550101")
            assert len(person.legs) == 3, "asked for twice, made once"

    asyncio.run(scenario())


@pytest.mark.faults("C5", "C12")
def test_a_key_that_stays_unknown_makes_no_call_unless_one_may_have_been_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE", 0.5)

    async def scenario() -> None:
        async with ringing(tmp_path) as (_, world, _, command, _):

            async def unknown() -> None:
                file = key_file(world.gateway.config.store.path)
                file.write_text(json.dumps({"url": command.gateway.url, "key": "of nobody"}))

            cut_off(command, monkeypatch, unknown)
            assert await command.call() == running.GONE
            with pytest.raises(NotDialled, match="key"):
                await command.call("+14155550103")

    asyncio.run(scenario())
