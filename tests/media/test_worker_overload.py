"""A media process that has more to send than time: it is late, but it hears and answers."""

import contextlib
import socket
import threading
import time
from dataclasses import asdict

import pytest

from media.g711 import SILENCE
from media.process import wire
from media.process.schedule import TICK
from media.process.wire import Kind, Message
from media.process.worker import Worker
from media.process.worker_channel import WorkerChannel
from media.recording.tap import TapOptions


def test_a_process_that_never_catches_up_still_takes_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be taken for one that stands still, and be killed with all its calls."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    worker, reader = Worker(theirs), wire.Reader()
    monkeypatch.setattr(worker, "_transmit", lambda phase, slot: time.sleep(2.5 * TICK))
    running = threading.Thread(target=worker.run, daemon=True)
    running.start()

    def answered(order: Message, kind: Kind) -> bool:
        ours.sendall(order.encode())
        while True:
            if any(message.kind == kind for message in reader.feed(ours.recv(65536))):
                return True

    wanted = {"host": "127.0.0.1", "first": 30000, "last": 31999, "dscp": 0, "tap": asdict(TapOptions())}
    assert answered(Message(Kind.OPEN, 1, wire.pack_json(wanted)), Kind.OPENED)
    time.sleep(10 * TICK)  # by now it is behind for good
    assert answered(Message(Kind.PING, 0), Kind.PONG)
    ours.close()
    running.join(20)
    assert not running.is_alive()


def test_a_gateway_that_is_behind_gets_sound_in_few_large_pieces() -> None:
    """Each piece costs it as much as the sound: with many small ones it would never catch up."""
    ours, theirs = socket.socketpair()
    worker, reader = Worker(theirs), wire.Reader()
    theirs.setblocking(False)
    ours.setblocking(False)
    worker._channels[1] = channel = WorkerChannel(1)
    channel.play(Kind.CHUNK, b"\x01\0")

    def handed_up(frames: int) -> list[int]:
        """Milliseconds of each piece that arrives until nothing more does."""
        for _ in range(frames):
            worker._hand_up(channel, SILENCE, 0.0)
            worker._flush()
        pieces = []
        with contextlib.suppress(BlockingIOError):
            while True:
                for message in reader.feed(ours.recv(1 << 20)):
                    if message.kind == Kind.SOUND:
                        levels = wire.SOUND.unpack_from(message.body)[-1]
                        pieces.append((len(message.body) - wire.SOUND.size - levels) // 8)
                worker._flush()
        return pieces

    assert handed_up(10) == [20] * 10
    while not worker._counts.behind:
        worker._tell(Kind.LISTENED, 1, bytes(1600))
        worker._flush()
    assert handed_up(10) == [100] * 2
    assert handed_up(10) == [20] * 10, "once it has caught up it hears closely again"
