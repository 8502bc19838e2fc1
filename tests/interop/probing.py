"""What probes speak to: a gateway as a user runs it, and a bare user agent of ours that tells what it sees."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.interop.rolling import PARROT
from tests.interop.served import Served, served
from tests.waiting import HANG

TRUNK = """
[[trunks]]
name = "probes"
mode = "peer"
networks = ["127.0.0.0/8"]
max_calls = 250
calls_per_second = 100
"""


@contextlib.contextmanager
def whole_gateway(folder: Path) -> Iterator[Served]:
    """Its agents are parrots: they pick up at once."""
    with served(folder, TRUNK, module=PARROT) as gateway:
        yield gateway


class Agent:
    """`tests.interop.probed` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.events: list[dict[str, str]] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        self.port = int(json.loads(self._lines.get(timeout=HANG))["port"])

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._lines.put(line)

    def of(self, call: str, event: str, enough: Callable[[list[dict[str, str]]], bool]) -> list[dict[str, str]]:
        """The events of a kind of this call, once they are enough."""
        while True:
            while not self._lines.empty():
                self.events.append(json.loads(self._lines.get()))
            found = [one for one in self.events if call in one["call"] and one["event"] == event]
            if enough(found):
                return found
            self.events.append(json.loads(self._lines.get(timeout=HANG)))


@contextlib.contextmanager
def bare_agent() -> Iterator[Agent]:
    command = [sys.executable, "-m", "tests.interop.probed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Agent(process)
            process.terminate()
            assert process.wait(HANG) == 0
        finally:
            process.kill()
