"""The endpoint on real sockets of the loopback: UDP and TCP, strangers, faults of the application, closing."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from sipgw.sip import connection, streams
from sipgw.sip.checks import DROP, Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint, EndpointError
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Ended, KeyPressed, Phase
from sipgw.sip.leg import EVENTS_KEPT, Leg
from sipgw.sip.tls import TlsOptions
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri
from tests.sip.wire import ANSWER, OFFER
from tests.waiting import HANG

LOCAL = EndpointOptions("127.0.0.1", 0)
OPTIONS = """OPTIONS sip:agent@127.0.0.1 SIP/2.0
Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1
From: <sip:a@h>;tag=1
To: <sip:h>
Call-ID: x
CSeq: 1 OPTIONS
Authorization: Digest username="u", response="secret"
Content-Length: 0

""".replace("\n", "\r\n").encode()


def admit_all(request, source) -> None:
    return None


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(HANG):
            await work()

    asyncio.run(limited())


def pick_up(leg: Leg) -> None:
    leg.ringing()
    leg.answer(ANSWER)


def taking(taken: list[Leg]) -> Callable[[Leg], None]:
    """Picks up, and keeps each leg in `taken`."""

    def take(leg: Leg) -> None:
        taken.append(leg)
        pick_up(leg)

    return take


async def last(leg: Leg) -> Ended:
    async for event in leg.events():
        if isinstance(event, Ended):
            return event
    raise AssertionError("the events of a leg end with Ended")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_over_the_network(transport: str) -> None:
    async def call() -> None:
        taken: list[Leg] = []

        async with Endpoint(LOCAL, taking(taken), admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port};transport={transport}")
            leg, answer = await phone.invite(target, "<sip:me@127.0.0.1>", OFFER)
            assert answer == ANSWER
            assert taken[0].offer == OFFER
            assert taken[0].source.transport == transport
            taken[0].hangup("enough")
            assert (await last(leg)).how == "BYE"
            assert (await last(taken[0])).by == "gateway"
            assert leg.phase is Phase.ENDED

    run(call)


def test_a_host_name_is_looked_up_and_one_that_is_none_hurts_nobody() -> None:
    async def call() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            for wrong in ("a..b", "x" * 70, "x" * 70 + ".example"):  # labels of no or of more than 63 letters
                assert await phone.locate(Uri.parse(f"sip:{wrong}")) == ()
            leg, _ = await phone.invite(Uri.parse(f"sip:agent@localhost:{agent.port}"), "<sip:me@127.0.0.1>", OFFER)
            leg.hangup()
            assert (await last(leg)).by == "gateway"

    run(call)


def test_a_refused_call_raises_what_it_was_refused_with() -> None:
    async def call() -> None:
        async with (
            Endpoint(LOCAL, lambda leg: leg.reject(486, "Busy"), admit_all) as agent,
            Endpoint(LOCAL, pick_up, admit_all) as phone,
        ):
            with pytest.raises(CallFailed) as failure:
                await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{agent.port}"), "<sip:me@127.0.0.1>", OFFER)
            assert (failure.value.ended.status, failure.value.ended.text) == (486, "Busy")

    run(call)


def test_giving_up_an_invite_cancels_it() -> None:
    async def call() -> None:
        rung: asyncio.Queue[Leg] = asyncio.Queue()

        def ring(leg: Leg) -> None:
            leg.ringing()
            rung.put_nowait(leg)

        async with Endpoint(LOCAL, ring, admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port}")
            async with asyncio.TaskGroup() as tasks:
                calling = tasks.create_task(phone.invite(target, "<sip:me@127.0.0.1>", OFFER))
                leg = await rung.get()
                calling.cancel()
                assert (await last(leg)).how == "CANCEL"

    run(call)


def test_a_fault_of_the_application_is_answered_500_and_the_endpoint_goes_on() -> None:
    async def call() -> None:
        faults = iter([True, False])

        def take(leg: Leg) -> None:
            if next(faults):
                raise RuntimeError("broken")
            pick_up(leg)

        async with Endpoint(LOCAL, take, admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port};transport=tcp")
            with pytest.raises(CallFailed) as failure:
                await phone.invite(target, "<sip:me@127.0.0.1>", OFFER)
            assert failure.value.ended.status == 500
            leg, _ = await phone.invite(target, "<sip:me@127.0.0.1>", OFFER)
            leg.hangup()

    run(call)


def test_a_port_in_use_is_one_clear_line() -> None:
    async def listen() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as first:
            with pytest.raises(EndpointError, match=f"cannot listen on 127.0.0.1 port {first.port}: .*in use"):
                async with Endpoint(EndpointOptions("127.0.0.1", first.port), pick_up, admit_all):
                    pass

    run(listen)


def test_the_advertised_address_is_the_one_that_leads_to_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Probe(socket.socket):
        led_to: ClassVar[list[str]] = []

        def connect(self, address) -> None:
            self.led_to.append(address[0])
            super().connect(address)

    async def ask() -> None:
        async with Endpoint(EndpointOptions("0.0.0.0", 0), pick_up, admit_all) as endpoint:
            assert endpoint.contact_host(Peer("udp", "127.0.0.1", 5060)) == "127.0.0.1"
            with monkeypatch.context() as patch:
                patch.setattr(socket, "socket", Probe)
                for name in ("never.looked.up.invalid", "pbx1"):
                    assert endpoint.contact_host(Peer("udp", name, 5060))
            assert Probe.led_to == ["192.0.2.1", "192.0.2.1"], "connecting to a name would look it up, and block"
        public = EndpointOptions("0.0.0.0", 0, public_address="203.0.113.7")
        async with Endpoint(public, pick_up, admit_all) as endpoint:
            assert endpoint.contact_host(Peer("udp", "198.51.100.9", 5060)) == "203.0.113.7"

    run(ask)


@pytest.mark.parametrize(("given", "told"), [("203.0.113.7", "127.0.0.1"), ("192.168.1.20", "192.168.1.20")])
def test_a_public_address_is_told_to_the_internet_alone_and_a_private_one_to_all(given: str, told: str) -> None:
    """The private one is that of a computer whose containers others on its network call."""

    async def ask() -> None:
        options = EndpointOptions("127.0.0.1", 0, public_address=given)
        inside, outside = Peer("udp", "10.0.0.5", 5060), Peer("udp", "198.51.100.9", 5060)
        async with Endpoint(options, pick_up, admit_all) as endpoint:
            assert (endpoint.contact_host(inside), endpoint.contact_host(outside)) == (told, given)
            assert endpoint.reached(inside), "ICE offers an address that is reached"
            assert not endpoint._transports.observed(outside, "203.0.113.99", 5060)
            assert endpoint._transports.observed(inside, "10.9.9.9", 5060) is (told != given), "a NAT on the way inside"

    run(ask)


# What comes over TCP


async def connect(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", endpoint.port)


def test_requests_and_keepalives_share_a_connection() -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(b"\r\n\r\n" + OPTIONS[:40])
            assert await reader.readexactly(2) == b"\r\n"
            writer.write(OPTIONS[40:])
            assert (await reader.readline()).startswith(b"SIP/2.0 200")
            writer.close()

    run(talk)


@pytest.mark.parametrize(
    ("admit", "answer"), [(admit_all, b"SIP/2.0 400"), (lambda request, source: DROP, b"")], ids=["friend", "stranger"]
)
def test_a_broken_stream_is_closed_and_a_stranger_learns_nothing(admit, answer: bytes) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: zero"))
            said = await reader.read()
            assert said[: len(answer)] == answer
            assert bool(said) == bool(answer)
            writer.close()

    run(talk)


def test_who_says_nothing_or_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            silent, _ = await connect(endpoint)
            trickling, writer = await connect(endpoint)
            writer.write(OPTIONS[:30])
            assert await silent.read() == b""
            assert await trickling.read() == b""

    monkeypatch.setattr(connection, "PARTIAL_LIMIT", 0.05)
    run(talk)


def test_one_host_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            first, first_writer = await connect(endpoint)
            second, second_writer = await connect(endpoint)
            too_many, _ = await connect(endpoint)
            assert await too_many.read() == b""
            for number, (reader, writer) in enumerate(((first, first_writer), (second, second_writer))):
                number = str(number).encode()  # type: ignore[assignment]
                writer.write(
                    OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK" + number).replace(b"Call-ID: x", b"Call-ID: " + number)  # type: ignore[operator]
                )
                assert (await reader.readline()).startswith(b"SIP/2.0 200")
                writer.close()

    monkeypatch.setattr(streams, "MAX_OF_ONE_SOURCE", 2)
    run(talk)


def test_a_broken_admission_lets_nobody_in() -> None:
    def broken(request, source) -> Refusal | None:
        raise RuntimeError("broken")

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, broken) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(OPTIONS)
            assert await reader.read() == b"", "a stranger learns nothing and may not stay"
            writer.close()

    run(talk)


# Around


def test_a_trace_sees_every_message_without_credentials_and_its_fault_is_its_own() -> None:
    seen: list[Traced] = []

    def watch(message: Traced) -> None:
        seen.append(message)
        raise RuntimeError("broken observer")

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all, watch) as endpoint:
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.setblocking(False)
                await loop.sock_sendto(phone, OPTIONS.replace(b"TCP", b"UDP"), ("127.0.0.1", endpoint.port))
                reader, writer = await connect(endpoint)
                writer.write(OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK2").replace(b"Call-ID: x", b"Call-ID: y"))
                await reader.readline()
                writer.close()

    run(talk)
    assert [(one.direction, one.peer.transport) for one in seen] == [
        ("in", "udp"), ("out", "udp"), ("in", "tcp"), ("out", "tcp"),
    ]  # fmt: skip
    assert not any(b"secret" in one.data for one in seen)
    assert b"Authorization: ***\r\n" in seen[0].data


def test_a_leg_keeps_a_bounded_number_of_events_and_always_the_last() -> None:
    async def call() -> None:
        taken: list[Leg] = []

        async with Endpoint(LOCAL, taking(taken), admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            leg, _ = await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{agent.port}"), "<sip:me@127.0.0.1>", OFFER)
            for _ in range(3 * EVENTS_KEPT):
                taken[0]._call.on_event(KeyPressed("1", 0.1))
            leg.hangup()
            await last(leg)
            while taken[0].phase is not Phase.ENDED:
                await asyncio.sleep(0)
            events = [event async for event in taken[0].events()]
            assert len(events) <= EVENTS_KEPT + 2
            assert any(isinstance(event, Confirmed) for event in events)
            assert isinstance(events[-1], Ended)
            assert agent.counts["event of a call dropped"] >= 2 * EVENTS_KEPT

    run(call)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"port": 70000}, "port: must be"),
        ({"host": "example.com"}, "host: must be an IP address"),
        ({"public_address": "example.com"}, "public_address: must be an IP address"),
        ({"dns": ("dns.example",)}, "dns: must be IP addresses"),
        ({"dns": ("[::1",)}, "no IPv6 address"),
        ({"stun_server": "a b"}, "no host"),
        ({"port": 5061, "tls": TlsOptions(certificate="c.pem")}, r"both have port 5061; set \[sip.tls\] port"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EndpointOptions(**wrong)


def test_packets_are_marked_for_routers() -> None:
    async def look() -> None:
        async with Endpoint(EndpointOptions("::", 0, dscp=40), pick_up, admit_all) as endpoint:
            sockets = [one._socket for one in endpoint._transports._udp.values()]
            marks = [
                one.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)
                if one.family == socket.AF_INET
                else one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
                for one in sockets
            ]
            assert marks == [40 << 2, 40 << 2]

    run(look)


def test_datagrams_that_wait_are_read_in_one_turn_of_the_loop() -> None:
    """A loop that is slow has few turns: with one datagram in each, calls would wait for minutes."""

    async def ask() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.bind(("127.0.0.1", 0))
                asked = OPTIONS.replace(b"TCP", b"UDP").replace(b":9;", b":%d;" % phone.getsockname()[1])
                for number in range(30):
                    one = asked.replace(b"bK1", b"bK%d" % number).replace(b"Call-ID: x", b"Call-ID: %d" % number)
                    phone.sendto(one, ("127.0.0.1", endpoint.port))
                for _ in range(2):  # the loop sees that something is there, then it reads
                    await asyncio.sleep(0)
                phone.setblocking(False)
                answered = 0
                with contextlib.suppress(BlockingIOError):
                    while phone.recv(65535).startswith(b"SIP/2.0 200 "):
                        answered += 1
                assert answered == 30

    run(ask)
