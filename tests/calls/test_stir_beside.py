"""The signed number of a caller is verified beside the call: only a rule that asks for the verdict waits for it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest

from sipgw.agents.agents import Agents
from sipgw.calls import caller_verification
from sipgw.calls.session import CallSession
from sipgw.config.agent import PrefetchOptions, RouteOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg
from tests.calls.test_cloud_call import records
from tests.calls.test_cloud_legs import OFFER, phone
from tests.calls.test_realtime_call import using
from tests.cloud import Cloud, cloud
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.sip.test_identity import invite
from tests.stir_world import StirWorld
from tests.waiting import until, within

pytestmark = pytest.mark.slow

CALLER, CALLED = "+14155550100", "+12125550123"
HERE = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), country="US")


class SlowAuthority:
    """Serves the certificate when it is `let`."""

    def __init__(self, authority: StirWorld, world: Cloud) -> None:
        self._authority = authority
        self.asked, self.let = asyncio.Event(), asyncio.Event()
        assert world.gateway.services.stir is not None
        world.gateway.services.stir._certificates._fetch = self._fetch

    async def _fetch(self, url: str) -> bytes:
        self.asked.set()
        await self.let.wait()
        return await self._authority.fetch(url)


NOT_KNOWN = f"The caller's number is {CALLER}; whether the telephone company vouches for it is not known yet"
VERDICT = "The check of the caller's number has ended: the telephone company vouches for it."


@contextlib.asynccontextmanager
async def slowly_verified(
    folder: Path, change: Callable[[GatewayConfig], GatewayConfig] = lambda config: config
) -> AsyncIterator[tuple[Cloud, SlowAuthority, CallSession, Leg]]:
    """A call with a signed number that was answered while nobody knows yet whether the signature is good."""
    authority = StirWorld(folder, at=datetime.now(UTC))
    verifies = lambda config: change(replace(config, stir=authority.options()))  # noqa: E731
    async with (
        cloud(folder, [], [], trunks=(HERE,), change=verifies) as world,
        phone("127.0.0.1") as caller,
    ):
        slow = SlowAuthority(authority, world)
        asserted = f"<sip:{CALLER}@127.0.0.1;verstat=TN-Validation-Passed>"
        fields = (("P-Asserted-Identity", asserted), ("Identity", authority.identity(CALLER, CALLED)))
        target = replace(world.target, user=CALLED)
        leg, _ = await within(caller.invite(target, f"<sip:{CALLER}@127.0.0.1>", OFFER, fields=fields))
        await within(slow.asked.wait())
        (live,) = world.gateway.calls.values()
        yield world, slow, live, leg


async def kept(world: Cloud, leg: Leg) -> tuple[dict, list[dict]]:
    """The record of the call, once the caller has hung up, and the verdicts that were told."""
    leg.hangup()
    (record,) = await records(world.gateway)
    told = await world.gateway.store.call(record["id"])
    return told, [event["about"]["stir"] for event in told["events"] if event["kind"] == "caller_verified"]  # type: ignore[index, return-value]


def prompt(live: CallSession) -> str:
    assert live.context.conversation is not None
    return str(live.context.conversation.call_control.messages[0]["content"])


def test_a_call_is_answered_while_the_certificate_of_its_caller_is_fetched(tmp_path: Path) -> None:
    """Nobody waits for the verdict; until it is there the number is not believed, whatever the carrier says."""

    async def scenario() -> tuple[dict, list[dict]]:
        async with slowly_verified(tmp_path) as (world, slow, live, leg):
            assert NOT_KNOWN in prompt(live)
            assert not live.info.identity.verified
            slow.let.set()
            assert await within(live.context.verified())
            await until(lambda: VERDICT in prompt(live))
            return await kept(world, leg)

    record, told = asyncio.run(scenario())
    assert record["identity"]["stir"]["result"] == "passed"
    assert told == [{"result": "passed", "attestation": "A", "origid": ANY, "signer": "709B"}]


def test_a_speech_to_speech_session_is_told_the_verdict_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            FakeOpenAIRealtime([], [], key="k") as fake,
            slowly_verified(tmp_path, using("openai", openai=fake)) as (_, slow, _, leg),
        ):
            said = lambda: json.dumps(fake.sessions[0].messages)  # noqa: E731
            await until(lambda: NOT_KNOWN in said())
            assert VERDICT not in said()
            slow.let.set()
            await until(lambda: VERDICT in said())
            leg.hangup()

    asyncio.run(scenario())


def test_a_verdict_that_a_call_did_not_live_to_see_is_none(tmp_path: Path) -> None:
    async def scenario() -> tuple[dict, list[dict]]:
        async with slowly_verified(tmp_path) as (world, _, _, leg):
            return await kept(world, leg)

    record, told = asyncio.run(scenario())
    assert record["identity"]["stir"] == {"result": "unverified", "reason": "the call ended before there was a verdict"}
    assert told == [record["identity"]["stir"]]


def test_a_fault_of_ours_in_it_ends_this_call_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Identity) -> str:
        raise KeyError("in our code")

    async def scenario() -> dict:
        async with slowly_verified(tmp_path) as (world, slow, _, leg):
            monkeypatch.setattr(caller_verification, "about_verdict", broken)
            slow.let.set()
            await until(lambda: not world.gateway.calls)
            return (await kept(world, leg))[0]

    record = asyncio.run(scenario())
    assert (record["ending"], record["cause"]) == ("failed", "internal error: KeyError")


def test_a_lookup_for_verified_numbers_waits_for_the_verdict_and_the_call_does_not(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(
        "from agent.tools import tool\n\n@tool()\nasync def customer(number: str) -> str:\n"
        '    "Who has this number?"\n    return "Ann has " + number\n'
    )

    def looks_up(config: GatewayConfig) -> GatewayConfig:
        agent = replace(config.agent, tools=str(tmp_path / "tools.py"), prompt="You are Ben.")
        return replace(config, agent=agent, prefetch=PrefetchOptions("customer", verified=True))

    async def scenario() -> None:
        async with slowly_verified(tmp_path, looks_up) as (_, slow, live, leg):
            await until(lambda: live.info.answered)
            assert "Ann" not in prompt(live)
            slow.let.set()
            await until(lambda: f"Ann has {CALLER}" in prompt(live))
            leg.hangup()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("user", "headers", "asks"),
    [("+1555", (), True), ("+1444", (), False), ("+1555", ("X-Department: night",), False)],
    ids=["a rule for this number", "a rule for another number", "a rule behind the one that fits"],
)
def test_only_the_first_route_that_fits_asks_for_the_verdict(user: str, headers: tuple[str, ...], asks: bool) -> None:
    night = RouteOptions("night", header="X-Department: night")
    config = GatewayConfig(routes=(night, RouteOptions("agent", called=("+1555",), verdicts=("verified",))))
    request = invite(*headers, uri=f"sip:{user}@10.0.0.2")
    assert Agents(config, {"night": config}).ask_verdict(request, Identity.of(request), "carrier") is asks
