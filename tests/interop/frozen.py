"""A process that stands still with all that it has started: nothing is refused, nothing is answered."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def family(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in children(pid):
            yield from family(child)


def freeze(process: subprocess.Popen[bytes] | None) -> None:
    """Parents first, so that no child is born meanwhile."""
    assert process
    for one in family(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)


def thaw(process: subprocess.Popen[bytes] | None) -> None:
    """Let it go on, if it has not ended."""
    if process and process.poll() is None:
        for one in list(family(process.pid)):
            with contextlib.suppress(ProcessLookupError):  # it had been told to end before it was stopped
                os.kill(one, signal.SIGCONT)
