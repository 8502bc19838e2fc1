"""The media of one call: datagrams in, sound and digits out; sound in, datagrams out. Sans-IO."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from media.dtmf.events import DigitReceiver
from media.dtmf.inband import ToneReceiver
from media.dtmf.sender import DigitSender, Stage
from media.g711 import ALAW_TO_ULAW, SILENCE, ULAW_TO_ALAW
from media.jitter.buffer import JitterBuffer
from media.jitter.playout_buffer import PlayoutJitterBuffer
from media.recording.stereo import Recording
from media.rtp.packet import Packet, parse
from media.rtp.receiver_stats import ReceiverStats
from media.rtp.rtcp import is_rtcp
from media.rtp.sender import RtpSender
from media.rtp.source import Address, Source
from media.rtp.srtp import Keys, Srtp
from media.session.playout import NO_MARKS, Mark, Playout
from media.session.relay import Relay
from media.session.rtcp_reports import RtcpReports

COMFORT_NOISE = 13
G711 = (0, 8)
"""PCMU and PCMA (RFC 3551 §6)."""
CONCEALED = True
"""Whether lost sound is concealed (`media.jitter.plc`), for the rating: G.113 rates a codec better that does."""
CATCH_UP = 2
"""Frames sent back to back at most after the process was late; more would overflow the far buffer."""


@dataclass(frozen=True)
class Format:
    """What offer and answer agreed on."""

    encoding: str
    """``PCMU`` or ``PCMA``."""
    payload_type: int
    dtmf_payload_type: int | None = None
    """Payload type of the telephone events that are sent (RFC 4733), if agreed."""
    inband_keys: bool = False
    """Whether keys are listened for in the sound when no telephone events were agreed."""
    dtmf_received: int | None = None
    """Payload type of those that come, where it is another (RFC 3264 §5.1); they may come under either."""


class KeyPress(NamedTuple):
    """A key was pressed."""

    key: str


class RtcpReceived(NamedTuple):
    """A datagram of RTCP on the port of the sound: it is for `RtpSession.receive_control`."""


@dataclass(slots=True)
class Counts:
    """Packets by what became of them."""

    skipped: int = 0
    malformed: int = 0
    foreign: int = 0
    stray: int = 0
    """From whom we talk to, but of another stream than the one that is heard."""
    wrong_type: int = 0
    unasked: int = 0
    ssrc_changes: int = 0


class Inbound:
    """The remote stream: its source, its SSRC, its digits and its jitter buffers."""

    __slots__ = (
        "_digits",
        "_fresh",
        "_from",
        "_next",
        "_ssrc",
        "heard_at",
        "jitter",
        "listener",
        "reception",
        "source",
        "tones",
    )

    def __init__(self) -> None:
        self.jitter = JitterBuffer()
        self.listener: PlayoutJitterBuffer | None = None
        """For the person at the other end of a bridge."""
        self.tones: ToneReceiver | None = None
        """To be given the sound that `RtpSession.receive` and `poll` return, if anything."""
        self.source: Source | None = None
        self.heard_at: float | None = None
        self.reception = ReceiverStats(0)
        self._digits = DigitReceiver()
        self._ssrc: int | None = None
        self._next: tuple[int, int] | None = None
        self._fresh = True
        self._from: Address | None = None
        """Where the present stream began to come from."""

    def connect(self, remote: Address, now: float) -> None:
        """Expect sound from `remote`, and accept a new SSRC at once."""
        if self.source is None:
            self.source = Source(remote, now)
        else:
            self.source.reopen(remote, now)
        self._fresh = True

    def stream_of(self, packet: Packet, counts: Counts) -> bool:
        """Whether `packet` belongs to the current stream; changes streams after two packets in a row of a new one.

        After signalling has spoken, and from another source than before, a new one is taken at once.
        """
        if packet.ssrc != self._ssrc:
            address = self.source.address if self.source else None
            follows = self._next == (packet.ssrc, packet.sequence)
            self._next = (packet.ssrc, (packet.sequence + 1) & 0xFFFF)
            if not (self._ssrc is None or self._fresh or follows or address != self._from):
                counts.stray += 1
                return False
            if self._ssrc is not None:
                counts.ssrc_changes += 1
                self.jitter.restart()
                if self.listener:
                    self.listener.restart()
                self._digits.restart()
            self._ssrc, self._from = packet.ssrc, address
            self.reception = ReceiverStats(packet.ssrc)
        self._next = None  # the two in a row have none of the present stream between them
        self._fresh = False
        return True

    def listen(self) -> PlayoutJitterBuffer:
        """Have a person listen, too; to the sound from now on."""
        self.listener = PlayoutJitterBuffer()
        return self.listener

    def put(self, sequence: int, timestamp: int, payload: bytes | None, now: float) -> bytes:
        """Take the sound of a packet, None for one without; returns what is ready for the recogniser."""
        if self.listener:
            self.listener.put(sequence, timestamp, payload, now)
        return self.jitter.put(sequence, timestamp, payload, now)

    def digit(self, packet: Packet) -> str | None:
        """The key that begins with `packet`, if any."""
        return self._digits.receive(packet)


class RtpSession:
    """One call. The owner calls `receive` per datagram, `transmit` and `poll` every 20 ms, and keeps `deadline`."""

    __slots__ = (
        "_outbound",
        "_receives",
        "_sends",
        "_srtp",
        "control",
        "counts",
        "digits",
        "inbound",
        "live",
        "playout",
        "recording",
        "relay",
    )

    def __init__(self, random_bits: Callable[[int], int], epoch: float = 0.0) -> None:
        """`epoch` is the Unix time at which the owner's clock was 0."""
        self.playout = Playout()
        self.digits = DigitSender()
        self.inbound = Inbound()
        self.counts = Counts()
        self.recording: Recording | None = None
        self.live: Recording | None = None
        """The same for those who listen live."""
        self.relay: Relay | None = None
        """What is sent in place of what the agent says."""
        self.control = RtcpReports(random_bits, epoch, concealed=CONCEALED)
        self._outbound = RtpSender(random_bits)
        self._srtp: Srtp | None = None
        self._sends: Format | None = None
        """What we agreed to send, if anything."""
        self._receives: Format | None = None
        """The same of what we receive."""

    def connect(
        self,
        form: Format,
        remote: Address,
        now: float,
        *,
        control: Address | None = None,
        keys: Keys | None = None,
        send: bool = True,
        receive: bool = True,
    ) -> None:
        """Begin to talk to `remote`, or follow a re-INVITE; by SRTP if there are `keys`.

        RTCP goes to `control`: None for the port after that of `remote`, the same as `remote` for RTP's own.
        """
        left: int | None = None
        if keys is None:
            self._srtp = None
        elif self._srtp is None:
            self._srtp = Srtp(keys)
        elif self._srtp.rekey(keys, now):
            left = self._outbound.ssrc
            self._outbound.restart()
        inband = form.inband_keys and form.dtmf_payload_type is None
        self.inbound.tones = (self.inbound.tones or ToneReceiver()) if inband else None
        self._sends, self._receives = form if send else None, form if receive else None
        self.inbound.connect(remote, now)
        self.control.connect(remote, control, now)
        if left is not None:
            self.control.leave(left, now)

    @property
    def remote(self) -> Address | None:
        """Where packets go, once connected."""
        return self.inbound.source.address if self.inbound.source else None

    @property
    def receiving(self) -> bool:
        """Whether the other side agreed to send."""
        return self._receives is not None

    def receive(self, data: bytes, sender: Address, now: float) -> tuple[bytes, KeyPress | RtcpReceived | None]:
        """Take a datagram; returns the mu-law sound that is ready and the key that was pressed, if any."""
        clear = self.unprotected(data, now)
        return (b"", None) if clear is None else self.receive_clear(clear, sender, now)

    def unprotected(self, data: bytes, now: float) -> bytes | None:
        """A datagram of sound without its encryption, None if it is not authentic; RTCP stays as it is."""
        if self._srtp is None or is_rtcp(data):  # only what is authentic may latch, be counted or heard
            return data
        return self._srtp.unprotect(data, now)

    def receive_clear(self, data: bytes, sender: Address, now: float) -> tuple[bytes, KeyPress | RtcpReceived | None]:
        """Take a datagram that is not encrypted any more: see `receive`."""
        nothing = (b"", None)
        packet = parse(data)
        if packet is None:
            if is_rtcp(data):
                return b"", RtcpReceived()
            self.counts.malformed += 1
            return nothing
        form, inbound = self._receives, self.inbound
        if form is None:
            self.counts.unasked += 1
            return nothing
        if inbound.source is None or not inbound.source.accept(sender, packet, now):
            self.counts.foreign += 1
            return nothing
        if not inbound.stream_of(packet, self.counts):
            return nothing
        inbound.heard_at = now
        kind, _, sequence, timestamp, _, payload = packet
        if kind == form.payload_type:
            inbound.reception.receive(sequence, timestamp, now)
            if form.encoding != "PCMU":
                payload = payload.translate(ALAW_TO_ULAW)
            return inbound.put(sequence, timestamp, payload, now), None
        if kind in (form.dtmf_payload_type, form.dtmf_received):
            inbound.reception.count(sequence)
            key = inbound.digit(packet)
            ready = inbound.put(sequence, timestamp, None, now)
            return ready, KeyPress(key) if key else None
        inbound.reception.receive(sequence, timestamp, now)
        if kind in G711:  # of two formats that were offered and taken either may be sent (RFC 3264 §5.1)
            return inbound.put(sequence, timestamp, payload.translate(ALAW_TO_ULAW) if kind else payload, now), None
        if kind != COMFORT_NOISE:
            self.counts.wrong_type += 1
        return inbound.put(sequence, timestamp, None, now), None

    def receive_control(self, data: bytes, sender: Address, now: float) -> bool:
        """Take a datagram of RTCP; True if it is the other side's."""
        if self.remote is None:
            self.counts.unasked += 1
            return False
        if self._srtp is not None:
            compound = self._srtp.unprotect_rtcp(data, now)
            if compound is None:
                return False
            data = compound
        return self.control.receive(data, sender, self.remote, self._outbound.ssrc, now)

    @property
    def deadline(self) -> float:
        """When `handle_timer` is due, right after `transmit`."""
        return self.control.deadline

    def handle_timer(self, now: float) -> tuple[bytes, Address | None]:
        """RTCP that is due, and where to."""
        report = self.control.handle_timer(now, self._outbound.sent, self.inbound.jitter, self.inbound.reception)
        return self._reported(report), self._control_address()

    def bye(self, now: float) -> tuple[bytes, Address | None]:
        """The RTCP that ends the call, and where to."""
        report = self.control.bye(now, self._outbound.sent, self.inbound.jitter, self.inbound.reception)
        return self._reported(report), self._control_address()

    def _reported(self, compound: bytes) -> bytes:
        return self._srtp.protect_rtcp(compound) if self._srtp and compound else compound

    def _control_address(self) -> Address | None:
        return self.control.route.to(self.remote) if self.remote else None

    def poll(self, now: float) -> bytes:
        """Sound that became ready by waiting. On hold too: the recogniser's clock goes on."""
        return self.inbound.jitter.poll(now)

    def transmit(self, slot: int, now: float = 0.0) -> tuple[list[bytes], Sequence[Mark]]:
        """Packets and marks due in 20 ms slot number `slot` of this call, at `now`.

        One frame late is caught up; more is skipped in time, and the queued sound moves rather than vanishes.
        """
        form, outbound = self._sends, self._outbound
        owed = slot - outbound.slot if outbound.slot >= 0 else 1
        if slot > outbound.slot:
            outbound.slot = slot
        if form is None or owed <= 0:
            outbound.skip(max(owed, 0))
            if self.relay and owed > 0:
                self.relay.take(now)  # who does not listen now does not hear it later
            return [], NO_MARKS
        if owed > CATCH_UP:
            self.counts.skipped += owed - 1
            outbound.skip(owed - 1)
            owed = 1
        packet, marks = self._packet(form, now)
        if owed == 1:
            return [packet], marks
        second, more = self._packet(form, now)
        return [packet, second], [*marks, *more]

    def _packet(self, form: Format, now: float) -> tuple[bytes, Sequence[Mark]]:
        relayed = self.relay.take(now) if self.relay else None
        frame, marks = SILENCE, NO_MARKS
        if self.digits.active:
            packet = self._key_packet(form)
        else:
            if relayed is None:
                frame, marks = self.playout.take()
            else:
                frame = relayed
            packet = self._sound_packet(form, frame)
        if self.recording:
            self.recording.agent(frame)
        if self.live:
            self.live.agent(frame)
        return packet if self._srtp is None else self._srtp.protect(packet), marks

    def _sound_packet(self, form: Format, frame: bytes) -> bytes:
        if form.encoding != "PCMU":
            frame = frame.translate(ULAW_TO_ALAW)
        return self._outbound.packet(form.payload_type, frame)

    def _key_packet(self, form: Format) -> bytes:
        """A key is sounding: what the agent says waits."""
        beat = self.digits.take(self._outbound.timestamp)
        if form.dtmf_payload_type is not None and beat.stage is not Stage.GAP:
            return self._outbound.event(form.dtmf_payload_type, beat)
        return self._sound_packet(form, beat.sound() if beat.stage is Stage.TONE else SILENCE)

    def stats(self) -> dict[str, Any]:
        """All counters, by name."""
        jitter = asdict(self.inbound.jitter.stats) | {"debt": self.inbound.jitter.debt}
        playout = asdict(self.playout.stats)
        if self._srtp is not None:
            playout |= asdict(self._srtp.counts)
        sent = {"sent": self._outbound.packets}
        return (
            sent
            | asdict(self.counts)
            | jitter
            | playout
            | self.control.stats(self.inbound.jitter, self.inbound.reception)
        )
