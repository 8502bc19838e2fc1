"""A voice by ElevenLabs' multi-stream-input websocket: one socket per call, one context per sentence.

A context is opened ahead of its sentence (its first message carries the voice settings, and it keeps the idle socket
alive). The sentence is sent, flushed and closed in one go: the context's `isFinal` then tells the end of its sound.
There is no way to take a sentence back; a cancelled one's sound is dropped as it comes.
"""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncGenerator

import structlog

from agent.errors import ProviderError
from agent.providers.elevenlabs import (
    MAX_CONTEXTS,
    NAME,
    SOUND_FORMAT,
    ElevenLabsOptions,
    Fault,
    Final,
    Sound,
    fault,
    read,
)
from agent.providers.faults import http_fault, quoted
from agent.providers.socket_voice import Speech
from agent.providers.websocket import ABNORMAL, ConnectError, Socket, connect

_INACTIVITY = 60
"""Seconds of silence after which the service gives up: several of our keepalives."""

_log = structlog.get_logger()


class ElevenLabsVoice:
    """The voice of one call. A socket that died is replaced before the next sentence."""

    name = NAME

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._socket: Socket | None = None
        self._sentences: dict[str, Speech | None] = {}  # contexts that are not final; None: nobody listens
        self._count = 0
        self._ready = ""  # the context opened ahead
        self._freed = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._fault: ProviderError | None = None  # why the socket ended

    async def open(self) -> None:
        """Connect and open the first context. Raises `ProviderError`.

        A wrong key is told only after the connection stands, by an error message: if not here, `speak` raises it.
        """
        await self._connect()

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream one sentence. When the socket dies before its first sound, it is tried once more on a new one."""
        if not text.strip():
            return
        for attempt in (1, 2):
            sounded = False
            context = ""
            try:
                context, sentence = await self._say(text)
                limit = self._options.first_sound_limit
                while (ulaw := await sentence.next(limit)) is not None:
                    sounded = True
                    limit = self._options.gap_limit
                    yield ulaw
                if not sounded:
                    raise ProviderError(NAME, "sent no sound for a sentence")
            except ProviderError as error:
                if sounded or attempt == 2 or not error.temporary or self._is_open:
                    raise
                _log.warning("voice_lost", provider=self.name, problem=error.problem)
            else:
                return
            finally:
                if context in self._sentences:
                    self._sentences[context] = None

    async def close(self) -> None:
        """Close all contexts and the socket."""
        socket, self._socket = self._socket, None
        self._forget(ProviderError(NAME, "closed", temporary=False))
        if socket is not None:
            socket.send(json.dumps({"close_socket": True}))
            await socket.close(1.0)

    # Called by the socket.

    def received(self, message: str | bytes) -> None:
        """Hand sound to the sentence it belongs to; that of cancelled sentences is dropped."""
        for event in read(message):
            match event:
                case Sound(context, ulaw):
                    sentence = self._sentences.get(context)
                    if sentence is not None:
                        sentence.put(ulaw)
                case Final(context):
                    self._finish(context)
                case Fault(code, words):
                    self._forget(fault(code, words, self._options.api_key))

    def writable(self) -> None:
        """Nothing waits: sentences are small and written at once."""

    def lost(self, code: int, reason: str) -> None:
        """Fail the sentences that had not come to their end."""
        problem = "connection lost" if code == ABNORMAL else f"connection closed with code {code}"
        words = quoted(reason, self._options.api_key) if code != ABNORMAL else ""
        self._forget(ProviderError(NAME, f"{problem}: {words}" if words else problem))

    # Contexts.

    @property
    def _is_open(self) -> bool:
        return self._socket is not None and self._socket.is_open and self._fault is None

    async def _say(self, text: str) -> tuple[str, Speech]:
        async with self._connecting:
            if not self._is_open:
                if self._fault is not None and not self._fault.temporary:
                    raise self._fault
                await self._connect()
        if not self._ready:
            await self._wait_for_context()
        context, self._ready = self._ready, ""
        sentence = Speech(NAME)
        self._sentences[context] = sentence
        self._send(context, text=" ".join(text.split()) + " ")
        self._send(context, flush=True)
        self._send(context, close_context=True)
        self._prepare()
        return context, sentence

    async def _wait_for_context(self) -> None:
        """Wait until one of the contexts is final; when none ends in time the socket is given up."""
        try:
            async with asyncio.timeout(self._options.first_sound_limit):
                while not self._ready and self._is_open:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            self._forget(ProviderError(NAME, f"all {MAX_CONTEXTS} contexts are busy"))
        if not self._ready:
            raise self._fault or ProviderError(NAME, "connection lost")

    def _prepare(self) -> None:
        """Open the next context, if there may be one more. Only a context's first message may hold settings."""
        if self._ready or len(self._sentences) >= MAX_CONTEXTS or not self._is_open:
            return
        self._count += 1
        self._ready = f"s{self._count}"
        settings = self._options.voice_settings
        if settings:
            self._send(self._ready, text=" ", voice_settings=settings)
        else:
            self._send(self._ready, text=" ")

    def _finish(self, context: str) -> None:
        sentence = self._sentences.pop(context, None)
        if sentence is not None:
            sentence.finish()
        if context == self._ready:  # not asked for: the service ended it
            self._ready = ""
        self._prepare()
        self._freed.set()

    def _send(self, context: str, **fields: object) -> None:
        if self._socket is not None:
            self._socket.send(json.dumps({**fields, "context_id": context}))

    # The socket.

    async def _connect(self) -> None:
        if self._socket is not None:
            self._socket.abort()
        self._forget(ProviderError(NAME, "connection replaced"))
        options = self._options
        query = {"model_id": options.model_id, "output_format": SOUND_FORMAT, "auto_mode": "true"}
        query["inactivity_timeout"] = str(_INACTIVITY)
        if options.language_code:
            query["language_code"] = options.language_code
        base = options.base_url.replace("http", "ws", 1).rstrip("/")
        voice = urllib.parse.quote(options.voice_id, safe="")
        url = f"{base}/v1/text-to-speech/{voice}/multi-stream-input?{urllib.parse.urlencode(query)}"
        self._fault = None  # from here on a message may bring the next one
        try:
            self._socket = await connect(url, {"xi-api-key": options.api_key}, self, options.open_limit)
        except ConnectError as error:
            refused = ProviderError(NAME, quoted(error.problem, options.api_key))
            self._fault = http_fault(NAME, error.status) if error.status is not None else refused
            raise self._fault from None
        if self._fault is not None:
            raise self._fault
        self._prepare()
        self._wait_idle()

    def _keep_alive(self) -> None:
        if self._is_open:
            if self._ready:
                self._send(self._ready, text="")
            self._wait_idle()

    def _wait_idle(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._options.keepalive, self._keep_alive)

    def _forget(self, error: ProviderError) -> None:
        """End everything on the socket because of `error`; the first reason stands."""
        self._fault = self._fault or error
        if self._timer is not None:
            self._timer.cancel()
        sentences, self._sentences = self._sentences, {}
        for sentence in sentences.values():
            if sentence is not None:
                sentence.fail(self._fault)
        self._ready = ""
        self._freed.set()
