"""ElevenLabs' voice by an HTTP stream with times, one request per sentence, for networks that block websockets.

https://elevenlabs.io/docs/api-reference/text-to-speech/stream-with-timestamps
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import structlog

from agent.authorities import tls
from agent.bodies import TooLargeError, within
from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.connections import Warming
from agent.providers.elevenlabs import IN_URL, NAME, SOUND_FORMAT, ElevenLabsOptions, body_fault
from agent.providers.elevenlabs_alignment import AlignedText
from agent.providers.extra import in_query, query_of
from agent.providers.faults import quoted, too_large, wait_of
from agent.tts import Speech, WordTime

if TYPE_CHECKING:  # part of the SDK
    import httpx

SDK = ("elevenlabs.client", "elevenlabs.core", "elevenlabs.types", "elevenlabs.text_to_speech.client", "httpcore")
"""The modules of the SDK that a voice uses. Their import takes about a second, so they are imported before the first
call."""

KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept for the next sentence. httpx's default of 5 s would cost a TLS handshake per
turn."""

MOST_BYTES = 16 << 20
"""Maximum bytes of one answer: 20 minutes of sound."""

LONGEST = 3600.0
"""Maximum seconds of a sentence; later times of words are ignored as nonsense."""

_log = structlog.get_logger()


class ElevenLabsHttpTts:
    """The voice of one call."""

    name = NAME

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._http: httpx.AsyncClient | None = None
        self._speech: Any = None
        """The part of the SDK for text to speech."""
        self._warming: Warming | None = None

    async def open(self) -> None:
        """Make the client, and begin to connect."""
        import httpx
        from elevenlabs.client import AsyncElevenLabs

        base_url, query = query_of(self._options.url)
        base_url = base_url.rstrip("/")
        limits = httpx.Limits(max_connections=10, keepalive_expiry=KEEP_CONNECTION)
        timeout = httpx.Timeout(self._options.first_sound_limit, connect=self._options.open_limit)
        self._http = http = httpx.AsyncClient(
            timeout=timeout,
            limits=limits,
            verify=tls(),
            event_hooks=within(MOST_BYTES, httpx.AsyncByteStream),
            params=httpx.QueryParams(tuple(query)),
        )
        client = AsyncElevenLabs(api_key=self._options.api_key, base_url=base_url, httpx_client=self._http)
        self._speech = client.text_to_speech  # imports now, not in the first sentence
        self._warming = Warming(lambda: http.get(base_url), httpx.HTTPError, httpx.InvalidURL)

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """Stream one sentence; closing the generator closes the response, which stops the synthesis."""
        from elevenlabs.core import ApiError

        if not text.strip():
            return
        stream, aligned = self._request(text, before), AlignedText(text)
        limit = self._options.first_sound_limit
        sounded = False
        try:
            while True:
                try:
                    async with asyncio.timeout(limit):
                        piece = await anext(stream, None)
                except TimeoutError:
                    raise ProviderError(NAME, f"no sound within {limit:g} s") from None
                except ApiError as error:
                    fault = body_fault(error.status_code or 502, error.body, self._options.api_key)
                    fault.retry_after = wait_of(error.headers or {}) or fault.retry_after
                    raise fault from None
                except TooLargeError as error:
                    raise too_large(NAME, error) from None
                except Exception as error:  # noqa: BLE001  the SDK lets errors of transport and parsing through
                    problem = quoted(f"{type(error).__name__} {error}", self._options.api_key)
                    _log.warning("tts_failed", provider=NAME, problem=problem)
                    raise ProviderError(NAME, f"connection failed: {problem}") from None
                if piece is None:
                    break
                if ulaw := _sound(piece):
                    sounded = True
                    limit = self._options.gap_limit
                    yield ulaw
                for word in _words(piece, aligned):
                    yield word
        finally:
            await stream.aclose()
        if not sounded:
            raise ProviderError(NAME, "sent no sound for a sentence")

    async def close(self) -> None:
        """Close the connections."""
        http, self._http, self._speech = self._http, None, None
        if self._warming is not None:
            await self._warming.stop()
        if http is not None:
            await http.aclose()

    def _request(self, text: str, before: str) -> AsyncGenerator[Any, None]:
        from elevenlabs.types import VoiceSettings

        if self._speech is None:
            raise ProviderError(NAME, "not open", temporary=False, refused=True)
        options = self._options
        settings = VoiceSettings.model_validate(options.voice_settings) if options.voice_settings else None
        extra = {"language_code": options.language_code} if options.language_code else {}
        if before:
            extra["previous_text"] = before
        stream: AsyncIterator[Any] = self._speech.stream_with_timestamps(
            options.voice_id,
            text=text,
            model_id=options.model,
            output_format=SOUND_FORMAT,
            **({"voice_settings": settings} if settings else {}),
            **extra,
            request_options={
                "max_retries": 0,
                "additional_body_parameters": options.without(*IN_URL, "voice_settings"),
                "additional_query_parameters": dict(in_query({}, options.only(*IN_URL))),
            },
        )
        return cast(AsyncGenerator[Any, None], stream)


def _sound(piece: Any) -> bytes:
    """The mu-law sound in `piece`. Raises `ProviderError`."""
    try:
        return base64.b64decode(getattr(piece, "audio_base_64", None) or "", validate=True)
    except (TypeError, ValueError):
        raise ProviderError(NAME, "sent sound that cannot be decoded") from None


def _words(piece: Any, aligned: AlignedText) -> list[WordTime]:
    """The times of the words that end in `piece`, if it has times. They count from the beginning of the sentence."""
    try:
        told = piece.alignment
        ends = [
            (str(char), float(until))
            for char, until in zip(told.characters, told.character_end_times_seconds, strict=True)
        ]
    except (AttributeError, TypeError, ValueError, OverflowError):
        return []
    if not all(0 <= until <= LONGEST for _, until in ends):
        return []
    return [WordTime(letters, int(until * SAMPLE_RATE)) for letters, until in aligned.align(ends) or ()]
