"""The media of one call as the gateway holds it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from media.dtmf.sender import PAUSE, TONE, check
from media.g711 import FRAME_SECONDS
from media.process import wire
from media.process.playout_estimator import PlayoutEstimator
from media.process.wire import Kind, Message
from media.rtp import remote_stats as far
from media.rtp.srtp import Keys
from media.session.playout import Heard
from media.session.session import Format

ANSWER_LIMIT = 2.0
"""Seconds that the media process has for an answer."""


class Frames(NamedTuple):
    """Mu-law sound from the remote side, complete and in order; `at` is when its last sample arrived."""

    ulaw: bytes
    at: float


class Digit(NamedTuple):
    """A key was pressed."""

    key: str
    at: float


class Started(NamedTuple):
    """The first packet of an utterance has left."""

    utterance: int
    at: float


class Finished(NamedTuple):
    """The last sample of a finished utterance has left."""

    utterance: int
    at: float


class NoRtp(NamedTuple):
    """No sound was received for `seconds` although the other side agreed to send: that direction is dead, or silent."""

    seconds: float
    lost: float
    """Seconds without any sign of life; less where RTCP comes on, as of a phone that sends nothing in silence."""


class Quality(NamedTuple):
    """How the last seconds (about five) were received. Times are in seconds."""

    mos: float
    """1 to 4.5 (ITU-T G.107); 0 if nothing was received."""
    loss: float
    """Part of the packets, from 0 to 1, that were missing when they were needed."""
    jitter: float
    """RFC 3550 §6.4.1."""
    buffer: float
    """How long a packet that is late is waited for now."""
    late_max: float
    """By how much a packet of any call was sent too late at most since a call of its media process was rated."""
    far_delay: float
    """From a frame's leaving until the other side hears it, an estimate."""


class Recorded(NamedTuple):
    """The recording ended after `seconds`; `problem` is empty if it was told to."""

    seconds: float
    problem: str


class Listened(NamedTuple):
    """100 ms of both sides for who listens live, mu-law: left what was received, right what was sent."""

    stereo: bytes


class Dead(NamedTuple):
    """This channel is over: the media process died, or a fault of ours ended this call."""

    cause: str


MediaEvent = Frames | Digit | Started | Finished | NoRtp | Quality | Recorded | Listened | Dead
Sink = Callable[[MediaEvent], None]


class PortsExhausted(Exception):  # noqa: N818  a state of the machine, not a fault
    """Every port of the range is in use."""


class MediaDown(Exception):  # noqa: N818
    """The media process is not there; it is being restarted."""


class Channel:
    """The media of one call. No method but `stats` waits for anything."""

    def __init__(self, number: int, sink: Sink, send: Callable[[Message], bool], forget: Callable[[int], None]) -> None:
        self.port = 0
        self.number = number
        """For `media.process.engine.MediaEngine.packets`, after `close` too."""
        self.far_delay = far.BUFFER
        """Seconds from a frame's leaving until the other side hears it, as far as RTCP tells."""
        self.mos = 0.0
        """Of what was received in the latest interval (about 5 s); 0 if that was nothing."""
        self._send = send
        self._forget = forget
        self._sink = sink
        self._opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._counts: asyncio.Future[dict[str, Any]] | None = None
        self._position = PlayoutEstimator()

    def connect(
        self,
        form: Format,
        remote: tuple[str, int],
        *,
        control: tuple[str, int] | None = None,
        keys: Keys | None = None,
        send: bool = True,
        receive: bool = True,
    ) -> None:
        """Begin to exchange sound with `remote`, or follow a re-INVITE; send and receive are ours.

        With `keys` it is SRTP.

        RTCP goes to `control`: None for the port after that of `remote`, the same as `remote` for RTP's own.
        """
        host, port = remote
        wanted = {"format": asdict(form), "host": host, "port": port, "send": send, "receive": receive}
        wanted |= {"control": control, "keys": keys.encode() if keys else None}
        self._order(Kind.CONNECT, wire.pack_json(wanted))

    def say(self, utterance: int, ulaw: bytes) -> None:
        """Queue mu-law sound behind what is queued; `utterance` numbers start at 1 and never decrease.

        Sound that comes for what `stop` has discarded is left out: a voice may have had more on its way.
        """
        if utterance <= self._position.discarded:
            return
        for at in range(0, len(ulaw), 8000):
            piece = ulaw[at : at + 8000]
            if self._order(Kind.SAY, wire.NUMBER.pack(utterance) + piece):
                self._position.said(utterance, len(piece))

    def finish(self, utterance: int) -> None:
        """Tell that `utterance` is complete."""
        self._order(Kind.FINISH, wire.NUMBER.pack(utterance))

    def pause(self) -> None:
        """Go silent within one 20 ms slot and keep the queue."""
        self._position.pausing()
        self._order(Kind.PAUSE)

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._order(Kind.RESUME)
        self._position.moving(asyncio.get_running_loop().time())

    def stop(self) -> Heard:
        """Go silent within one slot, discard the queue; exact if paused since a slot, else within one slot."""
        self._order(Kind.STOP)
        return self._position.stop(asyncio.get_running_loop().time())

    def attend(self, piece: float) -> None:
        """Have `Frames` of so many seconds each, 0.02 to 0.1; at first they have 0.1."""
        self._order(Kind.ATTEND, bytes([round(piece / FRAME_SECONDS)]))

    def send_digits(self, keys: str, tone: float = TONE, pause: float = PAUSE) -> None:
        """Press `keys`, each for `tone` seconds with `pause` seconds after it; what is being said waits meanwhile.

        They leave as telephone events if those were agreed, else as tones. Raises `ValueError` for what is no key.
        """
        check(keys, tone, pause)
        self._order(Kind.DIGITS, wire.pack_json([keys, tone, pause]))

    def heard(self) -> Heard:
        """What the other side has heard by now: what had left `far_delay` seconds ago, an estimate.

        What left since then is still on its way, and will be heard even after `stop`.
        """
        return self._position.at(asyncio.get_running_loop().time() - self.far_delay)

    def bridge(self, other: "Channel", *, heard: bool = False) -> None:
        """Send what is received to `other`, and what `other` receives to us, in place of what is being said.

        Nothing is mixed; keys are pressed again. `Frames` of both come on only if `heard`. What is queued here waits.
        """
        self._order(Kind.BRIDGE, wire.BRIDGE.pack(other.number, heard))

    def unbridge(self) -> None:
        """End the bridge, at both ends; the music too."""
        self._order(Kind.BRIDGE, wire.BRIDGE.pack(0, 0))

    def music(self, ulaw: bytes) -> None:
        """Play mu-law sound in a loop in place of what is being said, until `unbridge` or a bridge."""
        self._order(Kind.MUSIC, ulaw[: wire.MAX_BODY])

    def listen(self, *, on: bool) -> None:
        """Begin, or end, to tell what is exchanged as `Listened`; silent where a recording is paused."""
        self._order(Kind.LISTEN, bytes([on]))

    def record(self, path: str) -> None:
        """Begin to record both directions into a new WAV file; how that ended comes as `Recorded`."""
        self._order(Kind.RECORD, wire.pack_json({"do": "begin", "path": path}))

    def pause_recording(self) -> None:
        """Let no sound be kept or heard by others: recordings and listeners get silence, captures the headers alone."""
        self._order(Kind.RECORD, wire.pack_json({"do": "pause"}))

    def resume_recording(self) -> None:
        """Let sound be kept and heard by others; until this is said for the first time, none is."""
        self._order(Kind.RECORD, wire.pack_json({"do": "resume"}))

    def stop_recording(self) -> None:
        """Finish the recording; `close` does too."""
        self._order(Kind.RECORD, wire.pack_json({"do": "stop"}))

    async def stats(self) -> dict[str, Any]:
        """All counters of the call. Raises `MediaDown`."""
        self._counts = self._counts or asyncio.get_running_loop().create_future()
        if not self._order(Kind.STATS):
            raise MediaDown("the media process is not running")
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await asyncio.shield(self._counts)
        except TimeoutError:
            raise MediaDown("the media process does not answer") from None

    def close(self) -> None:
        """Free the ports; nothing is reported after it."""
        self._order(Kind.CLOSE)
        self._forget(self.number)

    async def opened(self) -> None:
        """Wait until the ports are bound."""
        self.port = await self._opened

    def on_message(self, message: Message) -> None:
        """Take a report of the media process."""
        body = message.body
        match message.kind:
            case Kind.SOUND:
                at, utterance, samples = wire.SOUND.unpack_from(body)
                self._position.report(Heard(utterance, samples), at)
                self._sink(Frames(body[wire.SOUND.size :], at))
            case Kind.MARK:
                at, utterance, begins = wire.MARK.unpack(body)
                if begins:
                    self._position.report(Heard(utterance, 0), at)
                if utterance > self._position.discarded:
                    self._sink(Started(utterance, at) if begins else Finished(utterance, at))
            case Kind.HALTED:
                self._position.halted(Heard(*wire.POSITION.unpack(body)), asyncio.get_running_loop().time())
            case Kind.DIGIT:
                at, key = wire.DIGIT.unpack(body)
                self._sink(Digit(key.decode(), at))
            case Kind.NO_RTP:
                self._sink(NoRtp(*wire.SILENT.unpack(body)))
            case Kind.RECORDED:
                self._sink(Recorded(**json.loads(body)))
            case Kind.LISTENED:
                self._sink(Listened(body))
            case Kind.QUALITY:
                ended, self.far_delay, self.mos, loss, jitter, buffer, late = wire.QUALITY.unpack(body)
                if ended:
                    self._sink(Quality(self.mos, loss, jitter, buffer, late, self.far_delay))
            case _:
                self._on_answer(message)

    def _on_answer(self, message: Message) -> None:
        body = message.body
        match message.kind:
            case Kind.OPENED:
                _settle(self._opened, wire.PORT.unpack(body)[0])
            case Kind.REFUSED:
                _fail(self._opened, PortsExhausted(body.decode()))
            case Kind.COUNTS if self._counts:
                _settle(self._counts, json.loads(body))
                self._counts = None

    def died(self, cause: str) -> None:
        """Nothing follows: the media process is gone, or could not go on with this call."""
        self._send = _nowhere
        _fail(self._opened, MediaDown(cause))
        if self._counts:
            _fail(self._counts, MediaDown(cause))
        self._sink(Dead(cause))

    def _order(self, kind: Kind, body: bytes = b"") -> bool:
        return self._send(Message(kind, self.number, body))


def _nowhere(_: Message) -> bool:
    return False


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
