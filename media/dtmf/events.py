"""Keys that the other side presses, as RFC 4733 telephone events."""

from media.rtp.packet import Packet, signed

KEYS = "0123456789*#ABCD"
LONGEST = 0xFFFF
"""Timestamp units after which a long event continues under a new timestamp (RFC 4733 §2.5.1.3)."""
OLD = 16_000
"""Timestamp units (2 s) by which a packet may be older than the last key; beyond that the sender's clock has jumped."""
PACE = 25.0
"""Keys a second that are reported: receivers need not detect keys shorter than 40 ms (Q.24)."""
BURST = 40.0
"""Keys that may come at once, after a delay on the network."""


class DigitReceiver:
    """Reports each pressed key once, at the first of its packets that arrives.

    A key is identified by its timestamp: updates and the repeated end packets have the same one (RFC 4733 §2.5.1.2).
    So a key is reported exactly once if any one of its packets arrives.
    """

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._event = -1
        self._room = BURST
        self._at = 0.0

    def receive(self, packet: Packet) -> str | None:
        """The key that begins with `packet`; None if it is old, repeated, or not a key."""
        if len(packet.payload) < 4 or packet.payload[0] >= len(KEYS):
            return None
        event = packet.payload[0]
        if self._timestamp is not None:
            age = signed(packet.timestamp - self._timestamp, 32)
            if -OLD < age <= 0:
                return None
            if event == self._event and not packet.marker and abs(age) == LONGEST:
                if age > 0:  # otherwise the packet is a late one of the segment before
                    self._timestamp = packet.timestamp
                return None
        self._timestamp, self._event = packet.timestamp, event
        return KEYS[event]

    def restart(self) -> None:
        """Forget the last event: a new stream has other timestamps."""
        self._timestamp = None

    def admits(self, now: float) -> bool:
        """Whether to report a key pressed at `now` (seconds). Keys are limited: each may interrupt the agent and run a
        tool."""
        self._room = min(BURST, self._room + (now - self._at) * PACE)
        self._at = now
        if self._room < 1.0:
            return False
        self._room -= 1.0
        return True
