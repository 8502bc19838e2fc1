"""A path for UDP that loses and doubles datagrams each way, the same ones every time for the same seed."""

import contextlib
import heapq
import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

LATE = 0.6
"""Seconds after which the copy of a datagram comes at the latest."""
HOST = "127.0.0.1"


@dataclass
class Way:
    """One direction, and what has become of its datagrams."""

    lost: float
    doubled: float
    chance: random.Random
    passed: int = 0
    dropped: int = 0
    copied: int = 0

    def __str__(self) -> str:
        return f"{self.dropped} lost and {self.copied} doubled of {self.dropped + self.passed}"

    def delays(self) -> list[float]:
        """Seconds after which the next datagram arrives, for each time that it does."""
        # Each takes three draws, so that the fate of one does not change those of the next.
        fate, twice, late = self.chance.random(), self.chance.random(), self.chance.random()
        if fate < self.lost:
            self.dropped += 1
            return []
        self.passed += 1
        if twice < self.doubled:
            self.copied += 1
            return [0.0, late * LATE]
        return [0.0]


@dataclass
class Path:
    """Between one program, who sends to `port`, and a server."""

    there: Way
    back: Way
    port: int = 0
    _client: tuple[str, int] | None = None
    _flying: list[tuple[float, int, socket.socket, bytes, tuple[str, int]]] = field(default_factory=list)
    _sent: int = 0

    def carry(self, near: socket.socket, far: socket.socket, server: tuple[str, int], over: threading.Event) -> None:
        """Until `over`."""
        with selectors.DefaultSelector() as ready:
            for one in (near, far):
                one.setblocking(False)
                ready.register(one, selectors.EVENT_READ)
            while not over.is_set():
                wait = self._flying[0][0] - time.monotonic() if self._flying else 0.1
                for key, _ in ready.select(min(max(wait, 0.0), 0.1)):
                    self._take(near, far, server, came=key.fileobj is near)
                while self._flying and self._flying[0][0] <= time.monotonic():
                    _, _, through, data, to = heapq.heappop(self._flying)
                    with contextlib.suppress(OSError):  # a full buffer loses, too; a closed port is no end of the path
                        through.sendto(data, to)

    def _take(self, near: socket.socket, far: socket.socket, server: tuple[str, int], *, came: bool) -> None:
        try:
            data, source = (near if came else far).recvfrom(65_536)
        except OSError:
            return
        if came:
            self._client = source
        to = server if came else self._client
        for delay in (self.there if came else self.back).delays() if to else ():
            self._sent += 1
            heapq.heappush(
                self._flying, (time.monotonic() + delay, self._sent, far if came else near, data, to or server)
            )


@contextlib.contextmanager
def impaired(port: int, *, lost: float = 0.0, doubled: float = 0.0, seed: int = 1) -> Iterator[Path]:
    """A path to the server on `port` until the block ends; each way loses and doubles such parts of all datagrams."""
    path = Path(Way(lost, doubled, random.Random(seed)), Way(lost, doubled, random.Random(seed + 1)))
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        near, far = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        for one in (near, far):
            one.bind((HOST, 0))
        path.port = near.getsockname()[1]
        carrying = threading.Thread(target=path.carry, args=(near, far, (HOST, port), over))
        carrying.start()
        try:
            yield path
        finally:
            over.set()
            carrying.join()
