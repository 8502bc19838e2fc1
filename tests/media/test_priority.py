"""The media process is real-time where it may be, and what it starts is not."""

import os
import subprocess
import sys

import pytest

CHILD = "import os; print(os.sched_getscheduler(0))"
PARENT = f"""
import subprocess, sys
from media.process.priority import raise_priority
print(raise_priority(), flush=True)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_a_process_that_a_real_time_process_starts_is_an_ordinary_one() -> None:
    """The recorder is one: before, the media process waited 30 ms for its imports on a single core."""
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)
    granted, scheduler = done.stdout.split()
    if granted != "realtime":
        pytest.skip("real-time scheduling is not allowed here")
    assert int(scheduler) == os.SCHED_OTHER
