"""CPU and memory of a process and its children, from ``/proc``."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class ProcessUsage(NamedTuple):
    """Usage of a family of processes."""

    cpu: float
    """Seconds."""
    memory: int
    """Bytes resident; what they share counts for each."""
    media_cpu: float = 0.0
    """The part of its media processes."""
    media_memory: int = 0


def usage(process: int) -> ProcessUsage:
    """Of `process` and all below it; nothing where there is no ``/proc``."""
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
