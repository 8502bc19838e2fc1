"""A server for ConversationRelay of somebody else, in a process of its own."""

import asyncio
import contextlib
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from tests.waiting import within


@contextlib.asynccontextmanager
async def serving(port: int, *command: str | Path, **environment: str) -> AsyncIterator[Process]:
    """The process, from when it listens at `port`. Its standard output is a pipe."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment}, stdout=PIPE)

    async def listens() -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            assert process.returncode is None
            await asyncio.sleep(0.1)

    try:
        await within(listens())
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
