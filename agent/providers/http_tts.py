"""A voice by HTTP, one streamed request per sentence, for any provider that describes its requests (`HttpSpeech`)."""

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
"""Errors without a connection: the request was not sent. After any other error the sentence may have been spoken and
billed."""

MAX_WORDS = 4096
"""Maximum bytes of a refusal that are read."""

_log = structlog.get_logger()


class Decoder:
    """Makes mu-law of the provider's sound. This class is for providers that send mu-law: it changes nothing."""

    def feed(self, data: bytes) -> bytes:
        """The mu-law sound of `data`, as far as it is complete."""
        return data

    def finish(self) -> bytes:
        """The rest of the mu-law sound, at the end."""
        return b""


class HttpSpeech(ABC):
    """The requests of one provider, and the reading of its answers. Sans-IO."""

    name: ClassVar[str]
    """The provider's name in the configuration."""

    def __init__(self, options: SpeakOptions) -> None:
        self.limits = options

    @property
    @abstractmethod
    def url(self) -> str:
        """Address of the service."""

    @abstractmethod
    def request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body of the POST that lets the service speak `text`."""

    def decoder(self) -> Decoder:
        """Decoder of one sentence."""
        return Decoder()

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error for an answer with another status than 200; `fields` are its headers."""
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

        If the connection breaks before the first sound (an idle one may have died), the sentence is tried once more.
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
