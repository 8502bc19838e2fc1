"""The processor cores that the gateway and its media processes have, and how busy they are. Linux tells most of it."""

import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
"""Control group of a container (Documentation/admin-guide/cgroup-v2.rst)."""
STAT = Path("/proc/stat")
"""Time of each core by kind of work (proc_stat(5))."""
IDLE, STEAL = slice(3, 5), 8
"""Idle and waiting for a disk; what follows after the stolen time was counted before."""


def cores() -> float:
    """Cores that this process may run on, or the part of them that its container has."""
    return min(float(len(_allowed())), _quota())


def busy() -> float | None:
    """Seconds for which all of these cores have been busy, whoever kept them so; None if that is not told."""
    try:
        if _quota() < len(_allowed()):
            told = dict(line.split() for line in (GROUP / "cpu.stat").read_text().splitlines())
            return int(told["usage_usec"]) / 1e6 / _quota()
        ticks = [_ticks(line.split()) for line in STAT.read_text().splitlines()]
        return sum(ticks) / os.sysconf("SC_CLK_TCK") / len(_allowed())
    except (OSError, ValueError, KeyError):
        return None


def _ticks(words: list[str]) -> int:
    """Of a line of `STAT`, if it is that of a core of ours."""
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
    except (OSError, ValueError, ZeroDivisionError):  # "max", or there is no such group
        return float("inf")
