"""The media of one replayed call: the work of the media process, on the loop's clock, with recorded packets."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from contextvars import Context

from media.g711 import FRAME_SECONDS
from media.process import worker_channel
from media.process.channel import Channel, Sink
from media.process.wire import DIGIT, MARK, SILENT, SOUND, Kind, Message
from media.process.worker import WATCH
from media.recording.tap import Tapped
from media.session.session import KeyPress, RtcpReceived
from sipgw.tools.replay.clock import now


class MediaHarness:
    """Plays recorded packets to the media session of a channel. Nothing is sent to the network."""

    def __init__(self, packets: Sequence[Tapped], zero: float, sink: Sink) -> None:
        """Times of `packets` count from `zero`. Packets that we sent only give the times of the 20 ms slots."""
        self._inside = worker_channel.WorkerChannel(1)
        self._arriving = deque(packet for packet in packets if not packet.out)
        self._zero = zero
        sent = next((packet.at for packet in packets if packet.out and not packet.control), 0.0)
        self._next_slot = zero + sent % FRAME_SECONDS
        self._slot = 0
        self._timer: asyncio.TimerHandle | None = None
        self._context = Context()
        self.channel = Channel(1, sink, self._obey, lambda number: None)

    def start(self, context: Context) -> None:
        """Begin to play, in `context`."""
        self._context = context
        self._wait()

    def stop(self) -> None:
        """Stop playing."""
        if self._timer:
            self._timer.cancel()

    def _wait(self) -> None:
        due = min(self._next_slot, self._zero + self._arriving[0].at) if self._arriving else self._next_slot
        self._timer = asyncio.get_running_loop().call_at(due, self._step, context=self._context)

    def _step(self) -> None:
        """Take the next packet that arrives, or send the packet of the slot that is due."""
        if self._arriving and self._zero + self._arriving[0].at < self._next_slot:
            self._receive(self._arriving.popleft())
        else:
            self._transmit(self._slot)
            self._slot += 1
            self._next_slot += FRAME_SECONDS
        self._wait()

    def _transmit(self, slot: int) -> None:
        inside, at = self._inside, now()
        session = inside.session
        _, marks = session.transmit(slot, at)
        for mark in marks:
            self._tell(Kind.MARK, MARK.pack(at, mark.utterance, mark.begins))
        if sound := session.poll(at):
            self._hand_up(sound, at)
        if at >= inside.watch_at:
            if at >= session.deadline:
                session.handle_timer(at)
            inside.watch_at = min(at + WATCH, session.deadline)
            if silent := inside.silent_for(at):
                self._tell(Kind.NO_RTP, SILENT.pack(*silent))
            if rated := inside.watch.quality(session, 0.0):
                self._tell(Kind.QUALITY, rated)

    def _receive(self, packet: Tapped) -> None:
        at, session = now(), self._inside.session
        if packet.control:
            session.receive_rtcp(packet.data, packet.remote, at)
            return
        sound, event = session.receive(packet.data, packet.remote, at)
        if sound:
            self._hand_up(sound, at)
        if isinstance(event, KeyPress):
            self._tell(Kind.DIGIT, DIGIT.pack(at, event.key.encode()))
        elif isinstance(event, RtcpReceived):
            session.receive_rtcp(packet.data, packet.remote, at)

    def _hand_up(self, sound: bytes, at: float) -> None:
        for chunk, played in self._inside.gather(sound):
            position = self._inside.session.playout.position
            self._tell(Kind.SOUND, SOUND.pack(at, *position, len(played)) + played + chunk)
            for key in self._inside.keys_in(chunk):
                self._tell(Kind.DIGIT, DIGIT.pack(at, key.encode()))

    def _tell(self, kind: Kind, body: bytes) -> None:
        self.channel.on_message(Message(kind, 1, body))

    def _obey(self, message: Message) -> bool:
        match message.kind:
            case Kind.CONNECT:
                self._inside.connect(json.loads(message.body), now())
                self._inside.watch_at = min(self._inside.watch_at, self._inside.session.deadline)
            case kind:
                if halted := self._inside.play(kind, message.body):
                    self._tell(Kind.HALTED, halted)
        return True
