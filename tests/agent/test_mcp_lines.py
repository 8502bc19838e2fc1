"""MCP servers that send more than they may: memory is bounded, it is counted, and what is sent after it is read."""

import asyncio
import os
from collections.abc import AsyncIterator

import httpx2
import pytest

from agent import mcp_tools
from agent.bounds import FULL
from agent.mcp_lines import LARGEST, LineDecoder
from agent.mcp_options import McpOptions
from agent.mcp_tools import _BoundedBody, connected
from tests.agent.test_mcp_tools import SERVER, TOOLS
from tests.waiting import HANG, within


def test_of_a_line_without_end_only_the_beginning_is_kept() -> None:
    before, decoder = FULL["answers of MCP servers"], LineDecoder("replace")
    assert decoder.decode(b'{"a": 1}\n{"b"') == '{"a": 1}\n{"b"'
    kept = sum(len(decoder.decode(b"x" * 65536)) for _ in range(100))
    assert kept + len('{"b"') == LARGEST
    assert FULL["answers of MCP servers"] - before == 1
    assert decoder.decode("\nä\n".encode()) == "\nä\n"
    assert FULL["answers of MCP servers"] - before == 1


@pytest.mark.slow
def test_a_program_that_writes_a_line_without_end_is_still_a_server() -> None:
    async def scenario() -> None:
        before = FULL["answers of MCP servers"]
        command = ("sh", "-c", f"head -c {4 * LARGEST} /dev/zero | tr '\\0' x; echo; exec {' '.join(SERVER)}")
        env = (f"PYTHONPATH={os.getcwd()}", "TOKEN=t0p")
        options = McpOptions(name="x", tools=TOOLS, command=command, env=env, timeout=HANG, connect_limit=HANG)
        async with connected([options]) as (server,):
            assert [one.name for one in server.tools] == list(TOOLS)
        assert FULL["answers of MCP servers"] - before == 1

    asyncio.run(within(scenario()))


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("size", [7, 4096])
def test_the_events_of_a_stream_are_bounded_and_not_the_stream(
    end: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 10_000
    monkeypatch.setattr(mcp_tools, "LARGEST", largest)
    data = (b"data: " + b"x" * (largest // 2) + end) * 5

    assert asyncio.run(read(data, size)) == data
    before = FULL["answers of MCP servers"]
    with pytest.raises(httpx2.SSEError, match="too long"):
        asyncio.run(read(data + b"data: " + b"x" * largest, size))
    assert FULL["answers of MCP servers"] - before == 1


async def read(data: bytes, size: int) -> bytes:
    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for at in range(0, len(data), size):
                yield data[at : at + size]

    return b"".join([piece async for piece in _BoundedBody(Body(), packed=False, streamed=True)])
