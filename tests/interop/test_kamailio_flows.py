"""Kamailio as a registrar that takes part in flows (RFC 5626), with and without a proxy that does not."""

import asyncio
from pathlib import Path

import pytest

from sipgw.sip import flow, stun
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Response
from sipgw.sip.parse import parse_message
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri
from tests.interop.kamailio import kamailio, plain_proxy
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import admit_all
from tests.waiting import until

pytestmark = pytest.mark.programs("kamailio")

INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"


class Registering:
    """An endpoint that registers, and every response that it gets."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.endpoint = Endpoint(EndpointOptions("0.0.0.0", 0), lambda leg: None, admit_all, self._seen)

    def _seen(self, traced: Traced) -> None:
        if traced.direction == "in":
            message = parse_message(traced.data)
            if isinstance(message, Response):
                self.responses.append(message)

    async def register(self, port: int, transport: str = "udp", instance: str = INSTANCE) -> Registration:
        server = Uri.parse(f"sip:127.0.0.1:{port};transport={transport}")
        options = RegistrationOptions(server, "agent", Credentials("agent", "s3cret"), instance=instance)
        registration = self.endpoint.register(options)
        await until(lambda: registration.state is RegistrationState.REGISTERED)
        return registration

    @property
    def granted(self) -> list[Response]:
        return [one for one in self.responses if one.status == 200]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "SHORTEST", 0.5)
    monkeypatch.setattr(flow, "PAUSE", 0.01)
    monkeypatch.setattr(flow, "EARLY", (0.01, 0.02))


@pytest.mark.usefixtures("quick")
def test_it_is_asked_by_stun_and_its_death_is_noticed(tmp_path: Path) -> None:
    port, tls_port = free_ports(), free_ports()

    async def talk() -> None:
        ours = Registering()
        async with ours.endpoint:
            with kamailio(tmp_path, port, tls_port, Authority(tmp_path).issue("x"), flow_timer=1):
                registration = await ours.register(port)
                assert "outbound" in ours.granted[-1].require
                assert ours.granted[-1].headers.get("flow-timer") == "1"
                await until(lambda: registration._flow._proven)
                assert registration._flow._stun
            await until(lambda: registration.state is RegistrationState.FAILED)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stun, "RETRY", (0.2, 0.4))
        patch.setattr("sipgw.sip.client_transactions.TIMEOUT", 1.0)
        patch.setattr("sipgw.sip.transaction.TIMEOUT", 1.0)
        asyncio.run(talk())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("instance", "contacts"), [(INSTANCE, 1), ("", 2)], ids=["a flow", "no flow"])
def test_a_new_address_takes_the_place_of_the_old_one(
    instance: str, contacts: int, transport: str, tmp_path: Path
) -> None:
    """Without a flow the registrar calls both places until the old one lapses: that is what a flow is for."""
    port, tls_port = free_ports(), free_ports()

    async def talk() -> None:
        before, after = Registering(), Registering()
        async with before.endpoint:
            registration = await before.register(port, transport, instance)
            registration.leave()  # as by a loss of power
            before.endpoint._registrations.clear()
        async with after.endpoint:
            await after.register(port, transport, instance)
            assert len(after.granted[-1].contacts) == contacts
            assert after.endpoint.port in [one.uri.port for one in after.granted[-1].contacts]

    with kamailio(tmp_path, port, tls_port, Authority(tmp_path).issue("x"), flow_timer=30):
        asyncio.run(talk())


@pytest.mark.usefixtures("quick")
def test_through_a_proxy_that_knows_no_flows_we_register_without(tmp_path: Path) -> None:
    port, tls_port, front = free_ports(), free_ports(), free_ports()

    async def talk() -> None:
        ours = Registering()
        async with ours.endpoint:
            await ours.register(front)
            assert 439 in [one.status for one in ours.responses]
            (contact,) = ours.granted[-1].contacts
            assert "reg-id" not in str(contact)
            assert ours.granted[-1].require == []

    with (
        kamailio(tmp_path, port, tls_port, Authority(tmp_path).issue("x"), flow_timer=30),
        plain_proxy(tmp_path, front, port),
    ):
        asyncio.run(talk())
