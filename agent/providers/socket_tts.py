"""A voice on a websocket: drives the session of any streaming provider (`agent.providers.tts_session`)."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial

import structlog

from agent.errors import ProviderError
from agent.meter import sent_again
from agent.providers.faults import http_fault, quoted
from agent.providers.renewal import Renewal
from agent.providers.tts_session import (
    Answer,
    Final,
    SpeechEvent,
    TtsBegun,
    TtsFault,
    TtsSession,
    TtsSound,
    TtsWord,
)
from agent.providers.websocket import ConnectError, Socket, connect
from agent.tts import Inquiry, Speech, WordTime

MAX_WAITING = 60 * 8000
"""Maximum bytes of sound (60 s) of one sentence that may wait for the reader; more is an error."""
MAX_PIECES = 10_000
"""Maximum pieces of sound and times of words that may wait for the reader; further times are dropped."""

_log = structlog.get_logger()


class SentenceAudio:
    """The sound of one sentence, and the times of its words, on their way to the reader."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._pieces: deque[Speech] = deque()
        self._waiting = 0
        self._fault: ProviderError | None = None
        self._changed = asyncio.Event()
        self.final = False
        """Whether all sound has come."""
        self.stalled = False
        """Whether a piece did not come in time."""

    def put(self, ulaw: bytes) -> None:
        """Add sound."""
        self._waiting += len(ulaw)
        if self._waiting > MAX_WAITING:
            self.fail(ProviderError(self._provider, "sent more than a minute of sound for one sentence"))
        elif self._fault is None and ulaw:
            self._pieces.append(ulaw)
            self._changed.set()

    def time(self, word: WordTime) -> None:
        """Add the time of a word."""
        if self._fault is None and len(self._pieces) < MAX_PIECES:
            self._pieces.append(word)
            self._changed.set()

    def finish(self) -> None:
        """Note that all sound has come."""
        self.final = True
        self._changed.set()

    def fail(self, error: ProviderError) -> None:
        """Note that no more sound comes, because of `error`. The first error is kept."""
        self._fault = self._fault or error
        self._changed.set()

    @property
    def _ready(self) -> bool:
        return bool(self._pieces) or self.final or self._fault is not None

    async def comes(self, seconds: float) -> bool:
        """Wait for the next piece, the end or an error. Returns whether one of them came within `seconds`."""
        if self._ready:  # most pieces come before they are wanted: a time limit for each would cost more than they do
            return True
        try:
            async with asyncio.timeout(seconds):
                while not self._ready:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def next(self, time_limit: float) -> Speech | None:
        """The next piece; None at the end. Raises `ProviderError`, also after `time_limit` seconds without one."""
        if not await self.comes(time_limit):
            self.stalled = True
            raise ProviderError(self._provider, f"no sound within {time_limit:.2g} s")
        if not self._pieces:
            if self._fault is not None:
                raise self._fault
            return None
        piece = self._pieces.popleft()
        self._waiting -= len(piece) if isinstance(piece, bytes) else 0
        return piece


class SocketTts:
    """The voice of one call. A connection that died is replaced at once, so that the next sentence can use a new
    one."""

    def __init__(self, session: TtsSession) -> None:
        self.name = session.name
        self._session = session
        self._socket: Socket | None = None
        self._speeches: dict[str, SentenceAudio | None] = {}  # sentences without their end; None: stopped
        self._count = 0
        self._received_at = -math.inf
        self._freed = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._begun = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._fault: ProviderError | None = None  # why the socket ended
        self._renewal = Renewal(self.open)

    async def open(self) -> None:
        """Connect. Raises `ProviderError` when refused or too slow."""
        async with self._connecting:
            if not self._is_open:
                await self._connect()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """Stream one sentence. If the sentence or its connection ends without sound, it is tried once more. Both tries
        together have `first_sound_limit`, and the first one half of it. A connection without sound in time is replaced.
        A service that asks for a pause is not asked again.
        """
        text, now = " ".join(text.split()), asyncio.get_running_loop().time
        if not text:
            return
        until = now() + self._session.limits.first_sound_limit
        for attempt in (1, 2):
            by = now() + (until - now()) / (3 - attempt)
            sounded = False
            sentence, speech = "", SentenceAudio(self.name)
            try:
                sentence = await self._say(text, speech, by, goes_on=bool(before) and attempt == 1)
                limit = max(0.0, by - now())
                while (piece := await self._next(sentence, speech, limit, sounded=sounded)) is not None:
                    begins, sounded = not sounded, sounded or isinstance(piece, bytes)
                    limit = self._session.limits.gap_limit if sounded else limit
                    yield piece
                    if begins and sounded and self._session.tells_heard:
                        yield Inquiry(partial(self._ask, sentence))
                if not sounded:
                    raise ProviderError(self.name, "sent no sound for a sentence")
            except ProviderError as error:
                if speech.stalled:
                    self._abort(error)
                if sounded or attempt == 2 or not error.temporary or (self._is_open and not speech.final):
                    raise
                if now() + error.retry_after >= until:
                    raise
                if sentence and not error.refused:
                    sent_again()
                await asyncio.sleep(error.retry_after)
                _log.warning("tts_lost", provider=self.name, problem=error.problem)
            else:
                return
            finally:
                self._drop(sentence)

    async def close(self) -> None:
        """End the connection."""
        socket, self._socket = self._socket, None
        self._forget(ProviderError(self.name, "closed", temporary=False, refused=True))
        await self._renewal.close()
        if socket is not None:
            for message in self._session.goodbye:
                socket.send(message)
            await socket.close(1.0)

    # Called by the socket.

    def received(self, message: str | bytes) -> None:
        """Take a message of the server. Sound goes to its sentence; sound of cancelled sentences is dropped."""
        self._received_at = asyncio.get_running_loop().time()
        self._take(self._session.receive(message))

    def _take(self, events: list[SpeechEvent]) -> None:
        for event in events:
            match event:
                case TtsSound(sentence, ulaw):
                    if speech := self._speeches.get(sentence):
                        speech.put(ulaw)
                case TtsWord(sentence, letters, samples):
                    if speech := self._speeches.get(sentence):
                        speech.time(WordTime(letters, samples))
                case Final(sentence):
                    if speech := self._speeches.pop(sentence, None):
                        speech.finish()
                    self._freed.set()
                case TtsFault():
                    self._fail(event)
                case TtsBegun():
                    self._begun.set()
                case Answer(message):
                    self._send([message])

    def _fail(self, fault: TtsFault) -> None:
        if not fault.sentence:
            self._forget(self._session.fault(fault))
            return
        if speech := self._speeches.pop(fault.sentence, None):
            speech.fail(self._session.fault(fault))
        self._freed.set()

    def writable(self) -> None:
        """Do nothing: sentences are small, and never wait to be sent."""

    def lost(self, code: int, reason: str) -> None:
        """Fail the sentences that have not ended; without such sentences, connect again."""
        idle = self._socket is not None and not any(self._speeches.values()) and not self._connecting.locked()
        self._forget(self._session.fault(TtsFault(code, reason)))
        if idle:
            self._renewal.lost(self._fault)

    # Sentences.

    @property
    def _is_open(self) -> bool:
        return self._socket is not None and self._socket.is_open and self._fault is None

    async def _next(self, sentence: str, speech: SentenceAudio, limit: float, *, sounded: bool) -> Speech | None:
        """The next piece; None at the end. If no more sound comes for a while after the first, `TtsSession.overdue` is
        called."""
        patience = self._session.overdue_after
        if sounded and patience < limit and patience and not await speech.comes(patience):
            self._take(self._session.overdue(sentence))
            limit -= patience
        return await speech.next(limit)

    async def _say(self, text: str, speech: SentenceAudio, by: float, *, goes_on: bool) -> str:
        """Send a sentence, on a new connection if necessary. Returns the name of the sentence. Raises `ProviderError`,
        also if that takes too long."""
        try:
            async with asyncio.timeout_at(by):
                return await self._sent(text, speech, goes_on=goes_on)
        except TimeoutError:
            raise ProviderError(self.name, "no connection in time", refused=True) from None

    async def _sent(self, text: str, speech: SentenceAudio, *, goes_on: bool) -> str:
        now = asyncio.get_running_loop().time
        async with self._connecting:
            await self._wait_for_room()
            if not self._is_open or self._session.worn(now()):
                if self._fault is not None and not self._fault.temporary:
                    raise self._fault
                await self._connect()
            self._renewal.used()
            self._count += 1
            sentence = f"s{self._count}"
            self._speeches[sentence] = speech
            goes_on = goes_on and now() - self._received_at < self._session.context_life
            self._send(self._session.say(sentence, text, now(), goes_on=goes_on))
        return sentence

    async def _wait_for_room(self) -> None:
        """Wait until a sentence may be sent, because another one has ended. A stopped sentence that does not end in
        time makes the connection fail."""
        while self._is_open and (len(self._speeches) >= self._session.parallel or not self._session.has_room):
            self._freed.clear()
            try:
                async with asyncio.timeout(self._session.limits.first_sound_limit / 4):
                    await self._freed.wait()
            except TimeoutError:
                if None in self._speeches.values() or not self._session.has_room:
                    self._forget(ProviderError(self.name, "does not end its sentences"))

    def _ask(self, sentence: str, samples: int, told: Callable[[int], None]) -> None:
        """Stop the sentence, and ask how many of its letters were heard: `told` gets the number."""
        self._send(self._session.ask_heard(sentence, samples, told) if self._is_open else [])

    def _drop(self, sentence: str) -> None:
        """Stop a sentence that has not ended."""
        if sentence not in self._speeches:
            return
        self._send(self._session.cancel(sentence) if self._is_open else [])
        if self._session.cancels:
            del self._speeches[sentence]
            self._freed.set()
        else:
            self._speeches[sentence] = None

    def _send(self, messages: list[str]) -> None:
        if self._socket is not None:
            for message in messages:
                self._socket.send(message)

    # The socket.

    async def _connect(self) -> None:
        """Connect, and wait until the server is ready. If that fails, the socket is closed."""
        self._abort(ProviderError(self.name, "connection replaced"))
        self._fault = None
        self._begun.clear()
        hello = self._session.begin()
        limit, key = self._session.limits.open_limit, self._session.limits.api_key
        url, headers = self._session.request()
        ready = False
        try:
            async with asyncio.timeout(limit):
                self._socket = await connect(url, headers, self, limit)
                if self._session.begins:
                    await self._begun.wait()
            ready = self._fault is None
        except TimeoutError:
            self._fault = ProviderError(self.name, f"no answer within {limit:g} s", refused=True)
        except ConnectError as error:
            self._fault = ProviderError(self.name, quoted(error.problem, key), refused=True)
            if error.status is not None:
                self._fault = http_fault(self.name, error.status, quoted(error.words, key), error.retry_after)
        finally:  # the waiting task may have been cancelled, too
            if not ready:
                self._abort(self._fault or ProviderError(self.name, "given up before it was ready"))
        if self._fault is not None:
            raise self._fault
        self._send(hello)
        self._wait_idle()

    def _abort(self, error: ProviderError) -> None:
        """Close the connection at once, because of `error`."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.abort()
        self._forget(error)

    def _keep_alive(self) -> None:
        if self._is_open:
            self._send(self._session.keep_alive())
            self._wait_idle()

    def _wait_idle(self) -> None:
        if self._session.keepalive_every:
            later = asyncio.get_running_loop().call_later
            self._timer = later(self._session.keepalive_every, self._keep_alive)

    def _forget(self, error: ProviderError) -> None:
        """Fail all sentences on the socket because of `error`. The first error is kept."""
        self._fault = self._fault or error
        self._begun.set()
        if self._timer is not None:
            self._timer.cancel()
        speeches, self._speeches = self._speeches, {}
        for speech in speeches.values():
            if speech is not None:
                speech.fail(self._fault)
        self._freed.set()
