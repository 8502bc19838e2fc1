"""A scripted caller: real SIP and RTP, controlled by a script that reacts to the agent's sound."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from agent.ulaw import from_linear, level, to_linear
from media.process import channel as media
from media.process.engine import MediaEngine, MediaOptions
from media.session.format import Format
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended, ReferRequested
from sipgw.sip.leg import Leg
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.sdp import UNKNOWN
from sipgw.sip.tls import TlsOptions
from sipgw.sip.uri import Uri

QUIET = 0.8
"""Seconds of silence after which the caller assumes that the agent has finished."""
AUDIBLE = 120.0
"""Root mean square of the agent's sound above which the caller hears it."""
NOISE = 60
"""Amplitude of the line noise under the caller's voice (16-bit scale)."""
STEP = 0.02
"""Seconds between two questions to the script."""


class Say(NamedTuple):
    """The caller says mu-law sound."""

    sound: bytes


class Press(NamedTuple):
    """The caller presses keys."""

    keys: str


class HangUp(NamedTuple):
    """The caller hangs up."""


Action = Say | Press | HangUp


class SoundSpan(NamedTuple):
    """Begin and end of a stretch of sound, in seconds on the loop's clock."""

    begin: float
    end: float


@dataclass
class AgentAudioMonitor:
    """Speech of the agent as the caller hears it. Sans-IO."""

    sound: bytes = b""
    speech: list[SoundSpan] = field(default_factory=list)
    """Stretches of the agent's speech; a pause of less than 200 ms does not end one."""
    spoken_until: float = 0.0
    """The time at which the caller's own last words end."""

    PARTING = 0.2

    def hear(self, ulaw: bytes, at: float) -> None:
        """Take sound whose last sample arrived at `at`."""
        self.sound += ulaw
        if level(ulaw) <= AUDIBLE:
            return
        begin = at - len(ulaw) / 8000
        if self.speech and begin - self.speech[-1].end < self.PARTING:
            self.speech[-1] = SoundSpan(self.speech[-1].begin, at)
        else:
            self.speech.append(SoundSpan(begin, at))

    @property
    def sounds_at(self) -> float:
        """The time at which the agent was last heard; 0 if it never was."""
        return self.speech[-1].end if self.speech else 0.0

    @property
    def answered(self) -> bool:
        """Whether the agent has been heard since the caller's last words."""
        return self.sounds_at > self.spoken_until

    @property
    def began_at(self) -> float:
        """The time at which the agent's present speech began, after a pause or after the caller's words."""
        began = self.sounds_at
        for span in reversed(self.speech):
            if began - span.end > QUIET or span.end < self.spoken_until:
                break
            began = max(span.begin, self.spoken_until)
        return began

    def speaking(self, now: float) -> bool:
        """Whether the agent has begun to speak and has not finished at the time `now`."""
        return now - self.sounds_at < QUIET


class Script(Protocol):
    """The script of a caller. Its method `next` is called every 20 ms."""

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Action | None:
        """The caller's action at the time `now`; None: the caller does nothing."""
        ...


@dataclass
class Call:
    """A call as the caller experienced it. Times are on the loop's clock."""

    agent_audio: AgentAudioMonitor = field(default_factory=AgentAudioMonitor)
    said: bytes = b""
    """The caller's own sound, sample by sample at the same time as the sound that was heard."""
    utterances: list[SoundSpan] = field(default_factory=list)
    dialled: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    ending: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    """Counters of the caller's own media plane."""


class MediaRelay(Protocol):
    """A relay between the caller's media and the network."""

    async def between(self, port: int) -> int:
        """The port that the offer names instead of `port`, the caller's own one."""
        ...

    def onward(self, remote: tuple[str, int]) -> tuple[str, int]:
        """The address for the caller's packets, if the other side is at `remote`."""
        ...


class CallerPhone:
    """The SIP endpoint and the media process of callers. Use it as an async context manager."""

    def __init__(self, host: str = "127.0.0.1", tls: TlsOptions | None = None) -> None:
        options = EndpointOptions(host=host, port=0, tcp=False, tls=tls or TlsOptions())
        self.endpoint = Endpoint(options, _refuse, lambda *_: DROP)
        self.engine = MediaEngine(MediaOptions(bind_host=host, port_range=(40000, 44000)))

    async def __aenter__(self) -> "CallerPhone":
        await self.endpoint.__aenter__()
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.__aexit__(None, None, None)
        await self.endpoint.__aexit__(None, None, None)

    async def call(
        self, target: Uri, script: Script, limit: float, call: Call | None = None, relay: MediaRelay | None = None
    ) -> Call:
        """Hold a conversation of `limit` seconds at most. Raises `CallFailed`, `NotAcceptable`, `MediaDown`."""
        call = call or Call()
        channel = await self.engine.open(lambda event: _hear(call, event))
        try:
            async with placed(self.endpoint, target, channel.port, call, relay) as (leg, agreed):
                form = Format(
                    agreed.encoding, agreed.payload_type, agreed.dtmf_payload_type, dtmf_received=agreed.dtmf_received
                )
                remote = (agreed.remote_address, agreed.remote_port)
                onward = relay.onward(remote) if relay else remote
                control = onward if agreed.control == remote else agreed.control
                channel.connect(form, onward, control=control)
                await _hold(call, leg, channel, script, limit)
            with contextlib.suppress(media.MediaDown):
                call.stats = await channel.stats()
        finally:
            channel.close()
        return call


@contextlib.asynccontextmanager
async def placed(
    endpoint: Endpoint, target: Uri, port: int, call: Call, relay: MediaRelay | None = None
) -> AsyncIterator[tuple[Leg, Negotiated]]:
    """Call `target` with sound at `port`, and hang up at the end of the block."""
    now = asyncio.get_running_loop().time
    hops = await endpoint.locate(target)
    host = endpoint.contact_host(hops[0]) if hops else "127.0.0.1"
    local = LocalMedia(UNKNOWN, await relay.between(port) if relay else port, tls=bool(hops) and hops[0].secure)
    call.dialled = now()
    leg, reply = await endpoint.invite(target, f"<{Uri('sip', 'caller', host)}>", make_offer(local))
    call.answered = call.agent_audio.spoken_until = now()
    try:
        yield leg, accept_answer(leg.local, reply or b"", local.as_sent(leg.local))
    finally:
        leg.hangup()
        await leg.over(2.0)
        call.ended = now()


async def _hold(call: Call, leg: Leg, channel: media.Channel, script: Script, limit: float) -> None:
    leg.let_refer()
    try:
        async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
            following = group.create_task(_follow(call, leg, channel, script))
            async for event in leg.events():
                if isinstance(event, ReferRequested):  # as if the person had answered
                    call.ending = "the caller was handed over"
                    leg.report_refer(200, "OK")
                elif isinstance(event, Ended):
                    call.ending = call.ending or f"the other side: {event.how}"
            following.cancel()
    except TimeoutError:
        call.ending = f"the call did not end within {limit:g} s"


async def _follow(call: Call, leg: Leg, channel: media.Channel, script: Script) -> None:
    now, number = asyncio.get_running_loop().time, 0
    while True:
        await asyncio.sleep(STEP)
        match script.next(now(), call.agent_audio):
            case Say(sound):
                number += 1
                begin = max(now(), call.agent_audio.spoken_until)
                call.agent_audio.spoken_until = begin + len(sound) / 8000
                call.utterances.append(SoundSpan(begin, call.agent_audio.spoken_until))
                call.said += b"\xff" * max(0, int((begin - call.answered) * 8000) - len(call.said)) + sound
                channel.say(number, sound)
                channel.finish(number)
            case Press(keys):
                channel.send_digits(keys)
                call.agent_audio.spoken_until = now() + 0.2 * len(keys)
            case HangUp():
                call.ending = "the caller hung up"
                leg.hangup()
                return
            case None:
                pass


def _hear(call: Call, event: media.MediaEvent) -> None:
    if isinstance(event, media.Frames):
        call.agent_audio.hear(event.ulaw, event.at)


def with_noise(ulaw: bytes) -> bytes:
    """The sound with the noise of a telephone line, the same every time."""
    source = random.Random(8000)
    linear = memoryview(bytearray(to_linear(ulaw))).cast("h")
    for at, sample in enumerate(linear):
        linear[at] = max(-32768, min(32767, sample + source.randint(-NOISE, NOISE)))
    return from_linear(linear.tobytes())


def _refuse(leg: Leg) -> None:
    leg.reject(403)
