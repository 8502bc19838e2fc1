"""The sound of the test call: sends a known signal, counts the received packets, and reads the reports of both
sides."""

import asyncio
import math
import random
from dataclasses import dataclass
from typing import Any, NamedTuple

from media.g711 import ALAW_TO_ULAW, FRAME, FRAME_SECONDS, RATE, ULAW_TO_ALAW, from_linear, to_linear
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.srtp import Keys, Srtp
from sipgw.sip.uri import is_address
from sipgw.tools.doctor.finding import Finding, bad, good

TONES = (700.0, 1200.0)
"""Frequencies of the signal in Hz: two tones that do not occur on lines, with whole cycles in the repeated frames."""
ECHOED = 0.25
"""Share of our tones in the received power, from which on the received sound is our own signal that came back."""
LOSSY = 0.05
"""Share of reported loss from which on our sound is hard to understand."""
LOST = 0.9
"""Share of reported loss from which on our sound counts as not received at all."""


class ReceivedAudio(NamedTuple):
    """Audio of the test call."""

    sent: int
    """RTP packets that we sent."""
    received: int
    """RTP packets that we received."""
    echoed: bool
    """Whether our own signal came back."""
    reported: float | None
    """The part of our packets that the other side reports lost; None if it reported nothing about us."""
    reports: int
    """RTCP packets that we received."""
    sources: tuple[str, ...]
    """The addresses from which packets came."""
    foreign: int = 0
    """Packets that the negotiated keys do not decrypt; they are not in `received`."""


def judge(heard: ReceivedAudio, about: str, expected: str, ports: str) -> Finding:
    """The finding on the test call's sound: which direction is silent, if any. `expected` is the media address of the
    other side's description, `ports` are our own ports. Sans-IO."""
    loss = "no report" if heard.reported is None else f"{heard.reported:.0%} reported lost"
    evidence = (
        f"sent {heard.sent} packets to {expected} ({loss}), received {heard.received}"
        + (f" from {', '.join(heard.sources)}" if heard.sources else "")
        + (", with the gateway's own signal among them" if heard.echoed else "")
        + f", {heard.reports} RTCP reports"
        + (f", {heard.foreign} packets under other keys" if heard.foreign else "")
    )
    host, _, port = expected.rpartition(":")
    arrives = heard.echoed or (heard.reported is not None and heard.reported < LOST)
    lost = heard.reported is not None and heard.reported >= LOST
    if heard.received and arrives:
        if (heard.reported or 0.0) > LOSSY:
            return bad("audio.lossy", about, evidence)
        if is_address(host) and expected not in heard.sources:
            return bad("audio.other-source", about, evidence, sources=", ".join(heard.sources), expected=expected)
        return good("audio.ok", about, evidence)
    if heard.received and (lost or heard.reports):
        return bad("audio.dead-out", about, evidence, host=host, port=port)
    if heard.received:
        return bad("audio.unsure-out", about, evidence)
    if heard.foreign:
        return bad("audio.keys", about, evidence)
    if arrives:
        return bad("audio.dead-in", about, evidence, ports=ports)
    return bad("audio.dead-both", about, evidence)


def signal(frame: int) -> bytes:
    """The mu-law samples of one frame."""
    samples = bytearray()
    for at in range(frame * FRAME, (frame + 1) * FRAME):
        value = sum(6000 * math.sin(2 * math.pi * tone * at / RATE) for tone in TONES)
        samples += int(value).to_bytes(2, "little", signed=True)
    return from_linear(bytes(samples))


def tonality(ulaw: bytes) -> float:
    """The share of our tones in the power of `ulaw` (Goertzel algorithm)."""
    values = memoryview(to_linear(ulaw)).cast("h").tolist()
    total = sum(value * value for value in values)
    if total < 100 * 100 * len(values):
        return 0.0
    power = 0.0
    for tone in TONES:
        turn, one, two = 2 * math.cos(2 * math.pi * tone / RATE), 0.0, 0.0
        for value in values:
            one, two = value + turn * one - two, one
        power += one * one + two * two - turn * one * two
    return 2 * power / (len(values) * total)


@dataclass
class AudioPorts:
    """The two UDP ports of the test call."""

    sound: "_Port"
    control: "_Port"
    srtp: Srtp | None = None

    def secure(self, keys: Keys) -> None:
        """Use SRTP with these `keys` from now on."""
        self.srtp = Srtp(keys)

    async def talk(
        self, remote: tuple[str, int], control: tuple[str, int] | None, payload_type: int, encoding: str, seconds: float
    ) -> ReceivedAudio:
        """Send the signal for `seconds`, with one report in between, and count the received packets."""
        ssrc, loop = random.getrandbits(32), asyncio.get_running_loop()
        frames = [signal(number) for number in range(8)]
        if encoding == "PCMA":
            frames = [frame.translate(ULAW_TO_ALAW) for frame in frames]
        start, count = loop.time(), max(1, int(seconds / FRAME_SECONDS))
        for number in range(count):
            packet = rtp.build(payload_type, number == 0, number, number * FRAME, ssrc, frames[number % len(frames)])
            self.sound.send(self.srtp.protect(packet) if self.srtp else packet, remote)
            if number % 50 == 25:
                report = rtcp.SenderReport(ssrc, int(start * 2**32), number * FRAME, number, number * FRAME)
                name = rtcp.SourceDescription(ssrc, "doctor@sipgw")
                compound = rtcp.encode((report, name))
                compound = self.srtp.protect_rtcp(compound) if self.srtp else compound
                self.control.send(compound, control or (remote[0], remote[1] + 1))
            await asyncio.sleep(max(0.0, start + (number + 1) * FRAME_SECONDS - loop.time()))
        return self.heard(ssrc, count, encoding)

    def heard(self, ssrc: int, sent: int, encoding: str) -> ReceivedAudio:
        """The measurements of the audio so far."""
        came = [(data, source) for data, source in self.sound.came if not rtcp.is_rtcp(data)]
        plain = [(self.srtp.unprotect(data, 0.0) if self.srtp else data, source) for data, source in came]
        packets = [(packet, source) for data, source in plain if data and (packet := rtp.parse(data))]
        compounds = [data for data, _ in (*self.control.came, *self.sound.came) if rtcp.is_rtcp(data)]
        if self.srtp:
            compounds = [data for one in compounds if (data := self.srtp.unprotect_rtcp(one, 0.0))]
        reports = [one for data in compounds for one in rtcp.parse(data) or ()]
        blocks = [
            block
            for one in reports
            if isinstance(one, rtcp.SenderReport | rtcp.ReceiverReport)
            for block in one.blocks
            if block.ssrc == ssrc
        ]
        table = ALAW_TO_ULAW if encoding == "PCMA" else bytes(range(256))
        sound = b"".join(packet.payload.translate(table) for packet, _ in packets[-25:])
        reported = _reported(blocks)
        sources = tuple(dict.fromkeys(f"{source[0]}:{source[1]}" for _, source in packets))[:3]
        foreign = self.srtp.counts.unauthentic if self.srtp else 0
        echoed = bool(sound) and tonality(sound) > ECHOED
        return ReceivedAudio(sent, len(packets), echoed, reported, len(compounds), sources, foreign)

    def close(self) -> None:
        """Close both ports."""
        self.sound.close()
        self.control.close()


def _reported(blocks: list[rtcp.ReportBlock]) -> float | None:
    """The lost share of our packets, which are numbered from 0, by the last report; None without a report."""
    if not blocks:
        return None
    last = blocks[-1]
    return 1.0 if last.fraction_lost >= 255 else min(1.0, max(0, last.lost) / (last.highest_sequence % 2**16 + 1))


class _Port(asyncio.DatagramProtocol):
    LIMIT = 5000

    def __init__(self) -> None:
        self.came: list[tuple[bytes, tuple[str, int]]] = []
        self.number = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.number = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(self.came) < self.LIMIT:
            self.came.append((data, (addr[0], addr[1])))

    def send(self, data: bytes, remote: tuple[str, int]) -> None:
        self._transport.sendto(data, remote)

    def close(self) -> None:
        self._transport.close()


async def open_ports(host: str, first: int, last: int) -> AudioPorts | None:
    """Two neighbouring ports of the range, or None if none are free."""
    loop = asyncio.get_running_loop()
    pairs = list(range(first + first % 2, last, 2))
    random.shuffle(pairs)
    for port in pairs[:50]:
        try:
            _, sound = await loop.create_datagram_endpoint(_Port, (host, port))
        except OSError:
            continue
        try:
            _, control = await loop.create_datagram_endpoint(_Port, (host, port + 1))
        except OSError:
            sound.close()
            continue
        return AudioPorts(sound, control)
    return None
