"""The connections that we open: they are counted and bounded like those of others, and go when nobody needs them."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from sipgw.sip import connection, streams
from sipgw.sip.connection_key import Needed
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.streams import Streams
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, connect, last, pick_up, run
from tests.sip.test_hostile_streams import serves
from tests.sip.test_keepalive import Book, called, registered, stream_of
from tests.waiting import until


def table_of(endpoint: Endpoint) -> Streams:
    return endpoint._transports._streams


async def listening(count: int, stack: AsyncExitStack) -> list[Peer]:
    """Places where somebody listens and says nothing."""
    peers = []
    for _ in range(count):
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        stack.callback(server.close)
        peers.append(Peer("tcp", "127.0.0.1", server.sockets[0].getsockname()[1]))
    return peers


def told_of(endpoint: Endpoint) -> list[tuple[Peer, str]]:
    """What the endpoint is told to be unreachable from now on."""
    table, told = table_of(endpoint), []
    table.callbacks = table.callbacks._replace(on_unreachable=lambda peer, cause: told.append((peer, cause)))
    return told


def places(endpoint: Endpoint) -> set[int]:
    return {one.peer.port for one in table_of(endpoint)._open.values()}


@pytest.mark.faults("A6")
def test_a_connection_of_ours_that_nobody_needs_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with AsyncExitStack() as stack, Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            for peer in await listening(20, stack):
                table_of(endpoint).send(b"BYE", peer)
            assert len(table_of(endpoint)._open) == 20, "they count from the first moment"
            await until(lambda: not table_of(endpoint)._open)
            assert not table_of(endpoint)._sources

    monkeypatch.setattr(connection, "IDLE_LIMIT", 0.2)
    run(talk)


@pytest.mark.faults("A6")
def test_so_many_are_opened_to_one_address_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with AsyncExitStack() as stack, Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            told, peers = told_of(endpoint), await listening(5, stack)
            for peer in peers:
                table_of(endpoint).send(b"BYE", peer)
            assert told == [(peer, "too many connections") for peer in peers[3:]]
            assert len(table_of(endpoint)._open) == 3
            assert table_of(endpoint).counts["refused"] == 2
            assert await serves(*await connect(endpoint)), "what they open to us is counted by itself"

    monkeypatch.setattr(streams, "MAX_OF_ONE_SOURCE", 3)
    run(talk)


@pytest.mark.faults("A6")
def test_where_all_places_are_taken_that_one_of_ours_goes_which_was_not_used_for_the_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk() -> None:
        async with AsyncExitStack() as stack, Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            told, peers, table = told_of(endpoint), await listening(4, stack), table_of(endpoint)
            for peer in peers[:3]:
                table.send(b"BYE", peer)
            await until(lambda: all(one.up for one in table._open.values()))
            table.send(b"BYE", peers[0])
            table.send(b"BYE", peers[3])
            assert places(endpoint) == {peers[0].port, peers[2].port, peers[3].port}
            assert (told, table.counts["made room"]) == ([], 1)
            reader, writer = await connect(endpoint)
            writer.write(OPTIONS)
            assert await reader.readuntil(b"\r\n\r\n"), "for whom we know they make room too"
            assert places(endpoint) >= {peers[0].port, peers[3].port}

    monkeypatch.setattr(streams, "MAX_STREAMS", 3)
    run(talk)


@pytest.mark.faults("A6")
def test_who_finds_all_places_taken_has_the_calls_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with AsyncExitStack() as stack, Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            peers, table, asked = await listening(9, stack), table_of(endpoint), list[str]()

            def needed() -> Needed:
                asked.append("all calls")
                return Needed(frozenset(), frozenset(peer[:3] for peer in peers))

            table.callbacks = table.callbacks._replace(needed=needed)
            for peer in peers[:8]:
                table.send(b"BYE", peer)
            await until(lambda: all(one.up for one in table._open.values()))
            table.send(b"BYE", peers[8])
            assert asked == ["all calls"]
            assert places(endpoint) == {peer.port for peer in peers[:8]}, "each of them is needed"

    monkeypatch.setattr(streams, "MAX_STREAMS", 8)
    run(talk)


@pytest.mark.faults("A6")
def test_a_connection_that_cannot_be_opened_holds_no_place() -> None:
    async def talk() -> None:
        async with AsyncExitStack() as stack, Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            (peer,) = await listening(1, stack)
            told = told_of(endpoint)
            nobody = peer._replace(host="127.0.0.2")
            table_of(endpoint).send(b"BYE", nobody)
            await until(lambda: told)
            assert told[0][0] == nobody
            assert not table_of(endpoint)._open
            assert not table_of(endpoint)._sources

    run(talk)


@pytest.mark.faults("A6")
def test_a_connection_of_ours_that_a_call_is_on_stays() -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            leg = await called(phone, agent)
            stream = stream_of(phone)
            stream._idle()
            assert not stream.closing
            leg.hangup()
            await last(leg)
            await until(lambda: not phone.agent.needed.has(stream.peer))
            stream._idle()
            await until(lambda: not table_of(phone)._open)

    run(talk)


@pytest.mark.faults("A6")
def test_a_connection_of_ours_that_a_registration_is_reached_over_stays() -> None:
    async def talk() -> None:
        book = Book()
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            server, registration = await registered(endpoint, book, 10**6)
            stream = stream_of(endpoint)
            await until(lambda: not endpoint.agent.needed.has(stream.peer))
            stream._idle()
            assert not stream.closing
            endpoint.unregister(registration)
            await until(lambda: not endpoint.agent.waiting)
            await until(lambda: not endpoint.agent.needed.has(stream.peer))
            stream._idle()
            assert stream.closing
        server.close()

    run(talk)
