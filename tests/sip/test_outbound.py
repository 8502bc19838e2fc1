# mypy: disable-error-code="method-assign"
"""Flows (RFC 5626): to a registrar that takes part, in virtual time, and from phones that name theirs."""

import itertools
import struct

import pytest

from sipgw.sip import flow, stun
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.fields import NameAddr, param
from sipgw.sip.message import Request
from sipgw.sip.registrar import FLOW_TIMER, Registrar
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.stun import binding_request, binding_response, mapped_address
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import LOCAL, admit_all, pick_up, run
from tests.sip.test_registrar import NAT, ask
from tests.sip.test_registration import CREDENTIALS, REGISTRAR, US, StrictRegistrar
from tests.sip.wire import Wire
from tests.waiting import within

INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
OUTBOUND = ("Require", "outbound")


class FlowRegistrar(StrictRegistrar):
    """Takes part in flows: its 200 has `fields`. A REGISTER that names a flow gets the status `refused`, if set."""

    fields: tuple[tuple[str, str], ...] = (OUTBOUND,)
    refused = 0

    def register(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        if self.refused and "reg-id" in str(request.contact):
            return self.refused, []
        status, fields = super().register(request)
        return status, [*fields, *self.fields]


def flowing(
    *fields: tuple[str, str], seconds: float = 5.0, instance: str = INSTANCE, refused: int = 0
) -> tuple[Wire, FlowRegistrar, Registration]:
    wire = Wire(US, REGISTRAR)
    wire.sees = lambda host: (host, 5060)
    registrar = FlowRegistrar(wire)
    registrar.fields, registrar.refused = fields, refused
    options = RegistrationOptions(Uri.parse(f"sip:{REGISTRAR}"), "agent", CREDENTIALS, instance=instance)
    registration = Registration(wire.parties[US].agent.clients, options)
    registration.register(wire.now)
    wire.run(seconds)
    assert registration.state is RegistrationState.REGISTERED
    return wire, registrar, registration


def test_our_contact_names_instance_and_flow_in_each_request() -> None:
    _, registrar, registration = flowing(OUTBOUND)
    assert len(registrar.requests) == 2, "the second answers the challenge"
    for request in registrar.requests:
        assert request.contact is not None
        assert param(request.contact.params, "reg-id") == "1"
        assert param(request.contact.params, "+sip.instance") == f'"<{INSTANCE}>"'
        assert "outbound" in request.supported
    assert registration.reason == "registered for 3600 s"


def test_without_an_instance_nothing_is_asked() -> None:
    _, registrar, _ = flowing(instance="")
    assert registrar.requests[-1].contact is not None
    assert registrar.requests[-1].contact.params == ()
    assert registrar.requests[-1].supported == []


@pytest.mark.parametrize("status", [439, 400, 403, 420, 500, 606])
def test_a_registrar_that_knows_no_flows_gets_us_without(status: int) -> None:
    wire, registrar, registration = flowing(refused=status)
    named = ["reg-id" in str(request.contact) for request in registrar.requests]
    assert named == [True, True, False], "challenged, refused, taken"
    registration.register(wire.now)
    wire.run(5)
    assert "reg-id" not in str(registrar.requests[-1].contact), "it is not tried again"


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_a_registrar_that_takes_part_is_asked_by_stun_and_no_other_is() -> None:
    wire, _, _ = flowing(OUTBOUND, seconds=600)
    low, high = flow.OUTBOUND
    assert len(wire.stun) > 18
    assert all(low <= gap <= high + 0.1 for gap in gaps(wire.stun))
    assert wire.pings == []
    wire, _, _ = flowing(seconds=600)
    assert (wire.stun, len(wire.pings) > 15) == ([], True)


@pytest.mark.parametrize(("timer", "longest"), [("20", 20.0), ("600", flow.KEEPALIVE[1]), ("1", flow.SHORTEST)])
def test_the_flow_timer_of_the_registrar_is_obeyed_as_long_as_it_keeps_a_nat_open(timer: str, longest: float) -> None:
    wire, _, _ = flowing(OUTBOUND, ("Flow-Timer", timer), seconds=2000)
    assert gaps(wire.stun)
    assert all(0.8 * longest <= gap <= longest + 0.1 for gap in gaps(wire.stun))


def test_a_flow_that_is_not_answered_any_more_is_made_anew_but_not_in_a_loop() -> None:
    wire, registrar, registration = flowing(OUTBOUND, seconds=100)
    before = len(registrar.accepted)
    wire.sees = lambda host: None
    wire.run(flow.OUTBOUND[1] + 2 * stun.RETRY[1] + flow.PAUSE)
    assert len(registrar.accepted) == before + 1
    assert registration.state is RegistrationState.REGISTERED
    wire.run(600)
    assert len(registrar.accepted) == before + 1, "what never answers on the new flow says nothing"
    assert wire.pings, "plain keepalives go on"


def test_a_nat_that_gives_us_another_port_is_noticed_by_the_next_keepalive() -> None:
    wire, registrar, _ = flowing(OUTBOUND, seconds=60)
    seen = [("203.0.113.9", 40000)]
    agent = wire.parties[US].agent
    told = [("10.0.0.1", 5060)]

    def observed(peer: Peer, host: str, port: int) -> bool:
        moved = (host, port) == seen[0] != told[0]
        told[0] = seen[0] if moved else told[0]
        return moved

    agent.clients.environment = agent.clients.environment._replace(observed=observed, address=lambda peer: told[0])
    before = len(registrar.accepted)
    wire.sees = lambda host: seen[0]
    wire.run(flow.OUTBOUND[1] + flow.PAUSE + 1)
    assert len(registrar.accepted) == before + 1
    contact = registrar.requests[-1].contact
    assert contact is not None
    assert (contact.uri.host, contact.uri.port) == seen[0]


def test_after_430_any_server_of_the_domain_may_take_the_next_request() -> None:
    wire, registrar, registration = flowing(OUTBOUND)
    judge = registrar.judge
    registrar.judge = lambda request: (430, [])  # type: ignore[method-assign]
    registration.register(wire.now)
    wire.run(0.5)
    assert (registration.state, registration.reason) == (RegistrationState.FAILED, "430 Flow Failed")
    assert registration.reached_over is None
    registrar.judge = judge  # type: ignore[method-assign]
    wire.run(5)
    assert registration.state is RegistrationState.REGISTERED


# Phones


def named(address: str, flow: int = 1, instance: str = INSTANCE) -> str:
    return f'<sip:anna@{address}>;reg-id={flow};+sip.instance="<{instance}>"'


SUPPORTED = "Supported: path, outbound\r\n"


def test_a_phone_that_comes_back_from_another_address_takes_the_place_of_its_old_flow() -> None:
    registrar = Registrar()
    first = registrar.register("anna", ask(named("10.1.1.1"), extra=SUPPORTED), NAT, 0.0)
    assert first.headers[-2:] == (OUTBOUND, ("Flow-Timer", str(FLOW_TIMER)))
    (listed,) = (NameAddr.parse(value) for name, value in first.headers if name == "Contact")
    assert param(listed.params, "reg-id") == "1"
    assert param(listed.params, "+sip.instance") == f'"<{INSTANCE}>"'
    moved = NAT._replace(port=50000)
    registrar.register("anna", ask(named("10.2.2.2"), call_id="after a restart", extra=SUPPORTED), moved, 5.0)
    (binding,) = registrar.bindings("anna", 6.0)
    assert (binding.contact.host, binding.peer) == ("10.2.2.2", moved)


@pytest.mark.parametrize(
    ("second", "extra"),
    [
        pytest.param(named("10.2.2.2", flow=2), SUPPORTED, id="a second flow"),
        pytest.param(named("10.2.2.2", instance="urn:uuid:other"), SUPPORTED, id="another phone"),
        pytest.param(named("10.2.2.2"), "", id="does not support it"),
        pytest.param("<sip:anna@10.2.2.2>;reg-id=1", SUPPORTED, id="no instance"),
        pytest.param(named("10.2.2.2"), SUPPORTED + "Via: SIP/2.0/UDP 10.3.3.3;branch=z9hG4bKy\r\n", id="by a proxy"),
    ],
)
def test_what_is_not_the_same_flow_is_a_further_phone(second: str, extra: str) -> None:
    registrar = Registrar()
    registrar.register("anna", ask(named("10.1.1.1"), extra=SUPPORTED), NAT, 0.0)
    answer = registrar.register("anna", ask(second, call_id="b", extra=extra), NAT, 1.0)
    assert len(registrar.bindings("anna", 2.0)) == 2
    assert (OUTBOUND in answer.headers) is (extra == SUPPORTED and "instance" in second)


def test_a_late_register_of_the_flow_changes_nothing() -> None:
    registrar = Registrar()
    registrar.register("anna", ask(named("10.1.1.1"), number=2, extra=SUPPORTED), NAT, 0.0)
    late = registrar.register("anna", ask(named("10.2.2.2"), number=1, extra=SUPPORTED), NAT, 1.0)
    assert late.status == 500
    assert registrar.bindings("anna", 2.0)[0].contact.host == "10.1.1.1"


@pytest.mark.parametrize("host", ["203.0.113.9", "2001:db8::9"])
def test_a_phone_learns_by_stun_where_it_is_seen(host: str) -> None:
    request = binding_request(b"t" * 12)
    assert mapped_address(binding_response(request, Peer("udp", host, 40123)), b"t" * 12) == (host, 40123)


def test_known_phones_get_an_answer_to_stun_and_strangers_none() -> None:
    import asyncio

    async def talk() -> None:
        known = ["127.0.0.1"]
        judged: list[str] = []

        def screen(host: str) -> bool:
            judged.append(host)
            return True

        async with Endpoint(LOCAL, pick_up, admit_all, known=lambda host: host in known, screen=screen) as endpoint:
            loop = asyncio.get_running_loop()
            answers: asyncio.Queue[bytes] = asyncio.Queue()

            class Phone(asyncio.DatagramProtocol):
                def datagram_received(self, data: bytes, addr: object) -> None:
                    answers.put_nowait(data)

            there = ("127.0.0.1", endpoint.port)
            transport, _ = await loop.create_datagram_endpoint(Phone, remote_addr=there)
            stranger, _ = await loop.create_datagram_endpoint(Phone, local_addr=("127.0.0.2", 0), remote_addr=there)
            stranger.sendto(binding_request(b"s" * 12))
            transport.sendto(binding_request(b"p" * 12))
            data = await within(answers.get())
            assert struct.unpack_from("!H", data)[0] == stun.SUCCESS
            assert mapped_address(data, b"p" * 12) == transport.get_extra_info("sockname")
            assert answers.empty(), "it came first, and was not answered"
            assert "127.0.0.2" not in judged, "nor does it use up what a stranger may ask"
            for one in (transport, stranger):
                one.close()

    run(talk)
