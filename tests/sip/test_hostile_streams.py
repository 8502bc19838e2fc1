"""What strangers can do to our TCP and TLS ports, and what those whom we know notice of it: nothing."""

import asyncio
import resource
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from sipgw.sip import connection, parse, streams
from sipgw.sip.checks import DROP, Refusal
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Request, Response
from sipgw.sip.parse import MAX_BODY, MAX_HEAD, ParseError
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, connect, pick_up, run
from tests.sip.test_tls import answered, opened, received

EVERYWHERE = EndpointOptions("0.0.0.0", 0)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def number(count: int) -> bytes:
    return OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK%d" % count).replace(b"Call-ID: x", b"Call-ID: %d" % count)


async def from_address(endpoint: Endpoint, host: str) -> Connection:
    return await asyncio.open_connection("127.0.0.1", endpoint.port, local_addr=(host, 0))


async def serves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int = 1) -> bool:
    writer.write(number(count))
    return (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")


def test_one_source_that_takes_all_it_can_leaves_the_others_room() -> None:
    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit_all) as endpoint:
            held = [await from_address(endpoint, "127.0.0.66") for _ in range(streams.MAX_OF_ONE_SOURCE)]
            late, _ = await from_address(endpoint, "127.0.0.66")
            assert await received(late) == b""
            assert await serves(*await from_address(endpoint, "127.0.0.7"))
            for _, writer in held:
                writer.close()
            while endpoint._transports._streams._sources["127.0.0.66", True]:
                await asyncio.sleep(0.01)
            assert await serves(*await from_address(endpoint, "127.0.0.66"), 2), "and gets its places back"

    run(talk)


def test_strangers_together_leave_places_to_those_we_know(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit_all, known=lambda host: host == "127.0.0.7") as endpoint:
            held = [await from_address(endpoint, f"127.0.0.{host}") for host in (66, 67, 68)]
            late, _ = await from_address(endpoint, "127.0.0.69")
            assert await received(late) == b""
            held.append(await from_address(endpoint, "127.0.0.7"))
            assert await serves(*held[-1])
            for _, writer in held:
                writer.close()

    monkeypatch.setattr(streams, "MAX_STREAMS", 4)
    run(talk)


def test_strangers_never_take_all_the_files_that_the_process_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the sockets of providers and the database would be missing."""

    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit_all) as endpoint:
            held = [await from_address(endpoint, f"127.0.0.{host}") for host in (66, 67)]
            late, _ = await from_address(endpoint, "127.0.0.68")
            assert await received(late) == b""
            for _, writer in held:
                writer.close()

    monkeypatch.setattr(resource, "getrlimit", lambda which: (4, 1024))
    run(talk)


def test_a_stranger_whose_requests_are_ignored_may_not_hold_a_connection() -> None:
    def admit(request, source):
        return None if source.host == "127.0.0.7" else DROP

    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit) as endpoint:
            reader, writer = await from_address(endpoint, "127.0.0.66")
            writer.write(number(1))
            assert await received(reader) == b""
            assert await serves(*await from_address(endpoint, "127.0.0.7"), 2)

    run(talk)


def test_one_ignored_request_does_not_cut_off_whoever_was_welcome_before() -> None:
    judged = iter([None, DROP, None])

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, lambda request, source: next(judged)) as endpoint:
            reader, writer = await connect(endpoint)
            assert await serves(reader, writer, 1)
            writer.write(number(2))
            assert await serves(reader, writer, 3)
            writer.close()

    run(talk)


PONG = b"SIP/2.0 200 OK" + number(7).partition(b"SIP/2.0")[2]
ACK = number(8).replace(b"OPTIONS", b"ACK")


@pytest.mark.parametrize(
    "garbage",
    [b"\r\n\r\n", b"GARBAGE\r\nContent-Length: 0\r\n\r\n", PONG, ACK, PONG + b"\r\n\r\n", ACK + b"\r\n\r\n", number(9)],
    ids=["pings", "garbage", "a stray answer", "a stray ACK", "answer, pings", "ACK, pings", "a challenged request"],
)  # fmt: skip
def test_what_is_never_let_in_buys_no_time(garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, lambda *_: Refusal(401)) as endpoint:
            reader, writer = await connect(endpoint)
            ended = asyncio.get_running_loop().create_task(received(reader))
            while not ended.done():
                writer.write(garbage)
                await asyncio.sleep(0.02)
            writer.close()

    monkeypatch.setattr(connection, "PARTIAL_LIMIT", 0.2)
    monkeypatch.setattr(connection, "MAX_FAULTS", 10**6)
    run(talk)


def test_who_sends_nothing_but_garbage_is_cut_off() -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, lambda *_: DROP) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(b"GARBAGE\r\nContent-Length: 0\r\n\r\n" * (connection.MAX_FAULTS + 1))
            assert await received(reader) == b""

    run(talk)


@pytest.mark.faults("F8")
def test_after_the_cut_the_rest_of_a_read_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one read of 256 KiB holds 37,000 messages to parse, though the connection is closed after 21."""
    read: list[bytes] = []
    monkeypatch.setattr(connection, "parsed", lambda data: read.append(data) or ParseError(400, "Bad Request"))  # type: ignore[func-returns-value]

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, lambda *_: DROP) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(b"l:0\r\n\r\n" * 5000)
            assert await received(reader) == b""

    run(talk)
    assert len(read) == connection.MAX_FAULTS + 1


@pytest.mark.faults("F8")
def test_a_stranger_who_is_not_read_is_cut_off_before_it_sends() -> None:
    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit_all, screen=lambda host: host == "127.0.0.7") as endpoint:
            reader, writer = await from_address(endpoint, "127.0.0.66")
            assert await received(reader) == b""
            writer.close()
            assert endpoint.counts["connection refused"] == 1
            assert await serves(*await from_address(endpoint, "127.0.0.7"))

    run(talk)


def test_messages_that_the_screen_refuses_are_not_parsed_and_no_read_holds_others_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One read of 256 KiB holds 1,700 small messages."""
    read, asked, turns = list[bytes](), list[str](), list[int]()
    most, allowed = 1700, 50

    def parsed(data: bytes) -> Request | Response | ParseError:
        read.append(data)
        return parse.parsed(data)

    def screen(host: str) -> bool:
        asked.append(host)
        return len(asked) <= 1 + allowed  # the first time for the connection

    async def talk() -> None:
        async with Endpoint(EVERYWHERE, pick_up, admit_all, screen=screen) as endpoint:
            _, writer = await from_address(endpoint, "127.0.0.66")
            writer.write(b"".join(map(number, range(most))))
            while len(asked) <= most:
                before = len(asked)
                await asyncio.sleep(0)
                turns.append(len(asked) - before)
            writer.close()

    monkeypatch.setattr(connection, "parsed", parsed)
    run(talk)
    assert read == [number(at) for at in range(allowed)]
    assert max(turns) <= connection.MAX_AT_ONCE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"A" * 4 * MAX_HEAD, id="a head without end"),
        pytest.param(number(1).replace(b"Length: 0", b"Length: %d" % (MAX_BODY + 1)), id="a body too large"),
        pytest.param(number(1).replace(b"Length: 0", b"Length: 99999999999999999999"), id="a body without end"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 2 * MAX_HEAD, id="TLS to the TCP port"),
    ],
)
def test_what_is_too_large_is_cut_off_at_once(data: bytes) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(data)
            said = await received(reader)
            assert said == b"" or said.startswith((b"SIP/2.0 4", b"SIP/2.0 513"))
            assert await serves(*await connect(endpoint), 2)

    run(talk)


def test_a_broken_request_is_answered_and_the_next_one_too() -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(number(1).replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 BYE"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 400")
            assert await serves(reader, writer, 2)
            writer.close()

    run(talk)


def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            _, writer = await connect(endpoint)
            (stream,) = await opened_streams(endpoint)
            stream.write(b"x" * 16 * 2**20)
            stream.write(b"x")
            while endpoint._transports._streams._open:
                await asyncio.sleep(0.01)
            writer.close()

    run(talk)


def close_it(stream: connection.Stream, writer: asyncio.StreamWriter) -> None:
    stream.close()


def half_close(stream: connection.Stream, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


def trickle(stream: connection.Stream, writer: asyncio.StreamWriter) -> None:
    writer.write(b"OPTIONS")


@pytest.mark.faults("A7")
@pytest.mark.parametrize("end", [close_it, half_close, trickle])
def test_a_connection_that_is_closed_gives_its_place_back_though_nobody_reads(
    end: Callable[[connection.Stream, asyncio.StreamWriter], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            _, writer = await connect(endpoint)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            (stream,) = await opened_streams(endpoint)
            stream.write(b"x" * 16 * 2**20)
            end(stream, writer)
            table = endpoint._transports._streams
            while table._open or table._sources:
                await asyncio.sleep(0.01)
            writer.transport.abort()

    monkeypatch.setattr(connection, "CLOSE_LIMIT", 0.05)
    monkeypatch.setattr(connection, "PARTIAL_LIMIT", 0.05)
    run(talk)


async def opened_streams(endpoint: Endpoint) -> list[connection.Stream]:
    while not endpoint._transports._streams._open:
        await asyncio.sleep(0.01)
    return list(endpoint._transports._streams._open.values())


def test_what_strangers_leave_unfinished_costs_bounded_memory() -> None:
    """Each of 200 sends half a message as large as it may be; what is kept is what they sent, and then nothing."""

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            writers = []
            for _ in range(streams.MAX_OF_ONE_SOURCE):
                _, writer = await connect(endpoint)
                writer.write(b"A" * (MAX_HEAD - 1))
                await writer.drain()
                writers.append(writer)
            while any(len(one._framer._buffer) < MAX_HEAD - 1 for one in await opened_streams(endpoint)):
                await asyncio.sleep(0.01)
            held = tracemalloc.get_traced_memory()[0] - before
            assert held < 2.5 * streams.MAX_OF_ONE_SOURCE * MAX_HEAD
            for writer in writers:
                writer.transport.abort()
            while endpoint._transports._streams._open:
                await asyncio.sleep(0.01)
            assert tracemalloc.get_traced_memory()[0] - before < held / 10
            tracemalloc.stop()

    run(talk)


def test_handshakes_that_never_end_do_not_keep_tls_from_those_we_know(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def talk() -> None:
        async with Endpoint(EndpointOptions("127.0.0.1", 0, tls=authority.server()), pick_up, admit_all) as endpoint:
            half = []
            for _ in range(150):
                half.append(await asyncio.open_connection("127.0.0.1", endpoint.tls_port))
                half[-1][1].write(b"\x16\x03\x01\x02\x00\x01")
            reader, writer = await opened(endpoint, authority)
            assert await answered(reader, writer)
            for _, one in half:
                one.transport.abort()
            writer.close()

    run(talk)
