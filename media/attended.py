"""One call as the media process attends to it."""

import random
import time

from media.ports import PortPair
from media.session import Session
from media.tap import Tap


class Channel:
    """One call: its ports, its session, and the sound not handed up yet."""

    def __init__(self, number: int, ports: PortPair) -> None:
        self.number = number
        self.ports = ports
        self.send = ports.rtp.sendto
        self.session = Session(
            random.SystemRandom().getrandbits, time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
        )
        self.chunk = bytearray()
        self.watch_at = 0.0
        self.quiet_since = 0.0
        self.warned = 0
        self.rated = (0.0, float("inf"))
        self.tape = 0
        """The number of the recording; 0 for none."""
        self.tap: Tap | None = None
