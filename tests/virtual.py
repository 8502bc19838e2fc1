"""Tests on virtual time."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from agent.pool import awaited
from sipgw.tools.replay.clock import VirtualLoop

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on virtual time; no task may be left over."""
    with asyncio.Runner(loop_factory=partial(VirtualLoop, awaited)) as runner:
        result = runner.run(work)
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left over: {left}"
        return result
