"""The event loop of long-lived processes: uvloop where it is installed, for its TLS and sockets are not Python."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

try:
    from uvloop import new_event_loop
except ImportError:  # no Windows, and nobody has to have it
    from asyncio import new_event_loop  # type: ignore[assignment]

T = TypeVar("T")


def run(main: Coroutine[object, object, T]) -> T:
    """Run `main` to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
