"""What the configuration says of tenants, and their limits; over SIP: test_limits_over_sip.py."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sipgw.agents.agents import Agents
from sipgw.bounds import FULL
from sipgw.config.config import AgentConfig, parse
from sipgw.config.cost import PriceOptions
from sipgw.config.errors import ConfigError
from sipgw.config.records import StoreOptions
from sipgw.config.tenants import TenantOptions, tenant_of
from sipgw.midnight import midnight
from sipgw.policy.cost.cost import Bill, Expenses, spent_since_midnight
from sipgw.policy.cost.prices import PriceTable
from sipgw.policy.cost.tenants import TenantLimits
from sipgw.policy.inbound.limits import SpentToday
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PRICES = PriceTable((PriceOptions("trunk", "office", "seconds", 0.30, 60),))
ACME, GLOBEX = TenantOptions("acme", ("sales",), max_calls=1, money_per_day=1.0), TenantOptions("globex", ("desk",))


def bill(tenant: str, minutes: int, *, of_call: bool = True) -> Bill:
    began = NOON - timedelta(minutes=minutes)
    return Bill(PRICES, "in", "+14155550100", began, "office", began, tenant=tenant, of_call=of_call)


def test_calls_and_money_of_one_tenant_are_not_those_of_another() -> None:
    expenses = Expenses(PRICES, lambda: NOON, {"globex": SpentToday(0, 100.0)})
    refusal = TenantLimits(expenses, expenses.spent).refusal
    both = (ACME, GLOBEX)
    assert refusal("acme", both) is None
    expenses.open("a", bill("globex", 60))
    assert refusal("acme", both) is None
    expenses.open("b", bill("acme", 2))
    full = refusal("acme", both)
    assert full is not None and full.reason == "the tenant acme has 1 calls ([[tenants]] max_calls)"
    assert refusal("globex", both) is None and refusal("", both) is None
    expenses.close("b")
    assert refusal("acme", both) is None
    expenses.open(("report", "b"), bill("acme", 1, of_call=False))
    assert refusal("acme", both) is None, "work after a call is no call"


def test_pace() -> None:
    """A tenant calls at half of its trunk's pace, however often it asks; another one at its own."""
    expenses = Expenses(PRICES, lambda: NOON)
    turn, full = TenantLimits(expenses, expenses.spent).turn, FULL["calls of tenants"]
    asked = [turn("acme", 4.0, 1000 + number / 100) for number in range(2000)]
    assert sum(one is None for one in asked) == pytest.approx(20 * 2, abs=6)
    assert FULL["calls of tenants"] - full == sum(one is not None for one in asked)
    assert asked[-1] is not None and asked[-1].reason == "you may make 2 new calls in a second, and have made more"
    assert turn("globex", 4.0, 1020.0) is None


def test_a_running_call_counts_and_midnight_begins_anew() -> None:
    now = [NOON]
    expenses = Expenses(PRICES, lambda: now[0], {"acme": SpentToday(0, 0.5)})
    budget = TenantLimits(expenses, expenses.spent).budget
    assert budget("acme", (ACME,)) is None
    expenses.open("b", bill("acme", 2))
    over = budget("acme", (ACME,))
    assert over is not None and over.rule == "money_per_day" and over.status == 503
    expenses.close("b")
    assert budget("acme", (ACME,)) is not None
    now[0] += timedelta(days=1)
    assert budget("acme", (ACME,)) is None


def test_what_a_day_has_cost_is_known_after_a_restart(tmp_path: Path) -> None:
    async def run() -> dict[str, SpentToday]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                for number, (tenant, cost, days) in enumerate(
                    [("acme", 1.0, 0), ("acme", 2.0, 0), ("acme", 4.0, 1), ("globex", 8.0, 0), ("", 16.0, 0)]
                ):
                    names = {"trunk": "t", "caller": "a", "called": "b", "ending": "x", "cause": "x"}
                    began = NOON - timedelta(days=days)
                    session.add(CallRecord(id=f"{number}", began=began, cost=cost, tenant=tenant, **names))
            return await spent_since_midnight(store, NOON)

    assert {tenant: spent.money for tenant, spent in asyncio.run(run()).items()} == {
        "": 27.0,
        "acme": 3.0,
        "globex": 8.0,
    }


def test_a_call_over_midnight_counts_for_the_day_of_its_end_also_after_a_restart(tmp_path: Path) -> None:
    began, ended = (midnight(NOON) + timedelta(minutes=minutes) for minutes in (-10, 20))
    now = [began]
    expenses = Expenses(PRICES, lambda: now[0])
    expenses.open("over", Bill(PRICES, "in", "", began, "office", began, tenant="acme"))
    now[0] = ended
    expenses.close("over")

    async def restarted() -> list[dict[str, SpentToday]]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                names = {"trunk": "t", "caller": "a", "called": "b", "ending": "x", "cause": "x", "tenant": "acme"}
                for end in (ended, midnight(NOON) - timedelta(minutes=5)):
                    row = CallRecord(id=f"{end}", began=began, answered=began, ended=end, cost=9.0, **names)
                    session.add(row)
            return [await spent_since_midnight(store, NOON + timedelta(days=days)) for days in (0, 1)]

    today, tomorrow = asyncio.run(restarted())
    assert today["acme"] == today[""] == expenses.spent("acme") == SpentToday(30.0, 9.0)
    assert tomorrow == {"": SpentToday()}


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ('[[tenants]]\nname = "Acme"\nagents = []', "small letters"),
        ('[[tenants]]\nname = "a"\nagents = ["x"]\n[[tenants]]\nname = "a"\nagents = []', "two tenants are called 'a'"),
        ('[[tenants]]\nname = "a"\nagents = ["x"]\n[[tenants]]\nname = "b"\nagents = ["x"]', "'x'"),
        ('[[tenants]]\nname = "a"\nagents = ["x"]\nmax_calls = -1', "max_calls"),
    ],
)
def test_a_configuration_that_mixes_tenants_is_refused(toml: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse(toml, "x.toml", {})


def test_an_agent_of_a_tenant_is_there_and_hands_calls_over_within_it_only() -> None:
    def made(toml: str) -> Agents:
        config = parse(toml, "x.toml", {})
        return Agents(config, {"sales": AgentConfig(), "desk": AgentConfig()})

    with pytest.raises(ConfigError, match="'sale' is no agent"):
        made('[[tenants]]\nname = "acme"\nagents = ["sale"]')
    hands = '[agent]\nhand_over = ["sales"]\n'
    with pytest.raises(ConfigError, match="'sales' belongs to another tenant"):
        made(hands + '[[tenants]]\nname = "acme"\nagents = ["sales"]')
    found = made(hands + '[[tenants]]\nname = "acme"\nagents = ["sales", "agent"]')
    assert [tenant_of(name, found.config.tenants) for name in ("sales", "desk")] == ["acme", ""]
