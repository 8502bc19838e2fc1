"""What a comparison of prompts uses of providers counts as what calls use, and ends it where no more may be paid."""

import asyncio
import contextlib
import itertools
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from agent.records import Used
from sipgw.agents.products import prices_of
from sipgw.policy.cost.cost import Bill, Cost, Expenses, paid, spent_since_midnight
from sipgw.policy.cost.prices import PriceTable
from sipgw.records.store.tables import ExpenseRecord
from sipgw.web.comparisons import Comparison, _charged
from tests.virtual import run
from tests.waiting import HANG, patient, until, within
from tests.web.gateway_view import Visit, visit
from tests.web.test_prompts import API, agent_file, compared, comparing, post, saved

PRICES = """
[limits]
money_per_day = 2.0
[[prices]]
part = "llm"
name = "acme/one"
unit = "tokens_out"
price = 1.0
per = 1000
"""
USES = """
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run
usage = open(sys.argv[sys.argv.index("--usage") + 1], "a", buffering=1)
def use(tokens):
    usage.write(json.dumps({{"part": "llm", "name": "acme/one", "unit": "tokens_out", "amount": tokens}}) + "\\n")
try:
    for tokens in {tokens}:
        use(tokens)
    {then}
finally:
    use({last})
"""
RESULT = 'print(json.dumps({"name": "x", "contestants": []}))'


def uses(*tokens: int, then: str = RESULT, last: int = 0) -> list[str]:
    """Uses these, and at its end, whatever ends it, the `last`."""
    return [sys.executable, "-c", USES.format(tokens=list(tokens), then=then, last=last)]


def clocked(there: Visit) -> Expenses:
    """Expenses whose clock goes on by a minute each time that it is read, so no sum is cached."""
    noon, minutes = datetime(2026, 11, 24, 12, tzinfo=UTC), itertools.count()
    made = Expenses(prices_of(there.gateway.config), lambda: noon + timedelta(minutes=next(minutes)))
    there.gateway.__dict__["expenses"] = made
    return made


def test_its_cost_counts_for_the_day_and_is_written_down_and_shown(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path, PRICES) as there:
            expenses = clocked(there)
            assert "0.7500 USD" in (await compared(there, uses(250, 500)))[1]
            assert expenses.spent().money == pytest.approx(0.75)
            store, midnight = there.gateway.store, datetime.now(UTC)
            assert (await spent_since_midnight(store, midnight))[""].money == pytest.approx(0.75), (
                "also after a restart"
            )
            async with store.read() as session:
                (row,) = await session.scalars(select(ExpenseRecord))
            assert (row.what, row.costs["used"]) == ("comparison of prompts", {"llm acme/one tokens_out": 750.0})

    asyncio.run(look())


def test_none_begins_when_the_money_of_the_day_is_used_up(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path, PRICES) as there, comparing(there, uses(1)):
            expenses = clocked(there)
            expenses.open("c", Bill(expenses.prices, "", "", datetime.now(UTC))).used(
                Used("llm", "acme/one", "tokens_out", 2000)
            )
            status, answer = await post(there, f"{API}/versions/{await saved(there, 'You mend.')}/comparison")
            assert status == 409 and "[limits] money_per_day" in answer["detail"]

    asyncio.run(look())


def test_it_ends_as_soon_as_the_money_of_the_day_is_used_up_and_still_tells_what_it_has_used(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path, PRICES) as there:
            expenses = clocked(there)
            with patient(["sipgw.web.comparisons.ENDING"]):
                text = (await compared(there, uses(1500, 700, then="time.sleep(600)", last=50)))[1]
            assert "it was ended: the calls of today have taken all that they may ([limits] money_per_day)" in text
            assert expenses.spent().money == pytest.approx(2.25)

    asyncio.run(look())


@pytest.mark.parametrize("line", ["?", "[]", '{"part": "llm"}', '{"part": 1, "name": "", "unit": "", "amount": 1}'])
def test_one_whose_cost_cannot_be_counted_is_ended(tmp_path: Path, line: str) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            program = uses(then=f"usage.write({line!r} + '\\n'); time.sleep(600)")
            text = (await compared(there, program))[1]
            assert "sipgw eval: " in text and "notice bad" in text

    asyncio.run(look())


def test_its_cost_is_written_down_while_it_goes_on_so_a_kill_does_not_lose_it(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path, PRICES) as there, comparing(there, uses(250, 500, then="time.sleep(600)")) as made:
            clocked(there)
            number = await saved(there, "You mend.")
            assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
            async with asyncio.timeout(HANG):
                while (await spent_since_midnight(there.gateway.store, datetime.now(UTC)))[""].money < 0.75:
                    await asyncio.sleep(0.01)
            assert made.latest("repairs").state == "running"  # type: ignore[union-attr]
            async with there.gateway.store.read() as session:
                assert len(list(await session.scalars(select(ExpenseRecord)))) == 1

    asyncio.run(look())


@contextlib.contextmanager
def slow_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The database has written a cost, and says so only when it is let go: the events of both."""
    written, let_go = asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> int:
        row = await paid(*given)
        written.set()
        await let_go.wait()
        return row

    monkeypatch.setattr("sipgw.web.comparisons.paid", slow)
    try:
        yield written, let_go
    finally:
        let_go.set()


def test_what_it_uses_counts_at_once_however_slow_the_database_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        program = uses(250, 500, 1500, then="time.sleep(600)", last=50)
        async with visit(tmp_path, PRICES) as there, comparing(there, program) as made:
            expenses, number = clocked(there), await saved(there, "You mend.")
            with slow_database(monkeypatch):
                assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
                await until(lambda: expenses.spent().money == pytest.approx(2.3))  # it was ended, and told its last use
            await until(lambda: made.latest("repairs").state != "running")  # type: ignore[union-attr]
            assert "[limits] money_per_day" in made.latest("repairs").problem  # type: ignore[union-attr]
            assert (await spent_since_midnight(there.gateway.store, datetime.now(UTC)))[""].money == pytest.approx(2.3)

    asyncio.run(look())


def test_one_that_ends_while_its_cost_is_written_has_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        program = uses(250, then="time.sleep(600)", last=500)
        async with visit(tmp_path, PRICES) as there:
            async with asyncio.TaskGroup() as group, comparing(there, program) as made:
                expenses, number = clocked(there), await saved(there, "You mend.")
                with slow_database(monkeypatch) as (written, _):
                    assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
                    await within(written.wait())
                    closing = group.create_task(made.__aexit__(None, None, None))
                    await until(lambda: expenses.spent().money == pytest.approx(0.75))
                await closing
            async with there.gateway.store.read() as session:
                (row,) = await session.scalars(select(ExpenseRecord))
            assert row.cost == pytest.approx(0.75)

    asyncio.run(look())


def test_its_cost_is_written_at_most_once_a_second_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[float, float, int | None]] = []

    async def fake(store: object, what: str, cost: Cost, now: datetime, row: int | None) -> int:
        written.append((asyncio.get_running_loop().time(), cost.used["llm acme/one tokens_out"], row))
        return 7

    monkeypatch.setattr("sipgw.web.comparisons.paid", fake)
    gateway: Any = SimpleNamespace(store=None, expenses=Expenses(PriceTable(()), lambda: datetime.now(UTC)))

    async def scenario() -> None:
        began = asyncio.get_running_loop().time()
        async with _charged(gateway, Comparison(1, "ear")) as charge:
            for _ in range(25):
                charge.used(b'{"part": "llm", "name": "acme/one", "unit": "tokens_out", "amount": 1}')
                await asyncio.sleep(0.125)
            await asyncio.sleep(60)
        assert [(at - began, *more) for at, *more in written] == [
            (0, 1, None), (1, 8, 7), (2, 16, 7), (3, 24, 7), (4, 25, 7), (63.125, 25, 7),
        ]  # fmt: skip

    run(scenario())


@pytest.mark.parametrize("error", [RuntimeError("closed"), TimeoutError("the disk did not answer")])
@pytest.mark.parametrize("work", ["paid", "shutil.rmtree"])
def test_an_error_at_its_end_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, error: Exception
) -> None:
    agent_file(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise error

    async def look() -> None:
        async with visit(tmp_path, PRICES) as there, comparing(there, uses(1)) as made:
            number = await saved(there, "You mend.")
            monkeypatch.setattr(f"sipgw.web.comparisons.{work}", fail)
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # files may be left
            for _ in range(2):
                assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
                await until(lambda: made.latest("repairs").state != "running")  # type: ignore[union-attr]
            assert there.gateway.expenses.spent().money > 0

    asyncio.run(look())
