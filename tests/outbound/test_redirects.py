# mypy: disable-error-code="arg-type"
"""Where a trunk may send a call on to by 302 (RFC 3261 §8.1.3.4), and what it costs nobody."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from sipgw.calls.originator import Originator
from sipgw.calls.redirects import onward
from sipgw.calls.request import OriginateRequest
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.rules import GateRefusal, GateRequest, Permit
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Request
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import RouteSelector
from sipgw.trunks.trunk_slots import TrunkSlots
from tests.fakes.carriers.carrier import Carrier
from tests.recipes import OFFER
from tests.waiting import HANG

NUMBER, OTHER = "+14155550122", "+14155550133"


def trunk(domain: str = "carrier.example", **more: Any) -> TrunkOptions:
    values = {"domain": domain, "networks": ("203.0.113.0/24",), "calls_per_second": 100} | more
    return TrunkOptions("one", "peer", **values)


def led(contact: str, number: str = OTHER, target: str = f"sip:{NUMBER}@carrier.example", **more: Any) -> str:
    there = onward(Uri.parse(target), Uri.parse(contact), number, trunk(**more))
    return str(there) if there else ""


@pytest.mark.parametrize(
    ("contact", "there"),
    [
        (f"sip:{OTHER}@carrier.example", f"sip:{OTHER}@carrier.example"),
        (f"sip:{OTHER}@N2.Carrier.Example:5080;transport=tcp", f"sip:{OTHER}@N2.Carrier.Example:5080;transport=tcp"),
        (f"sip:{OTHER}@203.0.113.9", f"sip:{OTHER}@203.0.113.9"),
        (f"sip:{OTHER}@partner.example", f"sip:{OTHER}@partner.example"),
        (f"tel:{OTHER}", f"sip:{OTHER}@carrier.example"),
        (f"sip:{OTHER}@evil.example", ""),
        (f"sip:{OTHER}@evilcarrier.example", ""),
        (f"sip:{OTHER}@198.51.100.1", ""),
        (f"sip:{OTHER}@carrier.example;maddr=198.51.100.1", f"sip:{OTHER}@carrier.example"),
        (f"sip:{OTHER}@carrier.example?Replaces=1", f"sip:{OTHER}@carrier.example"),
        (f"h323:{OTHER}@carrier.example", ""),
    ],
)  # fmt: skip
def test_a_trunk_sends_calls_on_within_itself(contact: str, there: str) -> None:
    assert led(contact, redirect_to=("partner.example",)) == there


@pytest.mark.faults("C6")
def test_the_same_number_is_sent_without_what_the_carrier_has_added() -> None:
    dipped = f"sip:{NUMBER};npdi;rn=+19005550123@n2.carrier.example"
    assert led(dipped, NUMBER) == f"sip:{NUMBER}@n2.carrier.example"


def test_the_number_goes_out_as_the_gate_has_read_it() -> None:
    assert led(f"sip:{OTHER};phone-context=evil@carrier.example") == f"sip:{OTHER}@carrier.example"
    assert led("sip:anna@carrier.example", "anna") == ""


def test_a_secure_call_stays_secure() -> None:
    assert led(f"sip:{OTHER}@carrier.example", target=f"sips:{NUMBER}@carrier.example") == ""
    assert led(f"sips:{OTHER}@carrier.example", target=f"sips:{NUMBER}@carrier.example")


class Node(Carrier):
    """Answers with what stands in `answers`, call by call; then it takes the call."""

    domain = "carrier.example"

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, str]] = []
        self.dialled: list[str] = []

    def on_invite(self, request: Request, addr: Any) -> None:
        self.dialled.append(str(request.uri))
        if self.answers:
            status, contact = self.answers.pop(0)
            self.reply(request, addr, status, headers=(("Contact", contact),) if contact else ())
        else:
            self._tasks.create_task(self.accept(request, addr))


class Second(Node):
    host = "127.0.9.2"


@dataclass
class Gate:
    """Lets everybody be called but `never`; `reads` are numbers that it reads as others."""

    never: str = ""
    reads: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def permit(self, dial: GateRequest) -> Permit | GateRefusal:
        self.asked.append(dial.number)
        read = self.reads.get(dial.number, dial.number)
        return GateRefusal("never", "not that one") if dial.number == self.never else Permit(read)


async def dialled(node: Carrier, gate: Gate, **more: Any) -> str:
    """What came of a call through a trunk at `node`: ``answered``, or the status."""
    options = EndpointOptions("127.0.0.1", 0)
    ways = RouteSelector([trunk(node.place, networks=("127.0.9.2/32",), **more)], Counter())
    async with Endpoint(options, lambda leg: leg.reject(403), lambda *_: None) as endpoint:
        out = Originator(endpoint, ways, TrunkSlots(Counter()), gate)
        try:
            async with out.originate(OriginateRequest(NUMBER), lambda attempt: (OFFER,)) as made:
                made.leg.hangup()
                await made.leg.over(HANG)
                return "answered"
        except CallFailed as failed:
            return str(failed.ended.status)


def test_a_call_follows_to_the_next_node_and_to_the_number_that_the_gate_permits() -> None:
    async def scenario() -> None:
        async with Node() as first, Second() as second:
            gate = Gate()
            first.answers = [(302, f"<sip:{OTHER}@{second.place}>;q=0.5, <sip:{NUMBER}@127.0.9.66>;q=0.9")]
            assert await dialled(first, gate) == "answered"
            assert gate.asked == [NUMBER, OTHER]
            assert second.dialled == [f"sip:{OTHER}@{second.place}"]
            assert not [*first.faults, *second.faults]

    asyncio.run(scenario())


@pytest.mark.faults("C6")
@pytest.mark.parametrize(
    ("named", "sent"), [(f"{NUMBER};npdi;rn=+19005550123", NUMBER), (f"{OTHER};rn=+19005550123", "+14155550144")]
)
def test_what_the_gate_permits_is_sent_byte_for_byte(named: str, sent: str) -> None:
    async def scenario() -> None:
        async with Node() as first, Second() as second:
            first.answers = [(302, f"<sip:{named}@{second.place}>")]
            gate = Gate(reads={OTHER: "+14155550144"})
            assert await dialled(first, gate) == "answered"
            assert second.dialled == [f"sip:{sent}@{second.place}"]

    asyncio.run(scenario())


def test_several_contacts_are_tried_in_their_order_until_one_answers() -> None:
    """A carrier's list of places (RFC 3261 §8.1.3.4): the best first; who is busy or away is no reason to stop."""

    async def scenario() -> None:
        async with Node() as first, Second() as second:
            places = [f"<sip:+1415555013{last}@{second.place}>;q={q}" for last, q in ((1, "0.2"), (2, "1"), (3, "0.5"))]
            first.answers = [(302, ", ".join(places))]
            second.answers = [(486, ""), (480, "")]
            gate = Gate()
            assert await dialled(first, gate) == "answered"
            assert gate.asked == [NUMBER, "+14155550132", "+14155550133", "+14155550131"]
            assert [one.partition("@")[0][-1] for one in second.dialled] == ["2", "3", "1"]
            first.answers = [(302, ", ".join(places))]
            second.answers = [(486, ""), (603, ""), (486, "")]
            assert await dialled(first, gate) == "603", "who declines declines for all"

    asyncio.run(scenario())


def test_a_number_that_the_gate_refuses_is_not_called() -> None:
    async def scenario() -> None:
        async with Node() as node:
            node.answers = [(302, f"<sip:{OTHER}@{node.place}>")]
            gate = Gate(never=OTHER)
            assert await dialled(node, gate) == "302"
            assert gate.asked == [NUMBER, OTHER]
            assert len(node.dialled) == 1

    asyncio.run(scenario())


def test_what_the_next_place_says_counts_and_a_circle_ends() -> None:
    async def scenario() -> None:
        async with Node() as node, Second() as second:
            node.answers = [(302, f"<sip:{NUMBER}@{second.place}>")]
            second.answers = [(486, "")]
            assert await dialled(node, Gate()) == "486"
            node.answers = [(302, f"<sip:{NUMBER}@{second.place}>")] * 9
            second.answers = [(302, f"<sip:{NUMBER}@{node.place}>")] * 9
            assert await dialled(node, Gate()) == "302"
            assert len(second.dialled) == 2
            numbers = [f"<sip:+1415555{last:04}@{second.place}>" for last in range(20)]
            node.answers, second.answers = [(302, numbers[0])], [(302, number) for number in numbers[1:]]
            assert await dialled(node, Gate()) == "302"
            assert len(second.dialled) == 2 + 4, "five places and no more"

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [305, 380])
def test_another_proxy_or_service_is_not_another_try(status: int) -> None:
    async def scenario() -> None:
        async with Node() as node, Second() as second:
            node.answers = [(status, f"<sip:{NUMBER}@{second.place}>")]
            assert await dialled(node, Gate()) == str(status)
            assert not second.dialled

    asyncio.run(scenario())
