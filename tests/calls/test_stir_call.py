# mypy: disable-error-code="return-value"
"""One gateway signs its call, the other verifies it: the verdict stands in the record, and the agent is told it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sipgw.agents.orders import about_call
from sipgw.calls.request import OriginateRequest
from sipgw.config.agent import RouteOptions
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.gate import GateOptions
from sipgw.config.stir import StirOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.records.captures.explain import explain
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.identity import Identity, Verdict
from sipgw.telemetry.metrics import Metrics
from tests.calls.test_cloud_call import records
from tests.calls.test_cloud_legs import OFFER, phone
from tests.cloud import Cloud, cloud
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.stir_world import URL, StirWorld
from tests.waiting import HANG, until, within

pytestmark = pytest.mark.slow

CALLER, CALLED, OTHER = "+14155550100", "+12125550123", "+13105550199"
HERE = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), country="US")


def verifying(authority: StirWorld, world: Cloud) -> None:
    checks = world.gateway.services.stir
    assert checks is not None
    checks._certificates._fetch = authority.fetch


@pytest.mark.parametrize("attest", ["A", "C"])
def test_a_signed_call_from_gateway_to_gateway(tmp_path: Path, attest: str) -> None:
    authority = StirWorld(tmp_path, at=datetime.now(UTC))
    metrics = Metrics(lambda: ())

    def signs(config: GatewayConfig) -> GatewayConfig:
        return replace(
            config,
            stir=StirOptions(key=authority.key_file(), x5u=URL, attest=attest),  # type: ignore[arg-type]
            gate=GateOptions(windows=ALWAYS, consent="never"),
        )

    async def scenario() -> tuple[dict, str]:
        verifies = lambda config: replace(config, stir=authority.options())  # noqa: E731
        (tmp_path / "a").mkdir()
        async with cloud(tmp_path, [], [Reply()], trunks=(HERE,), change=verifies) as there:
            verifying(authority, there)
            there.gateway.watchers.add(metrics.watch)
            out = TrunkOptions("out", "peer", networks=("127.0.0.9/32",), country="US", caller_id=CALLER,
                               domain=f"sip:127.0.0.1:{there.gateway.endpoint.port}")  # fmt: skip
            async with cloud(tmp_path / "a", [], [Reply()], trunks=(out,), change=signs) as here, asyncio.timeout(HANG):
                handle = here.gateway.originate(OriginateRequest(CALLED, "agent", trunk="out"))
                await until(lambda: handle.info.answered or handle.info.id not in here.gateway.calls)
                (live,) = there.gateway.calls.values()
                here.gateway.stop(handle.info.id, "enough")
                await handle.ended()
                (record,) = await records(there.gateway)
                return await there.gateway.store.call(record["id"]), about_call(live.info.identity)

    record, prompt = asyncio.run(scenario())
    stir = record["identity"]["stir"]
    assert (stir["result"], stir["attestation"], stir["signer"]) == ("passed", attest, "709B")
    assert record["identity"]["number"] == CALLER
    vouches = "vouches for it" if attest == "A" else "does not vouch for it"
    assert f"The caller's number is {CALLER}; the telephone company {vouches}" in prompt
    assert [event["about"]["stir"]["result"] for event in record["events"] if event["kind"] == "caller_verified"] == [
        "passed"
    ]
    assert f'sipgw_stir_total{{attestation="{attest}",result="passed",trunk="carrier"}} 1.0' in metrics.text().decode()
    assert authority.fetched == [URL]


def test_a_forged_call_is_answered_and_its_number_is_not_believed(tmp_path: Path) -> None:
    """Signed for another caller, although the carrier vouches for it."""
    authority = StirWorld(tmp_path, at=datetime.now(UTC))

    async def scenario() -> dict:
        verifies = lambda config: replace(config, stir=authority.options())  # noqa: E731
        async with (
            cloud(tmp_path, [], [Reply()], trunks=(HERE,), change=verifies) as world,
            phone("127.0.0.1") as caller,
        ):
            verifying(authority, world)
            asserted = f"<sip:{CALLER}@127.0.0.1;verstat=TN-Validation-Passed>"
            fields = (("P-Asserted-Identity", asserted), ("Identity", authority.identity(OTHER, CALLED)))
            leg, _ = await caller.invite(world.target, f"<sip:{CALLER}@127.0.0.1>", OFFER, fields=fields)
            (live,) = world.gateway.calls.values()
            assert not await within(live.context.verified())
            leg.hangup()
            (record,) = await records(world.gateway)
            return record

    stir = asyncio.run(scenario())["identity"]["stir"]
    assert stir == {"result": "failed", "reason": "it is signed for another caller"}


def test_a_verdict_on_a_caller_who_has_changed_meanwhile_is_dropped(tmp_path: Path) -> None:
    """The carrier tells another caller (UPDATE) while the certificate of the first one is fetched."""
    authority = StirWorld(tmp_path, at=datetime.now(UTC))

    async def scenario() -> dict:
        verifies = lambda config: replace(config, stir=authority.options())  # noqa: E731
        async with (
            cloud(tmp_path, [], [Reply()], trunks=(HERE,), change=verifies) as world,
            phone("127.0.0.1") as caller,
        ):

            async def fetch(url: str) -> bytes:
                (live,) = world.gateway.calls.values()
                live.info.spoken_by(Identity(OTHER, source="P-Asserted-Identity"))
                return await authority.fetch(url)

            assert world.gateway.services.stir is not None
            world.gateway.services.stir._certificates._fetch = fetch
            fields = (("Identity", authority.identity(CALLER, CALLED)),)
            target = replace(world.target, user=CALLED)
            leg, _ = await caller.invite(target, f"<sip:{CALLER}@127.0.0.1>", OFFER, fields=fields)
            (live,) = world.gateway.calls.values()
            assert live.info.identity.number == OTHER
            assert not await within(live.context.verified())
            leg.hangup()
            (record,) = await records(world.gateway)
            return await world.gateway.store.call(record["id"])

    record = asyncio.run(scenario())
    assert authority.fetched == [URL]
    assert "stir" not in record["identity"]
    assert [event for event in record["events"] if event["kind"] == "caller_verified"] == []


PASSED = f"<sip:{CALLER}@127.0.0.1;verstat=TN-Validation-Passed>"


@pytest.mark.parametrize(
    ("wanted", "signs", "verstat", "status"),
    [(("verified",), CALLER, False, 200), (("verified",), "", True, 200), (("verified",), "", False, 603),
     (("verified",), OTHER, True, 603), (("passed",), "", True, 603), (("passed", "unsigned"), "", False, 200),
     (("passed", "unverified", "unsigned"), OTHER, False, 603)],
)  # fmt: skip
def test_a_trunk_lets_in_only_callers_with_the_verdict_that_it_demands(
    tmp_path: Path, wanted: tuple[Verdict, ...], signs: str, verstat: bool, status: int
) -> None:
    authority = StirWorld(tmp_path, at=datetime.now(UTC))
    identity = (("Identity", authority.identity(signs, CALLED)),) if signs else ()
    found = asyncio.run(
        demanded(tmp_path, authority, wanted, (*identity, *((("P-Asserted-Identity", PASSED),) * verstat)))
    )
    assert found["status"] == status
    if status == 603:
        assert found["record"]["ending"] == "refused"
        assert "([[trunks]] verdicts)" in found["record"]["cause"]
        assert "number was not vouched for" in explain({"kind": "refused", "cause": found["record"]["cause"]}).what
    events = [
        event["about"]["stir"]["result"] for event in found["record"]["events"] if event["kind"] == "caller_verified"
    ]
    assert events == ([] if not signs else ["passed" if signs == CALLER else "failed"])


def test_a_demanded_verdict_that_cannot_be_had_is_none(tmp_path: Path) -> None:
    """The server of the certificate answers 404."""
    authority = StirWorld(tmp_path, at=datetime.now(UTC))
    fields = (("Identity", authority.identity(CALLER, CALLED)),)
    authority.served.clear()
    found = asyncio.run(demanded(tmp_path, authority, ("passed",), fields))
    assert found["status"] == 603
    assert "is unverified (the server of the certificate answers 404)" in found["record"]["cause"]


async def demanded(
    folder: Path, authority: StirWorld, verdicts: tuple[Verdict, ...], fields: tuple[tuple[str, str], ...]
) -> dict:
    trunk = replace(HERE, verdicts=verdicts)
    verifies = lambda config: replace(config, stir=authority.options(), trunks=(trunk,))  # noqa: E731
    async with (
        cloud(folder, [], [Reply()], change=verifies) as world,
        phone("127.0.0.1") as caller,
    ):
        verifying(authority, world)
        status = 200
        try:
            target = replace(world.target, user=CALLED)
            leg, _ = await caller.invite(target, f"<sip:{CALLER}@127.0.0.1>", OFFER, fields=fields)
            leg.hangup()
        except CallFailed as failed:
            status = failed.ended.status
        (record,) = await records(world.gateway)
        return {"status": status, "record": await world.gateway.store.call(record["id"])}


@pytest.mark.parametrize(("signs", "agent"), [(CALLER, "known"), (OTHER, "wary"), ("", "agent")])
def test_the_verdict_chooses_the_agent_and_with_it_the_tenant(tmp_path: Path, signs: str, agent: str) -> None:
    """The call of another tenant's agent would be seen by the wrong people, and counted on the wrong bill."""
    authority = StirWorld(tmp_path, at=datetime.now(UTC))
    routes = (RouteOptions("known", verdicts=("verified",)), RouteOptions("wary", verdicts=("failed",)))
    tenants = (TenantOptions("acme", ("known",)), TenantOptions("globex", ("wary",)))

    async def scenario() -> dict:
        verifies = lambda config: replace(  # noqa: E731
            config, stir=authority.options(), routes=routes, tenants=tenants
        )
        named = lambda config: {"known": config, "wary": config}  # noqa: E731
        async with (
            cloud(tmp_path, [], [Reply()], trunks=(HERE,), change=verifies, agents=named) as world,
            phone("127.0.0.1") as caller,
        ):
            verifying(authority, world)
            fields = (("Identity", authority.identity(signs, CALLED)),) if signs else ()
            leg, _ = await caller.invite(
                replace(world.target, user=CALLED), f"<sip:{CALLER}@127.0.0.1>", OFFER, fields=fields
            )
            leg.hangup()
            (record,) = await records(world.gateway)
            return record

    record = asyncio.run(scenario())
    assert record["agent"] == agent
    assert record["tenant"] == {"known": "acme", "wary": "globex", "agent": ""}[agent]
    assert record["identity"].get("stir", {}).get("result") == {CALLER: "passed", OTHER: "failed"}.get(signs)


@pytest.mark.parametrize(
    ("text", "told"),
    [('[[routes]]\nagent = "agent"\nverdicts = ["passed"]', "nobody checks signatures"),
     ('[[routes]]\nagent = "agent"\nverdicts = ["sure"]', "verdicts"),
     ('[[trunks]]\nname = "x"\nmode = "peer"\nnetworks = ["10.0.0.0/8"]\nverdicts = ["unsigned"]', "nobody checks")],
)  # fmt: skip
def test_a_verdict_that_nobody_gives_is_told_at_the_start(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text, "sipgw.toml", {})
    parse('[[routes]]\nagent = "agent"\nverdicts = ["verified"]', "sipgw.toml", {})  # the carrier may vouch
