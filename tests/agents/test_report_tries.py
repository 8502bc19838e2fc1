"""Reports are tried again later, not too often, and by one gateway at a time."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import false
from sqlalchemy.exc import IntegrityError

from agent.errors import ProviderError
from agent.llm import Piece, Text, Usage
from sipgw.agents import report_filler
from sipgw.agents.report import proven
from sipgw.agents.report_filler import BACK_OFF, GIVE_UP, LEASE, MOST_PAID, ORPHANED
from sipgw.events import CallBegan, Watchers
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.reports import claim, settle
from tests.agents.report_world import NOW, TURNS, World, away, ended, run
from tests.cdr_events import a_call, at


def test_while_the_model_is_away_it_is_tried_again_later_and_later(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        made.llm.acts = [away, away]
        await made.call(ended())
        now = NOW
        for wait in BACK_OFF[:2]:
            assert await made.filler.work(now)
            found = await made.report()
            assert found["state"] == "waiting" and "connection failed" in found["problem"]
            assert not await made.filler.work(now + timedelta(seconds=wait - 1))
            now += timedelta(seconds=wait)
        await made.filler.work(now)
        assert (await made.report())["state"] == "filled"
        record = await made.store.call("c")
        assert record and record["costs"]["used"]["llm openai/x tokens_in"] == 1500, "who is away costs nothing"

    run(tmp_path, test)


def test_after_three_days_it_is_given_up_and_the_webhook_says_so(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        made.llm.acts = [away]
        await made.call(ended())
        await made.filler.work(at(60) + GIVE_UP + timedelta(seconds=1))
        found = await made.report()
        assert found["state"] == "given up" and "connection failed" in found["problem"]
        assert (await made.told())["data"]["state"] == "given up"

    run(tmp_path, test)


def test_a_model_that_cannot_do_it_is_asked_twice_and_paid_twice(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        made.llm.acts = [lambda: [Text("Sure! I would"), Usage(1000, 10)]] * 2
        await made.call(ended())
        await made.filler.work(NOW)
        found = await made.report()
        assert (found["state"], found["problem"]) == ("given up", "the reply is not a JSON object")
        record = await made.store.call("c")
        assert record and record["costs"]["used"]["llm openai/x tokens_in"] == 2000
        assert not await made.filler.work(NOW + timedelta(days=1))

    run(tmp_path, test)


def test_tries_that_are_paid_for_and_come_to_nothing_are_few(tmp_path: Path) -> None:
    """A model that is too slow, or breaks off, is paid each time."""

    def breaks_off() -> Iterator[Piece]:
        yield Text("{")
        raise ProviderError("scripted", "broke off")

    async def test(made: World) -> None:
        made.llm.acts = [breaks_off] * 100  # type: ignore[list-item]
        await made.call(ended())
        now, tries = NOW, 0
        while await made.filler.work(now):
            now, tries = now + timedelta(hours=1), tries + 1
        found = await made.report()
        assert (found["state"], tries, len(made.llm.asked)) == ("given up", MOST_PAID, MOST_PAID)
        assert "broke off" in found["problem"]

    run(tmp_path, test)


def test_a_try_counts_from_its_beginning_and_is_not_begun_again_within_its_lease(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        async with made.store.write() as session:  # by a process that was killed in it
            (row,) = await claim(session, ["c"], NOW, LEASE)
        assert row.attempts == 1
        assert not await made.filler.work(NOW + LEASE / 2)
        assert await made.filler.work(NOW + LEASE)
        assert (await made.report())["state"] == "filled"

    run(tmp_path, test)


def test_words_of_a_server_that_no_database_takes_stand_in_no_problem(tmp_path: Path) -> None:
    def refuses() -> Sequence[Piece]:
        raise ProviderError("scripted", "no\0thing \ud800 here", temporary=False, refused=True)

    async def test(made: World) -> None:
        made.llm.acts = [refuses]
        await made.call(ended())
        await made.filler.work(NOW)
        found = await made.report()
        assert (found["state"], found["problem"]) == ("waiting", "scripted: no\ufffdthing ? here")

    run(tmp_path, test)


def test_a_report_that_the_database_refuses_is_given_up_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(made: World) -> None:
        await made.call([*ended("a"), *ended("b")])

        async def refused(session: Any, call: str, state: Any, **values: Any) -> bool:
            if call == "a" and values.get("content"):
                raise IntegrityError("UPDATE", {}, Exception("no"))
            return await settle(session, call, state, **values)

        monkeypatch.setattr(report_filler, "settle", refused)
        await made.filler.work(NOW)
        assert [(await made.report(one))["state"] for one in "ab"] == ["given up", "filled"]
        assert len(made.llm.asked) == 2

    run(tmp_path, test)


def test_the_report_of_a_gateway_that_does_not_come_back_is_made_by_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(made: World) -> None:
        monkeypatch.setattr("sipgw.records.artifacts.hosts.ours", lambda *_: false())
        await made.call(ended())
        assert not await made.filler.work(NOW)
        assert await made.filler.work(NOW + ORPHANED)
        assert (await made.report())["state"] == "filled"
        await made.call([one._replace(agent="other") if isinstance(one, CallBegan) else one for one in ended("d")])
        assert not await made.filler.work(NOW + ORPHANED), "what its agent is to achieve, only its own gateway knows"

    run(tmp_path, test)


def test_two_processes_do_not_fill_in_the_same_report(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        other = replace(made.filler, _stack=contextlib.AsyncExitStack())
        async with asyncio.TaskGroup() as both:
            for one in (made.filler, other):
                both.create_task(one.work(NOW))
        assert len(made.llm.asked) == 1

    run(tmp_path, test)


def test_one_report_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: World) -> None:
        await made.call([*ended("a"), *ended("b")])
        calls = list[str]()

        def fails_once(*given: Any) -> dict[str, Any]:
            calls.append("x")
            if len(calls) == 1:
                raise RuntimeError("ours")
            return proven(*given)

        monkeypatch.setattr(report_filler, "proven", fails_once)
        await made.filler.work(NOW)
        states = sorted([(await made.report(one))["state"] for one in "ab"])
        assert states == ["filled", "waiting"]
        await made.filler.work(NOW + timedelta(seconds=BACK_OFF[0]))
        assert {(await made.report(one))["state"] for one in "ab"} == {"filled"}

    run(tmp_path, test)


def test_a_call_that_a_kill_has_ended_gets_its_report_too(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(a_call("c", TURNS)[:-1])
        folder = made.config.store.spool_folder
        await made.writer.__aexit__()
        async with CdrWriter(made.store, Watchers(), made.agents.redact("records"), None, made.agents.reports):
            assert (await made.report())["state"] == "waiting", folder
        await made.filler.work(NOW)
        record = await made.store.call("c")
        assert record and record["ending"] == "interrupted" and record["report"]["state"] == "filled"
        await made.writer.__aenter__()

    run(tmp_path, test)
