"""One call in the media process."""

import json
import random
import time
from collections.abc import Sequence
from typing import Any

from media.g711 import FRAME, RATE
from media.process import wire
from media.process.ports import PortPair
from media.process.wire import Kind
from media.recording.stereo import BLOCK, HELD, Recording
from media.recording.tap import Tap
from media.rtp.srtp import Keys
from media.session.ambience import Ambience
from media.session.format import Format
from media.session.session import RtpSession

CHUNK_MAX = 800
"""Bytes of sound handed to the gateway at a time (100 ms) unless it asks for less; each message costs it the same."""
NO_RTP = (2.0, 10.0, 30.0)
"""Seconds without sound after which the gateway is told; for the last, seconds without sound and without RTCP."""


class SilenceWatch:
    """Since when a call has received nothing, and whether the gateway was told."""

    __slots__ = ("_told", "since")

    def __init__(self) -> None:
        self.since = 0.0
        self._told = 0

    def begin(self, now: float) -> None:
        """Nothing was expected before `now`."""
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


class WorkerChannel:
    """One call: its ports, its session, and the sound that was not handed to the gateway yet."""

    __slots__ = (
        "chunk",
        "chunk_size",
        "heard",
        "number",
        "partner",
        "paused",
        "ports",
        "rated",
        "session",
        "tap",
        "tape",
        "watch",
        "watch_at",
    )
    ports: PortPair
    """Set by the worker; a call that is replayed has none."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.session = RtpSession(
            random.SystemRandom().getrandbits, time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
        )
        self.chunk = bytearray()
        self.chunk_size = CHUNK_MAX
        """Bytes of sound handed to the gateway at a time."""
        self.watch_at = 0.0
        """When the call is looked at next: see `silent_for` and `rate`."""
        self.watch = SilenceWatch()
        self.paused = True
        """Whether sound may not be kept or heard by others. It may not until the gateway says that it may; that holds
        for recordings that begin meanwhile too."""
        self.rated = (0.0, float("inf"))
        self.tape = 0
        """Number of the recording; 0 for none."""
        self.tap: Tap | None = None
        self.partner: WorkerChannel | None = None
        """The other side of a bridge."""
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
        )

    def play(self, kind: int, body: bytes) -> bytes:
        """Carry out an order about the sound that is sent or handed up; returns the position if playout paused."""
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
                self.chunk_size = min(max(1, *body) * FRAME, CHUNK_MAX)
        return b""

    def gather(self, sound: bytes, *, behind: bool = False) -> Sequence[tuple[bytes, bytes]]:
        """Take received sound; returns the chunks that are complete, larger ones if the gateway is `behind`.

        With each comes how loud the sound was that we sent meanwhile: see `media.session.sent_levels`.
        """
        chunk, size = self.chunk, CHUNK_MAX if behind else self.chunk_size
        chunk += sound
        if len(chunk) < size:
            return ()
        whole = len(chunk) - len(chunk) % size
        played = self.session.sent_levels.take(whole // FRAME)
        ready = [
            (bytes(chunk[at : min(at + CHUNK_MAX, whole)]), played[at // FRAME : (at + CHUNK_MAX) // FRAME])
            for at in range(0, whole, CHUNK_MAX)
        ]
        del chunk[:whole]
        return ready

    def pause(self, *, on: bool) -> None:
        """Stop keeping sound and letting others hear it, or go on."""
        self.paused = on
        if self.tap:
            self.tap.muted = on
        for one in (self.session.recording, self.session.live):
            if one:
                (one.pause if on else one.resume)()

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
        session = self.session
        if not session.receiving:
            self.watch.begin(now)
            return None
        return self.watch.silent_for(now, session.inbound.heard_at or 0.0, session.rtcp.remote.told_at)

    def rate(self, late_max: float) -> bytes:
        """The body of a `Kind.QUALITY` message if there is something new to tell; else nothing.

        `late_max` is in seconds: see `media.process.channel.Quality`.
        """
        rtcp, inbound = self.session.rtcp, self.session.inbound
        latest = rtcp.meter.latest
        rated = rtcp.remote.delay, rtcp.meter.deadline
        if rated == self.rated:
            return b""
        ended, self.rated = self.rated[1] < rated[1], rated
        scores = (latest.mos, latest.loss) if latest else (0.0, 0.0)
        buffer = inbound.received.jitter / RATE, inbound.jitter.hole_wait
        return wire.QUALITY.pack(ended, rated[0], *scores, *buffer, late_max)

    def bridge(self, other: "WorkerChannel | None", *, heard: bool) -> None:
        """Send to each of the two the sound that the other receives; None ends the bridge.

        `heard`: whether the gateway still gets the sound of both.
        """
        if other is None or other is self:
            self.part()
            return
        for one in (self, other):
            one.part()
            one.heard = heard
        self.partner, other.partner = other, self
        self.session.relay, other.session.relay = other.session.inbound.listen(), self.session.inbound.listen()

    def part(self) -> None:
        """End the bridge, if there is one, and the music: the agent's sound is sent again."""
        self.session.relay = self.session.inbound.listener = None
        other, self.partner, self.heard = self.partner, None, True
        if other is not None:
            other.part()

    def end_tap(self) -> None:
        """Keep no more packets."""
        if self.tap:
            self.tap.end()
