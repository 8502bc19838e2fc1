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
from statistics import median

from media import rtp
from media.g711 import FRAME, RATE, SILENCE

SO_TIMESTAMPNS = 35
STAMP = struct.Struct("qq")
PHASES = 20
SETTLE = 0.5
"""Seconds at the beginning that are not judged."""
TONE = bytes(range(FRAME))


class Stream:
    """One call: what it sends, and the arrivals it keeps as (stamp, sequence, timestamp, silent)."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.port = self.sock.getsockname()[1]
        self.sent = 0
        self.arrivals: list[tuple[float, int, int, bool]] = []

    def send(self) -> None:
        self.sock.send(rtp.build(0, self.sent == 0, self.sent, self.sent * FRAME, self.port, TONE))
        self.sent += 1

    def drain(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(2048, 64)
            except OSError:
                return
            seconds, nanoseconds = STAMP.unpack(ancillary[0][2])
            packet = rtp.parse(data)
            if packet is not None:
                silent = packet.payload == SILENCE
                self.arrivals.append((seconds + nanoseconds / 1e9, packet.sequence, packet.timestamp, silent))

    def judge(self) -> dict[str, list[float] | int]:
        """Send-time errors in ms against the grid of the RTP timestamps, and what broke."""
        begin = self.arrivals[0][0] + SETTLE if self.arrivals else 0.0
        kept = [arrival for arrival in self.arrivals if arrival[0] >= begin]
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


def exchange(streams: list[Stream], seconds: float) -> None:
    """Send on an absolute grid of 1 ms, the streams spread over it, and read in passing."""
    start = time.monotonic()
    for tick in range(int(seconds * 1000)):
        time.sleep(max(0.0, start + tick / 1000 - time.monotonic()))
        for stream in streams[tick % PHASES :: PHASES]:
            stream.send()
            stream.drain()


def main() -> None:
    streams = [Stream() for _ in range(int(sys.argv[1]))]
    print(json.dumps([stream.port for stream in streams]), flush=True)
    for stream, port in zip(streams, json.loads(sys.stdin.readline()), strict=True):
        stream.sock.connect(("127.0.0.1", port))
    exchange(streams, float(sys.argv[2]))
    print(json.dumps({"sent": [stream.sent for stream in streams], "calls": [stream.judge() for stream in streams]}))


if __name__ == "__main__":
    main()
