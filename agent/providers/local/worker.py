"""The speech process: ``python -m agent.providers.local.worker FD THREADS``, a child of the gateway.

One set of models for all calls. The main thread reads orders and follows voice activity, which is cheap; worker threads
synthesise and understand. Speech comes before understanding: somebody is waiting for it.
"""

import json
import os
import queue
import signal
import socket
import sys
import threading
from itertools import count
from typing import Any

from agent.providers.local import wire
from agent.providers.local.endpoint import RATE, Act, Pauses, Step
from agent.providers.local.hibari_voice import HibariVoice
from agent.providers.local.listener import Listener
from agent.providers.local.silero import Silero
from agent.providers.local.whisper import Whisper
from agent.providers.local.wire import Kind, Message


class Worker:
    """All sessions of one gateway."""

    def __init__(self, pipe: socket.socket, threads: int) -> None:
        self._stream = pipe.makefile("rb")
        self._pipe = pipe
        self._lock = threading.Lock()
        self._jobs: queue.PriorityQueue[tuple[int, int, Any]] = queue.PriorityQueue()
        self._order = count()
        self._listeners: dict[int, Listener] = {}
        self._speaking: set[int] = set()
        self._silero = Silero()
        self._whisper = Whisper(1)
        self._voice = HibariVoice(1)
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def run(self) -> None:
        """Serve until the gateway closes the pipe."""
        self._tell(Kind.READY, 0)
        while (message := wire.read(self._stream)) is not None:
            self._obey(message)

    def _obey(self, message: Message) -> None:
        number, listener = message.session, self._listeners.get(message.session)
        match message.kind:
            case Kind.LISTEN:
                self._listeners[number] = Listener(self._silero, Pauses(**json.loads(message.body)))
            case Kind.SOUND if listener:
                with self._lock:
                    self._carry_out(number, listener, listener.hear(message.body))
            case Kind.EXPECT if listener:
                listener.expect(message.body.decode())
            case Kind.DEAF:
                self._listeners.pop(number, None)
            case Kind.SPEAK:
                self._speaking.add(number)
                self._put(0, lambda: self._speak(number, message.body.decode()))
            case Kind.CANCEL:
                self._speaking.discard(number)

    def _carry_out(self, number: int, listener: Listener, steps: list[Step]) -> None:
        """Do what the turns of a caller ask for; the lock is held."""
        for step in steps:
            if step.act is Act.ONSET:
                self._send(Message(Kind.ONSET, number, wire.pack_json(step.start)))
            elif step.act is Act.DECODE:
                self._decode_later(number, listener, step)
            else:
                body = {"text": step.text, "end": step.end / RATE, "final": step.act is Act.FINAL}
                self._send(Message(Kind.TRANSCRIPT, number, wire.pack_json(body)))

    def _decode_later(self, number: int, listener: Listener, step: Step) -> None:
        sound, prompt = listener.cut(step.start, step.end), listener.prompt

        def decode() -> None:
            if self._listeners.get(number) is not listener or not listener.turns.wanted(step.end):
                return
            text = self._whisper.transcribe(sound, prompt).text
            with self._lock:
                self._carry_out(number, listener, listener.turns.understood(step.end, text))

        self._put(1, decode)

    def _speak(self, number: int, text: str) -> None:
        try:
            for sound in self._voice.speak(text):
                if number not in self._speaking:
                    break
                self._tell(Kind.SPEECH, number, sound)
        except Exception as error:  # noqa: BLE001  the provider boundary: told to the gateway, the process lives on
            self._tell(Kind.FAILED, number, f"{type(error).__name__}: {error}"[:300].encode())
        self._speaking.discard(number)
        self._tell(Kind.SPOKEN, number)

    def _put(self, priority: int, job: Any) -> None:
        self._jobs.put((priority, next(self._order), job))

    def _work(self) -> None:
        while True:
            _, _, job = self._jobs.get()
            job()

    def _tell(self, kind: Kind, session: int, body: bytes = b"") -> None:
        with self._lock:
            self._send(Message(kind, session, body))

    def _send(self, message: Message) -> None:
        """Write to the gateway; the lock is held."""
        try:
            self._pipe.sendall(message.encode())
        except OSError:
            os._exit(0)  # the gateway is gone


def main() -> None:
    """Run the worker on the inherited socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the gateway, which ends this process in good order
    os.nice(5)  # speech may wait a moment, the gateway and its packets may not
    Worker(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
