"""A voice by HTTP, one streamed request per sentence: drives any provider that describes its requests."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import ClassVar

import httpx2
import structlog

from agent.authorities import tls
from agent.bodies import TooLargeError, lift, within
from agent.errors import ProviderError
from agent.meter import sent_again
from agent.providers.connections import Warming
from agent.providers.faults import http_fault, quoted, too_large, wait_of
from agent.providers.tts_session import SpeakOptions
from agent.tts import Speech

KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept for the next sentence."""

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""Faults without a connection: nothing was asked. After any other the sentence may have been taken, and is billed."""

MAX_WORDS = 4096
"""Bytes of a refusal that are looked at."""

_log = structlog.get_logger()


class Decoder:
    """Makes mu-law of what the provider sends: here nothing needs to be done."""

    def feed(self, data: bytes) -> bytes:
        """Mu-law sound as far as it can be told."""
        return data

    def finish(self) -> bytes:
        """The rest, at the end."""
        return b""


class HttpSpeech(ABC):
    """Requests of one provider, and the reading of its answers. Does no input or output."""

    name: ClassVar[str]
    """The provider's name in the configuration."""

    def __init__(self, options: SpeakOptions) -> None:
        self.limits = options

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the service is."""

    @abstractmethod
    def request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body of the POST that has `text` spoken."""

    def decoder(self) -> Decoder:
        """Decoder of one sentence."""
        return Decoder()

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error for an answer other than 200; `fields` are those of its head."""
        words = quoted(body.decode(errors="replace"), self.limits.api_key)
        return http_fault(self.name, status, words, wait_of(fields))


class _LostError(ProviderError):
    """The connection broke, or there was none."""


class HttpTts:
    """The voice of one call."""

    def __init__(self, speech: HttpSpeech) -> None:
        self.name = speech.name
        self._speech = speech
        self._http: httpx2.AsyncClient | None = None
        self._warming: Warming | None = None

    async def open(self) -> None:
        """Make the client, and begin to connect."""
        limits = self._speech.limits
        self._http = http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(max(limits.first_sound_limit, limits.gap_limit), connect=limits.open_limit),
            limits=httpx2.Limits(max_connections=10, keepalive_expiry=KEEP_CONNECTION),
            verify=tls(),
            event_hooks=within(),
        )
        self._warming = Warming(lambda: http.get(self._speech.url))

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """Stream one sentence; closing the generator closes the response, which stops the synthesis.

        When the connection breaks before the first sound (an idle one may have died), it is tried once more.
        """
        if not text.strip():
            return
        for attempt in (1, 2):
            sounded = False
            sound = self._sound(text)
            try:
                limit = self._speech.limits.first_sound_limit
                while (ulaw := await self._next(sound, limit)) is not None:
                    if ulaw:
                        sounded = True
                        limit = self._speech.limits.gap_limit
                        yield ulaw
                if not sounded:
                    raise ProviderError(self.name, "sent no sound for a sentence")
            except _LostError as lost:
                if sounded or attempt == 2:
                    raise ProviderError(self.name, lost.problem, refused=lost.refused) from None
                if not lost.refused:
                    sent_again()
                _log.warning("tts_lost", provider=self.name, problem=lost.problem)
            else:
                return
            finally:
                await sound.aclose()

    async def close(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if self._warming is not None:
            await self._warming.stop()
        if http is not None:
            await http.aclose()

    async def _next(self, sound: AsyncGenerator[bytes, None], limit: float) -> bytes | None:
        """The next piece, None at the end. Raises `ProviderError` only."""
        try:
            async with asyncio.timeout(limit):
                return await anext(sound, None)
        except (TimeoutError, httpx2.ReadTimeout):
            raise ProviderError(self.name, f"no sound within {limit:g} s") from None
        except TooLargeError as error:
            raise too_large(self.name, error) from None
        except httpx2.HTTPError as error:
            problem = quoted(f"connection failed: {type(error).__name__} {error}", self._speech.limits.api_key)
            raise _LostError(self.name, problem, refused=isinstance(error, UNSENT)) from None

    async def _sound(self, text: str) -> AsyncGenerator[bytes, None]:
        if self._http is None:
            raise ProviderError(self.name, "not open", temporary=False, refused=True)
        url, headers, body = self._speech.request(" ".join(text.split()))
        decoder = self._speech.decoder()
        async with self._http.stream("POST", url, headers=headers, content=body) as response:
            if response.status_code != 200:
                words = (await response.aread())[:MAX_WORDS]
                raise self._speech.refusal(response.status_code, words, response.headers)
            if "json" in response.headers.get("content-type", ""):
                raise ProviderError(self.name, "answered in JSON instead of sound")
            lift(response)
            async for data in response.aiter_bytes():
                yield decoder.feed(data)
            yield decoder.finish()
