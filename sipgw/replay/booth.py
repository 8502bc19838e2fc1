"""The media of one call that is played again: what the media process does, on the loop's clock, with packets kept."""

import json
from collections.abc import Sequence

from media import worker_channel
from media.channel import Channel, Sink
from media.schedule import FRAME_SECONDS
from media.session import Digit, Report
from media.tap import Tapped
from media.wire import DIGIT, MARK, SECONDS, Kind, Message
from media.worker import WATCH
from sipgw.replay.clock import now, until


class Booth:
    """Plays packets to a session that is at the other end of a gateway's channel. Nothing is sent anywhere."""

    def __init__(self, packets: Sequence[Tapped], zero: float, sink: Sink) -> None:
        """Times of `packets` count from `zero`; those that went out only tell the moments of the 20 ms clock."""
        self._inside = worker_channel.Channel(1)
        self._arriving = [packet for packet in packets if not packet.out]
        self._zero = zero
        sent = next((packet.at for packet in packets if packet.out and not packet.control), 0.0)
        self._next_slot = zero + sent % FRAME_SECONDS
        self._slot = 0
        self.channel = Channel(1, sink, self._obey, lambda number: None)

    async def run(self) -> None:
        """Play for ever."""
        for packet in self._arriving:
            while self._next_slot <= self._zero + packet.at:
                await self._tick()
            await until(self._zero + packet.at)
            self._receive(packet)
        while True:
            await self._tick()

    async def _tick(self) -> None:
        await until(self._next_slot)
        self._transmit(self._slot)
        self._slot += 1
        self._next_slot += FRAME_SECONDS

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
                self._tell(Kind.NO_RTP, SECONDS.pack(silent))
            if rated := inside.rate(0.0):
                self._tell(Kind.QUALITY, rated)

    def _receive(self, packet: Tapped) -> None:
        at, session = now(), self._inside.session
        if packet.control:
            session.receive_control(packet.data, packet.remote, at)
            return
        sound, event = session.receive(packet.data, packet.remote, at)
        if sound:
            self._hand_up(sound, at)
        if isinstance(event, Digit):
            self._tell(Kind.DIGIT, DIGIT.pack(at, event.key.encode()))
        elif isinstance(event, Report):
            session.receive_control(packet.data, packet.remote, at)

    def _hand_up(self, sound: bytes, at: float) -> None:
        for chunk in self._inside.gather(sound):
            self._tell(Kind.SOUND, self._inside.sound(chunk, at))
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
