"""The gateway's side of the media of one call: orders go out, events come in."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from media.dtmf.sender import PAUSE, TONE, check
from media.process import wire
from media.process.playout_estimator import PlayoutEstimator
from media.process.wire import Kind, Message
from media.rtp.remote_stats import BUFFER
from media.rtp.srtp import Keys
from media.session.format import Format
from media.session.playout import Heard
from media.session.routing import Route

ANSWER_LIMIT = 2.0
"""Seconds that the media process has for an answer."""


class Frames(NamedTuple):
    """Mu-law sound from the other side, complete and in order; `at` is when its last sample arrived.

    All times of events are seconds on the event loop's clock.
    """

    ulaw: bytes
    at: float
    played: bytes = b""
    """Levels of the sound that we sent meanwhile, a byte for each 20 ms: see `media.session.sent_levels`."""


class DtmfDigit(NamedTuple):
    """The other side pressed a key."""

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
    """No sound was received for `seconds`, although the other side had agreed to send."""

    seconds: float
    lost: float
    """Seconds without sound and RTCP: less than `seconds` for a phone that sends only RTCP while it is quiet."""


class Quality(NamedTuple):
    """How well the sound of the last five seconds or so was received. Times are in seconds."""

    mos: float
    """1 to 4.5 (ITU-T G.107); 0 if nothing was received."""
    loss: float
    """Part of the packets, from 0 to 1, that were missing when they were needed."""
    jitter: float
    """Interarrival jitter (RFC 3550 §6.4.1)."""
    buffer: float
    """How long the jitter buffer waits for a late packet now."""
    late_max: float
    """The most by which the media process sent a packet of any of its calls late, since it last reported on a call."""
    remote_delay: float
    """From sending a frame until the other side hears it, an estimate."""


class Recorded(NamedTuple):
    """The recording ended after `seconds`; `problem` is empty if it was ended by an order."""

    seconds: float
    problem: str


class Listened(NamedTuple):
    """100 ms of both sides for live listeners, mu-law: received sound left, sent sound right."""

    stereo: bytes


class Dead(NamedTuple):
    """This channel has ended: the media process died, or a fault in our code ended the call."""

    cause: str


MediaEvent = Frames | DtmfDigit | Started | Finished | NoRtp | Quality | Recorded | Listened | Dead
Sink = Callable[[MediaEvent], None]


class PortsExhausted(Exception):  # noqa: N818  a condition, not a fault
    """Every port of the range is in use."""


class MediaDown(Exception):  # noqa: N818
    """The media process is not running; it is being restarted."""


class Channel:
    """The media of one call. Only `stats` and `opened` wait for the media process."""

    def __init__(self, number: int, sink: Sink, send: Callable[[Message], bool], forget: Callable[[int], None]) -> None:
        self.port = 0
        self.number = number
        """The number for `media.process.engine.MediaEngine.packets`; valid after `close`, too."""
        self.remote_delay = BUFFER
        """Seconds from sending a frame until the other side hears it, estimated from its RTCP."""
        self.mos = 0.0
        """Mean opinion score of the latest interval (about 5 s); 0 if no sound was received in it."""
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
        ice: tuple[str, str] | None = None,
    ) -> None:
        """Begin to exchange sound with `remote`, or follow a re-INVITE; by SRTP if there are `keys`.

        `send` and `receive` are our directions. RTCP goes to `control`: None for the port after that of `remote`, the
        same as `remote` for the RTP port. With `ice`, user name and password of `media.rtp.ice.IceCredentials`, the
        other side may choose another address than `remote`.
        """
        host, port = remote
        wanted = {"format": asdict(form), "host": host, "port": port, "send": send, "receive": receive}
        wanted |= {"control": control, "keys": keys.encode() if keys else None, "ice": ice}
        self._order(Kind.CONNECT, wire.pack_json(wanted))

    def say(self, utterance: int, ulaw: bytes) -> None:
        """Queue mu-law sound; `utterance` numbers start at 1 and never decrease.

        Sound of an utterance that `stop` has discarded is ignored: a voice may still have some on its way.
        """
        if utterance <= self._position.discarded:
            return
        for at in range(0, len(ulaw), 8000):
            piece = ulaw[at : at + 8000]
            if self._order(Kind.SAY, wire.NUMBER.pack(utterance) + piece):
                self._position.said(utterance, len(piece))

    def finish(self, utterance: int) -> None:
        """No more sound of `utterance` follows."""
        self._order(Kind.FINISH, wire.NUMBER.pack(utterance))

    def pause(self) -> None:
        """Be silent within one 20 ms slot, and keep the queue."""
        self._position.pausing()
        self._order(Kind.PAUSE)

    def resume(self) -> None:
        """Continue at the sample where `pause` stopped."""
        self._order(Kind.RESUME)
        self._position.moving(asyncio.get_running_loop().time())

    def stop(self) -> Heard:
        """Be silent within one 20 ms slot and discard the queue; returns how much was heard.

        The result is exact if playout was paused at least one slot before; otherwise it may differ by one slot.
        """
        self._order(Kind.STOP)
        return self._position.stop(asyncio.get_running_loop().time())

    def set_chunk_duration(self, seconds: float, alert: float | None = None) -> None:
        """Get `Frames` of so many seconds each, 0.02 to 0.3; at first it is 0.1.

        If 20 ms of a packet are louder than `alert`, a level in dBm0, the packet and all waiting sound come at once.
        """
        self._order(Kind.CHUNK, wire.chunk(seconds, alert))

    def send_digits(self, keys: str, tone: float = TONE, pause: float = PAUSE) -> None:
        """Press `keys`, each for `tone` seconds with `pause` seconds after it; the queued sound waits meanwhile.

        They are sent as telephone events if those were agreed, else as tones. Raises `ValueError`: see
        `media.dtmf.sender.check`.
        """
        check(keys, tone, pause)
        self._order(Kind.DIGITS, wire.pack_json([keys, tone, pause]))

    def heard(self) -> Heard:
        """Sound that the other side has heard by now, an estimate: all that was sent until `remote_delay` seconds ago.

        Sound that was sent since then is still on its way, and will be heard even after `stop`.
        """
        return self._position.at(asyncio.get_running_loop().time() - self.remote_delay)

    def bridge(self, other: "Channel") -> None:
        """Send to `other` the sound that this channel receives, and the reverse, in place of the queued sound.

        Sounds are not mixed; keys are sent on. No `Frames` of either channel come. The queue waits.
        """
        self._order(Kind.BRIDGE, wire.NUMBER.pack(other.number))

    def confer(self, third: "Channel", routes: Route, music: bytes = b"") -> None:
        """Mix the sound of this channel's caller, of the queue (the agent) and of `third`, as `routes` say.

        A further order changes the routes without a gap. A caller who does not hear the agent hears `music`, mu-law in
        a loop. The queue waits while nobody hears the agent. It ends with either channel, or by `unbridge`.
        """
        self._order(Kind.CONFER, wire.CONFER.pack(third.number, routes) + music[: wire.MAX_BODY - wire.CONFER.size])

    def unbridge(self) -> None:
        """End the bridge or the conference, at both ends, and the music."""
        self._order(Kind.BRIDGE, wire.NUMBER.pack(0))

    def music(self, ulaw: bytes) -> None:
        """Send mu-law sound in a loop in place of the queued sound, until `unbridge` or `bridge`."""
        self._order(Kind.MUSIC, ulaw[: wire.MAX_BODY])

    def ambience(self, ulaw: bytes) -> None:
        """Send mu-law sound in a loop under the queued sound and its silence; empty ends it.

        This sound is not recorded, live listeners do not hear it, and the levels of `Frames` do not count it. It is not
        mixed into a bridge or music.
        """
        self._order(Kind.AMBIENCE, ulaw[: wire.MAX_BODY])

    def thinking(self, ulaw: bytes, after: float) -> None:
        """Send mu-law sound in a loop while `think` is on and nothing was said for `after` seconds; see `ambience`."""
        self._order(Kind.THINKING, (wire.THINKING_AFTER.pack(after) + ulaw)[: wire.MAX_BODY])

    def think(self, *, on: bool) -> None:
        """Note that the caller begins (`on`) or ends to wait for the agent; see `thinking`."""
        self._order(Kind.THINK, bytes([on]))

    def listen(self, *, on: bool) -> None:
        """Begin or end `Listened` events; their sound is silent while recording is paused."""
        self._order(Kind.LISTEN, bytes([on]))

    def record(self, path: str) -> None:
        """Begin to record both directions into a new file (Opus if it ends in ``.opus``, else WAV); see `Recorded`.
        Raises `MediaDown`.
        """
        if not self._order(Kind.RECORD, wire.pack_json({"do": "begin", "path": path})):
            raise MediaDown("the media process is not running")

    def pause_recording(self) -> None:
        """Keep no sound: recordings and live listeners get silence, captures only the headers of packets."""
        self._order(Kind.RECORD, wire.pack_json({"do": "pause"}))

    def resume_recording(self) -> None:
        """Keep sound again. It is not kept before the first call of this method."""
        self._order(Kind.RECORD, wire.pack_json({"do": "resume"}))

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
        """Free the ports; no events follow."""
        self._order(Kind.CLOSE)
        self._forget(self.number)

    async def opened(self) -> None:
        """Wait until the ports are bound."""
        self.port = await self._opened

    def on_message(self, message: Message) -> None:
        """Take a message of the media process."""
        body = message.body
        match message.kind:
            case Kind.SOUND:
                at, utterance, samples, levels = wire.SOUND.unpack_from(body)
                self._position.report(Heard(utterance, samples), at)
                sound = wire.SOUND.size + levels
                self._sink(Frames(body[sound:], at, body[wire.SOUND.size : sound]))
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
                self._sink(DtmfDigit(key.decode(), at))
            case Kind.NO_RTP:
                self._sink(NoRtp(*wire.SILENT.unpack(body)))
            case Kind.RECORDED:
                self._sink(Recorded(**json.loads(body)))
            case Kind.LISTENED:
                self._sink(Listened(body))
            case Kind.QUALITY:
                ended, self.remote_delay, self.mos, loss, jitter, buffer, late = wire.QUALITY.unpack(body)
                if ended:
                    self._sink(Quality(self.mos, loss, jitter, buffer, late, self.remote_delay))
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
        """End the channel: the media process has ended, or could not continue this call. No events follow `Dead`."""
        self._send = _nowhere
        opened = self._opened.done() and not self._opened.cancelled() and self._opened.exception() is None
        _fail(self._opened, MediaDown(cause))
        if self._counts:
            _fail(self._counts, MediaDown(cause))
        if opened:  # otherwise `opened` raises, and another process may take the call
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
