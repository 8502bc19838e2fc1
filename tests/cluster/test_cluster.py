# mypy: disable-error-code="misc"
"""What gateways share: places, leases, limits and calls, with a real Redis that dies and comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sipgw.cluster import shared
from sipgw.cluster.calls import GatewayCalls, SharedCalls
from sipgw.cluster.cluster import BEAT, Cluster
from sipgw.cluster.leases import LEASE, Leases
from sipgw.cluster.shared import Unreachable
from sipgw.cluster.slots import HeldSlot, SlotLimit
from sipgw.config.cluster import ClusterOptions
from sipgw.config.inbound import LimitOptions
from sipgw.config.options import OptionError, build
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.limits import Caller, InboundLimits
from sipgw.policy.inbound.shared_limits import SharedLimits
from tests.interop.redis import Server
from tests.waiting import HANG, until

pytestmark = pytest.mark.programs("redis")

TRUNK = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), max_calls=3)
ANN = Caller("+14155550100", "+14155550199", "192.0.2.1")
BOB = Caller("+14155550101", "+14155550199", "192.0.2.1")


def joined(redis: Server, name: str = "one") -> Cluster:
    return Cluster(ClusterOptions(redis.url, name=name))


@contextlib.asynccontextmanager
async def still(*clusters: Cluster) -> AsyncIterator[None]:
    """Connected, but with no beat of its own: the test beats."""
    try:
        for one in clusters:
            await one.shared.check()
        yield
    finally:
        for one in clusters:
            await one.shared.close()


async def back(*clusters: Cluster) -> None:
    """Let them find out that Redis was gone, and that it is there again."""
    for one in clusters:
        while not await one.shared.check():
            pass


async def test_places_are_taken_in_all_sets_or_in_none(redis: Server) -> None:
    one = joined(redis)
    async with still(one):
        places = one.places
        assert await places.take("a", [SlotLimit("x", 2, 60), SlotLimit("y", 1, 60)]) is None
        assert await places.take("a", [SlotLimit("y", 1, 60)]) is None, "who has it renews it"
        full = await places.take("b", [SlotLimit("x", 2, 60), SlotLimit("y", 1, 60)])
        assert full
        assert full.at == 1
        assert 59 < full.wait <= 60
        assert await places.take("b", [SlotLimit("x", 2, 60)]) is None, "nothing was taken before"
        await places.give("a", ["x", "y"])
        assert await places.take("c", [SlotLimit("x", 2, 60), SlotLimit("y", 1, 60)]) is None


async def test_a_place_that_nobody_renews_is_free_after_its_time(redis: Server) -> None:
    one = joined(redis)
    async with still(one):
        await one.places.take("a", [SlotLimit("x", 1, 0.05)])
        async with asyncio.timeout(HANG):
            while await one.places.take("b", [SlotLimit("x", 1, 60)]):
                await asyncio.sleep(0.01)
        await one.places.put([HeldSlot("x", "a", 60)])
        assert (full := await one.places.take("c", [SlotLimit("x", 1, 60)])) and full.at == 0, "both are there"
        assert await one.shared.ask(lambda it: it.pttl("sipgw:x")) > 0, "sets do not stay for ever"


async def test_many_take_the_last_place_and_one_gets_it(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LIMIT", 10.0)  # a busy machine is not what is tried here
    clusters = [joined(redis) for _ in range(4)]
    got = []

    async def take(one: Cluster, number: int) -> None:
        if await one.places.take(f"{one.id} {number}", [SlotLimit("x", 5, 60)]) is None:
            got.append(number)

    async with still(*clusters), asyncio.TaskGroup() as group:
        for one in clusters:
            for number in range(10):
                group.create_task(take(one, number))
    assert len(got) == 5


async def test_one_gateway_has_the_lease_and_another_takes_over(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    leases = [Leases(one), Leases(two)]
    told: list[tuple[str, bool]] = []
    async with still(one, two):
        for name, lease in zip("12", leases, strict=True):
            lease.want("carrier", lambda ours, name=name: told.append((name, ours)))
        for _ in range(3):
            for lease in leases:
                await lease._beat()
        assert told == [("1", True)]
        leases[0].give_up()
        for lease in leases:
            await lease._beat()
        assert told[1:] == [("2", True)]
        await two.shared.ask(lambda it: it.delete("sipgw:owner:carrier"))  # as if two had been silent for too long
        await one.places.take(one.id, [SlotLimit("owner:carrier", 1, LEASE)])
        await leases[1]._beat()
        assert told[2:] == [("2", False)]
    assert LEASE + BEAT < 5, "seconds, after the death of the holder"


async def test_without_redis_leases_stay_and_where_none_was_given_everybody_has_it(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    leases = [Leases(one), Leases(two)]
    told: list[tuple[str, bool]] = []
    async with still(one):
        leases[0].want("carrier", lambda ours: told.append(("1", ours)))
        await leases[0]._beat()
        redis.kill()
        leases[1].want("carrier", lambda ours: told.append(("2", ours)))
        assert not await two.shared.check()
        for _ in range(round(LEASE / BEAT) + 1):
            for lease in leases:
                await lease._beat()
        assert told == [("1", True), ("2", True)], "no registration is lost for want of a Redis"
        redis.start()
        await back(one, two)
        for lease in leases:
            await lease._beat()
        assert told[2:] == [("2", False)]


async def test_limits_count_over_all_gateways(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    options = LimitOptions(at_once_per_number=1, per_network=3, window=60)
    limits = [SharedLimits(InboundLimits(options), each) for each in (one, two)]
    async with still(one, two):
        assert await limits[0].admit(ANN, "a", TRUNK) is None
        declined = await limits[1].admit(ANN, "b", TRUNK)
        assert declined
        assert declined.rule == "at_once_per_number"
        await limits[0].over(ANN, "a")
        assert await limits[1].admit(ANN, "b", TRUNK) is None
        assert await limits[0].admit(BOB, "c", TRUNK) is None
        declined = await limits[0].admit(BOB._replace(number="+3"), "d", TRUNK)
        assert declined and declined.rule == "per_network", (
            "three within a minute, those that were declined not counted"
        )


async def test_calls_with_one_call_id_at_two_gateways_count_as_two(redis: Server) -> None:
    """The caller chooses the Call-ID, and each gateway gives identities of its own."""
    one, two = joined(redis), joined(redis)
    limits = [SharedLimits(InboundLimits(LimitOptions(at_once_per_number=1)), each) for each in (one, two)]
    async with still(one, two):
        assert await limits[0].admit(ANN, "same", TRUNK) is None
        declined = await limits[1].admit(ANN, "same", TRUNK)
        assert declined and declined.rule == "at_once_per_number"
        assert await limits[1].admit(BOB, "same", TRUNK) is None
        await limits[1].over(BOB, "same")
        assert await limits[1].admit(ANN, "other", TRUNK), "the first still goes on"


async def test_channels_of_a_trunk_count_over_all_gateways_and_those_of_the_dead_do_not_for_ever(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    limits = [SharedLimits(InboundLimits(LimitOptions()), each) for each in (one, two)]
    async with still(one, two):
        assert [await limits[at % 2].admit(ANN, str(at), TRUNK) for at in range(3)] == [None] * 3
        declined = await limits[0].admit(BOB, "4", TRUNK)
        assert declined
        assert (declined.rule, declined.status) == ("max_calls", 503)
        for member in ("0", "2"):  # those of the first gateway, which was killed, run out
            await one.shared.ask(lambda it, member=member: it.zadd("sipgw:trunk:carrier", {f"{one.id} {member}": 1}))
        assert await limits[1].admit(BOB, "4", TRUNK) is None


async def test_without_redis_each_gateway_counts_its_own_and_tells_later(redis: Server) -> None:
    one, two = joined(redis), joined(redis)
    limits = [SharedLimits(InboundLimits(LimitOptions(at_once_per_number=1)), each) for each in (one, two)]
    async with still(one, two):
        redis.kill()
        assert await limits[0].admit(ANN, "a", TRUNK) is None
        assert await limits[0].admit(ANN, "b", TRUNK), "our own limits hold"
        redis.start()
        await back(one, two)
        await one.parts[-1]()
        declined = await limits[1].admit(ANN, "c", TRUNK)
        assert declined and declined.rule == "at_once_per_number"


async def test_a_redis_that_hangs_costs_the_first_call_a_moment_and_the_next_nothing(
    redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = joined(redis)
    async with still(one):
        redis.freeze()
        with pytest.raises(Unreachable):
            await one.places.take("a", [SlotLimit("x", 1, 60)])
        with monkeypatch.context() as nobody, pytest.raises(Unreachable, match="before"):
            nobody.setattr(one.shared, "_asked", lambda _: pytest.fail("Redis is asked again"))
            await one.places.take("a", [SlotLimit("x", 1, 60)])
        redis.thaw()
        await back(one)
        assert await one.places.take("a", [SlotLimit("x", 1, 60)]) is None


async def test_any_gateway_lists_the_calls_of_all(redis: Server) -> None:
    one, two = joined(redis, "one"), joined(redis, "two")
    calls = {name: SharedCalls(each, lambda name=name: GatewayCalls(name, False, {f"{name}-1": {"caller": "+1"}}))
             for name, each in (("one", one), ("two", two))}  # fmt: skip
    async with still(one, two):
        for name, each in (("one", one), ("two", two)):
            await calls[name]._tell(each)
        for each in calls.values():  # type: ignore[assignment]
            assert [(found.name, list(found.calls)) for found in await each.all()] == [  # type: ignore[attr-defined]
                ("one", ["one-1"]),
                ("two", ["two-1"]),
            ]
        await one.shared.ask(lambda it: it.delete(f"sipgw:calls:{two.id}"))  # it has been silent for five seconds
        assert [found.name for found in await calls["one"].all()] == ["one"]
        redis.kill()
        with pytest.raises(Unreachable):
            await calls["one"].all()


async def test_a_cluster_beats_on_when_redis_comes_back(redis: Server) -> None:
    one = joined(redis)
    calls = SharedCalls(one, lambda: GatewayCalls("one", False, {}))
    async with one:
        for _ in range(2):
            redis.kill()
            await until(lambda: not one.shared.up)
            redis.start()
            await until(lambda: one.shared.up)
        assert [found.name for found in await calls.all()] == ["one"]


@pytest.mark.parametrize("table", [{"redis": "localhost"}, {"prefix": "a b"}, {"name": "x:y"}])
def test_options_that_cannot_be_used(table: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(ClusterOptions, table, {})


def test_the_password_of_redis_is_not_shown() -> None:
    assert "secret" not in repr(ClusterOptions("redis://:secret@127.0.0.1:6379/0"))


async def test_who_is_cancelled_while_asking_is_cancelled(redis: Server) -> None:
    one = joined(redis)
    async with still(one):
        redis.freeze()
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(one.places.take("a", [SlotLimit("x", 1, 60)]))
            await asyncio.sleep(0.05)
            asking.cancel()
            await asyncio.wait({asking})
        assert asking.cancelled()
        redis.thaw()
