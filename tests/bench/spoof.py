"""Three strangers that send forged RTP to a port, 10,000 packets a second: ``python -m tests.bench.spoof PORT``."""

import contextlib
import itertools
import random
import socket
import sys
import time

from media.rtp import packet as rtp

BATCH = 0.005
RATE = 10_000


def main() -> None:
    """Send until killed; each forged packet has a payload type, numbers and an SSRC that could be right."""
    strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for stranger in strangers:
        stranger.connect(("127.0.0.1", int(sys.argv[1])))
    start = time.monotonic()
    for batch in itertools.count(1):
        for at in range(int(RATE * BATCH)):
            sequence = random.getrandbits(16)
            packet = rtp.build(0, False, sequence, sequence * 160, random.getrandbits(2), b"forged" * 26)
            with contextlib.suppress(OSError):
                strangers[at % 3].send(packet)
        time.sleep(max(0.0, start + batch * BATCH - time.monotonic()))


if __name__ == "__main__":
    main()
