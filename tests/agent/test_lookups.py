"""The event loop of a process: look-ups of names are bounded and hold no process up, and TLS connections are small."""

import asyncio
import socket
import ssl
import sys
import threading
import tracemalloc
from asyncio import sslproto
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from websockets.asyncio.client import connect

from agent.authorities import tls
from agent.lookups import LOOKUPS, run_main
from agent.pool import Pool
from tests.waiting import HANG, ran, until

HANGING = """
import asyncio, socket, threading
from agent.lookups import run_main
begun = threading.Event()

def hang(*_, **__):
    begun.set()
    threading.Event().wait()

async def main():
    asking = asyncio.ensure_future(asyncio.open_connection("nobody.internal", 80))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    asking.cancel()

socket.getaddrinfo = hang
run_main(main())
"""


@pytest.mark.faults("A3")
def test_names_that_hang_are_bounded_and_a_further_one_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def hang(host: Any, *_: Any, **__: Any) -> Any:
        let_go.wait(HANG)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async def scene() -> None:
        before, loop = LOOKUPS.refused, asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group, httpx2.AsyncClient(verify=tls(), trust_env=False) as client:
            most = LOOKUPS.workers + LOOKUPS.waiting
            asked = [group.create_task(failed(loop.getaddrinfo(f"{n}.internal", 443))) for n in range(most)]
            await until(lambda: (LOOKUPS.busy, LOOKUPS.queued) == (LOOKUPS.workers, LOOKUPS.waiting))
            with pytest.raises(httpx2.ConnectError, match="too much work"):
                await client.get("https://api.internal/")
            with pytest.raises(OSError, match="too much work"):
                await connect("wss://api.internal/")
            assert LOOKUPS.refused - before == 2
            asked[-1].cancel()  # who waits no longer makes room
            await until(lambda: LOOKUPS.queued == LOOKUPS.waiting - 1)
            assert await Pool("another kind", workers=1, waiting=1).run(int, "7") == 7
            for one in asked:
                one.cancel()
        assert not let_go.is_set()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    run_main(scene())  # which does not wait for those that hang
    assert not let_go.is_set()
    assert LOOKUPS.busy == LOOKUPS.workers
    let_go.set()
    asyncio.run(until(lambda: LOOKUPS.busy == 0))


async def failed(asked: Any) -> None:
    with pytest.raises(OSError, match="no such name"):
        await asked


def test_a_process_ends_though_a_name_is_still_looked_up() -> None:
    ended = ran([sys.executable, "-c", HANGING], cwd=Path(__file__).parent.parent.parent)
    assert (ended.returncode, ended.stderr) == (0, "")


CONNECTIONS = 10
MOST = 120_000
"""Bytes of both ends of one connection; with asyncio's own buffers they are 560,000."""


def test_a_tls_connection_takes_little_memory_and_carries_long_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(served)
    authority.configure_trust(trusted)
    message = bytes(range(256)) * 4096

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100_000):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def scene() -> int:
        server = await asyncio.start_server(echo, "localhost", 0, ssl=served)
        port = server.sockets[0].getsockname()[1]
        began = tracemalloc.get_traced_memory()[0]
        ends = [await asyncio.open_connection("localhost", port, ssl=trusted) for _ in range(CONNECTIONS)]
        taken = tracemalloc.get_traced_memory()[0] - began
        for reader, writer in ends:
            writer.write(message)
            assert await reader.readexactly(len(message)) == message
            writer.close()
        server.close()
        return taken

    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)  # it is put back at the end
    tracemalloc.start()
    try:
        assert run_main(scene()) < CONNECTIONS * MOST
    finally:
        tracemalloc.stop()
