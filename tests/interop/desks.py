"""The phones of a company at its PBX: each has an extension and hums a quiet tone of its own, by which it is known.

They are one SIP endpoint; the PBX has their address in its configuration, as of phones that it provisions.
"""

import asyncio
import contextlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from secrets import randbits
from typing import Self

import numpy as np

from media.dtmf.events import KEYS
from media.g711 import ALAW_TO_ULAW, FRAME, RATE, ULAW_TO_ALAW, from_linear, level, to_linear
from media.rtp import packet as rtp
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import CallFailed, Early, Endpoint, no_change
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import CallEvent, Confirmed, Ended, Offered, Phase, Progress, Referred
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.leg import Leg
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri
from tests.fakes.elevenlabs import sound_of
from tests.ports import free_ports
from tests.waiting import HANG

LOOK = 0.1
"""Seconds between two looks at what has come."""
KEPT = 30 * RATE
LOUDNESS = 200
"""Amplitude of a tone: far less than a voice has."""
PCMU, PCMA = 0, 8


async def until(true: Callable[[], object]) -> None:
    """Wait until `true()` holds, without looking all the time: many wait here at once."""
    async with asyncio.timeout(HANG):
        while not true():
            await asyncio.sleep(LOOK)


def frequency(number: str) -> int:
    """Hz of a phone's tone, whose periods fit into 20 ms; sixty neighbouring numbers have sixty tones."""
    return 300 + 50 * (int(number) % 60)


def tone(number: str, frames: int = 1) -> bytes:
    """The tone, in mu-law."""
    time = np.arange(FRAME * frames) / RATE
    return from_linear((LOUDNESS * np.sin(2 * np.pi * frequency(number) * time)).astype("<i2").tobytes())


def hums(ulaw: bytes, number: str) -> bool:
    """Whether the tone of a phone is a large part of this sound."""
    samples = np.frombuffer(to_linear(ulaw), "<i2").astype(float)
    if len(samples) < RATE // 4:
        return False
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    at = round(frequency(number) * len(samples) / RATE)
    return bool(power[at - 3 : at + 4].sum() > 0.1 * max(power.sum(), 1.0))


class Hum:
    """The tone of a phone, in packets."""

    def __init__(self, number: str) -> None:
        self.length = FRAME
        """Samples in each packet: a phone may ask for 20 ms and send others, which most PBXs pass on."""
        self.collected = 0
        """Samples that do not fill a packet yet."""
        self._tone = tone(number, 6)
        """As long as whole packets of 20, 30 and 40 ms."""

    def packet(self, now: int) -> bytes:
        """The next one, in mu-law; `now` is in samples."""
        self.collected -= self.length
        start = (now - self.collected - self.length) % len(self._tone)
        return (2 * self._tone)[start : start + self.length]


class Sound(asyncio.DatagramProtocol):
    """The sound of one call of a phone."""

    def __init__(self, number: str) -> None:
        self.heard = bytearray()
        """The last of it, in mu-law."""
        self.sources: Counter[int] = Counter()
        """Packets, by the port that they came from."""
        self.sizes: Counter[int] = Counter()
        self.sending = True
        self.port = 0
        self.hum = Hum(number)
        self._agreed: Negotiated | None = None
        self._events: list[tuple[bytes, int]] = []
        """What is still to be sent of keys: each packet, and how many packets ago its key was pressed."""
        self._numbers, self._ssrc, self._clock = itertools.count(1000), randbits(32), 5000
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport, self.port = transport, transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = rtp.parse(data)
        if packet is not None and packet.payload_type in (PCMU, PCMA):
            self.sources[addr[1]] += 1
            self.sizes[len(packet.payload)] += 1
            self.heard += packet.payload.translate(ALAW_TO_ULAW) if packet.payload_type == PCMA else packet.payload
            del self.heard[:-KEPT]

    def agreed(self, negotiated: Negotiated) -> None:
        """Send as was agreed."""
        self._agreed = negotiated

    @property
    def encoding(self) -> str:
        """What it sends."""
        return self._agreed.encoding if self._agreed else ""

    def press(self, keys: str) -> None:
        """Press keys, 100 ms each with as long a pause (RFC 4733)."""
        for key in keys:
            packets = [bytes((KEYS.index(key), 10, 0, 160))] * 5 + [bytes((KEYS.index(key), 0x8A, 3, 32))] * 3
            self._events += [(packet, at) for at, packet in enumerate(packets)] + [(b"", 0)] * 5

    def speak(self) -> None:
        """Send what is due in this 20 ms."""
        agreed = self._agreed
        self._clock += FRAME
        if agreed is None or not self.sending or agreed.direction in ("recvonly", "inactive") or not agreed.remote_port:
            return
        event, age = self._events.pop(0) if self._events else (b"", 0)
        if event and agreed.dtmf_payload_type is not None:  # in place of the tone, which waits
            payload, kind = event, agreed.dtmf_payload_type
        else:
            self.hum.collected += FRAME
            if self.hum.collected < self.hum.length:
                return
            payload, kind = self.hum.packet(self._clock), agreed.payload_type
            payload = payload.translate(ULAW_TO_ALAW) if agreed.encoding == "PCMA" else payload
        clock = (self._clock - self.hum.collected - FRAME * age) & 0xFFFFFFFF
        built = rtp.build(kind, False, next(self._numbers) & 0xFFFF, clock, self._ssrc, payload)
        if self._transport is not None:
            self._transport.sendto(built, (agreed.remote_address, agreed.remote_port))

    def close(self) -> None:
        """Neither send nor receive any more."""
        self.sending = False
        if self._transport is not None:
            self._transport.close()

    async def hums(self, number: str) -> None:
        """Wait until the other side is the phone `number`."""
        await until(lambda: hums(bytes(self.heard[-RATE // 2 :]), number))

    @property
    def loud(self) -> bool:
        """Whether somebody speaks now; through other codecs nothing comes sample by sample."""
        return level(bytes(self.heard[-RATE // 10 :])) > 20 * LOUDNESS

    def has(self, text: str) -> bool:
        """Whether most of what the agent's voice says for `text` was heard, sample by sample."""
        sound = sound_of(text)
        pieces = [sound[at : at + FRAME] for at in range(0, len(sound) - FRAME, FRAME)]
        return sum(piece in self.heard for piece in pieces) > len(pieces) / 2


class DeskCall:
    """One call of a phone."""

    def __init__(self, number: str, leg: Leg, sound: Sound, local: LocalMedia) -> None:
        self.number = number
        self.leg = leg
        self.sound = sound
        self.local = local
        self.ended: Ended | None = None

    def pick_up(self) -> None:
        """Answer it."""
        agreed = answer(self.leg.offer or b"", self.local)
        self.sound.agreed(agreed)
        self.leg.answer(agreed.sdp)

    async def offer(self, direction: str) -> None:
        """Hold by ``sendonly``, resume by ``sendrecv``."""
        await until(lambda: self.leg.phase is Phase.CONFIRMED)
        local = replace(self.local, session=self.leg.local)
        offer = make_offer(local, direction)
        changed = await self.leg.reinvite(offer)
        assert changed.sdp, changed
        self.sound.agreed(accept_answer(offer, changed.sdp, local))

    async def refer(self, target: Uri, other: "DeskCall | Replaces | None" = None) -> Referred:
        """Transfer the other side: blind, or to the other side of `other`, which may still ring."""
        await until(lambda: self.leg.phase is Phase.CONFIRMED)
        if isinstance(other, Replaces):
            target, other = replace(target, headers=other.escaped()), None
        return await self.leg.refer(target, other.leg if other else None)

    async def follow(self) -> None:
        """Take what the PBX does with the call, until it is over."""
        async for event in self.leg.events():
            local = replace(self.local, session=self.leg.local)
            match event:
                case Offered(None):
                    self.leg.accept_offer(make_offer(local))
                case Offered(sdp) if sdp:
                    agreed = answer(sdp, local)
                    if self.leg.accept_offer(agreed.sdp):
                        self.sound.agreed(agreed)
                case Confirmed(sdp) if sdp:
                    self.sound.agreed(accept_answer(self.leg.local, sdp, local))
                case Ended():
                    self.ended = event
        self.sound.close()

    async def over(self) -> Ended:
        """How it ended, once it has."""
        await until(lambda: self.ended)
        assert self.ended
        return self.ended


def picks_up(call: DeskCall) -> None:
    """What a phone does unless its test says otherwise."""
    call.leg.ringing()
    call.pick_up()


def rings(call: DeskCall) -> None:
    """Nobody is there."""
    call.leg.ringing()


def refuses(status: int, *headers: tuple[str, str]) -> Callable[[DeskCall], None]:
    """A phone that is busy, does not want to be disturbed, or sends the call on."""
    return lambda call: call.leg.reject(status, headers=headers)


class Desks:
    """All phones of the company."""

    def __init__(
        self, port: int, pbx: int, domain: str = "", credentials: Credentials | None = None, host: str = "127.0.0.1"
    ) -> None:
        """At `port` of `host`; the PBX is there at port `pbx`, and has this `domain` if it is not its address."""
        self.takes: dict[str, Callable[[DeskCall], None]] = {}
        self.calls: defaultdict[str, list[DeskCall]] = defaultdict(list)
        self._host = host
        self._pbx = Uri("sip", host=host, port=pbx)
        self._domain = domain
        self._credentials = credentials
        self._endpoint = Endpoint(EndpointOptions(host, port, tcp=False), self._rung, lambda *_: None)
        self._group = asyncio.TaskGroup()
        self._talking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._endpoint.__aenter__()
        await self._group.__aenter__()
        self._talking = self._group.create_task(self._talk())
        return self

    async def __aexit__(self, *error: object) -> None:
        for call in self._all():
            call.leg.hangup()
        if self._talking:
            self._talking.cancel()
        await self._group.__aexit__(None, None, None)
        await self._endpoint.__aexit__(*error)

    def _all(self) -> Iterator[DeskCall]:
        return itertools.chain.from_iterable(list(self.calls.values()))

    async def _talk(self) -> None:
        """Every 20 ms each phone sends a packet: one timer for all. What a busy loop has missed is not made up for: as
        a burst it would be a flood, which no phone sends.
        """
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            await asyncio.sleep(max(0.0, due - now()))
            due = max(due, now() - 0.02) + 0.02
            for call in self._all():
                if call.ended is None:
                    call.sound.speak()

    async def _sound(self, number: str) -> Sound:
        loop = asyncio.get_running_loop()
        port = free_ports()  # the port after it is free for RTCP
        _, sound = await loop.create_datagram_endpoint(lambda: Sound(number), (self._host, port))
        return sound

    def _rung(self, leg: Leg) -> None:
        self._group.create_task(self._take(leg))

    async def _take(self, leg: Leg) -> None:
        number = leg.request.uri.user
        sound = await self._sound(number)
        call = DeskCall(number, leg, sound, LocalMedia(self._host, sound.port, tls=False))
        self.calls[number].append(call)
        self.takes.get(number, picks_up)(call)
        await call.follow()

    def uri(self, extension: str) -> Uri:
        """An extension at the PBX."""
        return Uri("sip", extension, self._domain) if self._domain else replace(self._pbx, user=extension)

    async def call(
        self,
        number: str,
        extension: str,
        *,
        name: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        early: Early = no_change,
    ) -> DeskCall:
        """The phone `number` calls an extension; `name` is its display name, as it writes it."""
        sound = await self._sound(number)
        local = LocalMedia(self._host, sound.port, tls=False)
        offer = make_offer(local)
        who = f"{name} <{Uri('sip', number, self._domain or self._host)}>".strip()
        proxy = self._pbx if self._domain else None
        with contextlib.ExitStack() as stack:
            stack.callback(sound.close)
            leg, reply = await self._endpoint.invite(
                self.uri(extension), who, offer,
                fields=fields, proxy=proxy, credentials=self._credentials, early=early,
            )  # fmt: skip
            stack.pop_all()
        leg.authenticate(self._credentials)
        call = DeskCall(number, leg, sound, local)
        sound.agreed(accept_answer(offer, reply or b"", call.local))
        self.calls[number].append(call)
        self._group.create_task(call.follow())
        return call

    async def ring(self, number: str, extension: str) -> tuple[Replaces, asyncio.Task[DeskCall | None]]:
        """The phone `number` calls an extension, where it rings: how a transfer names that call, and what comes of it,
        None if it is not answered.
        """
        named: list[Replaces] = []

        def early(leg: Leg, event: CallEvent) -> None:
            call = leg._call
            if isinstance(event, Progress) and event.status == 180 and isinstance(call, InviteClient):
                named.extend(Replaces.of(branch.dialog) for branch in call._early._branches.values())

        calling = self._group.create_task(_answered(self.call(number, extension, early=early)))
        await until(lambda: named)
        return named[0], calling

    def replaceable(self, number: str) -> None:
        """Let this phone take a call in the place of one that rings there, as many do (RFC 3891 §3 has it refused)."""
        dialogs = self._endpoint.agent.core.dialogs
        find = dialogs.find_replaced
        dialogs.find_replaced = lambda invite: None if invite.uri.user == number else find(invite)  # type: ignore[method-assign]

    async def rung(self, number: str) -> DeskCall:
        """The next call to a phone, once it rings there."""
        count = len(self.calls[number])
        await until(lambda: len(self.calls[number]) > count)
        return self.calls[number][count]

    async def rung_by(self, number: str, act: Coroutine[object, object, object]) -> DeskCall:
        """The call to a phone that comes of what is done; that goes on meanwhile."""
        count = len(self.calls[number])
        self._group.create_task(_done(act))
        await until(lambda: len(self.calls[number]) > count)
        return self.calls[number][count]


async def _answered(call: Coroutine[object, object, DeskCall]) -> DeskCall | None:
    try:
        return await call
    except CallFailed:
        return None


async def _done(act: Coroutine[object, object, object]) -> None:
    await act
