"""The gateway's side of the speech process: starts it, restarts it, and gives each call its ears and its voice."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Self

import structlog

from agent.ears import EarsEvent, Onset, Transcript
from agent.errors import ProviderError
from agent.providers.local import wire
from agent.providers.local.models import missing
from agent.providers.local.wire import Kind, Message

log = structlog.get_logger()

NAME = "local"
READY_LIMIT = 60.0
"""Seconds for loading the models."""
RESTART_PAUSE = 1.0
INBOX = 200
"""Messages that may wait for one session; beyond that the session is lost."""
PIPE_LIMIT = 4 << 20
"""Bytes that may wait for the speech process; beyond that sound is dropped."""


@dataclass(frozen=True)
class LocalSpeechOptions:
    """How the embedded speech models run."""

    threads: int = 1
    """Sentences and turns worked on at the same time."""
    guess: float = 0.22
    """Pause after which words are understood on trial."""
    turn: float = 0.40
    """Pause that ends a turn."""
    unfinished: float = 0.90
    """Pause that ends a turn whose words sound unfinished, or a number."""

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= 64:
            raise ValueError("threads must be from 1 to 64")
        if not 0.05 <= self.guess <= self.turn <= self.unfinished <= 5:
            raise ValueError("pauses must grow from guess over turn to unfinished, between 50ms and 5s")


@dataclass
class Inbox:
    """What came for one session; an error ends it."""

    messages: asyncio.Queue[Message | ProviderError] = field(default_factory=lambda: asyncio.Queue(INBOX))

    def put(self, item: Message | ProviderError) -> None:
        """Hand over; when full, the newest is lost (a transcript is followed by another)."""
        with contextlib.suppress(asyncio.QueueFull):
            self.messages.put_nowait(item)

    async def get(self) -> Message:
        """The next message. Raises `ProviderError`."""
        item = await self.messages.get()
        if isinstance(item, ProviderError):
            raise item
        return item


class LocalSpeech:
    """The speech process. Use it as an async context manager."""

    def __init__(self, options: LocalSpeechOptions) -> None:
        self.options = options
        self._numbers = count(1)
        self._inboxes: dict[int, Inbox] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if (problem := missing()) is not None:
            raise ProviderError(NAME, problem, temporary=False)
        await self._group.__aenter__()
        self._keeper = self._group.create_task(self._keep_alive(), name="speech-process")
        try:
            async with asyncio.timeout(READY_LIMIT):
                await self._ready.wait()
        except TimeoutError:
            await self.__aexit__(None, None, None)
            raise ProviderError(NAME, f"the models were not loaded within {READY_LIMIT:g} s") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
        await self._group.__aexit__(None, None, None)  # the body's own error stays what it is

    def ears(self) -> "LocalEars":
        """Ears for one call."""
        return LocalEars(self)

    def voice(self) -> "LocalVoice":
        """A voice for one call."""
        return LocalVoice(self)

    def open(self) -> tuple[int, Inbox]:
        """A new session. Raises `ProviderError` while the process is down."""
        if not self._ready.is_set():
            raise ProviderError(NAME, "the speech process is being restarted")
        number = next(self._numbers)
        inbox = self._inboxes[number] = Inbox()
        return number, inbox

    def close(self, number: int) -> None:
        """Forget a session."""
        self._inboxes.pop(number, None)

    def send(self, message: Message) -> None:
        """Give an order; sound is dropped when the process cannot keep up."""
        writer = self._writer
        if writer is None:
            return
        if message.kind == Kind.SOUND and writer.transport.get_write_buffer_size() > PIPE_LIMIT:
            return
        writer.write(message.encode())

    async def _keep_alive(self) -> None:
        while True:
            cause = await self._run_process()
            self._ready.clear()
            log.error("speech process died", cause=cause, sessions=len(self._inboxes))
            for inbox in self._inboxes.values():
                inbox.put(ProviderError(NAME, cause))
            self._inboxes.clear()
            await asyncio.sleep(RESTART_PAUSE)

    async def _run_process(self) -> str:
        ours, theirs = socket.socketpair()
        with theirs:
            command = (sys.executable, "-m", "agent.providers.local.worker")
            arguments = (str(theirs.fileno()), str(self.options.threads))
            process = await asyncio.create_subprocess_exec(*command, *arguments, pass_fds=[theirs.fileno()])
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            await self._read(reader)
            return f"the speech process ended with status {await process.wait()}"
        finally:
            if self._writer:
                self._writer.close()
                self._writer = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(wire.HEADER.size)
                kind, number, length = wire.HEADER.unpack(head)
                if length > wire.MAX_BODY:
                    return
                body = await reader.readexactly(length)
                if kind == Kind.READY:
                    self._ready.set()
                elif inbox := self._inboxes.get(number):
                    inbox.put(Message(kind, number, body))


class LocalEars:
    """See `agent.ears.Ears`."""

    name = NAME

    def __init__(self, speech: LocalSpeech) -> None:
        self._speech = speech
        self._number = 0
        self._inbox: Inbox | None = None

    async def open(self) -> None:
        """Begin a session."""
        self._number, self._inbox = self._speech.open()
        pauses = asdict(self._speech.options)
        del pauses["threads"]
        self._speech.send(Message(Kind.LISTEN, self._number, wire.pack_json(pauses)))

    def hear(self, ulaw: bytes) -> None:
        """Take sound."""
        if self._number:
            self._speech.send(Message(Kind.SOUND, self._number, ulaw))

    def expect(self, said: str) -> None:
        """Numbers are understood better when one was asked for."""
        if self._number:
            self._speech.send(Message(Kind.EXPECT, self._number, said.encode()))

    async def events(self) -> AsyncIterator[EarsEvent]:
        """Yield onsets and transcripts."""
        if self._inbox is None:
            raise ProviderError(NAME, "not open")
        while True:
            message = await self._inbox.get()
            content = json.loads(message.body)
            if message.kind == Kind.ONSET:
                yield Onset(content / 8000)
            else:
                final = content["final"]
                yield Transcript(content["text"], final=final, stable=not final, end=content["end"])

    async def close(self) -> None:
        """End the session."""
        if self._number:
            self._speech.send(Message(Kind.DEAF, self._number))
            self._speech.close(self._number)
            self._number = 0


class LocalVoice:
    """See `agent.voice.Voice`."""

    name = NAME

    def __init__(self, speech: LocalSpeech) -> None:
        self._speech = speech

    async def open(self) -> None:
        """Nothing to do: the process is there or it is not."""

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream one sentence."""
        number, inbox = self._speech.open()
        self._speech.send(Message(Kind.SPEAK, number, text.encode()))
        done = False
        try:
            while True:
                message = await inbox.get()
                if message.kind == Kind.SPEECH:
                    yield message.body
                elif message.kind == Kind.SPOKEN:
                    done = True
                    return
                else:
                    raise ProviderError(NAME, message.body.decode())
        finally:
            if not done:
                self._speech.send(Message(Kind.CANCEL, number))
            self._speech.close(number)

    async def close(self) -> None:
        """Nothing to do."""
