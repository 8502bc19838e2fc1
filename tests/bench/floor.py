"""What the system calls of many calls cost by themselves: ``python -m tests.bench.floor CALLS SECONDS``.

Prints CPU milliseconds per call-second of a process that sends a packet of each call and reads one of each, at the
moments at which the media process does, and nothing else. A second process is the far end of all of them.
"""

import os
import socket
import sys
import time

from media.g711 import FRAME_SECONDS
from media.process.priority import raise_priority
from media.process.schedule import PHASES, SHARE

PACKET = bytes(172)


def rhythm(calls: int) -> tuple[int, float]:
    """The ticks of a frame in which the media process has so many calls, and the seconds between them."""
    phases = 2 if calls <= 2 * SHARE else PHASES
    return phases, FRAME_SECONDS / phases


def pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets of which the second is connected to the first."""
    ours, theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for one in (ours, theirs):
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
    theirs.connect(ours.getsockname())
    return ours, theirs


def answer(far: list[socket.socket], seconds: float) -> None:
    """Send a packet on each socket every 20 ms, and read what has come."""
    start, (phases, between) = time.monotonic(), rhythm(len(far))
    for tick in range(int(seconds / between)):
        time.sleep(max(0.0, start + tick * between - time.monotonic()))
        for one in far[tick % phases :: phases]:
            one.send(PACKET)
            try:  # noqa: SIM105  it would cost more than the call
                one.recv(2048)
            except OSError:
                pass


def main() -> None:
    """Measure one process, with the other as its far end."""
    calls, seconds = int(sys.argv[1]), float(sys.argv[2])
    pairs = [pair() for _ in range(calls)]
    if not (child := os.fork()):
        answer([theirs for _, theirs in pairs], seconds + 1)
        os._exit(0)
    raise_priority()
    near = [(ours, theirs.getsockname()) for ours, theirs in pairs]
    time.sleep(0.5)
    phases, between = rhythm(calls)
    start, cpu = time.monotonic(), time.process_time()
    for tick in range(int(seconds / between)):
        time.sleep(max(0.0, start + tick * between - time.monotonic()))
        for one, remote in near[tick % phases :: phases]:
            one.sendto(PACKET, remote)
            try:  # noqa: SIM105
                one.recvfrom(2048)
            except OSError:
                pass
    print((time.process_time() - cpu) * 1000 / (time.monotonic() - start) / calls)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
