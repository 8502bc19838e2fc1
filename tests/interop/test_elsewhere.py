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
from sipgw.cli import elsewhere
from sipgw.cli.elsewhere import found
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.sip.leg import Leg
from sipgw.trunks.route_selector import NoRoom, NotDialled
from sipgw.web.accounts import Accounts
from sipgw.web.local_key import key_file
from sipgw.web.server import Dashboard
from tests.callee import Callee, callee, carrier_lines
from tests.interop.served import GATE, served
from tests.outbound.test_call_out import calling_out
from tests.ports import free_ports

Restarted = Callable[[WebOptions], Awaitable[None]]


def command(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    whole = [sys.executable, "-m", "sipgw", *arguments, "--config", str(folder / "gateway.toml")]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.Popen(
        whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


async def ran(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    told = await asyncio.to_thread(process.communicate, timeout=180)  # noqa: TID251
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
        async with asyncio.timeout(60):
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

    async def people() -> None:
        async with callee(takes) as person:
            more = f"[web]\nport = {free_ports()}\n{carrier_lines(person.port)}" + GATE.replace(
                "[gate]", "[gate]\nper_number_per_day = 1"
            )
            loop = asyncio.get_running_loop()

            def run() -> None:
                with served(tmp_path, more) as gateway:
                    asyncio.run_coroutine_threadsafe(scenario(person, gateway.port), loop).result()

            await asyncio.to_thread(run)  # noqa: TID251

    asyncio.run(people())


def test_a_gateway_is_ours_if_it_has_our_database(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _):
            ours = replace(world.gateway.config, web=WebOptions(port=free_ports()))
            theirs = replace(ours, store=StoreOptions(str(tmp_path / "other.db")))
            async with found(ours) as running:
                assert running is None, "nobody listens"
            async with Dashboard(world.gateway, ours.web):
                async with found(theirs) as running:
                    assert running is None, "somebody else's gateway makes no calls for us"
                async with found(ours) as running:
                    assert running is not None
                    assert await Accounts(world.gateway.store).keys() == [], "what is in memory ends with the process"
                    placed = running.originate(OriginateRequest("+14155550100", "agent"))
                    while not person.phones:
                        await asyncio.sleep(0.02)
                    placed.stop("enough")
                    ending = await placed.ended()
                    assert (ending.kind, ending.cause) == ("ended_here", "enough")
                    refused = running.originate(OriginateRequest("+14155550100", "agent", {"unknown": "x"}))
                    with pytest.raises(NotDialled, match="unknown"):
                        await refused.ended()
                    world.gateway.admission.room.draining = True
                    with pytest.raises(NoRoom, match="the gateway is stopping"):
                        await running.originate(OriginateRequest("+14155550100", "agent")).ended()
            assert await Accounts(world.gateway.store).keys() == []

    asyncio.run(scenario())


def test_a_gateway_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "PATIENCE", 0.3)
    monkeypatch.setattr(elsewhere, "LOOK", 0.05)

    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            ours = replace(world.gateway.config, web=WebOptions(port=free_ports()))
            async with contextlib.AsyncExitStack() as running:
                await running.enter_async_context(Dashboard(world.gateway, ours.web))
                async with found(ours) as there:
                    assert there is not None
                    placed = there.originate(OriginateRequest("+14155550100", "agent"))
                    while not person.legs:
                        await asyncio.sleep(0.02)
                    await running.aclose()
                    ending = await placed.ended()
                    assert ending == elsewhere.GONE
                    with pytest.raises(NoRoom, match="does not answer"):
                        await there.originate(OriginateRequest("+14155550100", "agent")).ended()

    asyncio.run(scenario())


def test_a_call_is_followed_while_the_database_is_away_and_made_once_if_its_answer_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "PATIENCE", 5.0)
    monkeypatch.setattr(elsewhere, "LOOK", 0.05)

    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            ours, store = replace(world.gateway.config, web=WebOptions(port=free_ports())), world.gateway.store
            async with Dashboard(world.gateway, ours.web), found(ours) as there:
                assert there is not None
                there._client.timeout = 0.5
                note, late = Accounts.note, asyncio.Event()

                async def slowly(*arguments: Any, **named: Any) -> None:
                    await late.wait()
                    await note(*arguments, **named)

                monkeypatch.setattr(Accounts, "note", slowly)
                placed = there.originate(OriginateRequest("+14155550100", "agent"))
                await asyncio.sleep(1.2)
                late.set()
                while not placed.id:
                    await asyncio.sleep(0.02)
                read = store.read

                def away() -> Any:
                    raise OperationalError("select", {}, OSError("no route to the database"))

                monkeypatch.setattr(store, "read", away)
                monkeypatch.setattr(elsewhere, "PATIENCE", 0.5)
                await asyncio.sleep(1.5)
                assert world.gateway.calls, "it still rings"
                monkeypatch.setattr(store, "read", read)
                placed.stop("enough")
                ending = await placed.ended()
                assert (ending.kind, ending.cause) == ("ended_here", "enough")
                assert len(person.legs) == 1, "however often it was asked for"

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def restartable(folder: Path) -> AsyncIterator[tuple[Callee, elsewhere.Elsewhere, Path, WebOptions, Restarted]]:
    """A gateway that rings somebody, as a command sees it, its key file, and what restarts it at another address."""
    async with (
        callee(Callee.ring) as person,
        calling_out(folder, person) as (world, _),
        contextlib.AsyncExitStack() as on,
    ):
        web, file = WebOptions(port=free_ports()), key_file(world.gateway.config.store.path)

        async def restarted(web: WebOptions) -> None:
            await on.aclose()
            await on.enter_async_context(Dashboard(world.gateway, web))

        await restarted(web)
        async with found(replace(world.gateway.config, web=web)) as there:
            assert there is not None
            yield person, there, file, web, restarted


async def made_and_stopped(there: elsewhere.Elsewhere, number: str) -> None:
    placed = there.originate(OriginateRequest(number, "agent"))
    while not placed.id and not placed._ended.done():
        await asyncio.sleep(0.02)
    assert placed.id, await placed.ended()
    placed.stop("enough")
    assert (await placed.ended()).cause == "enough"


def cut_off(there: elsewhere.Elsewhere, monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[None]]) -> None:
    """Let the answer to the next request for a call be lost, and `then` happen."""
    ask = there._client.request

    async def request(method: str, *arguments: Any, **named: Any) -> Any:
        answer = await ask(method, *arguments, **named)
        if method == "POST":
            monkeypatch.setattr(there._client, "request", ask)
            await then()
            raise httpx2.ReadError("the gateway went")
        return answer

    monkeypatch.setattr(there._client, "request", request)


@pytest.mark.faults("C5", "C12")
def test_the_gateway_that_has_taken_over_is_asked_by_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK", 0.05)

    async def scenario() -> None:
        async with restartable(tmp_path) as (person, there, _, web, restarted):
            for place in (web, WebOptions(port=free_ports())):
                await restarted(place)
                await made_and_stopped(there, "+14155550100")
                assert there.url == f"http://127.0.0.1:{place.port}/"
            assert len(person.legs) == 2
            cut_off(there, monkeypatch, lambda: restarted(web))
            await made_and_stopped(there, "+14155550101")
            assert len(person.legs) == 3, "asked for twice, made once"

    asyncio.run(scenario())


@pytest.mark.faults("C5", "C12")
def test_a_key_that_stays_unknown_costs_no_attempt_unless_it_may_have_rung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK", 0.05)
    monkeypatch.setattr(elsewhere, "PATIENCE", 0.5)

    async def scenario() -> None:
        async with restartable(tmp_path) as (_, there, file, _, _):

            async def unknown() -> None:
                there._there = there._there._replace(key="of nobody")
                file.write_text(json.dumps({"url": there.url, "key": "of nobody, either"}))

            cut_off(there, monkeypatch, unknown)
            assert await there.originate(OriginateRequest("+14155550102", "agent")).ended() == elsewhere.GONE
            with pytest.raises(NoRoom, match="key"):
                await there.originate(OriginateRequest("+14155550103", "agent")).ended()

    asyncio.run(scenario())
