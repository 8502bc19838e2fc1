"""Waiting in tests that run over real sockets, real processes and the machine's clock.

A busy machine is slow, and a slow test is no failed test. So nothing that really takes time is given a limit of its
own: a test waits for what it wants to see, and `HANG` alone ends one that waits for what never comes.
"""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HANG = 300.0
"""Seconds after which a test hangs, however busy the machine is. The only limit of unit tests in real time."""


async def until(true: Callable[[], object]) -> None:
    """Wait until `true()` holds."""
    async with asyncio.timeout(HANG):
        while not true():
            await asyncio.sleep(0.01)


async def within(awaited: Awaitable[T]) -> T:
    """What `awaited` gives, unless it hangs."""
    async with asyncio.timeout(HANG):
        return await awaited


def ran(
    command: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end, and give its exit code and all it wrote; a failure is for the test to judge."""
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=HANG, check=False)
