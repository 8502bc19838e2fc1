"""The speech process: ``python -m agent.providers.local.worker FD THREADS``, a child of the gateway.

One set of models for all calls. The main thread reads orders and follows voice activity, which is cheap; worker threads
synthesise and understand. Speech comes before understanding, and whole turns before guesses.
"""

import json
import os
import queue
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from agent.providers.local import wire
from agent.providers.local.endpoint import WINDOW, Act, Endpointer, Pauses
from agent.providers.local.hibari_voice import HibariVoice
from agent.providers.local.silero import Silero, SileroState
from agent.providers.local.whisper import Whisper
from agent.providers.local.wire import Kind, Message
from agent.ulaw import to_linear

NUMBER_PROMPT = "The order number is 3 0 8 6 5."
"""Steers the recogniser to digits when the agent has asked for a number."""
NUMBER_WORDS = ("number", "digit", "code", "reference")
KEPT = 40 * 8000
"""Samples of each call that are kept."""


@dataclass
class Session:
    """One caller."""

    number: int
    endpointer: Endpointer = field(default_factory=lambda: Endpointer(Pauses()))
    state: SileroState = field(default_factory=SileroState)
    rest: bytes = b""
    sound: bytearray = field(default_factory=bytearray)
    first: int = 0
    """Position of the first kept sample."""
    prompt: str = ""

    def cut(self, start: int, end: int) -> bytes:
        """The kept sound from sample `start` to `end`."""
        return bytes(self.sound[max(0, start - self.first) : max(0, end - self.first)])


class Worker:
    """All sessions of one gateway."""

    def __init__(self, pipe: socket.socket, threads: int) -> None:
        self._stream = pipe.makefile("rb")
        self._pipe = pipe
        self._lock = threading.Lock()
        self._jobs: queue.PriorityQueue[tuple[int, int, Any]] = queue.PriorityQueue()
        self._order = count()
        self._sessions: dict[int, Session] = {}
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
        session = self._sessions.get(message.session)
        match message.kind:
            case Kind.LISTEN:
                pauses = Pauses(**json.loads(message.body))
                self._sessions[message.session] = Session(message.session, Endpointer(pauses))
            case Kind.SOUND if session:
                self._hear(session, message.body)
            case Kind.EXPECT if session:
                said = message.body.decode().lower()
                asked = any(word in said for word in NUMBER_WORDS)
                session.prompt = NUMBER_PROMPT if asked else ""
                session.endpointer.number_expected = asked
            case Kind.DEAF:
                self._sessions.pop(message.session, None)
            case Kind.SPEAK:
                self._speaking.add(message.session)
                self._put(0, lambda: self._speak(message.session, message.body.decode()))
            case Kind.CANCEL:
                self._speaking.discard(message.session)

    def _hear(self, session: Session, ulaw: bytes) -> None:
        session.sound += ulaw
        if len(session.sound) > KEPT:
            gone = len(session.sound) - KEPT
            del session.sound[:gone]
            session.first += gone
        session.rest += ulaw
        with self._lock:
            while len(session.rest) >= WINDOW:
                window, session.rest = session.rest[:WINDOW], session.rest[WINDOW:]
                probability = self._silero.judge(session.state, _linear(window))
                for step in session.endpointer.judge(probability):
                    self._act(session, step.act, step.start, step.end)

    def _act(self, session: Session, act: Act, start: int, end: int) -> None:
        """Carry out a decision; the lock is held."""
        if act is Act.ONSET:
            self._send(Message(Kind.ONSET, session.number, wire.pack_json(start)))
        elif act is Act.GUESS:
            sound, prompt = session.cut(start, end + WINDOW * 4), session.prompt
            self._put(1, lambda: self._understand(session, sound, prompt, end))
        else:
            self._transcript(session, session.endpointer.text, end, final=True)

    def _understand(self, session: Session, sound: bytes, prompt: str, end: int) -> None:
        if self._sessions.get(session.number) is not session:
            return
        text = self._whisper.transcribe(_linear(sound), prompt).text
        with self._lock:
            if session.endpointer.understood(text, end):
                self._transcript(session, text, end, final=False)

    def _transcript(self, session: Session, text: str, end: int, *, final: bool) -> None:
        body = {"text": text, "end": end / 8000, "final": final}
        self._send(Message(Kind.TRANSCRIPT, session.number, wire.pack_json(body)))

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


def _linear(ulaw: bytes) -> "np.ndarray[Any, Any]":
    return np.frombuffer(to_linear(ulaw), "<i2").astype(np.float32) / 32768


def main() -> None:
    """Run the worker on the inherited socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the gateway, which ends this process in good order
    os.nice(5)  # speech may wait a moment, the gateway and its packets may not
    Worker(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
