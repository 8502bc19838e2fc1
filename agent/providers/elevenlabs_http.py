"""A voice by ElevenLabs' HTTP stream, one request per sentence: for networks that let no websocket through."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import httpx
import structlog
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core import ApiError
from elevenlabs.types import VoiceSettings

from agent.errors import ProviderError
from agent.providers.elevenlabs import NAME, SOUND_FORMAT, ElevenLabsOptions, body_fault
from agent.providers.faults import quoted, seconds_of

CHUNK = 160
"""Bytes of a piece, 20 ms. The SDK's own 1024 would hold back the first 128 ms of every sentence."""

KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept for the next sentence; httpx's own 5 would cost a TLS handshake per turn."""

_log = structlog.get_logger()


class ElevenLabsHttpVoice:
    """The voice of one call."""

    name = NAME

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._http: httpx.AsyncClient | None = None
        self._client: AsyncElevenLabs | None = None

    async def open(self) -> None:
        """Make the client; the first request connects."""
        limits = httpx.Limits(max_connections=10, keepalive_expiry=KEEP_CONNECTION)
        timeout = httpx.Timeout(self._options.first_sound_limit, connect=self._options.open_limit)
        self._http = httpx.AsyncClient(timeout=timeout, limits=limits)
        self._client = AsyncElevenLabs(
            api_key=self._options.api_key, base_url=self._options.base_url.rstrip("/"), httpx_client=self._http
        )

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Stream one sentence; closing the generator closes the response, which stops the synthesis."""
        if not text.strip():
            return
        stream = self._request(text)
        limit = self._options.first_sound_limit
        sounded = False
        try:
            while True:
                try:
                    async with asyncio.timeout(limit):
                        ulaw = await anext(stream, b"")
                except TimeoutError:
                    raise ProviderError(NAME, f"no sound within {limit:g} s") from None
                except ApiError as error:
                    fault = body_fault(error.status_code or 502, error.body, self._options.api_key)
                    fault.retry_after = seconds_of((error.headers or {}).get("retry-after"))
                    raise fault from None
                except Exception as error:  # noqa: BLE001  the SDK lets errors of transport and parsing through
                    problem = quoted(f"{type(error).__name__} {error}", self._options.api_key)
                    _log.warning("voice_failed", provider=NAME, problem=problem)
                    raise ProviderError(NAME, f"connection failed: {problem}") from None
                if not ulaw:
                    break
                sounded = True
                limit = self._options.gap_limit
                yield ulaw
        finally:
            await stream.aclose()
        if not sounded:
            raise ProviderError(NAME, "sent no sound for a sentence")

    async def close(self) -> None:
        """Close the connections."""
        http, self._http, self._client = self._http, None, None
        if http is not None:
            await http.aclose()

    def _request(self, text: str) -> AsyncGenerator[bytes, None]:
        if self._client is None:
            raise ProviderError(NAME, "not open", temporary=False)
        options = self._options
        settings = VoiceSettings.model_validate(options.voice_settings) if options.voice_settings else None
        extra = {"language_code": options.language_code} if options.language_code else {}
        stream: AsyncIterator[bytes] = self._client.text_to_speech.stream(
            options.voice_id,
            text=text,
            model_id=options.model_id,
            output_format=SOUND_FORMAT,
            **({"voice_settings": settings} if settings else {}),
            **extra,
            request_options={"chunk_size": CHUNK, "max_retries": 0},
        )
        return cast(AsyncGenerator[bytes, None], stream)
