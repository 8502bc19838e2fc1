"""The stream that one call receives: its source, its SSRC, its keys and its jitter buffers. Sans-IO."""

from dataclasses import dataclass

from media.dtmf.events import DigitReceiver
from media.dtmf.inband import ToneReceiver
from media.fast import base
from media.jitter.buffer import JitterBuffer
from media.jitter.playout_buffer import PlayoutJitterBuffer
from media.rtp.ice import IceCredentials, IceLite
from media.rtp.packet import Packet
from media.rtp.receiver_stats import ReceiverStats
from media.rtp.refused import RefusedSources
from media.rtp.source import Address, Source


@dataclass(slots=True)
class Counts:
    """Packets of one call that were dropped, by the reason, and what else is counted beside the jitter buffer."""

    skipped: int = 0
    """Our own packets that were not sent because their time had passed, or that the network did not take."""
    malformed: int = 0
    foreign: int = 0
    """Packets from an address that is not the other side's."""
    wrong_ssrc: int = 0
    """Packets from the other side, but of another stream than the received one."""
    wrong_type: int = 0
    unexpected: int = 0
    """Packets received while we had not agreed to receive."""
    ssrc_changes: int = 0
    keys_dropped: int = 0
    """Keys that came faster than anybody presses them."""
    mixed: int = 0
    """Frames of a conference in which two spoke at once, so that they were added."""
    mix_dropped: int = 0
    """Frames of a conference that were dropped because the slots of its sides ran apart."""


class Inbound(base.Inbound):
    """The remote stream. One SSRC is received at a time."""

    __slots__ = ("_digits", "_from", "refused")

    def __init__(self, epoch: float = 0.0) -> None:
        """`epoch` is the Unix time at which the owner's clock was 0."""
        self.jitter = JitterBuffer()
        self.listener: PlayoutJitterBuffer | None = None
        """The jitter buffer for the person at the other end of a bridge; None without a bridge."""
        self.tones: ToneReceiver | None = None
        """Detects keys in the sound that `RtpSession.receive` and `poll` return; None if they are not looked for."""
        self.source: Source | None = None
        self.heard_at = 0.0
        """The time at which the last packet came, in seconds; 0 before the first."""
        self.received = ReceiverStats(0)
        self.refused = RefusedSources(epoch)
        self._digits = DigitReceiver()
        self._ssrc = -1
        """SSRC of the present stream; -1 before the first."""
        self._next: tuple[int, int] | None = None
        """SSRC and sequence number with which another stream would show two packets in a row."""
        self._fresh = True
        """Whether a new SSRC is accepted at once: no packet has come since signalling spoke."""
        self._from: Address | None = None
        """The address from which the present stream began to come."""

    @property
    def ice(self) -> IceLite | None:
        """The ICE session by which the other side chooses the address of `source`; None if ICE was not agreed."""
        return self.source.ice if self.source else None

    def connect(self, remote: Address, now: float, ice: IceCredentials | None = None) -> None:
        """Expect sound from `remote`, or from the address that the other side chooses by `ice`, and accept a new SSRC
        at once."""
        if self.source is None:
            self.source = Source(remote, now)
        self.source.connect(remote, now, ice)
        self.refused.announce(self.source.address, now)
        self._fresh = True

    def choose(self, address: Address, now: float) -> None:
        """Expect sound from `address`, which the other side chose by ICE, and send ours there."""
        if self.source:
            self.source.reopen(address, now)
            self.refused.announce(address, now)

    def belongs(self, packet: Packet, sender: Address, counts: Counts) -> bool:
        """Whether `packet`, of an accepted `sender`, belongs to the present stream; two packets in a row of another
        stream change to it.

        A new stream is accepted at its first packet after signalling has spoken, and from another source than before.
        """
        if packet.ssrc != self._ssrc:
            follows = self._next == (packet.ssrc, packet.sequence)
            self._next = (packet.ssrc, (packet.sequence + 1) & 0xFFFF)
            if not (self._ssrc < 0 or self._fresh or follows or sender != self._from):
                counts.wrong_ssrc += 1
                return False
            if self._ssrc >= 0:
                counts.ssrc_changes += 1
                self.jitter.restart()
                if self.listener:
                    self.listener.restart()
                self._digits.restart()
            self._ssrc, self._from = packet.ssrc, sender
            self.received = ReceiverStats(packet.ssrc)
        self._next = None  # no packet of the present stream may come between the two in a row
        self._fresh = False
        return True

    def listen(self) -> PlayoutJitterBuffer:
        """Begin a jitter buffer for a person, which gets the sound from now on."""
        self.listener = PlayoutJitterBuffer()
        return self.listener

    def put(self, sequence: int, timestamp: int, payload: bytes | None, now: float) -> bytes:
        """Take the sound of a packet, None for a packet without; returns the sound that is ready for the recogniser."""
        if self.listener:
            self.listener.put(sequence, timestamp, payload, now)
        return self.jitter.put(sequence, timestamp, payload, now)

    def digit(self, packet: Packet, now: float, counts: Counts) -> str | None:
        """The key that begins with `packet`, if any."""
        key = self._digits.receive(packet)
        if key is None or self._digits.admits(now):
            return key
        counts.keys_dropped += 1
        return None
