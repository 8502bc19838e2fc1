"""Phones stay registered while the gateway is restarted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.transfer_dialer import ring
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions
from sipgw.policy.inbound.kept_phones import KeptPhones
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.registrar import Binding, Registrar
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.cloud import cloud
from tests.sip.wire import ANSWER, OFFER
from tests.waiting import HANG

CONTACT = Uri.parse("sip:anna@192.168.1.7:5062;ob")
UDP, TCP = Peer("udp", "203.0.113.7", 40001), Peer("tcp", "203.0.113.7", 40002, connection=7)


def bound(peer: Peer, seconds: float, contact: Uri = CONTACT) -> Binding:
    return Binding(contact, peer, asyncio.get_running_loop().time() + seconds, "call-id", 3, 0.5)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(HANG):
            await work()

    asyncio.run(limited())


async def restarted(file: Path, before: dict[str, Binding], users: tuple[str, ...] = ("anna",)) -> Registrar:
    """What a registrar knows after a restart."""
    first, second = Registrar(), Registrar()
    async with KeptPhones(first, file, ("anna", "ben")):
        for user, binding in before.items():
            first.restore(user, binding)
        first.changes += 1
    async with KeptPhones(second, file, users):
        return second


def test_a_binding_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        binding = bound(UDP, 600)
        registrar = await restarted(tmp_path / "phones", {"anna": binding})
        (again,) = registrar.bindings("anna", asyncio.get_running_loop().time())
        assert abs(again.expires - binding.expires) < 1
        assert replace(again, expires=0) == replace(binding, expires=0)
        assert (tmp_path / "phones").stat().st_mode & 0o077 == 0

    run(scenario)


@pytest.mark.parametrize(
    ("contact", "port"),
    [
        ("sip:anna@192.168.1.7;transport=tcp", 5060),
        ("sip:anna@192.168.1.7:5070;transport=tcp", 5070),
        ("sip:anna@leads.to.a.carrier.example;transport=tcp", 5060),
    ],
)
def test_a_phone_on_a_connection_is_looked_for_at_its_own_address_only(tmp_path: Path, contact: str, port: int) -> None:
    """The name in a Contact may lead to a carrier, where a call to the phone would be a call to a number."""

    async def scenario() -> None:
        registrar = await restarted(tmp_path / "phones", {"anna": bound(TCP, 600, Uri.parse(contact))})
        (again,) = registrar.bindings("anna", asyncio.get_running_loop().time())
        assert again.peer == Peer("tcp", TCP.host, port)

    run(scenario)


def test_what_has_expired_or_has_no_account_any_more_is_forgotten(tmp_path: Path) -> None:
    async def scenario() -> None:
        now = asyncio.get_running_loop().time()
        registrar = await restarted(tmp_path / "phones", {"anna": bound(UDP, -1), "ben": bound(UDP, 600)})
        assert registrar.bindings("anna", now) == ()
        assert registrar.bindings("ben", now) == ()

    run(scenario)


@pytest.mark.parametrize("spoilt", ["", "[]\n", "{}\n", "no json\n", '{"user": "anna", "expires": 1e12}\n', "\x00\xff"])
def test_a_spoilt_file_costs_no_more_than_its_own(tmp_path: Path, spoilt: str) -> None:
    async def scenario() -> None:
        (tmp_path / "phones").write_text(spoilt)
        registrar = Registrar()
        async with KeptPhones(registrar, tmp_path / "phones", ("anna",)):
            assert registrar.bindings("anna", 0.0) == ()
            registrar.restore("anna", bound(UDP, 600))
            registrar.changes += 1
        assert json.loads((tmp_path / "phones").read_text())["user"] == "anna"

    run(scenario)


@pytest.mark.slow
def test_a_person_at_a_phone_is_reached_after_the_gateway_was_restarted(tmp_path: Path) -> None:
    def accounts(config: GatewayConfig) -> GatewayConfig:
        return replace(config, accounts=(AccountOptions("anna", "annas-password"),))

    async def scenario() -> None:
        options = EndpointOptions("127.0.0.1", 0)
        async with Endpoint(options, lambda leg: leg.answer(ANSWER), lambda *_: None) as phone:
            async with cloud(tmp_path, [], [], change=accounts) as world:
                registrar = Uri("sip", host="127.0.0.1", port=world.gateway.endpoint.port)
                credentials = Credentials("anna", "annas-password")
                registered = phone.register(RegistrationOptions(registrar, "anna", credentials))
                while registered.state is not RegistrationState.REGISTERED:
                    await asyncio.sleep(0.02)
                phone._registrations.clear()  # the phone does not know that the gateway goes
            async with cloud(tmp_path, [], [], change=accounts) as world:
                made = await ring(world.gateway.endpoint, world.gateway.registrar, "anna", "", lambda phone: (OFFER,))
                assert isinstance(made.leg, Leg)
                made.leg.hangup()

    run(scenario)
