"""Whose packets are believed: symmetric RTP that cannot be hijacked.

RFC 7362 warns of latching, and RTP Bleed (AST-2017-005) is what it warns of. The rule here: the address of the SDP is
trusted first; another source is considered only while nothing valid came from it, only in the first seconds after an
answer, and only after a steady run of packets. Then it is locked until signalling opens it again.
"""

from media.rtp import Packet, signed

Address = tuple[str, int]

WINDOW = 5.0
"""Seconds after (re-)connecting in which another source than the SDP's may be taken."""
RUN_PACKETS = 5
RUN_SECONDS = 0.080
CANDIDATES = 4
"""Sources watched at a time; a flood from more changes nothing."""


class Source:
    """The remote address of one call."""

    def __init__(self, announced: Address, now: float) -> None:
        self.address = announced
        """Where our packets go."""
        self.locked = False
        self._until = now + WINDOW
        self._runs: dict[Address, tuple[Packet, int, float]] = {}

    def accept(self, sender: Address, packet: Packet, now: float) -> bool:
        """Whether `packet` belongs to the call; may move `address` to `sender` under the rules."""
        if sender == self.address:
            self.locked = True
            return True
        if self.locked or now > self._until:
            return False
        last, count, since = self._runs.get(sender, (None, 0, now))
        if last is not None and (
            packet.ssrc != last.ssrc
            or packet.payload_type != last.payload_type
            or signed(packet.sequence - last.sequence, 16) != 1
            or not 0 < signed(packet.timestamp - last.timestamp, 32) <= 8000
        ):
            count, since = 0, now
        elif last is None and len(self._runs) >= CANDIDATES:
            return False
        self._runs[sender] = (packet, count + 1, since)
        if count + 1 >= RUN_PACKETS and now - since >= RUN_SECONDS - 0.001:
            self.address, self.locked = sender, True
            self._runs.clear()
            return True
        return False
