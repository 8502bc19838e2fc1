"""What a call out is judged, counted and written down as: the number and the caller ID with which it was made."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sipgw.calls.originator import Originator
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.policy.gate.rules import GateRefusal, GateRequest, Permit
from sipgw.records.artifacts.retention import forget
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.trunks.route_selector import RouteSelector
from sipgw.trunks.trunk_slots import TrunkSlots
from tests.callee import Callee, callee, rejecting
from tests.calls.test_cloud_call import records
from tests.cdr_events import key
from tests.gate_world import ALWAYS, CALIFORNIA, World, run
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.recipes import OFFER
from tests.waiting import HANG

OTHER, SHOWN = "+14155550133", "+14155550188"
EXTENSION = "030901"


@pytest.mark.slow
def test_the_record_has_the_number_and_the_caller_id_with_which_the_call_was_made(tmp_path: Path) -> None:
    """The first trunk refuses; the second shows another number, and its carrier leads on to another one."""

    def leads_on(person: Callee, leg: Leg) -> None:
        if leg.request.uri.user == OTHER:
            person.pick_up(leg)
            person.after(0.1, Leg.hangup, leg)
        else:
            leg.reject(302, headers=(("Contact", f"<sip:{OTHER}@127.0.0.1:{person.port}>"),))

    def change(config: GatewayConfig) -> GatewayConfig:
        first, second = config.trunks
        return replace(config, trunks=(first, replace(second, caller_id=SHOWN)))

    async def scenario() -> None:
        async with (
            callee(rejecting(503)) as carrier,
            callee(leads_on) as person,
            calling_out(tmp_path, carrier, person, change=change) as (world, _),
        ):
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            async with asyncio.timeout(HANG):
                await placed.ended()
            (record,) = await records(world.gateway)
            assert (record["trunk"], record["caller"], record["called"]) == ("carrier1", SHOWN, NUMBER)
            assert record["identity"] == {"number": SHOWN, "dialled": NUMBER, "reached": OTHER}
            assert (placed.info.caller, placed.info.numbers) == (SHOWN, (NUMBER, OTHER))
            timeline = await world.gateway.evidence.timelines.of(key(record))
            assert timeline
            assert (timeline["trunk"], timeline["caller"], timeline["called"]) == ("carrier1", SHOWN, NUMBER)
            assert f"Answered at {OTHER}: sound flows." in [one["text"] for one in timeline["events"]]
            assert (await forget(world.gateway.store, OTHER, datetime.now(UTC))).calls == 1

    asyncio.run(scenario())


@dataclass
class Reading:
    """A gate that reads the number of each trunk in its own way."""

    read: dict[str, str]
    asked: list[tuple[str, str, set[str]]] = field(default_factory=list)

    async def permit(self, dial: GateRequest) -> Permit | GateRefusal:
        self.asked.append((dial.trunk, dial.number, set(dial.counted)))
        return Permit(self.read[dial.trunk])


def test_the_number_that_the_gate_permits_for_the_next_trunk_is_the_one_that_is_called() -> None:
    async def scenario() -> None:
        async with callee(rejecting(503)) as first, callee() as second:
            trunks = first.trunk(name="pbx", number_format="as_dialled"), second.trunk(name="next", country="DE")
            gate = Reading({"pbx": EXTENSION, "next": OTHER})
            options = EndpointOptions("127.0.0.1", 0)
            async with Endpoint(options, lambda leg: leg.reject(403), lambda *_: None) as endpoint:
                ways = RouteSelector(trunks, Counter())
                out = Originator(endpoint, ways, TrunkSlots(Counter()), gate)  # type: ignore[arg-type]
                async with out.originate(OriginateRequest(EXTENSION), lambda attempt: (OFFER,)) as made:
                    assert (made.number, second.legs[0].request.uri.user) == (OTHER, OTHER)
                    assert first.legs[0].request.uri.user == EXTENSION
                    made.leg.hangup()
                    await made.leg.over(HANG)
            assert gate.asked == [("pbx", EXTENSION, set()), ("next", EXTENSION, {EXTENSION})]

    asyncio.run(scenario())


@pytest.mark.faults("C1")
def test_without_a_gate_nobody_is_called() -> None:
    async def scenario() -> None:
        options = EndpointOptions("127.0.0.1", 0)
        async with callee() as person, Endpoint(options, lambda leg: leg.reject(403), lambda *_: None) as endpoint:
            ways = RouteSelector([person.trunk(country="US")], Counter())
            out = Originator(endpoint, ways, TrunkSlots(Counter()), None)  # type: ignore[arg-type]
            with pytest.raises(AttributeError):
                async with out.originate(OriginateRequest(NUMBER), lambda attempt: (OFFER,)):
                    pytest.fail("a call was made that nobody has permitted")
            assert not person.legs

    asyncio.run(scenario())


def test_a_number_that_was_an_extension_on_the_trunk_before_is_counted(tmp_path: Path) -> None:
    """The caps have counted what they saw, and an extension is no number."""
    world = World(tmp_path)

    async def scene() -> None:
        async with world.up(windows=ALWAYS, per_number_per_day=1):
            assert await world.dial(trunk="us", counted=frozenset({"5550100"})) == Permit(CALIFORNIA)
            assert (await world.refused(trunk="us", counted=frozenset({"5550100"})))[0] == "cap_number"

    run(scene())
