"""What gateways count together besides calls in: calls out on a trunk, and the minutes and money of a day."""

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from sipgw.cluster.cluster import Cluster
from sipgw.config.cost import PriceOptions
from sipgw.config.inbound import LimitOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.cost.cost import NOTHING, Bill, Expenses
from sipgw.policy.cost.day import SharedSpent
from sipgw.policy.cost.prices import PriceTable
from sipgw.policy.cost.tenants import TenantLimits
from sipgw.policy.inbound.limits import InboundLimits, SpentToday
from sipgw.policy.inbound.shared_limits import SharedLimits
from sipgw.trunks import route_selector as routes
from sipgw.trunks.route_selector import NotDialled
from sipgw.trunks.trunk_slots import TrunkSlots
from tests.cluster.test_cluster import ANN, back, joined, still
from tests.interop.redis import Server

pytestmark = pytest.mark.programs("redis")

TRUNK = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), max_calls=2, calls_per_second=2)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES = PriceTable((PriceOptions("trunk", "carrier", "seconds", 0.30, 60),))
ACME = TenantOptions("acme", ("sales",), max_calls=2, money_per_day=1.0)


async def test_calls_out_and_in_of_all_gateways_share_the_channels_of_a_trunk(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    calls = Counter[str]()
    places = [TrunkSlots(calls, one), TrunkSlots(Counter(), two)]
    coming = SharedLimits(InboundLimits(LimitOptions()), two)
    async with still(one, two):
        assert await coming.admit(ANN, "a", TRUNK) is None
        async with places[0].held(TRUNK):
            assert calls["carrier"] == 1
            with pytest.raises(NotDialled, match="carrier: all gateways together have as many calls"):
                await places[1].held(TRUNK).__aenter__()
            declined = await coming.admit(ANN, "b", TRUNK)
            assert declined and declined.rule == "max_calls"
            assert "carrier" not in declined.reason and "2" not in declined.reason, "a tenant reads it"
        assert calls["carrier"] == 0
        async with places[1].held(TRUNK):
            pass


async def test_a_call_out_keeps_its_place_when_redis_forgets(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    places = [TrunkSlots(Counter(), each) for each in (one, two)]
    async with still(one, two), contextlib.AsyncExitStack() as calls:
        for _ in range(2):
            await calls.enter_async_context(places[0].held(TRUNK))
        redis.kill()
        async with places[1].held(TRUNK):
            pass  # each by itself: better one call more than none
        redis.start()
        await back(one, two)
        await one.parts[0]()
        with pytest.raises(NotDialled):
            await places[1].held(TRUNK).__aenter__()


async def test_turns_of_all_gateways_together_keep_to_the_calls_per_second(
    redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = joined(redis), joined(redis)
    places = [TrunkSlots(Counter(), each) for each in (one, two)]
    asked = asyncio.get_running_loop().time
    async with still(one, two):
        began = asked()
        for at in range(3):
            await places[at % 2].turn(TRUNK)
        assert asked() - began > 0.9, "two in a second, the third in the next"
        monkeypatch.setattr("sipgw.trunks.trunk_slots.LONGEST_WAIT", 0.01)
        with pytest.raises(NotDialled, match="more than 2 calls a second"):
            for at in range(3):
                await places[at % 2].turn(TRUNK)
        redis.kill()
        await places[0].turn(TRUNK)
    assert routes.LONGEST_WAIT == 5


class Day:
    """The expenses of a gateway: so many minutes have been talked."""

    def __init__(self, cluster: Cluster, earlier: SpentToday = NOTHING) -> None:
        self.now = NOON
        self.own = Expenses(PRICES, lambda: self.now, {"": earlier})
        self.shared = SharedSpent(self.own, cluster)
        self.limits = InboundLimits(LimitOptions(minutes_per_day=10), self.shared.spent)
        self._beat = cluster.parts[-1]

    def talk(self, minutes: float, tenant: str = "") -> None:
        bill = Bill(PRICES, "in", "", self.now, "carrier", answered=self.now, tenant=tenant)
        self.own.open("call", bill)
        self.now += timedelta(minutes=minutes)
        self.own.close("call")

    async def beat(self) -> None:
        await self._beat()


async def test_minutes_of_a_day_count_over_all_gateways(redis: Server) -> None:
    one, two, third = joined(redis), joined(redis), joined(redis)
    async with still(one, two, third):
        days = [Day(one), Day(two)]
        days[0].talk(6)
        days[1].talk(3)
        for day in (*days, *days):
            await day.beat()
        assert [round(day.shared.spent().minutes) for day in days] == [9, 9]
        days[0].talk(1)
        await days[0].beat()
        await days[1].beat()
        declined = days[1].limits.budget()
        assert declined and declined.rule == "minutes_per_day"
        again = Day(
            third, earlier=SpentToday(minutes=10)
        )  # the first again: the records of all tell it what was before
        await again.beat()
        assert round(again.shared.spent().minutes) == 10, "nothing counts twice"


async def test_what_an_ended_process_has_taken_counts_when_redis_forgets(redis: Server) -> None:
    clusters = [joined(redis) for _ in range(3)]
    async with still(*clusters):
        ended, days = Day(clusters[0]), [Day(one) for one in clusters[1:]]
        ended.talk(6)
        days[0].talk(1)
        for day in (ended, *days, *days):
            await day.beat()
        redis.kill()
        redis.start()
        await back(*clusters[1:])
        days[0].talk(2)
        for day in (*days, *days):
            await day.beat()
        assert [round(day.shared.spent().minutes) for day in days] == [9, 9]
        for day in days:
            day.now += timedelta(days=1)
            day.shared.spent()
            await day.beat()
        assert [day.shared.spent() for day in days] == [NOTHING, NOTHING], "each day is a new one"


async def test_the_money_of_a_tenant_counts_over_all_gateways(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    async with still(one, two):
        days = [Day(one), Day(two)]
        limits = [TenantLimits(day.own, day.shared.spent) for day in days]
        days[0].talk(2, "acme")
        days[0].talk(60)
        days[1].talk(1, "acme")
        for day in (*days, *days):
            await day.beat()
        assert [one.budget("acme", (ACME,)) for one in limits] == [None, None]
        days[0].talk(1, "acme")
        await days[0].beat()
        await days[1].beat()
        over = limits[1].budget("acme", (ACME,))
        assert over and over.reason == "the calls of the tenant acme have cost 1.20 today ([[tenants]] money_per_day)"


async def test_the_calls_of_a_tenant_count_over_all_gateways(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    limits = []
    for cluster in (one, two):
        expenses = Expenses(PRICES, lambda: NOON)
        limits.append(TenantLimits(expenses, expenses.spent, cluster))

    async def refused(at: int, call: str) -> str:
        declined = await limits[at].admit(call, "acme", (ACME,))
        return declined.reason if declined else ""

    async with still(one, two):
        assert [await refused(0, "a"), await refused(1, "b")] == ["", ""]
        for at in range(2):
            assert await refused(at, "c") == "the tenant acme has 2 calls ([[tenants]] max_calls)"
        await limits[0].over("c")
        assert await refused(0, "c"), "that of a call that was not admitted gives nothing back"
        await limits[0].over("a")
        assert await refused(1, "c") == ""
        assert await limits[0].admit("d", "globex", (ACME,)) is None
        redis.kill()
        assert await refused(0, "e") == "", "each by itself: better one call more than none"


async def test_without_redis_a_gateway_counts_its_own_and_what_it_heard_last(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    async with still(one, two):
        days = [Day(one), Day(two)]
        days[0].talk(4)
        for day in days:
            await day.beat()
        redis.kill()
        days[0].talk(100)
        days[1].talk(5)
        assert round(days[1].shared.spent().minutes) == 9
        assert days[1].limits.budget() is None
        redis.start()
        await back(one, two)
        for day in days:
            await day.beat()
        assert round(days[1].shared.spent().minutes) == 109, "a Redis that has forgotten is told again"


async def test_midnight_begins_a_new_day_for_all(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    async with still(one, two):
        days = [Day(one), Day(two)]
        days[0].talk(9)
        for day in days:
            await day.beat()
            day.now += timedelta(days=1)
        assert [day.shared.spent().minutes for day in days] == [0, 0]
        for day in days:
            await day.beat()
        assert [day.shared.spent().minutes for day in days] == [0, 0]


async def test_the_alarm_on_the_cost_of_a_day_counts_over_all_gateways(redis: Server) -> None:
    clusters = joined(redis), joined(redis)
    async with still(*clusters):
        days = [Day(one) for one in clusters]
        for one in days:
            one.talk(2)
        for one in (*days, *days):
            await one.beat()
        for one in days:
            today, money = one.shared.today
            assert (today, round(money, 6)) == (NOON.date().isoformat(), 1.2)
