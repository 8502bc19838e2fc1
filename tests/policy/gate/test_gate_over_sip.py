# mypy: disable-error-code="arg-type, union-attr"
"""The gate in front of real INVITEs: one gateway whose clock the test sets; what is refused never leaves the house."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions, IndiaOptions
from sipgw.sip.identity import Identity
from tests.callee import Callee, callee, rejecting
from tests.cloud import Cloud, cloud
from tests.gate_world import ALWAYS
from tests.waiting import HANG

BERLIN, DELHI, CALIFORNIA, COMPLAINED = "+4930123456", "+919876543210", "+14155550100", "+14155550111"
LISTED, ASKED_US, OFTEN = "+14155550122", "+14155550133", "+14155550144"
WEEK = "mon, tue, wed, thu, fri, sat"
LETS = "every rule lets it be called"
HOOK = """\
def may_call(dial):
    return "a complaint is open" if dial.number.endswith("0111") else True
"""


class Wish(NamedTuple):
    """Somebody is to be called at a moment (UTC); what the audit says to it."""

    at: datetime
    request: OriginateRequest
    says: str


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def promoting(agent: str, trunk: str) -> OriginateRequest:
    return OriginateRequest(DELHI, agent, trunk=trunk, purpose="campaign", consent=True)


def wishes(hook: Path) -> Iterator[Wish]:
    berlin = OriginateRequest(BERLIN, "night", trunk="de")
    yield Wish(at("2026-10-24 23:59"), berlin, LETS)
    twice = f"{BERLIN}: it is 02:30 on Sunday in Europe/Berlin, where the clocks are just being set back; people there "
    twice += f"may be called 00:00-24:00 on {WEEK}, sun ([[gate.windows]])"
    yield Wish(at("2026-10-25 00:30"), berlin, twice)
    yield Wish(at("2026-10-25 01:30"), berlin, twice)
    yield Wish(at("2026-10-25 02:00"), berlin, LETS)

    noon = at("2026-11-19 06:30")
    yield Wish(noon, promoting("agent", "in"), f"{DELHI} is in India, where promotional calls are registered (DLT): "
               "set entity_id, header_id, template_id in [gate.india]")  # fmt: skip
    yield Wish(noon, promoting("registered", "mobile"), "promotional calls to India must show a number of the 140 "
               "series, not +919876500000: set the trunk's caller_id")  # fmt: skip
    yield Wish(noon, OriginateRequest(DELHI, "agent", trunk="in"),
               "the caller ID +911401234567 is of the 140 series, for promotion only")  # fmt: skip
    yield Wish(noon, promoting("registered", "in"), LETS)
    yield Wish(noon, OriginateRequest(DELHI, "agent", trunk="mobile"), LETS)
    yield Wish(at("2026-11-19 14:30"), promoting("registered", "in"), f"{DELHI}: it is 20:00 on Thursday in "
               f"Asia/Calcutta; people there may be called 10:00-20:00 on {WEEK} ([[gate.windows]])")  # fmt: skip

    afternoon = at("2026-11-19 20:00")
    yield Wish(afternoon, OriginateRequest(CALIFORNIA, "asking", trunk="us"), LETS)
    yield Wish(afternoon, OriginateRequest(COMPLAINED, "asking", trunk="us"),
               f"{hook} does not let {COMPLAINED} be called: a complaint is open")  # fmt: skip

    us = {"trunk": "us", "agent": "agent"}
    yield Wish(
        afternoon, OriginateRequest("+19005551234", **us), "+19005551234 is a premium rate number: never dialled"
    )
    yield Wish(afternoon, OriginateRequest("+442079460000", **us),
               "+442079460000 is in GB, and only DE, IN, US may be dialled; "
               "to allow it add 'GB' to [gate] countries")  # fmt: skip
    yield Wish(
        afternoon,
        OriginateRequest(LISTED, **us),
        f"{LISTED} is on the do-not-call list {hook.with_name('registry.csv')}",
    )
    yield Wish(afternoon, OriginateRequest(ASKED_US, **us), f"{ASKED_US} is on our own do-not-call list since "
               f"{datetime.now(UTC):%Y-%m-%d}, they asked for it in a call; sipgw dnc remove takes it off")  # fmt: skip
    yield Wish(afternoon, OriginateRequest(OFTEN, purpose="campaign", **us),
               f"the person at {OFTEN} is not known to have agreed "
               "to be called, and a campaign is promotion, which needs it ([gate] consent)")  # fmt: skip
    yield Wish(afternoon, OriginateRequest(OFTEN, purpose="campaign", consent=True, **us), LETS)
    yield Wish(afternoon, OriginateRequest(OFTEN, **us), LETS)
    yield Wish(afternoon, OriginateRequest(OFTEN, **us),
               f"{OFTEN} was called 2 times within 24 hours, and [gate] per_number_per_day is 2")  # fmt: skip
    yield Wish(afternoon, OriginateRequest(CALIFORNIA, **us), "5 calls were made within 24 hours; [gate] per_day is 5")


def test_what_every_rule_says_about_calls(tmp_path: Path) -> None:
    """DLT fields and the 140 series, the Indian window, the hour that comes twice, a function of one's own, countries,
    premium numbers, both kinds of list, consent and caps.
    """
    hook = tmp_path / "hook.py"
    hook.write_text(HOOK)
    listed = tmp_path / "registry.csv"
    listed.write_text(f"{LISTED}\n")
    gate = GateOptions(countries=("DE", "IN", "US"), dnc_files=(str(listed),), per_number_per_day=2, per_day=5)

    def agents(config: GatewayConfig) -> dict[str, GatewayConfig]:
        registered = IndiaOptions("1101234567890123456", "1105", "1107")
        changed = {
            "registered": replace(gate, india=registered), "night": replace(gate, windows=ALWAYS),
            "asking": replace(gate, hook=str(hook)),
        }  # fmt: skip
        return {name: replace(config, gate=one) for name, one in changed.items()}

    async def judged(world: Cloud, person: Callee, call_request: Wish) -> None:
        world.gateway.gate._now = lambda: call_request.at  # the only clock of the gate
        rang = len(person.legs)
        async with asyncio.timeout(HANG):
            ending = await world.gateway.originate(call_request.request).ended()
        line = json.loads([one for file in sorted(tmp_path.rglob("gate-*.jsonl")) for one in file.open()][-1])
        lets = call_request.says == LETS
        assert (line["reason"], line["permitted"], line["number"]) == (
            call_request.says,
            lets,
            call_request.request.number,
        )
        assert line["at"] == call_request.at.isoformat()
        assert ending.kind == ("busy" if lets else "not_permitted")
        assert len(person.legs) - rang == lets, "an INVITE leaves only if the gate lets it"
        if lets:
            assert Identity.of(person.legs[-1].request).number == numbers[call_request.request.trunk]
        else:
            assert ending.cause == call_request.says

    numbers = {"de": "+4930999999", "in": "+911401234567", "mobile": "+919876500000", "us": "+14155550199"}

    async def scenario() -> None:
        async with callee(rejecting(486)) as person:
            trunks = tuple(person.trunk(name=name, country=name.upper() if len(name) == 2 else "IN", caller_id=number)
                           for name, number in numbers.items())  # fmt: skip
            opened = lambda config: replace(config, gate=gate)  # noqa: E731
            async with cloud(tmp_path, [], [], trunks=trunks, change=opened, agents=agents) as world:
                await world.gateway.gate.own.add(ASKED_US, "caller")
                for call_request in wishes(hook):
                    await judged(world, person, call_request)

    asyncio.run(scenario())
