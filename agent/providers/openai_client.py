"""What the language models share that are asked over HTTP: options, requests, and the meaning of errors."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import structlog

from agent.errors import ProviderError
from agent.limits import FIRST_TOKEN, GAP
from agent.providers.dialect import Dialect, is_too_long, latest, limit_name
from agent.providers.extra import FIXED, Limits, ProviderOptions, merged
from agent.providers.faults import http_fault, quoted, wait_of
from agent.providers.sse import DONE, Events, TooLongError

if TYPE_CHECKING:
    from agent.providers.model_server import ModelRefusal, ModelServer

HTTP = "agent.providers.model_server"
"""The module that a client uses; to import it takes a tenth of a second, so it is imported beforehand where possible.
"""

MAX_TEXT = 20_000
"""Characters of one reply; nobody listens to more than 20 minutes."""
MAX_BODY = 1 << 20
"""Bytes of an answer that comes as one JSON body."""
MISWRITTEN = "tool_use_failed"
"""Groq's code for a tool call that the model did not write as it should, told as a bad request: the next may do."""
WRONG_KEY = "API key not valid"
"""Gemini's words, told as a bad request."""
REST = 0.2
"""Seconds that a server has to end an answer that is complete; it comes with the last words, nearly always."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class ModelOptions(ProviderOptions):
    """Options of every language model of a service."""

    max_tokens: int = 400
    """Tokens of one reply; more than that is never spoken."""
    reasoning_effort: str = ""
    """``none``, ``low``, ``medium`` ...; empty is ``none`` for chat completions and ``low`` for responses with models
    that think (GPT-5.6 and later), ``low`` for Gemini 3 and later, and is left out with others. To think there are 2000
    tokens beyond `max_tokens`."""
    connect_limit: float = field(default=2.0, metadata=FIXED)
    """Seconds until the connection must stand."""
    first_token_limit: float = field(default=6.0, metadata=FIXED)
    """Seconds from the request to the first piece of the reply; up to 6."""
    gap_limit: float = field(default=5.0, metadata=FIXED)
    """Seconds between two pieces; up to 6."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1")
        for name, most in (("first_token_limit", FIRST_TOKEN), ("gap_limit", GAP)):
            if not 0 < getattr(self, name) <= most:
                raise ValueError(f"{name} must be above 0 and up to {most:g}: no caller is kept waiting for longer")


@dataclass(frozen=True)
class OpenAIOptions(ModelOptions):
    """How to think with OpenAI or a compatible server: ``url = "https://llm-gateway.assemblyai.com/v1"``."""

    url: str = "https://api.openai.com/v1"
    api: Literal["chat", "responses"] = "chat"
    """Which of OpenAI's interfaces: chat completions, which all servers have, or responses."""
    model: str = "gpt-6-luna"
    max_tokens_name: Literal["auto", "max_completion_tokens", "max_tokens"] = field(default="auto", metadata=FIXED)
    """What a chat completions server calls `max_tokens`; `auto` goes by the address and learns from a refusal."""
    usage: bool = field(default=True, metadata=FIXED)
    """Whether to ask for the number of tokens (`stream_options`)."""
    decided: ClassVar = (
        *("background", "conversation", "function_call", "functions", "input", "n", "previous_response_id"),
        "stream_options",
    )
    limits: ClassVar = {
        "frequency_penalty": Limits(-2, 2),
        "presence_penalty": Limits(-2, 2),
        "temperature": Limits(0, 2),
        "top_p": Limits(0, 1),
    }

    def through(self, proxy: str) -> Self:
        """See `ProviderOptions.through`. What goes by the address goes by the server's own."""
        named = limit_name(self.url) if self.max_tokens_name == "auto" else self.max_tokens_name
        return replace(self, url=proxy, max_tokens_name=named)


class ModelClient:
    """One endpoint of a server, for all calls."""

    def __init__(
        self, options: ModelOptions, path: str, name: str = "openai", headers: Mapping[str, str] | None = None
    ) -> None:
        """`headers` hold the key; None: as OpenAI takes it."""
        self.name = name
        self.options = options
        self.dialect = Dialect()
        self._path = path
        self._http = import_module(HTTP)
        keyed = {"Authorization": f"Bearer {options.api_key or 'none'}"} if headers is None else headers
        self.server: ModelServer = self._http.ModelServer(name, options.url, keyed, options.connect_limit)

    def warm(self) -> None:
        """See `ModelServer.warm`."""
        self.server.warm()

    async def close(self) -> None:
        """Close the connections."""
        await self.server.close()

    async def answer(self, stack: AsyncExitStack, request: dict[str, Any], limit: float) -> Any:
        """The response to `request`, if need be without what the server refuses or its oldest turns; `stack` closes it.

        Its first byte, and each further one, has `limit` seconds.
        """
        shortened = False
        while True:
            spoken = self.dialect.spoken(merged(request, self.options.extra))
            try:
                return await stack.enter_async_context(self.server.ask(self._path, spoken, limit))
            except self._http.ModelRefusal as refusal:
                if not shortened and (shorter := self._shorter(request, refusal)):
                    request, shortened = shorter, True
                elif not self.learns(spoken, refusal):
                    raise

    async def whole(self, response: Any, most: int = MAX_BODY) -> Any:
        """The JSON of an answer that comes as one body of up to `most` bytes. Raises `ProviderError` and ValueError."""
        body = b""
        async for data in self.server.pieces(response):
            body += data
            if len(body) > most:
                raise ProviderError(self.name, f"sent a body beyond {most >> 20} MiB")
        return json.loads(body)

    def _shorter(self, request: dict[str, Any], refusal: "ModelRefusal") -> dict[str, Any] | None:
        """`request` without its oldest turns, if the server refused it for its length."""
        if refusal.status not in (400, 413, 422) or not is_too_long(_words(refusal)):
            return None
        key = "messages" if "messages" in request else "input"
        kept = latest(request[key])
        _log.warning("llm_overflow", provider=self.name, messages=len(request[key]), kept=len(kept))
        return request | {key: kept} if len(kept) < len(request[key]) else None

    async def events(self, response: Any) -> AsyncGenerator[Any, None]:
        """The events of a streamed response.

        One that ends without OpenAI's last event has broken off, but for who knows by then that it is complete.
        """
        found, pieces = Events(), self.server.pieces(response)
        try:
            async for data in pieces:
                for text in found.feed(data):
                    if text.startswith(DONE):
                        await self.rest(pieces)
                        return
                    yield json.loads(text)
            for text in found.end():
                if text.startswith(DONE):
                    return
                yield json.loads(text)
            raise ProviderError(self.name, "broke off")
        except TooLongError:
            raise ProviderError(self.name, "sent an event beyond 1 MiB") from None

    async def rest(self, stream: AsyncIterator[object]) -> None:
        """Read an answer that is complete to its end: only then is its connection used again."""
        with contextlib.suppress(ProviderError, TimeoutError, ValueError):
            async with asyncio.timeout(REST):
                async for _ in stream:
                    pass

    async def next(self, stream: AsyncGenerator[Any, None], deadline: float, limit: float) -> Any:
        """The next of `stream`, None at the end; all that goes wrong is a `ProviderError`."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(stream, None)
        except ProviderError:
            raise
        except TimeoutError:
            raise ProviderError(self.name, f"nothing within {limit:g} s") from None
        except self._http.ModelRefusal as refusal:
            words, wait = self.quoted(_told(refusal, "message")), wait_of(refusal.headers)
            strange = refusal.status == 400 and WRONG_KEY in words  # so Gemini tells it
            fault = http_fault(self.name, 401 if strange else refusal.status, words, wait)
            fault.temporary |= _told(refusal, "code") == MISWRITTEN
            raise fault from None
        except Exception as error:  # noqa: BLE001  of parsing
            problem = self.quoted(f"{type(error).__name__} {error}")
            _log.warning("llm_failed", provider=self.name, problem=problem)
            raise ProviderError(self.name, f"sent nonsense: {problem}") from None

    def learns(self, request: dict[str, Any], refusal: "ModelRefusal") -> bool:
        """Whether the server refused a parameter of `request` that is from now on left out."""
        if refusal.status not in (400, 422):
            return False
        words = _words(refusal)
        learnt = self.dialect.learn(request, words)
        if learnt:
            _log.info("llm_dialect", provider=self.name, problem=self.quoted(words))
        return learnt

    def quoted(self, words: object) -> str:
        """The server's words without the key."""
        return quoted(words, self.options.api_key)


def _told(refusal: "ModelRefusal", name: str) -> str:
    """A field of the error that the server tells; Gemini tells a list of them."""
    body = refusal.body[0] if isinstance(refusal.body, list) and refusal.body else refusal.body
    return str(field_of(field_of(body, "error") or body, name) or "")


def _words(refusal: "ModelRefusal") -> str:
    """All that the server tells of the error."""
    return " ".join(_told(refusal, name) for name in ("message", "param", "code"))


def field_of(thing: Any, name: str) -> Any:
    """A field of JSON; None if it is not there."""
    return thing.get(name) if isinstance(thing, dict) else None
