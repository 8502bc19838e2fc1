# mypy: disable-error-code="arg-type"
"""A call on virtual time that reports by RTCP, for the tests of its reports."""

import random

from media.g711 import FRAME
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.session.format import Format
from media.session.session import RtpSession

FORMAT = Format("PCMU", 0, 101)
SPEECH = bytes(range(1, 161))
MEDIA, CONTROL = ("192.0.2.1", 4000), ("192.0.2.1", 4001)
STRANGER = ("203.0.113.66", 4001)
EPOCH = 1_700_000_000.0


class Call:
    """A session, the packets that reach it, and the RTCP that leaves it."""

    def __init__(self, seed: int = 1, media=MEDIA, control=None, **directions: bool) -> None:
        self.session = RtpSession(random.Random(seed).getrandbits, EPOCH)
        self.session.connect(FORMAT, media, 0.0, control=control, **directions)
        self.reports: list[tuple[float, bytes, rtp.Packet | None]] = []
        self.number = 0
        self.slot = 0

    def hear(self, *, lost: bool = False, late: float = 0.0, sender=MEDIA) -> None:
        """One packet of the other side's, in this slot."""
        data = rtp.build(0, False, self.number, self.number * FRAME, 7, SPEECH)
        self.number += 1
        if not lost:
            self.session.receive(data, sender, self.now + late)

    def run(self, slots: int, *, speaking: bool = True, lost=()) -> "Call":
        """Live through `slots` of 20 ms."""
        for at in range(slots):
            if speaking:
                self.hear(lost=at in lost)
            packets, _ = self.session.transmit(self.slot)
            self.session.poll(self.now)
            if self.now >= self.session.deadline:
                data, self.to = self.session.handle_timer(self.now)
                if data:
                    self.reports.append((self.now, data, rtp.parse(packets[-1]) if packets else None))
            self.slot += 1
        return self

    @property
    def now(self) -> float:
        return self.slot * 0.020

    def last(self) -> list[rtcp.Rtcp]:
        """The last compound sent."""
        compound = rtcp.parse(self.reports[-1][1])
        assert compound is not None
        return compound
