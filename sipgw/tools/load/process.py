"""Measures CPU and memory of a process and its descendants, from ``/proc``."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class ProcessUsage(NamedTuple):
    """CPU and memory of a process and its descendants."""

    cpu: float
    """CPU seconds so far."""
    memory: int
    """Resident bytes; memory that processes share counts for each of them."""
    media_cpu: float = 0.0
    """CPU seconds of its media processes, which are part of `cpu`."""
    media_memory: int = 0


def usage(process: int) -> ProcessUsage:
    """Usage of `process` and all its descendants; zero on a system without ``/proc``."""
    cpu, memory, waiting = [0.0, 0.0], [0, 0], [process]
    while waiting:
        number = waiting.pop()
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
            media = b"media.process.start" in Path(f"/proc/{number}/cmdline").read_bytes()
            children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        except OSError:
            continue
        memory[media] += pages * PAGE
        cpu[media] += (int(fields[11]) + int(fields[12])) / TICKS
        waiting += map(int, children)
    return ProcessUsage(sum(cpu), sum(memory), cpu[1], memory[1])


def open_files() -> None:
    """Raise the soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
