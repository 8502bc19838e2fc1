"""The processor cores that the gateway and its media processes have, and how busy they are. Linux tells most of it."""

import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
"""Control group of a container (Documentation/admin-guide/cgroup-v2.rst)."""
STAT = Path("/proc/stat")
"""Time of each core by kind of work (proc_stat(5))."""
IDLE, STEAL = slice(3, 5), 8
"""Columns of idle time (idle, waiting for a disk) and of stolen time. The columns after that repeat earlier ones."""


def cores() -> float:
    """Cores that this process may run on, or the part of them that its container has."""
    return min(float(len(_allowed())), _quota())


def busy() -> float | None:
    """Seconds for which these cores have been busy on average, with the work of any process; None if unknown."""
    try:
        if _quota() < len(_allowed()):
            told = dict(line.split() for line in (GROUP / "cpu.stat").read_text().splitlines())
            return int(told["usage_usec"]) / 1e6 / _quota()
        ticks = [_ticks(line.split()) for line in STAT.read_text().splitlines()]
        return sum(ticks) / os.sysconf("SC_CLK_TCK") / len(_allowed())
    except (OSError, ValueError, KeyError):
        return None


def _ticks(words: list[str]) -> int:
    """Busy clock ticks in a line of `STAT`; 0 if the line is not of a core that this process may use."""
    name = words[0].removeprefix("cpu") if words else ""
    if not name.isdecimal() or int(name) not in _allowed():
        return 0
    spent = [int(word) for word in words[1 : STEAL + 1]]
    return sum(spent) - sum(spent[IDLE])


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _quota() -> float:
    try:
        quota, period = (GROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no limit ("max"), or no such group
        return float("inf")
