"""The media of one call: packets in, sound and keys out; sound in, packets out. Sans-IO."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from media.dtmf.inband import ToneReceiver
from media.dtmf.sender import DigitSender, Stage
from media.fast import base
from media.g711 import ALAW_TO_ULAW, SILENCE, ULAW_TO_ALAW
from media.recording.stereo import Recording
from media.rtp.ice import Component, IceCredentials, is_stun
from media.rtp.packet import HEADER, parse
from media.rtp.rtcp import is_rtcp
from media.rtp.sender import RtpSender
from media.rtp.source import Address
from media.rtp.srtp import Keys, Srtp
from media.session.format import Format
from media.session.inbound import Counts, Inbound
from media.session.mixer import Mixer
from media.session.playout import NO_MARKS, Mark, Playout
from media.session.relay import FrameSource
from media.session.rtcp_reports import RtcpReports
from media.session.sent_levels import SentLevels

COMFORT_NOISE = 13
"""Payload type of comfort noise (RFC 3389)."""
G711 = (0, 8)
"""Payload types of PCMU and PCMA (RFC 3551 §6)."""
CONCEALED = True
"""Whether lost sound is concealed (`media.jitter.plc`); G.113 rates a codec with concealment better."""
CATCH_UP = 2
"""The most frames sent back to back after the process was late; more would overflow the other side's buffer."""


class KeyPress(NamedTuple):
    """The other side pressed a key."""

    key: str


ALAW = 256
"""Added to the payload type of A-law in `Agreed`."""


class Agreed(base.Agreed):
    """The formats of both directions."""

    __slots__ = ("receives", "sends")

    def __init__(self, sends: Format | None = None, receives: Format | None = None) -> None:
        self.sends = sends
        """Format that we send; None if we agreed to send nothing."""
        self.receives = receives
        self.sent_code, self.received_code = _code(sends), _code(receives)


def _code(form: Format | None) -> int:
    """A format as one number: the payload type, plus `ALAW` for A-law; -1 for no format."""
    return -1 if form is None else form.payload_type | (ALAW if form.encoding != "PCMU" else 0)


class RtcpReceived(NamedTuple):
    """A datagram of RTCP has come on the RTP port; give it to `RtpSession.receive_rtcp`."""


class RtpSession(base.RtpSession):
    """One call. The owner calls `receive` per datagram, `transmit` and `poll` every 20 ms, `handle_timer` when due."""

    __slots__ = ("counts", "rtcp")

    def __init__(self, random_bits: Callable[[int], int], epoch: float = 0.0) -> None:
        """`epoch` is the Unix time at which the owner's clock was 0."""
        self.playout = Playout()
        self.digits = DigitSender()
        self.sent_levels = SentLevels()
        self.inbound = Inbound(epoch)
        self.counts = Counts()
        self.recording: Recording | None = None
        self.live: Recording | None = None
        """The sound of both sides for people who listen live; None without listeners."""
        self.relay: FrameSource | None = None
        """A source of sound that is sent in place of the agent's; a `Mixer` adds its sound to the agent's."""
        self.rtcp = RtcpReports(random_bits, epoch, concealed=CONCEALED)
        self._sender = RtpSender(random_bits)
        self._srtp: Srtp | None = None
        self._agreed = Agreed()

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
        ice: IceCredentials | None = None,
    ) -> None:
        """Begin to exchange sound with `remote`, or follow a re-INVITE; by SRTP if there are `keys`.

        RTCP goes to `control`: None for the port after that of `remote`, the same as `remote` for the RTP port. With
        `ice` the other side may choose other addresses for both, which hold until ICE begins anew.
        """
        left: int | None = None
        if keys is None:
            self._srtp = None
        elif self._srtp is None and self.remote is None:
            self._srtp = Srtp(keys)
        elif self._srtp is None or self._srtp.rekey(keys, now):
            # Keys may come back after a time without any. Their packets are counted from 0 again; under the former SSRC
            # they would be encrypted with the key stream of earlier packets (RFC 3711 §9.1).
            self._srtp = self._srtp or Srtp(keys)
            left = self._sender.ssrc
            self._sender.restart()
        inband = form.inband_keys and form.dtmf_payload_type is None
        self.inbound.tones = (self.inbound.tones or ToneReceiver()) if inband else None
        self._agreed = Agreed(form if send else None, form if receive else None)
        self.inbound.connect(remote, now, ice)
        lite = self.inbound.ice
        self.rtcp.connect(remote, control, now, lite.nominated.get(Component.RTCP) if lite else None)
        if left is not None:
            self.rtcp.leave(left, now)

    @property
    def remote(self) -> Address | None:
        """The address that packets are sent to, once connected."""
        return self.inbound.source.address if self.inbound.source else None

    @property
    def mixer(self) -> Mixer | None:
        """The conference that the other side is in as the caller, if any."""
        return self.relay if isinstance(self.relay, Mixer) else None

    @property
    def receiving(self) -> bool:
        """Whether the other side agreed to send."""
        return self._agreed.receives is not None

    @property
    def expects_sound(self) -> bool:
        """Whether silence of the other side may be a fault. A side that holds us may be silent."""
        return self.receiving and self._agreed.sends is not None

    def receive(self, data: bytes, sender: Address, now: float) -> tuple[bytes, KeyPress | RtcpReceived | None]:
        """Take a datagram; returns the mu-law sound that is ready, and a key or RTCP if there is one."""
        clear = self.unprotected(data, sender, now)
        return (b"", None) if clear is None else self.receive_clear(clear, sender, now)

    def check(self, data: bytes, sender: Address, now: float, component: Component) -> bytes | None:
        """Take a datagram that may be a connectivity check of ICE; returns the response, which may be empty; None if
        it is no check. A check may choose the address of `component`, on whose port it came in."""
        ice = self.inbound.ice
        if ice is None or not is_stun(data):
            return None
        before, (reply, moved) = ice.refused, ice.receive(data, sender, now, component)
        if ice.refused > before:  # a refused check, no keepalive
            self.inbound.refused.note(sender, "ice_refused", now)
        if moved and component is Component.RTP:
            self.inbound.choose(sender, now)
        elif moved and self.remote:
            self.rtcp.route.choose(sender, self.remote)
        return reply

    def unprotected(self, data: bytes, sender: Address, now: float) -> bytes | None:
        """An RTP datagram without its encryption, None if it is not authentic; RTCP is returned as it is.

        Only authentic packets may move the source, be counted or be heard.
        """
        srtp = self._srtp
        if srtp is None or is_rtcp(data):
            return data
        before, clear = srtp.counts.unauthentic, srtp.unprotect(data, now)
        if clear is None and srtp.counts.unauthentic > before:  # no repeated packet
            self.inbound.refused.note(sender, "unauthentic", now)
        return clear

    def receive_clear(self, data: bytes, sender: Address, now: float) -> tuple[bytes, KeyPress | RtcpReceived | None]:
        """Take a datagram that is not encrypted any more: see `receive`."""
        nothing = (b"", None)
        packet = parse(data)
        if packet is None:
            if is_rtcp(data):
                return b"", RtcpReceived()
            self.counts.malformed += 1
            if len(data) >= HEADER and not is_stun(data):  # not what keeps a NAT open (RFC 6263 §4), nor an early check
                self.inbound.refused.note(sender, "malformed", now)
            return nothing
        form, inbound = self._agreed.receives, self.inbound
        if form is None:
            self.counts.unexpected += 1
            inbound.refused.note(sender, "unexpected", now)
            return nothing
        if inbound.source is None or not inbound.source.accept(sender, packet, now):
            self.counts.foreign += 1
            inbound.refused.note(sender, "foreign", now)
            return nothing
        if not inbound.belongs(packet, sender, self.counts):
            inbound.refused.note(sender, "wrong_ssrc", now)
            return nothing
        inbound.heard_at = now
        kind, _, sequence, timestamp, _, payload = packet
        if kind == form.payload_type:
            inbound.received.receive(sequence, timestamp, now)
            if form.encoding != "PCMU":
                payload = payload.translate(ALAW_TO_ULAW)
            return inbound.put(sequence, timestamp, payload, now), None
        if kind in (form.dtmf_payload_type, form.dtmf_received):
            inbound.received.count(sequence)
            key = inbound.digit(packet, now, self.counts)
            ready = inbound.put(sequence, timestamp, None, now)
            return ready, KeyPress(key) if key else None
        inbound.received.receive(sequence, timestamp, now)
        if kind in G711:  # either of two formats that were offered and accepted may be sent (RFC 3264 §5.1)
            return inbound.put(sequence, timestamp, payload.translate(ALAW_TO_ULAW) if kind else payload, now), None
        if kind != COMFORT_NOISE:
            self.counts.wrong_type += 1
            inbound.refused.note(sender, "wrong_type", now)
        return inbound.put(sequence, timestamp, None, now), None

    def receive_rtcp(self, data: bytes, sender: Address, now: float) -> bool:
        """Take a datagram of RTCP; True if it is the other side's."""
        if self.remote is None:
            self.counts.unexpected += 1
            self.inbound.refused.note(sender, "unexpected", now)
            return False
        if (srtp := self._srtp) is not None:
            before, compound = srtp.counts.rtcp_unauthentic, srtp.unprotect_rtcp(data, now)
            if compound is None:
                if srtp.counts.rtcp_unauthentic > before:  # no repeated packet
                    self.inbound.refused.note(sender, "rtcp_unauthentic", now)
                return False
            data = compound
        return self.rtcp.receive(data, sender, self.remote, self._sender.ssrc, now, self.inbound.refused)

    @property
    def deadline(self) -> float:
        """When `handle_timer` is due, right after `transmit`."""
        return self.rtcp.deadline

    def handle_timer(self, now: float) -> tuple[bytes, Address | None]:
        """The RTCP datagram that is due, and its destination; empty if none is due."""
        report = self.rtcp.handle_timer(now, self._sender.sent, self.inbound.jitter, self.inbound.received)
        return self._protected(report), self._rtcp_address()

    def bye(self, now: float) -> tuple[bytes, Address | None]:
        """The RTCP datagram that ends the call, and its destination."""
        report = self.rtcp.bye(now, self._sender.sent, self.inbound.jitter, self.inbound.received)
        return self._protected(report), self._rtcp_address()

    def _protected(self, compound: bytes) -> bytes:
        return self._srtp.protect_rtcp(compound) if self._srtp and compound else compound

    def _rtcp_address(self) -> Address | None:
        return self.rtcp.route.to(self.remote) if self.remote else None

    def poll(self, now: float) -> bytes:
        """Sound that is ready because time has passed, also during a hold: the recogniser's clock goes on."""
        return self.inbound.jitter.poll(now)

    def transmit(self, slot: int, now: float = 0.0) -> tuple[list[bytes], Sequence[Mark]]:
        """Packets and marks due in 20 ms slot number `slot` of this call, at `now`.

        If one frame is late, two packets are sent. If more are, their time is skipped and the queued sound is sent
        later; none of it is lost.
        """
        form, sender = self._agreed.sends, self._sender
        due = slot - sender.slot if sender.slot >= 0 else 1
        if slot > sender.slot:
            sender.slot = slot
        if form is None or due <= 0:
            sender.skip(max(due, 0))
            return [], self._unsent(now) if self.relay and due > 0 else NO_MARKS
        if due > CATCH_UP:
            self.counts.skipped += due - 1
            sender.skip(due - 1)
            due = 1
        packet, marks = self._packet(form, now)
        if due == 1:
            return [packet], marks
        second, more = self._packet(form, now)
        return [packet, second], [*marks, *more]

    def _unsent(self, now: float) -> Sequence[Mark]:
        """Let a slot pass in which nothing is sent. The relay's sound for this slot is dropped, not delayed."""
        assert self.relay is not None  # noqa: S101  there is nothing to do without one
        relayed, mixer = self.relay.take(now), self.mixer
        if mixer is None or not mixer.consults:
            return NO_MARKS
        frame, marks = self.playout.take()
        mixer.to_caller(frame, frame, relayed, now)  # the mixer keeps the frame for the third
        return marks

    def _packet(self, form: Format, now: float) -> tuple[bytes, Sequence[Mark]]:
        relayed = self.relay.take(now) if self.relay else None
        frame, marks = SILENCE, NO_MARKS
        if self.digits.active:
            sent, packet = SILENCE, self._key_packet(form)
        else:
            mixer = self.mixer if relayed else None
            if relayed is None or mixer:
                if mixer is None or mixer.agent_speaks:
                    frame, marks = self.playout.take()
                sent = self.sent_levels.backdrop.under(frame, paused=self.playout.paused)
                if relayed and mixer:
                    frame, sent = mixer.to_caller(frame, sent, relayed, now)
            else:
                sent = frame = relayed
            packet = self._sound_packet(form, sent)
        self.sent_levels.add(frame)  # without the sounds under it: their echo is too soft to matter, and never stops
        if self.recording:
            self.recording.agent(frame)
        if self.live:
            self.live.agent(frame)
        return packet if self._srtp is None else self._srtp.protect(packet), marks

    def _sound_packet(self, form: Format, frame: bytes) -> bytes:
        if form.encoding != "PCMU":
            frame = frame.translate(ULAW_TO_ALAW)
        return self._sender.packet(form.payload_type, frame)

    def _key_packet(self, form: Format) -> bytes:
        """The packet of a key that is being sent; the agent's sound waits."""
        slot = self.digits.take(self._sender.timestamp)
        if form.dtmf_payload_type is not None and slot.stage is not Stage.GAP:
            return self._sender.event(form.dtmf_payload_type, slot.payload(), slot.started, first=slot.number == 0)
        return self._sound_packet(form, slot.sound() if slot.stage is Stage.TONE else SILENCE)

    def stats(self) -> dict[str, Any]:
        """All counters, by name."""
        found = {"sent": self._sender.packets} | asdict(self.counts)
        found |= asdict(self.inbound.jitter.stats) | {"surplus": self.inbound.jitter.surplus}
        found |= asdict(self.playout.stats) | self.inbound.refused.stats()
        if self._srtp is not None:
            found |= asdict(self._srtp.counts)
        if (ice := self.inbound.ice) is not None:
            found |= {"ice_checks": ice.checks, "ice_refused": ice.refused}
        return found | self.rtcp.stats(self.inbound.jitter, self.inbound.received)
