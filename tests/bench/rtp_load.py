# mypy: disable-error-code="operator"
"""The far end of many calls, in a process of its own: ``python -m tests.bench.rtp_load CALLS SECONDS``.

Prints the list of its UDP ports, reads the list of the remote ports from stdin, exchanges PCMU at 20 ms with each, and
prints what it saw. Arrivals are stamped by the kernel (SO_TIMESTAMPNS); on loopback that is the moment of the sender's
own system call, so that this process may be late without spoiling the measurement.
"""

import itertools
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from statistics import median

from media.g711 import FRAME, RATE, SILENCE
from media.process.priority import raise_priority
from media.rtp import packet as rtp

SO_TIMESTAMPNS = 35
STAMP = struct.Struct("qq")
PHASES = 20
READING = 100
"""Milliseconds between two looks at a socket; the stamps do not mind."""
SETTLE = 0.5
"""Seconds at the beginning that are not judged."""
STEPPED = 0.0005
"""Seconds by which the clock may be set."""
TONE = bytes(range(FRAME))
PRIORITY = 5
"""Below that of the media process: with a thousand calls this process, too, has to be on time."""


class Stream:
    """One call: what it sends, and what arrives as (stamp of the kernel, header, silent), read when it is over."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.port = self.sock.getsockname()[1]
        self.sent = 0
        self.arrivals: list[tuple[bytes, bytes, bool]] = []

    def connect(self, port: int) -> None:
        """Hear `port` alone. What came before may be of somebody else, who still sends to a port that was theirs: two
        numberings in one stream made errors of days."""
        self.sock.connect(("127.0.0.1", port))
        self.drain()
        self.arrivals.clear()

    def send(self) -> None:
        self.sock.send(rtp.build(0, self.sent == 0, self.sent, self.sent * FRAME, self.port, TONE))
        self.sent += 1

    def drain(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(2048, 64)
            except OSError:
                return
            self.arrivals.append((ancillary[0][2], data[:12], data[12:] == SILENCE))

    def read(self) -> Iterator[tuple[float, int, int, bool]]:
        """Stamp, sequence number and timestamp of each RTP packet, and whether it is silent."""
        for stamp, header, silent in self.arrivals:
            seconds, nanoseconds = STAMP.unpack(stamp)
            if packet := rtp.parse(header):
                yield seconds + nanoseconds / 1e9, packet.sequence, packet.timestamp, silent

    def judge(self) -> dict[str, list[float] | int]:
        """Send-time errors in ms against the grid of the RTP timestamps, and what broke."""
        arrivals = list(self.read())
        kept = [arrival for arrival in arrivals if arrival[0] >= arrivals[0][0] + SETTLE]
        result: dict[str, list[float] | int] = {"errors": [], "lost": 0, "duplicate": 0, "breaks": 0, "silent": 0}
        if not kept:
            return result | {"lost": self.sent}
        offsets = [kept[0][0]]
        for before, this in itertools.pairwise(kept):
            steps, samples = rtp.signed(this[1] - before[1], 16), rtp.signed(this[2] - before[2], 32)
            result["lost"] += max(0, steps - 1)
            result["duplicate"] += steps <= 0
            result["breaks"] += samples != steps * FRAME
            result["silent"] += this[3]
            offsets.append(offsets[-1] + this[0] - before[0] - samples / RATE)
        middle = median(offsets)
        return result | {"errors": [round((offset - middle) * 1000, 4) for offset in offsets]}


def clocks_apart() -> float:
    """Seconds; they change when somebody sets the clock."""
    return time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()


def exchange(streams: list[Stream], seconds: float) -> None:
    """Send on an absolute grid of 1 ms, the streams spread over it, and read some packets at a time in passing."""
    start = time.monotonic()
    for tick in range(int(seconds * 1000)):
        time.sleep(max(0.0, start + tick / 1000 - time.monotonic()))
        if time.monotonic() > start + 2 * seconds:
            break  # the machine is too small for so many
        for stream in streams[tick % PHASES :: PHASES]:
            stream.send()
        for stream in streams[tick % READING :: READING]:
            stream.drain()
    for stream in streams:
        stream.drain()


def main() -> None:
    raise_priority(PRIORITY)
    streams = [Stream() for _ in range(int(sys.argv[1]))]
    print(json.dumps([stream.port for stream in streams]), flush=True)
    for stream, port in zip(streams, json.loads(sys.stdin.readline()), strict=True):
        stream.connect(port)
    before = clocks_apart()
    exchange(streams, float(sys.argv[2]))
    if abs(clocks_apart() - before) > STEPPED:
        sys.exit("somebody set the clock of the machine meanwhile, which the kernel stamps with: measure again")
    print(json.dumps([stream.sent for stream in streams]), flush=True)  # the calls are over, judging them takes seconds
    print(json.dumps([stream.judge() for stream in streams]))


if __name__ == "__main__":
    main()
