"""A trunk on the loopback that can be broken in every way that the doctor knows."""

import asyncio
import contextlib
import functools
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from media.process.engine import MediaOptions
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.srtp import Keys, Srtp
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.sip import sdes
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts
from sipgw.tools.doctor.finding import Finding
from sipgw.tools.doctor.run import ExaminationOptions, examine
from tests.fakes.carriers.carrier import Carrier, Fields
from tests.waiting import HANG, NAMES, patient

PASSWORD = "Z3bra-crossing-77"
Mangle = Callable[[Response], Response]


@dataclass(frozen=True)
class Faults:
    """How the trunk is broken."""

    options: int | None = 200
    """The status of OPTIONS; None for silence."""
    speaks: str = ""
    """The formats in the description with which OPTIONS is answered; empty for no description."""
    register: str = "ok"
    """See `Broken.on_register`."""
    invite: tuple[int, str] = (200, "")
    sdp: str = "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    sound: str = "echo"
    """``echo`` (encrypted, if the description has ``{crypto}``), ``keys`` (an echo under other keys), ``none``,
    ``deaf`` (sends, reports everything lost), ``mute`` (reports, sends nothing), ``lossy`` (an echo,
    reports every fifth packet lost), ``plain``, ``elsewhere`` (an echo from another host)."""
    mangle: Mangle = lambda response: response
    """A SIP-ALG on the way of responses."""
    loops: Callable[[bytes], bytes] | None = None
    """Calls us back with what this makes of our description."""


class Sound(asyncio.DatagramProtocol):
    """The RTP side; RTCP goes over the same port (the answer says so)."""

    def __init__(self, way: str, srtp: Srtp | None) -> None:
        self.way, self.srtp = way, srtp
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.srtp:
            data = self.srtp.unprotect(data, 0.0) or b""
        packet = rtp.parse(data)
        if packet is None:
            return
        if self.way in ("echo", "keys", "lossy"):
            self.transport.sendto(self.srtp.protect(data) if self.srtp else data, addr)
        if self.way == "elsewhere":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.9.42", 0))
                other.sendto(data, addr)
        if self.way in ("deaf", "plain"):
            self.transport.sendto(rtp.build(0, False, packet.sequence, packet.timestamp, 7, b"\xff" * 160), addr)
        if self.way in ("deaf", "mute", "lossy") and packet.sequence % 5 == 1:
            lost = {"deaf": (255, 1000), "mute": (0, 0), "lossy": (51, packet.sequence // 5)}[self.way]
            block = rtcp.ReportBlock(packet.ssrc, *lost, packet.sequence, 0, 0, 0)
            self.transport.sendto(rtcp.ReceiverReport(7, (block,)).encode(), addr)


class Broken(Carrier):
    """The trunk."""

    host = "127.0.9.41"
    realm = "broken.example"
    users = {"acme": PASSWORD}  # noqa: RUF012

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.broken = faults
        self.sounds: list[Sound] = []
        self.last_status = 0
        """With which our call back was answered."""

    def reply(
        self, request: Request, addr: Any, status: int, reason: str = "", headers: Fields = (), body: bytes = b""
    ) -> None:
        kind = "application/sdp" if body else ""
        response = response_to(
            request, status, reason, to_tag=self.token(), headers=headers, body=body, content_type=kind
        )
        self._transport.sendto(self.broken.mangle(response).to_bytes(), addr)

    def on_options(self, request: Request, addr: Any) -> None:
        if self.broken.options is not None:
            body = self._description(f"m=audio 0 RTP/AVP {self.broken.speaks}\r\n") if self.broken.speaks else b""
            self.reply(request, addr, self.broken.options, body=body)

    def on_register(self, request: Request, addr: Any) -> None:
        fault, (contact,) = self.broken.register, request.contacts
        if fault == "silent":
            return
        if fault.isdigit():
            self.reply(request, addr, int(fault))
        elif fault == "bearer":
            self.reply(request, addr, 401, headers=(("WWW-Authenticate", 'Bearer realm="x"'),))
        elif fault == "realms":
            self.realm = self.token()
            self.challenged(request, addr, 401)
        elif fault == "stale":
            value = f'Digest realm="r", nonce="{self.token()}", stale=true, qop="auth"'
            self.reply(request, addr, 401, headers=(("WWW-Authenticate", value),))
        elif self.challenged(request, addr, 401):
            pass
        elif fault == "forbidden":
            self.reply(request, addr, 403, f"Forbidden {PASSWORD}")
        elif fault == "gone":
            self.reply(request, addr, 404)
        elif fault == "brief" and int(request.headers.get("expires") or "0") in range(1, 7200):
            self.reply(request, addr, 423, headers=(("Min-Expires", "7200"),))
        elif fault == "brief for ever":
            self.reply(request, addr, 423, headers=(("Min-Expires", "60"),))
        else:
            shown = {"unbound": "sip:other@192.0.2.9", "rewritten": f"sip:{contact.uri.user}@192.0.2.1:9"}
            expires = 20 if fault == "short" else 3600
            self.reply(
                request, addr, 200, headers=(("Contact", f"<{shown.get(fault, contact.uri)}>;expires={expires}"),)
            )

    def on_invite(self, request: Request, addr: Any) -> None:
        status, reason = self.broken.invite
        if status == 407:
            self.users = {}
            self.challenged(request, addr, 407)
        elif status != 200:
            self.reply(request, addr, status, reason)
        elif self.broken.loops is not None and not self.calls:
            self._tasks.create_task(self._loop(request, addr, self.broken.loops))
        else:
            self._tasks.create_task(self._answer(request, addr))

    async def _loop(self, request: Request, addr: Any, change: Callable[[bytes], bytes]) -> None:
        self.sdp = lambda port: change(request.body)  # type: ignore[method-assign]
        self.last_status, _ = await self.call(str(request.contacts[0].uri), addr)
        await self._answer(request, addr)

    async def _answer(self, request: Request, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        agreed = sdes.chosen(re.findall(r"a=crypto:(.*?)\r\n", request.body.decode()), os.urandom(sdes.SECRET))
        line, srtp = "", None
        if agreed and "{crypto}" in self.broken.sdp:
            ours = os.urandom(len(agreed[1].ours)) if self.broken.sound == "keys" else agreed[1].ours
            line, srtp = agreed[0].attribute(), Srtp(Keys(agreed[1].suite, ours, agreed[1].theirs))
        transport, sound = await loop.create_datagram_endpoint(lambda: Sound(self.broken.sound, srtp), (self.host, 0))
        self.sounds.append(sound)
        port = transport.get_extra_info("sockname")[1]
        body = self._description(self.broken.sdp.format(port=port, crypto=line))
        self.reply(request, addr, 200, headers=(("Contact", f"<sip:{self.place}>"),), body=body)

    def _description(self, media: str) -> bytes:
        return f"v=0\r\no=x 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n{media}".encode()

    def on_bye(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 200)

    async def __aexit__(self, *error: object) -> None:
        for sound in self.sounds:
            sound.transport.close()
        await super().__aexit__(*error)


def via(**changes: Any) -> Mangle:
    """A change of the Via of responses; `params` are set."""

    def mangle(response: Response) -> Response:
        changed = {name: value for name, value in changes.items() if name in ("host", "port")}
        params = dict(response.via.params) | {k: v for k, v in changes.items() if k not in changed}
        top = replace(response.via, params=tuple(params.items()), **changed)
        return replace(response, headers=Headers((("Via", str(top)), *response.headers.without("via"))))

    return mangle


def header(name: str, change: Callable[[str], str]) -> Mangle:
    """A change of a header of responses."""

    def mangle(response: Response) -> Response:
        value = change(response.headers.get(name) or "")
        return replace(response, headers=response.headers.without(name).with_((name, value)))

    return mangle


def date(seconds: float) -> Mangle:
    """A Date that is off."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return lambda response: replace(
        response, headers=response.headers.with_(("Date", moment.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    )


SIP = EndpointOptions("127.0.0.1", 0)
QUICK = DoctorTimeouts(answer=HANG, ring=HANG, listen=0.3)
"""For those who answer, be this machine ever so busy."""
SOME = DoctorTimeouts(answer=5, ring=5, listen=0.3)
"""For those who answer one thing and not another."""
SHORT = DoctorTimeouts(answer=0.4, ring=0.4, listen=0.3)
"""For those who never answer."""


async def diagnosed(
    trunk: TrunkOptions, *, sip: EndpointOptions = SIP, patience: DoctorTimeouts = QUICK, number: str = ""
) -> list[Finding]:
    """What the doctor finds at one trunk."""
    config = GatewayConfig(sip=sip, trunks=(trunk,), media=MediaOptions("127.0.0.1", (41000, 43000)))
    with patient(NAMES if patience is QUICK else ()):
        return [one async for one in examine(config, ExaminationOptions(trunk.name, number, False, patience))]  # type: ignore[arg-type]


def ids(found: list[Finding], *verdicts: str) -> set[str]:
    """Of what is wrong with the trunk."""
    return {one.id for one in found if one.verdict in (verdicts or ("warn", "fail")) and one.about != "this machine"}


def trunk(place: str, **more: Any) -> TrunkOptions:
    """A trunk that registers at `place`."""
    options = {
        "mode": "register",
        "registrar": place,
        "user": "acme",
        "password": PASSWORD,
        "number_format": "as_dialled",
    }
    return TrunkOptions("t", **(options | {"caller_id": "100"} | more))


def peer(place: str, **more: Any) -> TrunkOptions:
    """A trunk that sends its calls to our address."""
    return trunk("", mode="peer", domain=place, networks=("127.0.0.0/8",), **more)


@contextlib.asynccontextmanager
async def broken(faults: Faults) -> AsyncIterator[Broken]:
    async with Broken(faults) as one:
        yield one


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that awaits."""

    @functools.wraps(test)
    def ran(*given: Any, **named: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(HANG):
                await test(*given, **named)

        asyncio.run(limited())

    return ran
