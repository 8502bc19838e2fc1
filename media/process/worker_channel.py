"""One call in the media process."""

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from media.fast import base
from media.g711 import FRAME, RATE, level
from media.process import wire
from media.process.ports import PortPair
from media.process.wire import Kind
from media.recording.stereo import BLOCK, HELD, Recording
from media.recording.tap import Tap
from media.rtp.ice import Component, IceCredentials
from media.rtp.srtp import Keys
from media.session.ambience import Ambience
from media.session.format import Format
from media.session.mixer import Mixer
from media.session.relay import Music
from media.session.routing import Route
from media.session.sent_levels import LEVELS
from media.session.session import RtpSession
from media.session.unheard import Unheard

CHUNK, CHUNK_MAX = 800, 2400
"""Bytes of sound in a message to the gateway: at first (100 ms), and at most. Each message costs the same."""
NO_RTP = (2.0, 10.0, 30.0)
"""Seconds without sound after which the gateway is told; for the last, seconds without sound and without RTCP."""


class CallWatch:
    """Periodic news of a call for the gateway: that nothing is received, and the quality of the sound."""

    __slots__ = ("_rated", "_told", "since", "unheard")

    def __init__(self) -> None:
        self.since = 0.0
        """The time since which sound is expected, in seconds."""
        self._told = 0
        self.unheard = Unheard()
        """Measures how long the other side was not heard although it sent."""
        self._rated = (0.0, float("inf"))

    def begin(self, now: float) -> None:
        """Expect sound from `now` on."""
        self.since, self._told = now, 0

    def silent_for(self, now: float, heard_at: float, told_at: float) -> tuple[float, float] | None:
        """Seconds without sound, and without sound and RTCP, if the gateway is to be told now; else None.

        The last sound came at `heard_at`, the last RTCP at `told_at`.
        """
        silent, lost = now - max(heard_at, self.since), now - max(heard_at, told_at, self.since)
        if self._told and silent < NO_RTP[self._told - 1]:
            self._told = 0
        elif self._told < len(NO_RTP) and (silent, lost)[self._told == len(NO_RTP) - 1] >= NO_RTP[self._told]:
            self._told += 1
            return silent, lost
        return None

    def quality(self, session: RtpSession, late_max: float) -> bytes:
        """The body of a `Kind.QUALITY` message if there is something new to tell; else nothing.

        `late_max` is in seconds: see `media.process.channel.Quality`.
        """
        rtcp, inbound = session.rtcp, session.inbound
        latest = rtcp.meter.latest
        rated = rtcp.remote.delay, rtcp.meter.deadline
        if rated == self._rated:
            return b""
        ended, self._rated = self._rated[1] < rated[1], rated
        scores = (latest.mos, latest.loss) if latest else (0.0, 0.0)
        buffer = inbound.received.jitter / RATE, inbound.jitter.hole_wait
        return wire.QUALITY.pack(ended, rated[0], *scores, *buffer, late_max)


class WorkerChannel(base.Channel):
    """One call: its ports, its session, and the sound that was not handed to the gateway yet."""

    __slots__ = ("partner", "paused", "ports", "tape", "watch")
    ports: PortPair
    """The ports of the call, set by the worker; a replayed call has none."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.session = RtpSession(
            random.SystemRandom().getrandbits, time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
        )
        self.chunk = b""
        self.chunk_size = CHUNK
        """Bytes of sound handed to the gateway at a time."""
        self.alert = 0
        """Received sound that is louder is handed on at once: -dBm0; 0 for none."""
        self.watch_at = 0.0
        """The time of the next check of the call: see `CallWatch`."""
        self.watch = CallWatch()
        self.paused = True
        """Whether sound must neither be kept nor reach listeners. True until the gateway allows it; recordings that
        begin meanwhile are paused, too."""
        self.tape = 0
        """Number of the recording; 0 for none."""
        self.tap: Tap | None = None
        self.partner: WorkerChannel | None = None
        """The other side of a bridge or a conference."""
        self.heard = True
        """Whether the gateway gets the sound."""

    def connect(self, wanted: dict[str, Any], now: float) -> None:
        """Exchange sound as the gateway wants it: see `media.process.channel.Channel.connect`."""
        self.watch.since = now
        self.session.connect(
            Format(**wanted["format"]),
            (wanted["host"], wanted["port"]),
            now,
            control=tuple(wanted["control"]) if wanted["control"] else None,
            keys=Keys.decode(wanted["keys"]) if wanted["keys"] else None,
            send=wanted["send"],
            receive=wanted["receive"],
            ice=IceCredentials(*wanted["ice"]) if wanted.get("ice") else None,
        )

    def checked(self, sock: socket.socket, data: bytes, sender: tuple[str, int], now: float) -> bool:
        """Answer a connectivity check of ICE on the socket that it came in on; returns whether `data` was one."""
        component = Component.RTP if sock is self.ports.rtp else Component.RTCP
        reply = self.session.check(data, sender, now, component)
        if reply:
            with contextlib.suppress(OSError):  # unreachable: the other side will ask again
                sock.sendto(reply, sender)
        return reply is not None

    def play(self, kind: int, body: bytes) -> bytes:
        """Carry out an order about sound to send or to hand up. Returns the position if playout pauses."""
        playout = self.session.playout
        match kind:
            case Kind.SAY:
                playout.say(wire.NUMBER.unpack_from(body)[0], body[wire.NUMBER.size :])
            case Kind.FINISH:
                playout.finish(*wire.NUMBER.unpack(body))
            case Kind.PAUSE:
                return wire.POSITION.pack(*playout.pause())
            case Kind.RESUME:
                playout.resume()
            case Kind.STOP:
                playout.stop()
            case Kind.DIGITS:
                self.session.digits.send(*json.loads(body))
            case Kind.AMBIENCE:
                self.session.sent_levels.backdrop.ambience = Ambience(body) if len(body) >= FRAME else None
            case Kind.THINKING:
                after = wire.THINKING_AFTER
                self.session.sent_levels.backdrop.while_thinking(body[after.size :], *after.unpack_from(body))
            case Kind.THINK:
                self.session.sent_levels.backdrop.thinks = any(body)
            case Kind.CHUNK:
                frames, self.alert = wire.CHUNK.unpack(body)
                self.chunk_size = min(max(1, frames) * FRAME, CHUNK_MAX)
        return b""

    def gather(self, sound: bytes, *, behind: bool = False) -> Sequence[tuple[bytes, bytes]]:
        """Take received sound; returns the chunks that are complete, larger ones if the gateway is `behind`.

        20 ms that are louder than `alert` complete a chunk, unless the gateway is behind. Each chunk comes with
        the levels of the sound that we sent meanwhile: see `media.session.sent_levels`.
        """
        chunk, size = self.chunk + sound, self.chunk_size
        if behind:
            size = max(size, CHUNK)
        elif self.alert and self._alerts(sound):
            size = FRAME
        if len(chunk) < size:
            self.chunk = chunk
            return ()
        whole = len(chunk) - len(chunk) % size
        played = self.session.sent_levels.take(whole // FRAME)
        ready = [
            (chunk[at : min(at + CHUNK_MAX, whole)], played[at // FRAME : (at + CHUNK_MAX) // FRAME])
            for at in range(0, whole, CHUNK_MAX)
        ]
        self.chunk = chunk[whole:]
        return ready

    def _alerts(self, sound: bytes) -> bool:
        """Whether any 20 ms of `sound` are louder than `alert`; the rest of a long packet may be quiet."""
        for at in range(0, len(sound), FRAME):  # noqa: SIM110  a generator takes twice the time
            if LEVELS[level(sound[at : at + FRAME])] < self.alert:
                return True
        return False

    def pause(self, *, on: bool) -> None:
        """Stop (`on`) keeping sound and giving it to listeners, or go on."""
        self.paused = on
        if self.tap:
            self.tap.muted = on
        for one in (self.session.recording, self.session.live):
            if one:
                (one.pause if on else one.resume)()
        if mixer := self.session.mixer:
            mixer.muted = on

    def begin(self, held: int = HELD, block: int = BLOCK) -> Recording:
        """A new recording, or sound for live listeners; silent while sound may not be kept."""
        recording = Recording(held, block)
        recording.paused = self.paused
        return recording

    def keys_in(self, chunk: bytes) -> list[str]:
        """Keys that sound in `chunk`, if they are looked for."""
        tones = self.session.inbound.tones
        return list(tones.receive(chunk)) if tones else []

    def silent_for(self, now: float) -> tuple[float, float] | None:
        """Seconds without sound, and without sound and RTCP, if the gateway is to be told now; else None."""
        session, watch = self.session, self.watch
        since = watch.since if session.expects_sound else now
        watch.unheard.look(now, since, session.inbound.heard_at, session.inbound.refused.sound, session.rtcp.remote)
        if not session.receiving:
            watch.begin(now)
            return None
        return watch.silent_for(now, session.inbound.heard_at, session.rtcp.remote.told_at)

    def stats(self) -> dict[str, Any]:
        """All counters, by name."""
        unheard = self.watch.unheard.seconds
        return self.session.stats() | ({"unheard": round(unheard, 1)} if unheard else {})

    def join(self, kind: int, body: bytes, find: Callable[[int], "WorkerChannel | None"]) -> None:
        """Carry out an order about whom this side hears; `find` gives a channel by its number."""
        match kind:
            case Kind.BRIDGE:
                self.bridge(find(*wire.NUMBER.unpack(body)))
            case Kind.CONFER:
                number, routes = wire.CONFER.unpack_from(body)
                self.confer(find(number), Route(routes), body[wire.CONFER.size :])
            case Kind.MUSIC:
                self.part()
                self.session.relay = Music(body) if body else None

    def bridge(self, other: "WorkerChannel | None") -> None:
        """Send to each of the two sides the sound that the other receives; the gateway does not get this sound. None
        ends the bridge."""
        if other is None or other is self:
            self.part()
            return
        for one in (self, other):
            one.part()
            one.heard = False
        self.partner, other.partner = other, self
        self.session.relay, other.session.relay = other.session.inbound.listen(), self.session.inbound.listen()

    def confer(self, other: "WorkerChannel | None", routes: Route, music: bytes = b"") -> None:
        """Be the caller in a conference with the agent and `other`: see `media.session.mixer`."""
        if other is None or other is self:
            self.part()
            return
        mixer = self.session.mixer
        if mixer is None or self.partner is not other:
            self.part()
            other.part()
            self.partner, other.partner = other, self
            mixer = Mixer(self.session.inbound, other.session.inbound, self.session.counts)
            self.session.relay, other.session.relay = mixer, mixer.third_side()
        mixer.muted = self.paused
        mixer.route(routes, music)
        other.heard = bool(routes & Route.THIRD_APART)

    @property
    def key_partner(self) -> "WorkerChannel | None":
        """The channel to which the keys of this side are sent on; None if to none."""
        other = self.partner
        mixer = self.session.mixer or (other.session.mixer if other else None)
        return other if mixer is None or mixer.relays_keys else None

    def part(self) -> None:
        """End the bridge or the conference, if there is one, and the music: the agent's sound is sent again."""
        self.session.relay = self.session.inbound.listener = None
        other, self.partner, self.heard = self.partner, None, True
        if other is not None:
            other.part()

    def end_tap(self) -> None:
        """Keep no more packets."""
        if self.tap:
            self.tap.end()
