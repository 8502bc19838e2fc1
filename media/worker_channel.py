"""One call in the media process."""

import random
import time

from media import relay
from media.ports import PortPair
from media.session import Session
from media.tap import Tap


class Channel:
    """One call: its ports, its session, and the sound not handed up yet."""

    __slots__ = (
        "chunk",
        "heard",
        "number",
        "partner",
        "ports",
        "quiet_since",
        "rated",
        "session",
        "tap",
        "tape",
        "warned",
        "watch_at",
    )

    def __init__(self, number: int, ports: PortPair) -> None:
        self.number = number
        self.ports = ports
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
        self.partner: Channel | None = None
        """The other side of a bridge."""
        self.heard = True
        """Whether the gateway gets the sound."""

    def bridge(self, other: "Channel | None", *, heard: bool) -> None:
        """Join with `other`, or with nobody any more; `heard`, whether the gateway still gets the sound of both."""
        if other is None or other is self:
            self.part()
            return
        for one in (self, other):
            one.part()
            one.heard = heard
        self.partner, other.partner = other, self
        relay.join(self.session, other.session)

    def part(self) -> None:
        """End the bridge, if there is one, and the music."""
        relay.part(self.session)
        other, self.partner, self.heard = self.partner, None, True
        if other is not None:
            other.part()
