"""Reports on calls are filled in after the call, once, within the caps, and nothing of them outlives the call."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.llm import Message, Piece, Text, ToolCall, ToolSchema, Usage
from sipgw.agents.agents import Agents
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import CostOptions
from sipgw.config.errors import ConfigError
from sipgw.config.inbound import LimitOptions
from sipgw.config.records import RetentionOptions, StoreOptions
from sipgw.config.report import ReportOptions
from sipgw.policy.cost.cost import Bill, spent_since_midnight
from sipgw.records.artifacts.retention import forget, purge
from sipgw.records.cdr.export import as_csv
from sipgw.records.store.calls import CallFilter
from tests.agents.report_world import CARD, NOW, REPLY, REPORT, TURNS, World, ended, run
from tests.cdr_events import START, a_call
from tests.waiting import until


def test_a_report_stands_in_the_record_in_the_webhook_and_in_the_export(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        assert (await made.report())["state"] == "waiting"
        assert await made.filler.work(NOW)
        found = await made.report()
        assert (found["state"], found["problem"], found["at"]) == ("filled", "", NOW)
        assert found["achieved"] == {"value": True, "turn": 0, "quote": "on its way", "by": "agent"}
        assert found["fields"]["number"]["value"] == 7346
        body = await made.told()
        assert body["data"] == {name: value for name, value in found.items() if name != "at"}
        assert body["about"]["agent"] == "agent" and body["call"] == "c" and body["at"] == NOW.isoformat()
        record = await made.store.call("c")
        assert record and record["report"] == found
        exported = as_csv(made.store, CallFilter(), made.agents.redact("exports"), ["number", "other"])
        (row,) = csv.DictReader(io.StringIO("".join([line async for line in exported])))
        columns = ("report", "achieved", "outcome", "report.number", "report.other")
        assert [row[name] for name in columns] == ["filled", "True", "", "7346", ""]
        assert not await made.filler.work(NOW + timedelta(days=1)), "once is enough"

    run(tmp_path, test)


def test_private_words_reach_neither_the_model_nor_the_report(tmp_path: Path) -> None:
    """The model gets the record, where they are covered; what it makes up of them is covered again."""

    async def test(made: World) -> None:
        await made.call(ended())
        await made.filler.work(NOW)
        (messages, _), *_ = made.llm.asked
        assert "[card ••1111]" in messages[1]["content"] and CARD not in messages[1]["content"]
        found = await made.report()
        assert found["summary"] == "They asked for order 7346 and named [card ••1111]."
        assert CARD not in json.dumps(await made.told())

    run(tmp_path, test)


def test_the_cost_of_a_report_is_that_of_its_call_and_of_its_day(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        await made.filler.work(NOW)
        record = await made.store.call("c")
        assert record
        assert record["cost"] == pytest.approx(0.5 + 0.002 + 0.0006)
        costs = record["costs"]
        assert [costs[name] for name in ("total", "most", "llm")] == pytest.approx([0.5026, 0.5026, 0.2526])
        assert costs["used"] == {"llm openai/x tokens_in": 1500, "llm openai/x tokens_out": 110}
        assert made.expenses.spent().money == pytest.approx(0.0026), "the call itself was not made here"
        assert (await spent_since_midnight(made.store, START))[""].money == pytest.approx(0.5026)

    run(tmp_path, test)


def test_the_second_request_for_a_report_has_to_be_within_the_cap_too(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        made.llm.acts = [lambda: [Text("Sure! I would"), Usage(100_000, 10)]]
        await made.call(ended())
        await made.filler.work(NOW)
        found = await made.report()
        assert found["state"] == "not made" and "the report may cost" in found["problem"]
        assert len(made.llm.asked) == 1

    run(tmp_path, test, cost=CostOptions(per_call=0.6))


def test_a_model_behind_another_protocol_fills_the_form_in_as_a_tool(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        made.llm.acts = [lambda: [Text("One moment."), ToolCall("1", "report", REPLY)]]
        await made.call(ended())
        await made.filler.work(NOW)
        assert (await made.report())["achieved"]["value"] is True
        assert made.llm.asked[0][1][0]["function"]["name"] == "report"

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("changes", "cost", "why"),
    [
        ({"cost": CostOptions(per_call=0.5)}, {}, "[cost] per_call"),
        ({"cost": CostOptions(per_call=0.51)}, {}, "the report may cost"),
        ({"limits": LimitOptions(money_per_day=0.4)}, {}, "money_per_day"),
    ],
)
def test_beyond_a_cap_no_report_is_made_and_the_record_says_why(
    tmp_path: Path, changes: dict[str, Any], cost: dict[str, float], why: str
) -> None:
    async def test(made: World) -> None:
        bill = made.expenses.open("other", SimpleNamespace(ended=None, tenant=""))  # type: ignore[arg-type]
        bill.cost = lambda _: SimpleNamespace(most=0.4)  # type: ignore[method-assign, assignment, return-value]
        bill.seconds = lambda _: 0.0  # type: ignore[assignment, method-assign]
        await made.call(ended(**cost))  # type: ignore[arg-type]
        await made.filler.work(NOW)
        found = await made.report()
        assert found["state"] == "not made" and why in found["problem"]
        assert not made.llm.asked, "nothing was spent"
        assert why in (await made.told())["data"]["problem"]

    run(tmp_path, test, **changes)


def test_a_call_whose_caller_chose_the_name_of_a_report_as_call_id_has_its_own_bill(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        whose = Bill(made.expenses.prices, "in", "+14155550100", NOW, "office", NOW, tenant="globex")
        made.expenses.open("report c", whose)
        await made.call(ended())
        await made.filler.work(NOW)
        assert (await made.report())["state"] == "filled" and made.expenses.calls_of("globex") == 1
        assert made.expenses.close("report c") == whose.cost(NOW)

    run(tmp_path, test)


def test_a_call_that_was_ended_for_its_cost_gets_none(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(a_call("c", TURNS, "over_budget"))
        await made.filler.work(NOW)
        assert (await made.report())["state"] == "not made" and not made.llm.asked

    run(tmp_path, test)


def test_where_the_cost_of_the_call_is_not_known_a_cap_is_reached(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(a_call("c", TURNS))
        await made.filler.work(NOW)
        found = await made.report()
        assert found["state"] == "not made" and "not known what the call has cost" in found["problem"]
        assert not made.llm.asked

    run(tmp_path, test, cost=CostOptions(per_call=5.0))


def test_a_call_in_which_nobody_spoke_costs_nothing(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(a_call("c"))
        await made.filler.work(NOW)
        found = await made.report()
        assert (found["state"], found["problem"]) == ("not made", "nothing was said")
        assert not made.llm.asked

    run(tmp_path, test)


def test_calls_that_were_not_answered_and_agents_without_a_goal_have_none(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        events = [one for one in a_call("c", ()) if type(one).__name__ != "CallAnswered"]
        await made.call(events)
        assert await made.store.report("c") is None

    run(tmp_path, test)

    async def without(made: World) -> None:
        await made.call(ended())
        assert await made.store.report("c") is None

    run(tmp_path / "..", without, report=ReportOptions(), store=StoreOptions(str(tmp_path / "y.db")))


def test_of_a_caller_who_is_forgotten_meanwhile_nothing_is_written(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        await until(lambda: len(made.took) > 3)
        there = asyncio.Event()

        async def slow(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
            there.set()
            await forget(made.store, "+14155550123", NOW)
            yield Text(REPLY)

        made.llm.reply = slow  # type: ignore[method-assign, assignment]
        await made.filler.work(NOW)
        assert there.is_set()
        assert await made.store.report("c") is None and await made.store.call("c") is None
        assert not [one for one in made.took if one["event"] == "report"]

    run(tmp_path, test)


def test_a_report_is_kept_as_long_as_the_transcript(tmp_path: Path) -> None:
    async def test(made: World) -> None:
        await made.call(ended())
        await made.call(a_call("silent"))
        while await made.filler.work(NOW):
            pass
        await purge(made.store, RetentionOptions(transcripts=5), NOW + timedelta(days=4))
        assert await made.store.report("c")
        await purge(made.store, RetentionOptions(transcripts=5), NOW + timedelta(days=6))
        assert await made.store.report("c") is None and await made.store.report("silent") is None
        assert await made.store.call("c"), "the record itself has another time"

    run(tmp_path, test)


def test_the_embedded_model_fills_in_no_reports(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a language model of a service"):
        Agents(GatewayConfig(report=REPORT), {})
