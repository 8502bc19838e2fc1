"""The scheduling priority of a process."""

import os


def raise_priority(level: int = 10) -> str:
    """Ask for real-time scheduling of `level`, then for a better nice value; returns what was granted.

    Child processes are not real-time: on a single core they would delay this process until they sleep.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(level))
    except (OSError, AttributeError):
        try:
            os.nice(-11)
        except OSError:
            return "normal"
        return "nice"
    return "realtime"
