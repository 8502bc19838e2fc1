"""Callers whom limits turn away, over real SIP: what each hears. More, from SIPp: tests/interop/test_limits.py."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import PriceOptions
from sipgw.config.inbound import LimitOptions
from sipgw.config.outbound import RetryOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition
from sipgw.outbound.retries import next_step
from sipgw.policy.inbound.limits import Declined
from sipgw.sip.endpoint import CallFailed
from tests.cloud import Cloud, cloud
from tests.fakes.elevenlabs import sound_of
from tests.phone import Phone, calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

DEAR = PriceOptions("trunk", "office", "seconds", 0.30, 60, rounding="60/60")
Change = Callable[[GatewayConfig], GatewayConfig]


def limited(**more: object) -> Change:
    return lambda config: replace(config, limits=LimitOptions(**more), prices=(DEAR,))  # type: ignore[arg-type]


def full(config: GatewayConfig) -> GatewayConfig:
    return replace(config, admission=replace(config.admission, max_calls=1))


def full_trunk(config: GatewayConfig) -> GatewayConfig:
    return replace(config, trunks=tuple(replace(trunk, max_calls=1) for trunk in config.trunks))


def tenant(**more: float) -> Change:
    def change(config: GatewayConfig) -> GatewayConfig:
        whose = TenantOptions("acme", ("agent",), **more)  # type: ignore[arg-type]
        return replace(config, tenants=(whose,), prices=(DEAR,))

    return change


def quiet(_: int) -> bytes:
    return b"\xff" * 160


async def turned_away(world: Cloud) -> tuple[int, str]:
    with pytest.raises(CallFailed) as caught:
        async with calling(world.target, quiet, caller="+14155550101"):
            pass
    return caught.value.ended.status, caught.value.ended.text


async def talking(phone: Phone) -> None:
    async with asyncio.timeout(HANG):
        while len(phone.received) < 5:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("change", "meanwhile", "status", "why"),
    [
        (full_trunk, True, 503, "the trunk has 1 calls, its max_calls"),
        (full, True, 503, "the gateway has 1 calls, [admission] max_calls"),
        (limited(per_network=1), False, 603, "127.0.0.1 has called 1 times within 3600 s ([limits] per_network)"),
        (limited(per_network=1, answer_too_often="busy"), False, 486, "([limits] per_network)"),
        (limited(money_per_day=0.2), False, 503, "([limits] money_per_day)"),
        (limited(blocked=("127.0.0.0/8",)), False, 603, "([limits] blocked)"),
        (tenant(money_per_day=0.2), False, 503, "the tenant acme have cost 0.30 today ([[tenants]] money_per_day)"),
        (tenant(max_calls=1), True, 503, "the tenant acme has 1 calls ([[tenants]] max_calls)"),
    ],
    ids=["trunk", "gateway", "network", "answer", "money", "blocked", "money of a tenant", "calls of a tenant"],
)
def test_one_more_gets_the_answer_that_fits(
    tmp_path: Path, change: Change, meanwhile: bool, status: int, why: str
) -> None:
    """`meanwhile`: while the first call goes on; otherwise when it is over."""

    async def scenario() -> None:
        office = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))
        async with cloud(tmp_path, [], [], trunks=(office,), change=change) as world:
            if "blocked" in why:
                told = await turned_away(world)
            else:
                async with calling(world.target, quiet, caller="+14155550100") as first:
                    await talking(first)
                    told = await turned_away(world) if meanwhile else (0, "")
                async with asyncio.timeout(HANG):
                    while world.gateway.calls:
                        await asyncio.sleep(0.02)
                told = told if meanwhile else await turned_away(world)
            assert told[0] == status
            assert ("Retry-After" in told[1]) == (status == 503)
            if meanwhile and "tenant" not in why:  # at the door: it never becomes a call
                assert world.gateway.admission.refusals.last["office"].why == why
                return
            async with asyncio.timeout(HANG):
                while not (refused := [one for one in await world.gateway.store.calls() if one["ending"] == "refused"]):
                    await asyncio.sleep(0.02)
            assert why in refused[0]["cause"]
            assert {one["tenant"] for one in await world.gateway.store.calls()} == {"acme" if "tenant" in why else ""}

    with capture_logs() as logs:
        asyncio.run(scenario())
    causes = [line["why"] for line in logs if line["event"] == "call sent elsewhere"]
    assert causes == ([why] if meanwhile and "tenant" not in why else []), "what only memory keeps stands in the log"


def test_a_gateway_that_is_late_turns_another_call_away_and_serves_the_first(tmp_path: Path) -> None:
    """Any delay is too much here, and there is always some."""

    def hurried(config: GatewayConfig) -> GatewayConfig:
        return replace(config, admission=replace(config.admission, delay_limit=1e-9))

    async def scenario() -> None:
        office = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))
        async with cloud(tmp_path, [], [], trunks=(office,), change=hurried) as world:
            async with calling(world.target, quiet) as first:
                await talking(first)
                async with asyncio.timeout(HANG):
                    while not world.gateway.admission.capacity.delay():
                        await asyncio.sleep(0.05)
                status, text = await turned_away(world)
                assert (status, "Retry-After" in text) == (503, True)
                assert "overloaded" in world.gateway.admission.refusals.last["office"].why
                before = len(first.received)
                async with asyncio.timeout(HANG):
                    while len(first.received) < before + 5:
                        await asyncio.sleep(0.02)
            async with asyncio.timeout(HANG):
                while world.gateway.calls:
                    await asyncio.sleep(0.02)
            async with calling(world.target, quiet) as other:
                await talking(other)

    asyncio.run(scenario())


@pytest.mark.faults("C1")
def test_whoever_is_told_that_the_day_is_spent_hears_the_whole_sentence(tmp_path: Path) -> None:
    sentence = "We have no more time for calls today. " * 3
    change = limited(money_per_day=0.2, answer_spent="spoken", sentence=sentence)

    async def scenario() -> None:
        office = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))
        async with cloud(tmp_path, [], [], trunks=(office,), change=change) as world:
            async with calling(world.target, quiet, caller="+14155550100") as first:
                await talking(first)
            await until(lambda: not world.gateway.calls)
            async with calling(world.target, quiet, caller="+14155550101") as second:
                await talking(second)
                await until(lambda: not world.gateway.calls)
                heard = second.heard()
            async with asyncio.timeout(HANG):
                while not (ended := [one for one in await world.gateway.store.calls() if one["caller"][-1] == "1"]):
                    await asyncio.sleep(0.02)
                while not ended[0]["ended"]:
                    ended = [one for one in await world.gateway.store.calls() if one["caller"][-1] == "1"]
            assert (ended[0]["ending"], "money_per_day" in ended[0]["cause"]) == ("refused", True)
            assert sound_of(sentence.strip()).strip(b"\xff")[-800:] in heard

    asyncio.run(scenario())


@pytest.mark.parametrize("stopped", [False, True], ids=["other gateways have its calls", "stopped meanwhile"])
def test_a_call_out_that_its_tenant_has_no_room_for_is_tried_again(tmp_path: Path, stopped: bool) -> None:
    """Redis knows the calls of a tenant at other gateways, and its answer takes time."""

    async def scenario() -> tuple[Disposition, str]:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def admit(*_: object) -> Declined:
            asked.set()
            await answer.wait()
            return Declined("overload", "max_calls", "the tenant acme has 1 calls")

        office = TrunkOptions("office", "peer", networks=("127.0.0.1/32",), domain="127.0.0.1:9")
        async with cloud(tmp_path, [], [], trunks=(office,), change=tenant(max_calls=1)) as world:
            world.gateway.services.tenants.admit = admit  # type: ignore[assignment, method-assign]
            call = world.gateway.originate(OriginateRequest("+14155550100", "agent", trunk="office"))
            await asked.wait()
            if stopped:
                call.stop("somebody stops it")
            else:
                answer.set()
            ended = await call.ended()
            async with asyncio.timeout(HANG):
                while not (found := await world.gateway.store.calls()):
                    await asyncio.sleep(0.02)
        return ended, found[0]["ending"]

    ended, kept = asyncio.run(scenario())
    assert kept == ended.kind, "the call has a record"
    if not stopped:
        assert next_step(RetryOptions(), ended, 1, datetime.now(UTC)).state == "planned"
