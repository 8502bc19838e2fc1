"""Calls out of a tenant: with its agents and numbers, and with reasons that tell nothing of others."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AdmissionOptions, LimitOptions
from sipgw.config.tenants import TenantOptions
from sipgw.outbound.job_dialer import ClaimedJob, JobDialer, Pace, request_of
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.policy.inbound.limits import SpentToday
from sipgw.sip.identity import Identity
from sipgw.trunks.route_selector import NoRoom, NotDialled
from tests.callee import callee, rejecting
from tests.outbound.test_call_out import NUMBER, calling_out, ended, records

pytestmark = pytest.mark.slow


def test_a_campaign_of_a_tenant_calls_with_its_agents_and_shows_its_number(tmp_path: Path) -> None:
    def shared(config: GatewayConfig) -> GatewayConfig:
        acme = TenantOptions("acme", ("agent",), numbers=("+14155550177",))
        trunks = tuple(replace(one, caller_ids=(*one.caller_ids, *acme.numbers)) for one in config.trunks)
        return replace(config, trunks=trunks, tenants=(acme, TenantOptions("globex", (), numbers=acme.numbers)))

    def job(campaign: str, **more: str) -> OriginateRequest:
        given: dict[str, Any] = {"agent": "agent", "trunk": "", "variables": {}, "consent": True} | more
        return request_of(Job(number=NUMBER, campaign=campaign, **given))

    async def scenario() -> None:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person, change=shared) as (world, _):
            for refused, why in (
                (job("globex/spring"), "there is no agent 'agent'"),
                (job("gone/spring"), "there is no agent 'agent'"),
                (job("acme/spring", trunk="carrier0"), "the trunk is chosen by the installation"),
                (replace(job("acme/spring"), caller_id="+14155550199"), "none of your numbers"),
            ):
                with pytest.raises(NotDialled) as error:
                    world.gateway.originate(refused)
                assert why in error.value.told(refused.tenant)
            assert (await ended(world, job("acme/spring"))).kind == "busy"
            assert (await ended(world, job("spring"))).kind == "busy"
            shown = [Identity.of(leg.request).number for leg in person.legs]
            assert shown == ["+14155550177", "+14155550199"]
            assert (await ended(world, job("", trunk="carrier0"))).kind == "busy"
            assert Identity.of(person.legs[-1].request).number == "+14155550177", "it is a callback of a tenant"
            await world.gateway.gate.own.add(NUMBER, "cli", note="the lawyer wrote")
            listed = await ended(world, job("acme/spring"))
            assert (listed.kind, listed.cause) == ("not_permitted", "the number is on a do-not-call list")
            assert "lawyer" not in str(await records(world.gateway))
            assert {one["tenant"] for one in await records(world.gateway)} == {"acme"}, "it is its agent's call"

    asyncio.run(scenario())


def test_a_tenant_asks_for_no_more_calls_in_a_second_than_its_share(tmp_path: Path) -> None:
    """By API, campaign and callback together; the calls of others go on."""

    def shared(config: GatewayConfig) -> GatewayConfig:
        acme = TenantOptions("acme", ("agent",), numbers=("+14155550177",))
        trunks = tuple(replace(one, caller_ids=acme.numbers, calls_per_second=2.0) for one in config.trunks)
        return replace(config, trunks=trunks, tenants=(acme,))

    async def scenario() -> None:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person, change=shared) as (world, _):
            wanted = OriginateRequest(NUMBER, "agent", consent=True, tenant="acme")
            kinds = (
                wanted,
                replace(wanted, purpose="campaign", campaign="acme/x"),
                replace(wanted, purpose="callback"),
            )
            made, refused = [], []
            for number in range(30):
                try:
                    made.append(world.gateway.originate(kinds[number % 3]))
                except NoRoom as full:
                    refused.append(str(full))
            assert len(made) <= 4 and set(refused) == {"you may make 1 new calls in a second, and have made more"}
            for one in made:
                await one.ended()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"admission": AdmissionOptions(max_calls=1)}, "the gateway has 1 calls, [admission] max_calls"),
        ({"limits": LimitOptions(minutes_per_day=1)}, "the calls of today have taken all that they may"),
    ],
    ids=["full", "spent"],
)
def test_a_tenant_is_not_told_how_full_the_gateway_is_and_whoever_runs_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], why: str
) -> None:
    def shared(config: GatewayConfig) -> GatewayConfig:
        acme = TenantOptions("acme", ("agent",), numbers=("+14155550177",))
        trunks = tuple(replace(one, caller_ids=acme.numbers) for one in config.trunks)
        return replace(config, trunks=trunks, tenants=(acme,), **change)

    async def scenario() -> None:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person, change=shared) as (world, _):
            calls = world.gateway.admission.capacity.calls
            calls["other"] += 1
            services = world.gateway._parts.dispatcher.services
            monkeypatch.setattr(services.limits.own, "_spent", lambda: SpentToday(minutes=2.0))
            wanted = OriginateRequest(NUMBER, "agent", consent=True)
            for asking, told in (("acme", "the gateway makes no more calls at this moment"), ("", why)):
                with pytest.raises(NoRoom) as refused:
                    world.gateway.originate(replace(wanted, tenant=asking))
                assert refused.value.told(asking).startswith(told)
            jobs = Jobs(world.gateway.store, "test", tenants=world.gateway.config.tenants)
            due = Job(
                campaign="",
                number=NUMBER,
                agent="agent",
                variables={},
                trunk="",
                due=datetime.now(UTC).timestamp(),
                attempts=1,
            )
            ending = await JobDialer(jobs, world.gateway)._call(ClaimedJob(due, Pace()))
            assert ending.cause == "the gateway makes no more calls at this moment", "acme reads it of a callback"
            gone = replace(wanted, agent="gone")
            for asked, listed in (
                (replace(gone, purpose="callback"), False),
                (replace(gone, purpose="campaign"), True),
            ):
                with pytest.raises(NotDialled) as missing:
                    world.gateway.originate(asked)
                assert ("there are agent" in missing.value.told("")) is listed, "nobody knows whose the callback is"
            if "limits" in change:
                records = [services.budget(one) for one in ("acme", "")]
                assert [one.reason.startswith(why) for one in records if one] == [False, True]
            calls["other"] -= 1

    asyncio.run(scenario())


def test_the_record_of_a_call_that_no_trunk_took_does_not_name_the_trunks(tmp_path: Path) -> None:
    def shared(config: GatewayConfig) -> GatewayConfig:
        acme = TenantOptions("acme", ("agent",), numbers=("+14155550177",))
        trunks = tuple(replace(one, caller_ids=acme.numbers, max_calls=0) for one in config.trunks)
        return replace(config, trunks=trunks, tenants=(acme,))

    async def scenario() -> None:
        async with callee(rejecting(486)) as person, calling_out(tmp_path, person, change=shared) as (world, _):
            made = await ended(world, OriginateRequest(NUMBER, "agent", consent=True, tenant="acme"))
            assert (made.kind, made.cause) == ("failed", "no trunk could take the call")

    asyncio.run(scenario())
