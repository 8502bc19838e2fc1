"""The speech process: ``python -m agent.providers.local.worker FD THREADS``, a child of the gateway.

One set of models for all calls. The main thread reads orders and follows voice activity, which is cheap. Recognition
has `THREADS` threads, and speech has one of its own, so that no sentence waits for the recognition of a turn. The
models run outside the interpreter's lock.
"""

import json
import os
import queue
import signal
import socket
import sys
import threading
from typing import BinaryIO, NamedTuple

from agent.hearing.silero import Silero
from agent.providers.local import wire
from agent.providers.local.endpoint import RATE, Act, EndpointStep, Pauses
from agent.providers.local.hibari_tts import HibariTts
from agent.providers.local.listener import Listener
from agent.providers.local.whisper import Whisper
from agent.providers.local.wire import Kind, Message
from agent.turn_taking.expect import Kind as Asked

DECODES = 1000
"""Maximum sounds that may wait for recognition. Most are out of date when their turn comes, and are skipped."""
SENTENCES = 100
"""Maximum sentences that may wait to be spoken (about 3 s of work)."""


class Decode(NamedTuple):
    """A sound that waits for recognition."""

    session: int
    listener: Listener
    start: int
    end: int


class SpeechWorker:
    """All sessions of one gateway."""

    def __init__(self, pipe: socket.socket, threads: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        """The lock that is held while listeners change, and while a message is written."""
        self._decodes: queue.Queue[Decode] = queue.Queue(DECODES)
        self._sentences: queue.Queue[tuple[int, str]] = queue.Queue(SENTENCES)
        self._listeners: dict[int, Listener] = {}
        self._speaking: set[int] = set()
        self._silero = Silero()
        self._whisper = Whisper(threads)
        self._tts = HibariTts(1)
        for work in (*[self._understand_all] * threads, self._speak_all):
            threading.Thread(target=work, daemon=True).start()

    def run(self, stream: BinaryIO) -> None:
        """Serve until the gateway closes the pipe."""
        self._tell(Kind.READY, 0)
        while (message := wire.read(stream)) is not None:
            with self._lock:
                self._obey(message.kind, message.session, message.body)

    def _obey(self, kind: int, session: int, body: bytes) -> None:
        listener = self._listeners.get(session)
        match kind:
            case Kind.LISTEN:
                self._listeners[session] = Listener(self._silero, Pauses(**json.loads(body)))
            case Kind.SOUND if listener:
                self._take(session, listener, listener.hear(body))
            case Kind.SKIP if listener:
                self._take(session, listener, listener.skip(json.loads(body)))
            case Kind.EXPECT if listener:
                said, wanted = json.loads(body)
                listener.expect(said, Asked(wanted))
            case Kind.VOICE if listener:
                self._take(session, listener, listener.follow_voice(*json.loads(body)))
            case Kind.DEAF:
                self._listeners.pop(session, None)
            case Kind.SPEAK:
                self._speaking.add(session)
                try:
                    self._sentences.put_nowait((session, body.decode(errors="replace")))
                except queue.Full:
                    self._fail(session, "too many sentences wait to be spoken")
            case Kind.CANCEL:
                self._speaking.discard(session)
            case Kind.PING:
                self._send(Message(Kind.PONG, session))

    def _take(self, session: int, listener: Listener, steps: list[EndpointStep]) -> None:
        """Carry out the decisions of an endpointer. The caller holds the lock."""
        for step in steps:
            match step.act:
                case Act.ONSET:
                    self._send(Message(Kind.ONSET, session, wire.pack_json(step.start / RATE)))
                case Act.EARLY if not self._decodes.empty():
                    pass
                case Act.DECODE | Act.EARLY:
                    try:
                        self._decodes.put_nowait(Decode(session, listener, step.start, step.end))
                    except queue.Full:
                        self._fail(session, "too many turns wait to be understood")
                case Act.PART | Act.STABLE | Act.FINAL:
                    sure = {"final": step.act is Act.FINAL, "eager": step.act is Act.STABLE}
                    body = {"text": step.text, "end": step.end / RATE, **sure}
                    self._send(Message(Kind.TRANSCRIPT, session, wire.pack_json(body)))

    def _understand_all(self) -> None:
        while True:
            session, listener, start, end = self._decodes.get()
            with self._lock:
                if self._listeners.get(session) is not listener or not listener.turns.wanted(end):
                    continue
                sound, wanted = listener.cut(start, end), listener.wanted
            try:
                text = self._whisper.transcribe(sound, wanted).text
            except Exception as error:  # noqa: BLE001  the provider boundary: told to the gateway; the process lives on
                with self._lock:
                    self._fail(session, f"{type(error).__name__}: {error}")
                continue
            with self._lock:
                if self._listeners.get(session) is listener:
                    self._take(session, listener, listener.turns.understood(end, text))

    def _speak_all(self) -> None:
        while True:
            session, text = self._sentences.get()
            if session not in self._speaking:  # cancelled while it waited
                continue
            try:
                for sound in self._tts.speak(text):
                    with self._lock:
                        if session not in self._speaking:
                            break
                        self._send(Message(Kind.SPEECH, session, sound))
            except Exception as error:  # noqa: BLE001  the provider boundary: told to the gateway; the process lives on
                with self._lock:
                    self._fail(session, f"{type(error).__name__}: {error}")
            self._speaking.discard(session)
            self._tell(Kind.SPOKEN, session)

    def _fail(self, session: int, problem: str) -> None:
        """End a session with an error. The caller holds the lock."""
        self._listeners.pop(session, None)
        self._speaking.discard(session)
        self._send(Message(Kind.FAILED, session, problem[:300].encode()))

    def _tell(self, kind: Kind, session: int) -> None:
        with self._lock:
            self._send(Message(kind, session))

    def _send(self, message: Message) -> None:
        """Write a message to the gateway. The caller holds the lock."""
        try:
            self._pipe.sendall(message.encode())
        except OSError:
            os._exit(0)  # the gateway is gone


def main() -> None:
    """Serve on the inherited socket whose descriptor is the first argument; the second is the number of threads."""
    for one in (signal.SIGINT, signal.SIGTERM):  # signals are for the gateway, which ends this process
        signal.signal(one, signal.SIG_IGN)
    os.nice(5)  # a low priority, because the gateway and its packets must not wait
    pipe = socket.socket(fileno=int(sys.argv[1]))
    try:
        worker = SpeechWorker(pipe, int(sys.argv[2]))
    except Exception as error:  # noqa: BLE001  the process boundary: the gateway tells the operator
        pipe.sendall(Message(Kind.FAILED, 0, f"{type(error).__name__}: {error}"[:300].encode()).encode())
        sys.exit(1)
    worker.run(pipe.makefile("rb"))


if __name__ == "__main__":
    main()
