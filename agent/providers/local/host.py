"""The gateway's side of the speech process: starts it, restarts it, and gives each call its STT and its voice."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from math import inf
from typing import Self

import structlog

from agent.errors import ProviderError, internal
from agent.providers.local import wire
from agent.providers.local.endpoint import Pauses
from agent.providers.local.models import missing
from agent.providers.local.wire import Kind, Message
from agent.rules.rule_error import RuleError
from agent.stt import Onset, SttEvent, Transcript
from agent.turn_taking.expect import OPEN, Expected

log = structlog.get_logger()

NAME = "local"
READY_LIMIT = 60.0
"""Seconds within which the process must have loaded the models."""
ANSWER_LIMIT = 10.0
"""Seconds within which the process must answer a ping, and within which a voice must give its next sound."""
PING_EVERY = 5.0
"""Seconds between two pings of the process."""
EXIT_LIMIT = 1.0
"""Seconds within which a process must end after it closed its pipe."""
RESTART_PAUSE = (1.0, 30.0)
"""Seconds before the first restart, and the maximum. Each further pause is twice as long."""
LIVED = 60.0
"""Seconds that a process must have run, so that the next restart counts as the first one again."""
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Environment of the process. Without it numpy's own threads wait in a busy loop, which doubled the work of each
turn."""
INBOX = 200
"""Maximum messages that may wait for one session (100 s of speech); with more, the session fails."""
GUESS, UNFINISHED = 0.22, 0.5
"""Seconds of a pause after which the words so far are recognised on trial, and additional seconds for words that sound
unfinished."""
BACKLOG = 5 * 8000
"""Maximum bytes of sound per session that may wait for the process (5 s); further sound is replaced by silence."""


@dataclass(frozen=True)
class LocalSpeechOptions:
    """Options of the embedded speech models, which all agents share."""

    threads: int = field(default=1, metadata={"scope": "gateway"})
    """Number of turns that are recognised at the same time."""
    turn: float = field(default=0.40, metadata={"scope": "gateway"})
    """Pause that ends a turn, from 50ms to 4s. It is 0.5 s longer if the words sound unfinished, or like a number."""

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= 64:
            raise RuleError("must be from 1 to 64", "threads")
        if not 0.05 <= self.turn <= 4:
            raise RuleError("must be between 50ms and 4s", "turn")


@dataclass
class Inbox:
    """The messages for one session. An error or None ends the session."""

    messages: asyncio.Queue[Message | ProviderError | None] = field(default_factory=lambda: asyncio.Queue(INBOX))

    def put(self, item: Message | ProviderError | None) -> None:
        """Add a message. If the call is too slow, all waiting messages are dropped, and its session ends with an
        error."""
        if self.messages.full():
            while not self.messages.empty():
                self.messages.get_nowait()
            item = ProviderError(NAME, "the call did not keep up")
        self.messages.put_nowait(item)

    async def get(self) -> Message | None:
        """The next message, None at the end. Raises `ProviderError`."""
        item = await self.messages.get()
        if isinstance(item, Message) and item.kind == Kind.FAILED:
            item = ProviderError(NAME, item.body.decode(errors="replace"))
        if isinstance(item, ProviderError):
            raise item
        return item


class LocalSpeech:
    """The speech process, one set of models for all calls. Use it as an async context manager."""

    def __init__(self, options: LocalSpeechOptions) -> None:
        self.options = options
        self._numbers = count(1)
        self._inboxes: dict[int, Inbox] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._up = False
        self._settled = asyncio.Event()
        """Set when the first process is ready, or has failed."""
        self._alive = asyncio.Event()
        """Set by every message of the process."""
        self._problem = missing() or "the speech process was not started"
        """Why the speech process does not run; empty while it runs."""
        self._group = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the process and wait for its models. Raises `ProviderError`."""
        if (problem := missing()) is not None:
            raise ProviderError(NAME, problem, temporary=False)
        await self._group.__aenter__()
        self._keeper = self._group.create_task(self._keep_alive(), name="speech-process")
        try:
            async with asyncio.timeout(READY_LIMIT):
                await self._settled.wait()
            self.require()
        except TimeoutError:
            await self.__aexit__()
            raise ProviderError(NAME, f"the models were not loaded within {READY_LIMIT:g} s") from None
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
        await self._group.__aexit__(None, None, None)  # the body's own error stays what it is

    def stt(self) -> "LocalStt":
        """STT for one call."""
        return LocalStt(self)

    def tts(self) -> "LocalTts":
        """A voice for one call."""
        return LocalTts(self)

    def require(self) -> None:
        """Raise `ProviderError` while the speech process does not run."""
        if not self._up:
            raise ProviderError(NAME, self._problem)

    def open(self) -> tuple[int, Inbox]:
        """Open a session. Returns its number and its inbox. Raises `ProviderError` while the process is down."""
        self.require()
        number = next(self._numbers)
        inbox = self._inboxes[number] = Inbox()
        return number, inbox

    def close(self, number: int) -> None:
        """End a session; safe to call twice."""
        if inbox := self._inboxes.pop(number, None):
            inbox.put(None)

    def congested(self) -> bool:
        """Whether so much data waits for the process that no more sound should be sent."""
        writer = self._writer
        return writer is None or writer.transport.get_write_buffer_size() > BACKLOG * max(1, len(self._inboxes))

    def send(self, kind: Kind, number: int, body: bytes = b"") -> None:
        """Send an order to the process. Without a process the order is lost, and so is the session."""
        if self._writer and not self._writer.is_closing():
            self._writer.write(Message(kind, number, body).encode())

    async def _keep_alive(self) -> None:
        now, task = asyncio.get_running_loop().time, asyncio.current_task()
        shortest, longest = RESTART_PAUSE
        pause = shortest
        while task is None or not task.cancelling():  # an error may have replaced the cancellation
            started = now()
            log.info("speech models loading", threads=self.options.threads)
            try:
                self._problem = await self._run_process()
            except Exception as error:  # the provider boundary: the sessions end, and the process is restarted
                log.exception("speech process lost")
                self._problem = internal(error)
            self._up = False
            self._settled.set()
            log.error("speech process died", cause=self._problem, sessions=len(self._inboxes))
            for inbox in self._inboxes.values():
                inbox.put(ProviderError(NAME, self._problem))
            self._inboxes.clear()
            pause = shortest if now() - started > LIVED else min(2 * pause, longest)
            await asyncio.sleep(pause)

    async def _run_process(self) -> str:
        """Run one process until it ends. Returns why it ended."""
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as stack:
            stack.callback(ours.close)
            command = (sys.executable, "-P", "-m", "agent.providers.local.worker")
            arguments = (str(theirs.fileno()), str(self.options.threads))
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    *arguments,
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    env=os.environ | SINGLE,
                    start_new_session=True,
                )
            except OSError as error:
                return f"the speech process could not be started: {error.strerror}"
            stack.pop_all()
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(process), name="speech-watch")
                problem = await self._read(reader)
                watch.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXIT_LIMIT):
                    await process.wait()
            return problem or f"the speech process ended with status {process.returncode}"
        finally:
            if self._writer:
                self._writer.close()
                self._writer = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill the process if it hangs, so that its pipe ends."""
        limit = READY_LIMIT
        while True:
            self._alive.clear()
            self.send(Kind.PING, 0)
            try:
                async with asyncio.timeout(limit):
                    await self._alive.wait()
            except TimeoutError:
                log.error("speech process hangs", pid=process.pid)  # noqa: TRY400  nothing here has a traceback
                process.kill()
                return
            limit = ANSWER_LIMIT
            await asyncio.sleep(PING_EVERY)

    async def _read(self, reader: asyncio.StreamReader) -> str:
        """Give the messages of the process to their sessions until it ends. Returns the reason that it gave, or an
        empty text."""
        started = asyncio.get_running_loop().time()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, number, length = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
                if length > wire.MAX_BODY:
                    return "the speech process sent nonsense"
                body = await reader.readexactly(length)
                self._alive.set()
                if kind == Kind.READY:
                    self._up = True
                    self._settled.set()
                    log.info("speech ready", seconds=round(asyncio.get_running_loop().time() - started, 2))
                elif kind == Kind.FAILED and number == 0:
                    return body.decode(errors="replace")
                elif inbox := self._inboxes.get(number):
                    inbox.put(Message(kind, number, body))
        return ""


class LocalStt:
    """Whisper and Silero in the speech process; see `agent.stt.SpeechToText`."""

    name = NAME
    ends_turns = False
    longest_silence = inf

    def __init__(self, speech: LocalSpeech) -> None:
        self._speech = speech
        self._number = 0
        self._inbox: Inbox | None = None
        self._skipped = 0
        """Dropped samples that the process has not been told of yet."""
        self.lost = 0.0
        """Seconds of sound dropped in this call because the process did not keep up."""

    async def open(self) -> None:
        """Begin a session. Raises `ProviderError`."""
        self._number, self._inbox = self._speech.open()
        turn = self._speech.options.turn
        pauses = asdict(Pauses(min(GUESS, turn), turn, turn + UNFINISHED))
        self._speech.send(Kind.LISTEN, self._number, wire.pack_json(pauses))

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound. 5 s may wait for the process. Further sound is counted and replaced by silence. The newest
        sound is dropped, not the oldest, because sound in a pipe cannot be taken back.
        """
        if not self._number:
            return
        if self._speech.congested():
            self._skipped += len(ulaw)
            self.lost += len(ulaw) / 8000
            return
        if self._skipped:
            self._speech.send(Kind.SKIP, self._number, wire.pack_json(self._skipped))
            self._skipped = 0
        self._speech.send(Kind.SOUND, self._number, ulaw)

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """Tell the process what the agent has `said`, and which answer is `wanted`: expected digits and letters are
        recognised better."""
        if self._number:
            self._speech.send(Kind.EXPECT, self._number, wire.pack_json([said, wanted.kind.value]))

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Ignore the language: the model knows only English."""

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Tell the process whether the caller speaks: its model takes every voice for the caller's."""
        if self._number:
            self._speech.send(Kind.VOICE, self._number, wire.pack_json([speaking, round(ago, 3)]))

    async def events(self) -> AsyncIterator[SttEvent]:
        """Yield onsets and transcripts until `close`. Raises `ProviderError` when the process dies."""
        if self._inbox is None:
            raise ProviderError(NAME, "not open")
        while (message := await self._inbox.get()) is not None:
            content = json.loads(message.body)
            if message.kind == Kind.ONSET:
                yield Onset(content)
            else:
                yield Transcript(**content)

    async def close(self) -> None:
        """End the session."""
        if not self._number:
            return
        if self.lost:
            log.warning("sound lost on its way to the speech process", seconds=round(self.lost, 2))
        self._speech.send(Kind.DEAF, self._number)
        self._speech.close(self._number)
        self._number = 0


class LocalTts:
    """Hibari in the speech process; see `agent.tts.TextToSpeech`."""

    name = NAME

    def __init__(self, speech: LocalSpeech) -> None:
        self._speech = speech

    async def open(self) -> None:
        """Raise `ProviderError` while the speech process does not run."""
        self._speech.require()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        """Stream one sentence. Raises `ProviderError`."""
        number, inbox = self._speech.open()
        self._speech.send(Kind.SPEAK, number, text.encode())
        try:
            while True:
                try:
                    async with asyncio.timeout(ANSWER_LIMIT):
                        message = await inbox.get()
                except TimeoutError:
                    raise ProviderError(NAME, f"no sound within {ANSWER_LIMIT:g} s") from None
                if message is None or message.kind == Kind.SPOKEN:
                    return
                yield message.body
        finally:
            self._speech.send(Kind.CANCEL, number)
            self._speech.close(number)

    async def close(self) -> None:
        """Do nothing: each sentence is a session of its own."""
