"""A media process that has more to send than time: it is late, but it hears and answers."""

import socket
import threading
import time
from dataclasses import asdict

import pytest

from media import wire
from media.schedule import TICK
from media.tap import TapOptions
from media.wire import Kind, Message
from media.worker import Worker


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

    wanted = {"host": "127.0.0.1", "first": 30000, "last": 31999, "tap": asdict(TapOptions())}
    assert answered(Message(Kind.OPEN, 1, wire.pack_json(wanted)), Kind.OPENED)
    time.sleep(10 * TICK)  # by now it is behind for good
    assert answered(Message(Kind.PING, 0), Kind.PONG)
    ours.close()
    running.join(20)
    assert not running.is_alive()
