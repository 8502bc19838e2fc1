"""The phones of an account, called one after the other."""

import asyncio
import math
import socket
from collections.abc import Sequence

import pytest

from sipgw.calls.originator import AnsweredCall
from sipgw.calls.transfer_dialer import ring
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.registrar import Binding, Registrar
from sipgw.sip.uri import Uri
from tests.callee import callee, rejecting
from tests.recipes import OFFER
from tests.waiting import HANG

RESENT = 7
"""How often an INVITE is sent over UDP to somebody from whom nothing comes (RFC 3261 §17.1.1.2: until Timer B)."""


async def rung(endpoint: Endpoint, ports: Sequence[int]) -> AnsweredCall:
    """Call anna, who prefers her phones in the order of their `ports`."""
    registrar = Registrar()
    for at, port in enumerate(ports):
        contact = Uri("sip", "anna", "127.0.0.1", port)
        registrar.restore("anna", Binding(contact, peer_of(contact), math.inf, "c", 1, 1.0 - at / 10))
    return await ring(endpoint, registrar, "anna", "", lambda phone: (OFFER,))


@pytest.mark.parametrize(("status", "rings"), [(486, [1, 1]), (603, [1, 0])])
def test_who_declines_at_one_phone_is_not_rung_at_the_next(status: int, rings: list[int]) -> None:
    """RFC 3261 §16.7: a 6xx is about the person, and no other phone of theirs is tried."""

    async def scenario() -> None:
        async with (
            callee(rejecting(status)) as desk,
            callee(rejecting(480)) as mobile,
            Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.reject(403), lambda *_: None) as endpoint,
        ):
            with pytest.raises(CallFailed):
                await rung(endpoint, (desk.port, mobile.port))
            assert [len(phone.legs) for phone in (desk, mobile)] == rings

    asyncio.run(scenario())


@pytest.mark.parametrize(("reached", "rings"), [(True, 0), (False, 1)])
def test_a_phone_with_two_flows_rings_by_the_second_only_if_it_is_not_reached_by_the_first(
    reached: bool, rings: int
) -> None:
    """RFC 5626 §5.3: both flows lead to the same phone."""

    async def scenario() -> None:
        async with (
            callee(rejecting(486)) as first,
            callee(rejecting(480)) as second,
            Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.reject(403), lambda *_: None) as endpoint,
        ):
            registrar = Registrar()
            for flow, phone, transport in ((1, first, "udp" if reached else "tcp"), (2, second, "udp")):
                contact = Uri("sip", "anna", "127.0.0.1", phone.port)
                peer = Peer(transport, "127.0.0.1", phone.port if reached or flow == 2 else 1)
                flow_of = f';+sip.instance="<urn:uuid:1>";reg-id={flow}'
                registrar.restore("anna", Binding(contact, peer, math.inf, "c", 1, 1 / flow, flow_of))
            with pytest.raises(CallFailed):
                await ring(endpoint, registrar, "anna", "", lambda phone: (OFFER,))
            assert [len(phone.legs) for phone in (first, second)] == [int(reached), rings]

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_phone_that_was_switched_off_does_not_keep_the_next_one_from_ringing() -> None:
    """It has not unregistered, so its registration lasts for up to an hour."""

    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as off:
            off.bind(("127.0.0.1", 0))
            off.setblocking(False)
            async with (
                callee() as mobile,
                Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.reject(403), lambda *_: None) as endpoint,
            ):
                made = await rung(endpoint, (off.getsockname()[1], mobile.port))
                assert len(mobile.legs) == 1
                made.leg.hangup()
                await made.leg.over(HANG)
            assert 0 < len(received(off)) < RESENT

    asyncio.run(scenario())


def received(sock: socket.socket) -> list[bytes]:
    """The datagrams that have come."""
    found = []
    while True:
        try:
            found.append(sock.recv(4000))
        except BlockingIOError:
            return found
