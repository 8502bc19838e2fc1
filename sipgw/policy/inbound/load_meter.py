"""Measures every second how busy the processes of the gateway are, while there are calls."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.pool import Pool
from media.process import cores
from media.process.supervisor import ProcessState
from sipgw.events import CallBegan, Event
from sipgw.policy.inbound.capacity import Capacity

EVERY = 1.0


class LoadMeter:
    """Gives its measurements to `capacity.headroom`. `watch` must get all events; `run` is a task."""

    def __init__(self, capacity: Capacity, media: Callable[[], Iterable[ProcessState]], *beside: Pool) -> None:
        """The threads of the pools `beside` compute in Python for calls: while they do, the main thread cannot."""
        self._capacity = capacity
        self._media = media
        self._beside = beside
        self._begun = asyncio.Event()

    def watch(self, event: Event) -> None:
        """Begin to measure when a call begins."""
        if isinstance(event, CallBegan):
            self._begun.set()

    async def run(self) -> None:
        """Measure until cancelled; without calls it waits for one."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            before, at, calls = self._spent(), time.monotonic(), self._capacity.calls.total()
            while calls:
                await asyncio.sleep(EVERY)
                spent, now = self._spent(), time.monotonic()
                busy = {  # a process that is seen for the first time, e.g. after a restart, is not measured yet
                    one[0]: min(1.0, max(0.0, (spent[one] - before[one]) / (now - at)))
                    for one in sorted(spent.keys() & before.keys())
                }
                self._capacity.headroom.take(calls, busy, now - at)
                before, at, calls = spent, now, self._capacity.calls.total()

    def _spent(self) -> dict[tuple[str, int], float]:
        """Seconds for which each process, by name and process id, has run or has waited for a core.

        Of this process the main thread counts, and the threads of `beside` while they run. Of the machine it is the
        time for which all cores were busy.
        """
        gateway = _busy(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        if gateway is None:
            gateway = time.thread_time()
        for thread in (one for pool in self._beside for one in pool.threads):
            gateway += _busy(f"/proc/self/task/{thread}/schedstat", waiting=False) or 0.0
        found = {("gateway", 0): gateway, ("the machine", 0): cores.busy()}
        for process in self._media():
            if process.pid:
                found[f"media {process.number}", process.pid] = _busy(f"/proc/{process.pid}/schedstat")
        return {one: spent for one, spent in found.items() if spent is not None}


def _busy(file: str, *, waiting: bool = True) -> float | None:
    """Seconds of running and, with `waiting`, of waiting for a core. Linux tells nanoseconds of both in `file`
    (Documentation/scheduler/sched-stats.rst); None on other systems."""
    try:
        ran, waited, _ = Path(file).read_text().split()
    except (OSError, ValueError):
        return None
    return (int(ran) + int(waited) * waiting) / 1e9
