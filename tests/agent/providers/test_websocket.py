"""The websocket without tasks: how it ends when the peer misbehaves."""

import asyncio

import pytest
from websockets.asyncio.server import serve
from websockets.utils import accept_key

from agent.providers import websocket
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.realtime import RealtimeFault
from agent.providers.stt import SttFault
from agent.providers.tts_session import TtsFault
from agent.providers.websocket import ConnectError, connect
from agent.realtime import Brief
from tests.waiting import HANG


class Ears:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.messages = []
        self.end = asyncio.get_running_loop().create_future()

    def received(self, message):
        self.messages.append(message)

    def writable(self):
        pass

    def lost(self, code, reason):
        self.end.set_result((code, reason))


async def end_of(url: str) -> tuple[Ears, tuple[int, str]]:
    stt = Ears()
    socket = await connect(url, {}, stt, 5.0)
    try:
        async with asyncio.timeout(HANG):
            return stt, await stt.end
    finally:
        await socket.close(0.1)


def against(serve_peer):
    """Connect to a websocket server that runs `serve_peer(connection)`; what was received and how it ended."""

    async def run():
        async with serve(serve_peer, "127.0.0.1", 0, compression=None) as server:
            return await end_of(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    return asyncio.run(run())


def against_raw(peer, port_path=""):
    """Connect to a TCP server that runs `peer(reader, writer)`."""

    async def run():
        async def serve_one(reader, writer):
            await peer(reader, writer)
            writer.close()

        server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        async with server:
            return await end_of(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{port_path}")

    return asyncio.run(run())


def test_text_binary_and_fragments_arrive_whole_and_the_close_code_is_told():
    async def peer(connection):
        await connection.send("Łódź")
        await connection.send(b"\x00\xff")
        await connection.send(["one ", "two"])
        await connection.close(3005, "bye")

    stt, end = against(peer)
    assert stt.messages == ["Łódź", b"\x00\xff", "one two"]
    assert end == (3005, "bye")


@pytest.mark.parametrize("message", ["x" * (websocket.MAX_MESSAGE + 1), b"\x00" * (websocket.MAX_MESSAGE + 1)])
def test_a_message_that_is_too_long_ends_the_connection(message):
    async def peer(connection):
        await connection.send(message)
        await connection.wait_closed()

    stt, end = against(peer)
    assert stt.messages == []
    assert end[0] == 1006


def test_text_that_is_not_utf8_ends_the_connection():
    async def peer(connection):
        await connection.send(b"\xff\xfe", text=True)
        await connection.wait_closed()

    stt, end = against(peer)
    assert stt.messages == []
    assert end[0] == 1006


def test_a_connection_that_breaks_off_is_1006():
    async def peer(connection):
        connection.transport.abort()

    assert against(peer)[1][0] == 1006


async def shake_hands(reader, writer):
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    (key,) = [line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key")]
    writer.write(
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
    )


def test_a_peer_that_answers_no_ping_is_given_up(monkeypatch):
    monkeypatch.setattr(websocket, "PING_EVERY", 0.02)

    async def mute(reader, writer):
        await shake_hands(reader, writer)
        await reader.read()

    assert against_raw(mute)[1] == (1006, "no answer to a ping")


def test_a_server_that_speaks_no_http_is_refused():
    async def peer(_reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    with pytest.raises(ConnectError):
        against_raw(peer)


def test_a_server_that_hangs_up_at_once_is_refused():
    async def peer(_reader, _writer):
        pass

    with pytest.raises(ConnectError):
        against_raw(peer)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "nonsense", "ws://127.0.0.1:99999/"])
def test_a_url_that_is_none_is_refused(url):
    async def run():
        with pytest.raises(ConnectError):
            await connect(url, {}, Ears(), 1.0)

    asyncio.run(run())


def test_the_handshake_is_never_logged(caplog):
    caplog.set_level(0)

    async def peer(connection):
        await connection.close()

    async def run():
        async with serve(peer, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            stt = Ears()
            socket = await connect(url, {"Authorization": "a-secret"}, stt, 5.0)
            await stt.end
            await socket.wait_gone(5)

    asyncio.run(run())
    assert not [r for r in caplog.records if r.name == "agent.websocket"]


def test_a_connection_that_nobody_waits_for_any_more_is_closed(monkeypatch):
    """The handshake is over, but `connect` has not returned yet."""
    transports = []

    class Opened(websocket.Socket):
        def connection_made(self, transport):
            transports.append(transport)
            super().connection_made(transport)

        def _answered(self):
            super()._answered()
            connecting.cancel()  # type: ignore[union-attr]

    async def peer(reader, writer):
        await shake_hands(reader, writer)
        await reader.read()
        writer.close()

    async def run():
        nonlocal connecting  # type: ignore[misc]
        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        async with asyncio.timeout(HANG), server, asyncio.TaskGroup() as group:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            connecting = group.create_task(connect(url, {}, Ears(), HANG))
        assert connecting.cancelled()
        assert [transport.is_closing() for transport in transports] == [True]

    connecting = None
    monkeypatch.setattr(websocket, "Socket", Opened)
    asyncio.run(run())


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014])
def test_another_session_may_go_better_after_each_close_that_is_no_refusal(code: int) -> None:
    """The same for all: a close frame without a code, or a restart of the server, ended the call."""
    realtime = OpenAIRealtimeSession(OpenAIRealtimeOptions(), Brief(""))
    stt, tts = FluxSession(DeepgramOptions()), AuraSession(DeepgramTtsOptions())
    faults = realtime.fault(RealtimeFault(code, "")), stt.fault(SttFault(code, "")), tts.fault(TtsFault(code, ""))
    assert all(fault.temporary for fault in faults)
    assert not any("error 1" in fault.problem for fault in faults)
