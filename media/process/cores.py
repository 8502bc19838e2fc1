"""How much of this machine's processor the gateway and its media processes have."""

import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def cores() -> float:
    """Cores that this process may run on, or the part of them that its container has."""
    found = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = (GROUPS / "cpu.max").read_text().split()  # Documentation/admin-guide/cgroup-v2.rst
        return min(found, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no such group
        return found
