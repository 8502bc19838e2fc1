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
from media.session.session import Format, RtpSession

CHUNK = 800
"""Bytes of sound handed up at a time (100 ms) unless the gateway attends more closely; each time costs it as much."""
NO_RTP = (2.0, 10.0, 30.0)
"""Seconds without sound at which the gateway is told; the last, without any sign of life."""


class SilenceWatch:
    """Since when a call has received nothing, and whether the gateway knows."""

    __slots__ = ("_told", "since")

    def __init__(self) -> None:
        self.since = 0.0
        self._told = 0

    def begin(self, now: float) -> None:
        """Nothing is expected before `now`."""
        self.since, self._told = now, 0

    def silent_for(self, now: float, heard_at: float, told_at: float) -> tuple[float, float] | None:
        """Seconds without sound, and without a sign of life, when they are to be told.

        The last sound came at `heard_at`, the last report at `told_at`.
        """
        silent, lost = now - max(heard_at, self.since), now - max(heard_at, told_at, self.since)
        if self._told and silent < NO_RTP[self._told - 1]:
            self._told = 0
        elif self._told < len(NO_RTP) and (silent, lost)[self._told == len(NO_RTP) - 1] >= NO_RTP[self._told]:
            self._told += 1
            return silent, lost
        return None


class WorkerChannel:
    """One call: its ports, its session, and the sound not handed up yet."""

    __slots__ = (
        "chunk",
        "grain",
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
    """Set by the worker; a call that is played again has none."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.session = RtpSession(
            random.SystemRandom().getrandbits, time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
        )
        self.chunk = bytearray()
        self.grain = CHUNK
        """Bytes of sound handed up at a time."""
        self.watch_at = 0.0
        self.watch = SilenceWatch()
        self.paused = True
        """Whether nothing may be kept or heard by others, until the gateway says that it may; also of what is begun
        meanwhile."""
        self.rated = (0.0, float("inf"))
        self.tape = 0
        """The number of the recording; 0 for none."""
        self.tap: Tap | None = None
        self.partner: WorkerChannel | None = None
        """The other side of a bridge."""
        self.heard = True
        """Whether the gateway gets the sound."""

    def connect(self, wanted: dict[str, Any], now: float) -> None:
        """Exchange sound as the gateway wants it: see `media.process.channel.WorkerChannel.connect`."""
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
        """Obey an order about what is said; returns where it halted, if it was one to halt."""
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
            case Kind.ATTEND:
                self.grain = min(max(1, *body) * FRAME, CHUNK)
        return b""

    def gather(self, sound: bytes, *, behind: bool = False) -> Sequence[bytes]:
        """Take sound that was received; returns what is to be handed up, in few pieces if the gateway is `behind`."""
        chunk, grain = self.chunk, CHUNK if behind else self.grain
        chunk += sound
        if len(chunk) < grain:
            return ()
        whole = len(chunk) - len(chunk) % grain
        ready = [bytes(chunk[at : min(at + CHUNK, whole)]) for at in range(0, whole, CHUNK)]
        del chunk[:whole]
        return ready

    def pause(self, *, on: bool) -> None:
        """Keep nothing from here on, and let nobody else hear it, or go on."""
        self.paused = on
        if self.tap:
            self.tap.muted = on
        for one in (self.session.recording, self.session.live):
            if one:
                (one.pause if on else one.resume)()

    def begin(self, held: int = HELD, block: int = BLOCK) -> Recording:
        """What is begun to be recorded or heard by others, silent if nothing may be."""
        recording = Recording(held, block)
        recording.paused = self.paused
        return recording

    def keys_in(self, chunk: bytes) -> list[str]:
        """Keys that sound in it, if they are listened for."""
        tones = self.session.inbound.tones
        return list(tones.receive(chunk)) if tones else []

    def silent_for(self, now: float) -> tuple[float, float] | None:
        """Seconds without sound, and without any sign of life, when the gateway is to be told."""
        session = self.session
        if not session.receiving:
            self.watch.begin(now)
            return None
        return self.watch.silent_for(now, session.inbound.heard_at or 0.0, session.control.far.told_at)

    def rate(self, late_max: float) -> bytes:
        """The body of the message that tells the quality, if it is known better than before."""
        control, inbound = self.session.control, self.session.inbound
        latest = control.meter.latest
        rated = control.far.delay, control.meter.deadline
        if rated == self.rated:
            return b""
        ended, self.rated = self.rated[1] < rated[1], rated
        scores = (latest.mos, latest.loss) if latest else (0.0, 0.0)
        buffer = inbound.reception.jitter / RATE, inbound.jitter.hole_wait
        return wire.QUALITY.pack(ended, rated[0], *scores, *buffer, late_max)

    def bridge(self, other: "WorkerChannel | None", *, heard: bool) -> None:
        """Join with `other`, or with nobody any more; `heard`, whether the gateway still gets the sound of both."""
        if other is None or other is self:
            self.part()
            return
        for one in (self, other):
            one.part()
            one.heard = heard
        self.partner, other.partner = other, self
        one, two = self.session, other.session
        one.relay, two.relay = two.inbound.listen(), one.inbound.listen()

    def end_tap(self) -> None:
        """Keep no more packets."""
        if self.tap:
            self.tap.end()

    def part(self) -> None:
        """End the bridge, if there is one, and the music."""
        self.session.relay = self.session.inbound.listener = None
        other, self.partner, self.heard = self.partner, None, True
        if other is not None:
            other.part()
