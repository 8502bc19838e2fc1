# mypy: disable-error-code="union-attr"
"""Connections that we open are kept open, and their loss is noticed (RFC 5626 §4.4.1); all on the loopback."""

import asyncio

import pytest

from sipgw.sip import connection, flow
from sipgw.sip.connection import Stream
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request, response_to
from sipgw.sip.parse import ParseError, Ping, StreamFramer
from sipgw.sip.registrar import Binding
from sipgw.sip.registrar import Registrar as Registrars
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, connect, last, pick_up, run
from tests.sip.wire import OFFER
from tests.waiting import HANG, until


class Registrar(asyncio.Protocol):
    """A registrar on TCP that grants everything and answers `pongs` keepalives of each connection."""

    def __init__(self, pongs: int, book: "Book") -> None:
        self.pongs = pongs
        self.book = book
        self.framer = StreamFramer()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.book.connections.append(transport)

    def data_received(self, data: bytes) -> None:
        self.framer.feed(data)
        while (message := self.framer.next_message()) is not None:
            assert not isinstance(message, ParseError)
            if isinstance(message, Ping):
                self.book.pings += 1
                self.pongs -= 1
                if self.pongs >= 0:
                    self.transport.write(b"\r\n")
            elif isinstance(message, Request):
                fields = [("Contact", str(message.contact)), ("Expires", "3600")]
                self.transport.write(response_to(message, 200, to_tag="r", headers=fields).to_bytes())


class Book:
    """What the registrar has seen."""

    def __init__(self) -> None:
        self.connections: list[asyncio.Transport] = []
        self.pings = 0


async def registered(endpoint: Endpoint, book: Book, pongs: int) -> tuple[asyncio.Server, Registration]:
    server = await asyncio.get_running_loop().create_server(lambda: Registrar(pongs, book), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    registration = endpoint.register(RegistrationOptions(Uri.parse(f"sip:127.0.0.1:{port};transport=tcp"), "agent"))
    await until(lambda: registration.state is RegistrationState.REGISTERED)
    return server, registration


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PAUSE", 0.01)
    monkeypatch.setattr(flow, "EARLY", (0.01, 0.01))


def stream_of(endpoint: Endpoint) -> Stream:
    (stream,) = endpoint._transports._streams._open.values()
    return stream


async def ping(endpoint: Endpoint, book: Book, *, answered: bool) -> None:
    """Let the time for a keepalive come, and its answer."""
    stream, before = stream_of(endpoint), book.pings
    stream._keep_alive()
    await until(lambda: book.pings == before + 1)
    if answered:
        await until(lambda: stream._pongs)


def test_who_answers_pings_keeps_the_connection() -> None:
    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, _ = await registered(endpoint, book, 10**6)
            for _ in range(5):
                await ping(endpoint, book, answered=True)
            assert len(book.connections) == 1
        server.close()

    run(talk)


def test_who_never_answers_pings_keeps_it_too() -> None:
    """RFC 5626 is an extension that not every registrar has."""

    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, _ = await registered(endpoint, book, 0)
            for _ in range(5):
                await ping(endpoint, book, answered=False)
            assert len(book.connections) == 1
        server.close()

    run(talk)


def test_who_stops_answering_is_dead_and_registered_with_anew() -> None:
    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, registration = await registered(endpoint, book, 2)
            for answered in (True, True, False):
                await ping(endpoint, book, answered=answered)
            stream_of(endpoint)._keep_alive()
            await until(lambda: len(book.connections) > 1)
            await until(lambda: registration.state is RegistrationState.REGISTERED)
        server.close()

    run(talk)


def test_an_answer_is_waited_for_no_longer_than_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5626 §4.4.1: 10 s, and not until the next keepalive."""

    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, _ = await registered(endpoint, book, 1)
            monkeypatch.setattr(connection, "KEEPALIVE", (HANG, HANG))
            await ping(endpoint, book, answered=True)
            monkeypatch.setattr(connection, "PONG_LIMIT", 0.05)
            await ping(endpoint, book, answered=False)
            await until(lambda: len(book.connections) > 1)
        server.close()

    assert connection.PONG_LIMIT == 10
    run(talk)


def test_a_connection_that_the_registrar_closes_is_opened_again_for_its_calls() -> None:
    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, _ = await registered(endpoint, book, 10**6)
            book.connections[0].close()
            await until(lambda: len(book.connections) > 1)
        server.close()

    run(talk)


# Connections that others open to us


async def called(phone: Endpoint, agent: Endpoint) -> Leg:
    target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port};transport=tcp")
    leg, _ = await phone.invite(target, "<sip:me@127.0.0.1>", OFFER)
    return leg


def test_a_silent_connection_that_a_call_is_on_stays_and_one_without_is_closed() -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            leg = await called(phone, agent)
            stream = stream_of(agent)
            stream._idle()
            assert stream_of(agent) is stream and not stream._transport.is_closing()
            leg.hangup()
            await last(leg)
            await until(lambda: not agent.agent.connections)
            stream._idle()
            await until(lambda: not agent._transports._streams._open)

    run(talk)


def test_a_silent_connection_that_a_phone_is_registered_over_stays() -> None:
    async def talk() -> None:
        bound: list[int] = []
        async with Endpoint(LOCAL, pick_up, admit_all, bound=lambda now: bound) as agent:
            reader, writer = await connect(agent)
            writer.write(OPTIONS)
            await reader.readuntil(b"\r\n\r\n")
            stream = stream_of(agent)
            bound.append(stream.peer.connection)
            stream._idle()
            assert not stream._transport.is_closing()
            bound.clear()
            stream._idle()
            assert await reader.read() == b""
            writer.close()

    run(talk)


def test_a_connection_is_used_as_long_as_the_binding_of_a_phone_lasts() -> None:
    registrar = Registrars()
    contact, seen = Uri.parse("sip:100@10.0.0.9;transport=tcp"), Peer("tcp", "127.0.0.1", 40000, 7)
    registrar.restore("100", Binding(contact, seen, 60.0, "x", 1))
    assert [registrar.bound(59.0), registrar.bound(61.0)] == [{7}, set()]


def test_who_was_let_in_is_pinged_so_that_its_nat_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as agent:
            reader, writer = await connect(agent)
            writer.write(OPTIONS)
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(4) == b"\r\n\r\n"
            writer.write(b"\r\n")
            assert await reader.readexactly(4) == b"\r\n\r\n", "and again"
            writer.close()

    monkeypatch.setattr(connection, "KEEPALIVE", (0.05, 0.06))
    run(talk)
