"""A process that stands still with all that it has started: nothing is refused, nothing is answered."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _family(child)


def freeze(pid: int) -> None:
    """Parents first, so that no child is born meanwhile."""
    for one in _family(pid):
        os.kill(one, signal.SIGSTOP)


def thaw(pid: int) -> None:
    for one in [*_family(pid)][::-1]:
        os.kill(one, signal.SIGCONT)
