"""Names with addresses of both IP versions, of which one leads nowhere (RFC 8305, RFC 7984); on real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.sip import connecting, failover
from sipgw.sip.checks import DROP
from sipgw.sip.connecting import contenders, race
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.registrar import Registrar
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.sip.sdp import UNKNOWN, Sdp
from sipgw.sip.uri import Uri
from tests.fakes.dns import DnsServer
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import admit_all, last, pick_up, run, taking
from tests.sip.wire import ANSWER
from tests.waiting import HANG, until

ZONE = "both 300 IN A 127.0.0.1\nboth 300 IN AAAA ::1\nsix 300 IN AAAA ::1\n"
ME = "<sip:me@127.0.0.1>"
OFFER = make_offer(LocalMedia(UNKNOWN, 4002, tls=False))
V4, V6 = "127.0.0.1", "::1"


@contextlib.contextmanager
def hole(host: str, port: int) -> Iterator[None]:
    """A TCP port that answers nobody: its queue is full, so the system drops what comes."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listening.bind((host, port))
        listening.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect((host, port))
        yield


def address_in(sdp: bytes | None) -> str:
    connection = Sdp.parse(sdp or b"").connection
    assert connection is not None
    return connection.address


@pytest.mark.parametrize(("dead", "alive"), [(V4, V6), (V6, V4)])
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_over_tcp_the_address_that_can_be_connected_to_is_used(
    dead: str, alive: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_LIMIT", HANG)  # so that only the race gets past the silent one
    monkeypatch.setattr(failover, "PATIENCE", HANG)
    monkeypatch.setattr(failover, "SHORT_PATIENCE", HANG)

    async def call() -> None:
        taken: list[Leg] = []
        async with Endpoint(EndpointOptions(alive, 0), taking(taken), admit_all) as agent, DnsServer(ZONE) as server:
            silent = hole(dead, agent.port) if how == "silent" else contextlib.nullcontext()
            options = EndpointOptions("::", 0, dns=(server.address,))
            with silent:
                async with Endpoint(options, pick_up, admit_all) as phone:
                    target = Uri.parse(f"sip:agent@both.example:{agent.port};transport=tcp")
                    leg, reply = await phone.invite(target, ME, OFFER)
                    assert reply == ANSWER
                    assert (leg.source.transport, leg.source.host) == ("tcp", alive)
                    assert (":" in address_in(taken[0].offer)) is (":" in alive), "sound of the same IP version"
                    assert leg.local == taken[0].offer
                    again, _ = await phone.invite(target, ME, OFFER)
                    assert again.source.host == alive, "the open connection is used again"
                    assert len(phone._transports._streams._open) == 1
                    leg.hangup()
                    await last(leg)

    run(call)


@pytest.mark.parametrize(("dead", "alive"), [(V4, V6), (V6, V4)])
def test_over_tls_the_address_that_proves_its_name_is_used(
    dead: str, alive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the dead one somebody takes the connection, and says nothing to it."""
    monkeypatch.setattr(connecting, "CONNECT_LIMIT", HANG)
    monkeypatch.setattr(failover, "PATIENCE", HANG)
    monkeypatch.setattr(failover, "SHORT_PATIENCE", HANG)
    authority = Authority(tmp_path)

    async def call() -> None:
        taken: list[Leg] = []
        served = EndpointOptions(alive, 0, tls=authority.server("both.example"))
        async with Endpoint(served, taking(taken), admit_all) as agent, DnsServer(ZONE) as server:
            mute = await asyncio.get_running_loop().create_server(asyncio.Protocol, dead, agent.tls_port)
            options = EndpointOptions("::", 0, dns=(server.address,), tls=authority.client())
            async with mute, Endpoint(options, pick_up, admit_all) as phone:
                target = Uri.parse(f"sip:agent@both.example:{agent.tls_port};transport=tls")
                leg, reply = await phone.invite(target, ME, OFFER)
                assert reply == ANSWER
                assert (leg.source.transport, leg.source.host) == ("tls", alive)
                assert (":" in address_in(taken[0].offer)) is (":" in alive)
                leg.hangup()
                await last(leg)

    run(call)


@pytest.mark.parametrize(("dead", "alive"), [(V4, V6), (V6, V4)])
def test_over_udp_the_other_ip_version_is_tried_after_a_short_silence(
    dead: str, alive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "PATIENCE", HANG)
    monkeypatch.setattr(failover, "SHORT_PATIENCE", 0.1)

    async def call() -> None:
        taken: list[Leg] = []
        async with (
            Endpoint(EndpointOptions(alive, 0), taking(taken), admit_all) as agent,
            Endpoint(EndpointOptions(dead, agent.port), pick_up, lambda *_: DROP),
            DnsServer(ZONE) as server,
            Endpoint(EndpointOptions("::", 0, dns=(server.address,)), pick_up, admit_all) as phone,
        ):
            leg, _ = await phone.invite(Uri.parse(f"sip:agent@both.example:{agent.port}"), ME, OFFER)
            assert (leg.source.transport, leg.source.host) == ("udp", alive)
            assert (":" in address_in(leg.local)) is (":" in alive)
            leg.hangup()

    run(call)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_trunk_with_ipv6_alone_gets_an_offer_that_it_can_use(transport: str) -> None:
    """The offer is made before the name is looked up; what is sent names our IPv6 address."""

    async def call() -> None:
        def strictly(leg: Leg) -> None:
            leg.answer(answer(leg.offer or b"", LocalMedia("::1", 4000, tls=False)).sdp)

        async with (
            Endpoint(EndpointOptions("::1", 0), strictly, admit_all) as agent,
            DnsServer(ZONE) as server,
            Endpoint(EndpointOptions("::", 0, dns=(server.address,)), pick_up, admit_all) as phone,
        ):
            target = Uri.parse(f"sip:agent@six.example:{agent.port};transport={transport}")
            leg, reply = await phone.invite(target, ME, OFFER)
            assert b"c=IN IP6 ::1\r\n" in (reply or b"")
            assert b"c=IN IP6 ::1\r\n" in leg.local
            leg.hangup()

    run(call)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_phone_that_has_registered_by_ipv6_is_called_there(transport: str) -> None:
    async def talk() -> None:
        registrar = Registrar()

        def register(request, source, now):
            return registrar.register("anna", request, source, now)

        options = EndpointOptions("::", 0)
        rung: list[Leg] = []
        async with (
            Endpoint(options, pick_up, admit_all, register=register) as gateway,
            Endpoint(EndpointOptions("::1", 0), taking(rung), admit_all) as phone,
        ):
            server = Uri.parse(f"sip:[::1]:{gateway.port};transport={transport}")
            registration = phone.register(RegistrationOptions(server, "anna", instance="urn:uuid:phone"))
            await until(lambda: registration.state is RegistrationState.REGISTERED)
            (binding,) = registrar.bindings("anna", asyncio.get_running_loop().time())
            assert (binding.peer.transport, binding.peer.host, binding.contact.host) == (transport, "::1", "::1")
            leg, _ = await gateway.invite(binding.contact, ME, OFFER, peer=binding.peer)
            assert address_in(rung[0].offer) == "::1"
            rung[0].hangup()
            assert (await last(leg)).by == "callee"

    run(talk)


# The race


def hop(host: str, port: int = 5060, transport: str = "tcp") -> Peer:
    return Peer(transport, host, port)


@pytest.mark.parametrize(
    ("hops", "chosen"),
    [
        ((hop("192.0.2.1"), hop("192.0.2.2"), hop("2001:db8::1")), ("192.0.2.1", "2001:db8::1")),
        ((hop("2001:db8::1"), hop("192.0.2.1")), ("2001:db8::1", "192.0.2.1")),
        ((hop("192.0.2.1"), hop("192.0.2.2")), ()),
        ((hop("192.0.2.1"), hop("2001:db8::1", 5070)), ()),
        ((hop("192.0.2.1", transport="udp"), hop("2001:db8::1", transport="udp")), ()),
        ((hop("192.0.2.1"), hop("2001:db8::1", transport="tls")), ()),
        ((), ()),
    ],
)
def test_the_best_of_each_ip_version_contend_for_one_service(hops: tuple[Peer, ...], chosen: tuple[str, ...]) -> None:
    assert tuple(one.host for one in contenders(hops)) == chosen


def test_the_first_that_opens_wins_and_the_other_attempt_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ATTEMPT_DELAY", 0.01)
    log: list[str] = []

    async def attempt(peer: Peer) -> bool:
        log.append(f"begins {peer.host}")
        try:
            await asyncio.sleep(HANG if peer.host == "a" else 0)
        except asyncio.CancelledError:
            log.append(f"cancelled {peer.host}")
            raise
        return True

    async def compete() -> Peer | None:
        return await race((hop("a"), hop("b")), attempt)

    assert asyncio.run(compete()) == hop("b")
    assert log == ["begins a", "begins b", "cancelled a"]


def test_a_failed_attempt_is_followed_at_once_and_if_all_fail_nobody_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ATTEMPT_DELAY", HANG)

    async def attempt(peer: Peer) -> bool:
        return peer.host == "b"

    async def compete(*hops: Peer) -> Peer | None:
        async with asyncio.timeout(HANG / 2):
            return await race(hops, attempt)

    assert asyncio.run(compete(hop("a"), hop("b"))) == hop("b")
    assert asyncio.run(compete(hop("a"), hop("c"))) is None
    assert asyncio.run(compete()) is None


async def all_listening(stack: contextlib.ExitStack) -> tuple[Peer, ...]:
    """The same port of an IPv4 address, an IPv6 address and a second IPv4 address."""
    loop, port, hops = asyncio.get_running_loop(), 0, []
    for host in (V4, V6, "127.0.0.2"):
        listening = await loop.create_server(asyncio.Protocol, host, port)
        port = listening.sockets[0].getsockname()[1]
        stack.callback(listening.close)
        hops.append(hop(host, port))
    return tuple(hops)


def test_all_that_look_for_the_same_addresses_wait_for_one_race() -> None:
    async def talk() -> None:
        async with Endpoint(EndpointOptions("::", 0), pick_up, admit_all) as phone:
            with contextlib.ExitStack() as stack:
                hops, streams = await all_listening(stack), phone._transports._streams
                orders = (hops[:2], hops[1::-1])  # equal records of DNS come in any order
                async with asyncio.TaskGroup() as group:
                    found = [group.create_task(streams.first(orders[n % 2])) for n in range(20)]
                assert {one.result()[0] for one in found} == {hops[0]}
                assert len(streams._open) == 1
                assert not streams._races

    run(talk)


def test_an_open_connection_to_the_backup_does_not_come_before_the_primary() -> None:
    async def talk() -> None:
        async with Endpoint(EndpointOptions("::", 0), pick_up, admit_all) as phone:
            with contextlib.ExitStack() as stack:
                hops, streams = await all_listening(stack), phone._transports._streams
                streams.send(b"\r\n", backup := hops[2])
                await until(lambda: streams.find(backup).up)  # type: ignore[union-attr]
                assert (await streams.first(hops))[0] == hops[0], "the domain has put them in order"

    run(talk)


def test_servers_that_have_failed_lately_take_no_part_in_the_race() -> None:
    async def talk() -> None:
        async with Endpoint(EndpointOptions("::", 0), pick_up, admit_all) as phone:
            with contextlib.ExitStack() as stack:
                (v4, v6, backup), streams = await all_listening(stack), phone._transports._streams
                now = asyncio.get_running_loop().time()
                for one in (v4, v6):
                    phone.agent.clients.health.failed(one, now)
                found: list[tuple[Peer, ...]] = []
                phone.agent.resolved = lambda number, hops, at: found.append(hops)  # type: ignore[assignment, method-assign]
                phone._found(1, (v4, v6, backup), now)
                await until(lambda: found)
                assert not any(streams.find(one) for one in (v4, v6))

    run(talk)


def test_what_waits_for_the_slower_connection_is_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ATTEMPT_DELAY", 0.0)
    slow = asyncio.Event()

    async def held(stream, key, tls, local):
        if key.host == V6:
            await slow.wait()
        else:
            await until(lambda: stream._streams.find(Peer("tcp", V6, key.port)))
            stream._streams.send(b"BYE", Peer("tcp", V6, key.port))
        return await connecting.connect(stream, key, tls, local)

    monkeypatch.setattr("sipgw.sip.streams.connect", held)

    async def talk() -> None:
        got = bytearray()

        class Listening(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                got.extend(data)

        loop = asyncio.get_running_loop()
        async with Endpoint(EndpointOptions("::", 0), pick_up, admit_all) as phone:
            v4 = await loop.create_server(asyncio.Protocol, V4, 0)
            port = v4.sockets[0].getsockname()[1]
            v6 = await loop.create_server(Listening, V6, port)
            found = await phone._transports.first((hop(V4, port), hop(V6, port)))
            assert found[0].host == V4
            slow.set()
            await until(lambda: got == b"BYE")
            v4.close()
            v6.close()

    run(talk)
