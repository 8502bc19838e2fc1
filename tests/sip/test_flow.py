# mypy: disable-error-code="arg-type"
"""The way back from a registrar (RFC 5626): keepalives, lost connections, addresses that change; in virtual time."""

import itertools

import pytest

from sipgw.sip import flow
from sipgw.sip.address_watch import AddressWatch
from sipgw.sip.dialog import Peer
from sipgw.sip.public_address import DOUBTS, PublicAddress
from sipgw.sip.registration import RegistrationState
from tests.sip.test_registration import REGISTRAR, US, StrictRegistrar, register
from tests.sip.wire import Wire


def times(wire: Wire) -> list[float]:
    return wire.seen(US, "REGISTER")


def test_pings_keep_the_nat_open_while_registered_and_not_after() -> None:
    wire, _, registration = register(seconds=1000)
    gaps = [later - earlier for (earlier, _), (later, _) in zip(wire.pings, wire.pings[1:], strict=False)]
    assert len(gaps) > 25
    low, high = flow.KEEPALIVE
    assert low >= 15, "Twilio bans whoever asks more often"
    assert all(low <= gap <= high + 0.01 for gap in gaps)
    registration.close(wire.now)
    wire.run(1)
    wire.pings.clear()
    wire.run(1000)
    assert wire.pings == []


@pytest.mark.faults("B6")
def test_after_a_pause_of_the_machine_one_ping_leaves_and_not_all_that_were_missed() -> None:
    wire, _, _ = register(seconds=40)
    wire.pings.clear()
    wire.now += 600
    wire.parties[US].agent.handle_timer(wire.now)
    wire.collect()
    assert len(wire.pings) == 1
    following = wire.parties[US].agent.deadline
    assert following is not None
    assert following > wire.now


def test_pings_stop_while_nobody_answers() -> None:
    wire, registrar, registration = register(seconds=10)
    registrar.silent_for = 10**6
    registration.register(wire.now)
    wire.run(60)
    assert registration.state is RegistrationState.FAILED
    wire.pings.clear()
    wire.run(60)
    assert wire.pings == []


def test_a_lost_connection_is_made_anew_soon_but_not_in_a_loop() -> None:
    wire, registrar, registration = register(seconds=5)
    asked = len(times(wire))
    registration.lost(Peer("udp", "10.0.0.99", 5060), wire.now)
    wire.run(60)
    assert len(times(wire)) == asked, "that was not its own"
    for _ in range(100):
        registration.lost(Peer("udp", REGISTRAR, 5060), wire.now)
        wire.run(1)
    wire.run(flow.EARLY[0])
    renewed = [at for at, _ in registrar.accepted][1:]
    assert renewed[0] - 65 < flow.PAUSE + 0.1
    assert 2 <= len(renewed) <= 100 / flow.EARLY[0] + 2
    assert registration.state is RegistrationState.REGISTERED


def seeing(wire: Wire, *seen: tuple[str, int]) -> list[tuple[str, int]]:
    """Let the party US be told of these addresses, one by one, the last for ever."""
    outside, agent = PublicAddress(), wire.parties[US].agent
    told = list(seen)

    def see(peer: Peer, host: str, port: int) -> bool:
        before = outside.address(peer)
        outside.learn(peer, *(told.pop(0) if len(told) > 1 else told[0]))
        return outside.address(peer) != before

    agent.clients.environment = agent.clients.environment._replace(
        observed=see, address=lambda peer: outside.address(peer) or ("10.0.0.1", 5060)
    )
    return told


def contacts(registrar) -> list[str]:
    return [f"{one.contact.uri.host}:{one.contact.uri.port}" for one in registrar.requests]


def test_the_address_that_the_registrar_sees_is_registered_with_the_answer_to_its_challenge() -> None:
    _, registrar, registration = register(lambda one: seeing(one.wire, ("203.0.113.9", 40000)), seconds=60)
    assert contacts(registrar) == ["10.0.0.1:5060", "203.0.113.9:40000"]
    assert registration.state is RegistrationState.REGISTERED
    assert registration.reason == "registered for 3600 s", "what was granted is found under the new Contact"


def test_when_it_changes_it_is_registered_again() -> None:
    seen = [("203.0.113.9", 40000)] * 3 + [("203.0.113.10", 40000)]
    wire, registrar, registration = register(lambda one: seeing(one.wire, *seen), seconds=5)
    registration.register(wire.now)
    wire.run(20)
    assert contacts(registrar)[-1] == "203.0.113.10:40000"
    count = len(registrar.requests)
    wire.run(1000)
    assert len(registrar.requests) == count, "and then there is peace"


def test_behind_a_nat_the_new_public_address_is_registered_at_once_too() -> None:
    def unchallenged(registrar: StrictRegistrar) -> None:
        registrar.judge = registrar.register  # type: ignore[method-assign]
        seeing(registrar.wire, ("203.0.113.9", 40000))

    wire, registrar, registration = register(unchallenged, seconds=60)
    assert contacts(registrar)[-1] == "203.0.113.9:40000"
    for number in (10, 11):
        seeing(wire, (f"203.0.113.{number}", 40000))
        registration.moved(wire.now)
        wire.run(2 * flow.PAUSE + 0.1)
        assert contacts(registrar)[-1] == f"203.0.113.{number}:40000"
        wire.run(60)


def test_a_nat_that_never_sees_us_twice_the_same_does_not_make_us_register_for_ever() -> None:
    seen = [("203.0.113.9", 1000 + number) for number in range(1000)]
    wire, registrar, _ = register(lambda one: seeing(one.wire, *seen), seconds=3000)
    assert 10 < len(registrar.requests) < 2 * 3000 / flow.EARLY[1] + 15
    sent = sorted([*times(wire), *(at for at, _ in wire.pings)])
    assert max(later - earlier for earlier, later in itertools.pairwise(sent)) <= flow.KEEPALIVE[1] + 1, (
        "calls come over the flow until it is renewed"
    )


def test_a_registrar_that_refuses_us_is_not_asked_the_sooner_because_each_answer_shows_another_address() -> None:
    """An address that changes makes us try a failed registration again; here nothing but our own tries changes it."""
    seen = [("203.0.113.9", 1000 + number) for number in range(1000)]

    def refusing(registrar: StrictRegistrar) -> None:
        registrar.judge = lambda request: (403, [])  # type: ignore[method-assign]
        seeing(registrar.wire, *seen)

    wire, registrar, registration = register(refusing, seconds=0)
    AddressWatch(wire.parties[US].agent.core, [registration], None).look(wire.now)
    wire.run(3000)
    assert registration.state is RegistrationState.FAILED
    assert 10 < len(registrar.requests) < 2 * 3000 / flow.EARLY[1] + 15


def test_what_one_registrar_sees_counts_for_the_internet_but_not_for_private_networks() -> None:
    outside = PublicAddress()
    carrier, pbx, softphone = (Peer("udp", host, 5060) for host in ("192.0.2.1", "10.0.0.5", "192.168.1.9"))
    outside.learn(carrier, "203.0.113.9", 40000)
    assert outside.address(carrier) == ("203.0.113.9", 40000)
    assert outside.address(Peer("udp", "198.51.100.1", 5060)) == ("203.0.113.9", 40000)
    assert outside.address(pbx) is None
    outside.learn(pbx, "10.0.0.1", 5060)
    assert outside.address(pbx) == ("10.0.0.1", 5060)
    assert outside.address(carrier) == ("203.0.113.9", 40000)
    assert outside.address(softphone) is None
    assert outside.address(Peer("udp", "2001:db8::1", 5060)) is None


@pytest.mark.faults("B4")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:192.0.2.7"])
def test_an_address_that_no_machine_has_is_not_ours_whoever_tells_it(host: str) -> None:
    outside = PublicAddress()
    carrier, pbx = Peer("udp", "203.0.113.5", 5060), Peer("udp", "10.0.0.5", 5060)
    for observer in (carrier, pbx, None):
        outside.learn(observer, host, 33000)
    for peer in (carrier, pbx, Peer("udp", "198.51.100.7", 5060), Peer("udp", "2001:db8::7", 5060)):
        assert outside.address(peer) is None


@pytest.mark.faults("B4")
def test_a_registrar_behind_a_translation_of_its_own_tells_nobody_a_private_address() -> None:
    """It reports where its own network saw us, e.g. the node of its cluster: of no use, least of all to others."""
    outside = PublicAddress()
    carrier, other, pbx = (Peer("udp", host, 5060) for host in ("203.0.113.5", "198.51.100.7", "10.0.0.5"))
    outside.learn(carrier, "10.244.0.1", 33000)
    assert [outside.address(peer) for peer in (carrier, other, pbx)] == [None] * 3
    outside.learn(None, "192.168.0.9", 33000)
    assert outside.address(other) is None, "nor does a STUN server of our own network"
    outside.learn(other, "203.0.113.9", 40000)
    outside.learn(carrier, "10.244.0.1", 33000)
    assert outside.address(other) == outside.address(carrier) == ("203.0.113.9", 40000)
    outside.learn(pbx, "10.0.0.1", 5060)
    assert outside.address(pbx) == ("10.0.0.1", 5060)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_the_port_of_a_connection_holds_for_that_connection_alone(transport: str) -> None:
    outside = PublicAddress()
    outside.learn(Peer(transport, "192.0.2.1", 5060), "203.0.113.9", 51234)
    assert outside.address(Peer(transport, "192.0.2.1", 5060)) == ("203.0.113.9", 51234)
    assert outside.address(Peer("udp", "192.0.2.1", 5060)) == ("203.0.113.9", 0)
    assert outside.address(Peer(transport, "198.51.100.1", 5060)) == ("203.0.113.9", 0)


def test_two_registrars_that_see_two_uplinks_do_not_take_turns_for_the_rest_of_the_internet() -> None:
    outside, anybody = PublicAddress(), Peer("udp", "192.0.2.77", 5060)
    first, second = Peer("udp", "203.0.113.5", 5060), Peer("udp", "203.0.113.6", 5060)
    for _ in range(20):
        outside.learn(first, "198.51.100.1", 5060)
        outside.learn(second, "198.51.100.2", 5060)
        assert outside.address(anybody) == ("198.51.100.1", 5060)
        assert outside.address(second) == ("198.51.100.2", 5060), "for itself it counts"
    for _ in range(DOUBTS):
        outside.learn(second, "198.51.100.2", 5060)
    assert outside.address(anybody) == ("198.51.100.2", 5060), "the first says nothing any more"
