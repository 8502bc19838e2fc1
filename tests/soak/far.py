"""The far end of a long run, in a process of its own: ``python -m tests.soak.far LINES``.

Prints the UDP ports of its lines. Then reads orders from stdin, one JSON list each: ``[line, port]`` begins a call of
that line with a remote port, ``[line, 0]`` ends it, and it answers with the packets sent in it. At the end of its input
it prints what it has counted of all calls.
"""

import contextlib
import json
import os
import random
import socket
import sys
import time

from media.g711 import FRAME
from media.process.priority import raise_priority
from media.rtp import packet as rtp

PHASES = 20
TONE = bytes(range(FRAME))
PRIORITY = 5
"""Below that of the media process."""


class Line:
    """One line: call after call, what it sends counted per call, what arrives counted in all."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.remote = 0
        self.sent = 0
        self.ssrc = 0
        self.last: rtp.Packet | None = None
        self.counts = {"received": 0, "lost": 0, "doubled": 0, "jumped": 0, "misnumbered": 0, "streams": 0}

    def begin(self, port: int) -> None:
        """Call, or hang up with port 0."""
        self.remote, self.sent, self.ssrc = port, 0, random.getrandbits(32)

    def send(self) -> None:
        """The packet that is due, if there is a call."""
        if self.remote:
            packet = rtp.build(0, self.sent == 0, self.sent, self.sent * FRAME, self.ssrc, TONE)
            with contextlib.suppress(OSError):  # not sent, and so not counted
                self.sock.sendto(packet, ("127.0.0.1", self.remote))
                self.sent += 1

    def drain(self) -> None:
        """Count all that has arrived."""
        while True:
            try:
                packet = rtp.parse(self.sock.recv(2048))
            except OSError:
                return
            if packet:
                self.count(packet)

    def count(self, packet: rtp.Packet) -> None:
        """Compare a packet with the one before."""
        last, self.last = self.last, packet
        self.counts["received"] += 1
        if last is None or last.ssrc != packet.ssrc:
            self.counts["streams"] += 1
            return
        steps = rtp.signed(packet.sequence - last.sequence, 16)
        self.counts["lost"] += max(0, steps - 1)
        self.counts["doubled"] += steps <= 0
        jump, rest = divmod(rtp.signed(packet.timestamp - last.timestamp, 32) - steps * FRAME, FRAME)
        if jump >= 0 and not rest:
            self.counts["jumped"] += jump  # slots in which nothing was sent, as the timestamp says
        else:
            self.counts["misnumbered"] += 1


class Orders:
    """Lines of text from stdin, as they come."""

    def __init__(self) -> None:
        self.open = True
        self._text = b""
        os.set_blocking(0, False)

    def take(self) -> list[list[int]]:
        """What has come since the last time."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(0, 1 << 16)
            self.open = bool(data)
            self._text += data
        *whole, self._text = self._text.split(b"\n")
        return [json.loads(line) for line in whole]


def main() -> None:
    """Exchange packets on an absolute grid of 1 ms, the lines spread over it, until stdin ends."""
    lines = [Line() for _ in range(int(sys.argv[1]))]
    print(json.dumps([line.sock.getsockname()[1] for line in lines]), flush=True)
    raise_priority(PRIORITY)
    orders, start, tick = Orders(), time.monotonic(), 0
    while orders.open:
        time.sleep(max(0.0, start + tick / 1000 - time.monotonic()))
        for line in lines[tick % PHASES :: PHASES]:
            line.send()
            line.drain()
        tick += 1
        for number, port in orders.take() if tick % PHASES == 0 else ():
            if not port:
                print(lines[number].sent, flush=True)
            lines[number].begin(port)
    for line in lines:
        line.drain()
    print(json.dumps({name: sum(line.counts[name] for line in lines) for name in lines[0].counts}))


if __name__ == "__main__":
    main()
