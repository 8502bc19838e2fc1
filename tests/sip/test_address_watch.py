"""Addresses of ours that change under registrations and calls: in virtual time, and on real connections."""

import asyncio
import itertools

import pytest

from sipgw.sip import address_watch
from sipgw.sip.address_watch import INTERVAL, SETTLED, AddressWatch
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Answered, Ended, Moved, Offered, Phase
from sipgw.sip.flow import PAUSE
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.public_address import MAX_UPLINKS, PublicAddress
from sipgw.sip.registration import RegistrationState
from sipgw.sip.sdp import Sdp
from sipgw.sip.transaction import Transaction
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call
from tests.sip.test_endpoint import admit_all, pick_up, run
from tests.sip.test_keepalive import Book, registered
from tests.sip.test_registration import US, register, setting
from tests.sip.wire import ANSWER, OFFER, Wire
from tests.waiting import until

A, B = "10.0.0.1", "10.0.0.2"
NEW = "10.0.7.7"
SOON = INTERVAL * (SETTLED + 1) + 0.5


class Place:
    """The address of a party, which can change."""

    def __init__(self, wire: Wire, host: str, *registrations: object, party: str = "") -> None:
        self.host = host
        wire.owner = lambda address: party or host if address == NEW else address  # type: ignore[method-assign]
        agent = wire.parties[party or host].agent
        agent.clients.environment = agent.clients.environment._replace(address=lambda peer: (self.host, 5060))
        self.watch = AddressWatch(agent.core, registrations, None)  # type: ignore[arg-type]
        self.watch.look(wire.now)


def test_a_registration_is_renewed_with_the_new_address_and_an_unchanged_one_is_left_alone() -> None:
    wire, registrar, registration = register(seconds=5)
    place = Place(wire, US, registration)
    wire.run(60)
    before = len(registrar.accepted)
    assert before == 1
    place.host = NEW
    wire.run(INTERVAL + 3)
    assert len(registrar.accepted) == 2
    assert registrar.requests[-1].contact is not None
    assert registrar.requests[-1].contact.uri.host == NEW
    wire.run(300)
    assert len(registrar.accepted) == 2
    assert registration.state is RegistrationState.REGISTERED


def test_what_failed_from_the_old_address_is_tried_at_once_from_the_new_one() -> None:
    wire, registrar, registration = register(seconds=5)
    place = Place(wire, US, registration)
    registrar.silent_for = 10**6
    wire.run(2 * 3600)
    assert registration.state is RegistrationState.FAILED
    asked = len(registrar.requests)
    while len(registrar.requests) == asked:
        wire.run(1)
    wire.run(60)
    asked = len(registrar.requests)
    wire.run(60)
    assert len(registrar.requests) == asked, "it waits for minutes by then"
    registrar.silent_for = 0
    place.host = NEW
    wire.run(INTERVAL + 2 * PAUSE + 1)
    assert registration.state is RegistrationState.REGISTERED  # type: ignore[comparison-overlap]
    assert registrar.requests[-1].contact is not None
    assert registrar.requests[-1].contact.uri.host == NEW


def test_a_gateway_that_is_started_without_a_network_registers_as_soon_as_there_is_one() -> None:
    wire, registrar, registration = register(setting(silent_for=10**6), seconds=0)
    place = Place(wire, "127.0.0.1", registration, party=US)
    registration.register(wire.now)
    wire.run(3600)
    asked = len(registrar.requests)
    while len(registrar.requests) == asked:
        wire.run(1)
    wire.run(60)
    registrar.silent_for = 0
    place.host = NEW
    wire.run(INTERVAL + PAUSE + 1)
    assert registration.state is RegistrationState.REGISTERED
    assert registrar.requests[-1].contact is not None
    assert registrar.requests[-1].contact.uri.host == NEW


def test_an_address_that_changes_all_the_time_does_not_make_us_register_for_ever() -> None:
    wire, registrar, registration = register(seconds=5)
    place = Place(wire, US, registration)
    for number in range(300):
        place.host = f"10.0.7.{number % 250}"
        wire.run(INTERVAL)
    assert 5 < len(registrar.accepted) <= 600 / 15 + 3


@pytest.mark.parametrize("by", [A, B])
def test_each_call_is_told_the_new_address_in_contact_and_description(by: str) -> None:
    wire = Wire()
    call = Call(wire).answered()
    ours, theirs = (call.client, call.server) if by == A else (call.server, call.client)
    told, told_there = (call.here, call.there) if by == A else (call.there, call.here)
    place = Place(wire, by)
    wire.run(30)
    assert not any(isinstance(event, Offered) for event in told_there)
    before, place.host = ours.session.local, NEW
    wire.run(INTERVAL)
    assert ours.session.local == before, "an address that is there for a moment is nothing to tell"
    wire.run(SOON)
    offered = told_there[-1]
    assert isinstance(offered, Offered)
    sdp, old = Sdp.parse(offered.sdp or b""), Sdp.parse(before)
    assert sdp.connection is not None
    assert sdp.connection.address == NEW
    assert NEW in sdp.origin
    assert int(sdp.origin.split()[2]) == int(old.origin.split()[2]) + 1
    assert sdp.media == old.media, "the port is the same"
    assert ours.session.local == before, "kept until it is answered"
    theirs.accept_offer(ANSWER.replace(b"- 1 1", b"- 1 2"), wire.now)
    wire.run(1)
    assert Moved(NEW) in told
    assert any(isinstance(event, Answered) for event in told)
    assert ours.session.local == offered.sdp
    assert theirs.dialog is not None
    assert theirs.dialog.target.host == NEW
    wire.run(120)
    assert len([one for one in wire.seen(by, "INVITE") if one > 30]) == 1, "once"
    assert ours.phase is theirs.phase is Phase.CONFIRMED


def test_a_refused_change_of_address_leaves_the_call_as_it_was() -> None:
    wire = Wire()
    call = Call(wire).answered()
    place = Place(wire, A)
    before, place.host = call.client.session.local, NEW
    wire.run(SOON)
    call.server.reject_offer(488, wire.now)
    wire.run(1)
    assert call.client.session.local == before
    assert call.client.phase is Phase.CONFIRMED


def refusing(wire: Wire, call: Call) -> None:
    """Let the other side refuse each offer at once."""
    take = call.server.in_dialog

    def refused(request: Request, transaction: Transaction, now: float) -> None:
        take(request, transaction, now)
        call.server.reject_offer(500, now)

    call.server.in_dialog = refused  # type: ignore[method-assign]


def accepting(wire: Wire, call: Call, seconds: int) -> None:
    """Let the other side take an offer that comes within so many seconds."""
    for _ in range(10 * seconds):
        wire.run(0.1)
        if call.server.accept_offer(ANSWER.replace(b"- 1 1", b"- 1 2"), wire.now):
            wire.run(1)
            return
    pytest.fail("no offer came")


def test_a_refused_address_is_told_again_after_growing_pauses_until_it_is_taken() -> None:
    wire = Wire()
    call = Call(wire).answered()
    place = Place(wire, A)
    refusing(wire, call)
    place.host = NEW
    wire.run(1500)
    told = wire.seen(A, "INVITE")[1:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert gaps == pytest.approx([4, 8, 16, 32, 64, 128, 256, 300, 300, 300], abs=0.1)
    assert call.client.dialog is not None
    assert call.client.dialog.told == A
    del call.server.in_dialog
    accepting(wire, call, 300)
    assert call.client.dialog.told == NEW
    asked = len(wire.seen(A, "INVITE"))
    wire.run(1200)
    assert len(wire.seen(A, "INVITE")) == asked
    assert call.client.phase is Phase.CONFIRMED


def test_an_address_that_comes_back_takes_the_place_of_one_that_was_refused() -> None:
    wire = Wire()
    call = Call(wire).answered()
    place = Place(wire, A)
    refusing(wire, call)
    place.host = NEW
    wire.run(SOON)
    place.host = A
    wire.run(SOON)
    del call.server.in_dialog
    accepting(wire, call, 10)
    wire.run(600)
    assert [event for event in call.here if isinstance(event, Moved)][-1] == Moved(A)
    assert call.client.session.local == OFFER
    asked = [m.body for _, host, _, m in wire.trace if host == A and isinstance(m, Request) and m.method == "INVITE"]
    assert NEW.encode() in asked[1]
    assert asked[-2:] == [OFFER] * 2, "nothing is told of the other address any more"


def test_an_address_from_which_nothing_can_be_sent_ends_no_call_and_is_told_later() -> None:
    """RFC 3261 §8.1.3.1: that is a 503; only a re-INVITE that was sent and not answered ends the call (§14.1)."""
    wire = Wire()
    call = Call(wire).answered()
    place = Place(wire, A)
    agent, there = wire.parties[A].agent, Peer("udp", B, 5060)
    place.host = NEW
    while len(wire.seen(A, "INVITE")) < 2:
        wire.run(0.005)
    agent.unreachable(there, "no route", wire.now)
    wire.run(2)
    assert call.client.phase is Phase.CONFIRMED
    assert not wire.seen(A, "BYE")
    call.server.reject_offer(500, wire.now)
    accepting(wire, call, 10)
    assert call.client.dialog is not None
    assert call.client.dialog.told == NEW


def test_a_call_that_rings_is_told_once_it_is_up() -> None:
    wire = Wire()
    call = Call(wire).start()
    place = Place(wire, B)
    wire.run(INTERVAL)
    place.host = NEW
    wire.run(SOON)
    assert len(wire.seen(B, "INVITE")) == 0
    call.server.answer(ANSWER, wire.now)
    wire.run(3)
    assert len(wire.seen(B, "INVITE")) == 1


def test_while_no_way_leads_out_nothing_is_told() -> None:
    wire, registrar, registration = register(seconds=5)
    place = Place(wire, US, registration)
    wire.run(5)
    place.host = "127.0.0.1"
    wire.run(120)
    assert len(registrar.accepted) == 1
    place.host = NEW
    wire.run(5)
    assert len(registrar.accepted) == 2


def test_what_others_saw_holds_no_longer_than_our_own_address() -> None:
    outside, carrier = PublicAddress(), Peer("udp", "203.0.113.5", 5060)
    outside.learn(carrier, "198.51.100.7", 40000, "192.168.1.5")
    assert outside.address(carrier, "192.168.1.5") == ("198.51.100.7", 40000)
    assert outside.address(Peer("udp", "203.0.113.99", 5060), "192.168.1.5") == ("198.51.100.7", 40000)
    assert outside.address(carrier, "10.64.0.2") is None, "another uplink has another NAT"
    assert outside.address(carrier, "") == ("198.51.100.7", 40000), "while there is no uplink, nothing else is known"
    outside.learn(carrier, "198.51.100.99", 40000, "10.64.0.2")
    assert outside.address(carrier, "10.64.0.2") == ("198.51.100.99", 40000)


def test_each_uplink_has_a_public_address_of_its_own_and_the_oldest_of_many_is_forgotten() -> None:
    outside = PublicAddress()
    one, two, third = (Peer("udp", host, 5060) for host in ("203.0.113.5", "203.0.113.6", "203.0.113.7"))
    for _ in range(3):
        outside.learn(one, "198.51.99.1", 5060, "192.168.1.10")
        assert outside.address(third, "192.168.1.10") == ("198.51.99.1", 5060)
        outside.learn(two, "198.51.99.2", 5060, "192.168.2.10")
        assert outside.address(third, "192.168.1.10") == ("198.51.99.1", 5060), "the other uplink says nothing of it"
        assert outside.address(third, "192.168.2.10") == ("198.51.99.2", 5060)
        assert outside.address(third, "") == ("198.51.99.2", 5060), "the newest"
    for number in range(MAX_UPLINKS - 1):
        outside.learn(two, "198.51.99.3", 5060, f"192.168.3.{number}")
    assert outside.address(third, "192.168.1.10") is None
    assert outside.address(third, "192.168.2.10") == ("198.51.99.2", 5060)


# Real sockets


def at(endpoint: Endpoint, address: str) -> None:
    """Let the way to everybody begin at `address` from now on."""
    endpoint._transports.route = lambda peer: address  # type: ignore[method-assign]
    endpoint._transports._streams._route = lambda peer: address


def test_a_way_that_was_never_what_the_system_says_is_no_reason_to_give_up_a_connection() -> None:
    """Where TCP is routed otherwise than UDP, or a phone came to a second address of ours."""

    async def talk() -> None:
        async with Endpoint(EndpointOptions("0.0.0.0", 0), pick_up, admit_all) as endpoint:
            at(endpoint, "127.0.0.9")
            server, _ = await registered(endpoint, book := Book(), 10**6)
            streams = endpoint._transports._streams
            (stream,) = streams._open.values()
            assert stream.own_address == "127.0.0.1"
            streams.send(b"\r\n\r\n", stream.peer)
            await until(lambda: book.pings)
            assert len(book.connections) == 1
        server.close()

    run(talk)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_watch, "INTERVAL", 0.02)
    monkeypatch.setattr("sipgw.sip.flow.PAUSE", 0.01)
    monkeypatch.setattr("sipgw.sip.flow.EARLY", (0.01, 0.01))


@pytest.mark.usefixtures("quick")
def test_a_connection_that_began_at_an_address_that_is_gone_is_opened_anew() -> None:
    async def talk() -> None:
        book = Book()
        async with Endpoint(EndpointOptions("0.0.0.0", 0), pick_up, admit_all) as endpoint:
            server, registration = await registered(endpoint, book, 10**6)
            await asyncio.sleep(0.1)
            assert len(book.connections) == 1
            at(endpoint, "127.0.0.2")
            await until(lambda: len(book.connections) > 1)
            await until(lambda: registration.state is RegistrationState.REGISTERED)
            at(endpoint, "127.0.0.1")
        server.close()

    run(talk)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_goes_on_at_the_new_address(transport: str) -> None:
    async def talk() -> None:
        taken: list[Leg] = []

        def take(leg: Leg) -> None:
            taken.append(leg)
            pick_up(leg)

        here = EndpointOptions("0.0.0.0", 0)
        async with Endpoint(here, take, admit_all) as agent, Endpoint(here, pick_up, admit_all) as phone:
            at(agent, "127.0.0.1")
            target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port};transport={transport}")
            offer = ANSWER.replace(b"10.0.0.2", b"127.0.0.1")
            leg, _ = await phone.invite(target, "<sip:me@127.0.0.1>", offer)
            await asyncio.sleep(0.1)
            at(agent, "127.0.0.2")
            async for event in leg.events():
                if isinstance(event, Offered):
                    leg.accept_offer(leg.local)
                    break
            await until(lambda: Sdp.parse(taken[0].local).connection.address == "127.0.0.2")  # type: ignore[union-attr]
            assert leg.target.host == "127.0.0.2"
            leg.hangup()
            async for event in taken[0].events():
                if isinstance(event, Ended):
                    assert event.how == "BYE", "it reached the new address"

    run(talk)
