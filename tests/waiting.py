"""Waiting in tests that run over real sockets, real processes and the machine's clock.

A busy machine is slow, and a slow test is no failed test. So nothing that really takes time is given a limit of its
own: a test waits for what it wants to see, and `HANG` alone ends one that waits for what never comes.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

HANG = 300.0
"""Seconds after which a test hangs, however busy the machine is. The only limit of unit tests in real time."""
SIPP_LIMIT = f"{HANG - 20:.0f}"
"""The same for SIPp (`-timeout`), which then still says where it hung."""

CHILDREN = (
    "media.process.supervisor.ANSWER_LIMIT", "media.process.channel.ANSWER_LIMIT", "media.process.engine.START_LIMIT",
    "media.process.questions.ANSWER_LIMIT", "agent.providers.local.host.READY_LIMIT",
    "agent.providers.local.host.ANSWER_LIMIT",
)  # fmt: skip
"""The product's limits for what its own processes need: on a busy machine they are slow, and nothing is wrong."""
PROVIDERS = (
    "agent.parts.OPEN", "agent.announcement.OPEN", "agent.limits.FIRST_TOKEN", "agent.limits.GAP",
    "agent.speech_output.FIRST_SOUND",
)  # fmt: skip
"""Its limits for providers that a caller waits for. Their own tests run on virtual time."""
NAMES = ("sipgw.sip.resolver.LOOKUP_LIMIT", "sipgw.sip.resolver.QUESTION_LIMIT", "sipgw.sip.resolver.TRY_LIMIT")
"""Its limits for DNS servers."""


@contextlib.contextmanager
def patient(limits: Sequence[str]) -> Iterator[None]:
    """Let these limits of the product be those of a hang: what is tried is not that they exist."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in limits:
            patch.setattr(limit, HANG)
        yield


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
