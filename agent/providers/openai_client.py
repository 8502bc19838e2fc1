"""Code shared by the language models that use OpenAI's or Anthropic's package: options, connections, time limits and
the meaning of errors.

One generator makes both packages: their clients, responses and errors have the same names and shapes.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

import httpx2
import structlog

from agent.authorities import tls
from agent.bodies import LARGEST, TooLargeError, lift, within
from agent.deadline import Deadline
from agent.errors import ProviderError
from agent.limits import FIRST_TOKEN, GAP
from agent.meter import sent_again
from agent.providers.connections import Warming
from agent.providers.dialect import Dialect, is_too_long, latest, limit_name
from agent.providers.extra import FIXED, Limits, ProviderOptions, merged, query_of
from agent.providers.faults import http_fault, quoted, too_large, wait_of
from agent.providers.sse import DONE, Events, TooLongError
from agent.rules.rule_error import RuleError

SDK = ("openai", "httpcore2")
"""The modules that a client uses. To import them takes seconds on a small machine, so they are imported beforehand
where possible.
"""

MAX_TEXT = 20_000
"""Maximum characters of one reply, about 20 minutes of speech."""

KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept. The transport's default of 5 s would cost a TLS handshake per turn."""

WARM = 30.0
"""Seconds after the last answer for which its connection counts as open, because servers keep an idle connection at
least so long."""
MISWRITTEN = "tool_use_failed"
"""Groq's code for a tool call that the model wrote wrongly. It comes as a bad request, but another try may succeed."""
WRONG_KEY = "API key not valid"
"""Gemini's words for a wrong key, which comes as a bad request."""
REST = 0.2
"""Seconds to wait for the end of an answer whose words are complete. The end nearly always comes with the last
words."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class ModelOptions(ProviderOptions):
    """Options of every language model of a service."""

    max_tokens: int = 400
    """Maximum tokens of one reply."""
    reasoning_effort: str = ""
    """``none``, ``low``, ``medium`` ...; empty is ``none`` for chat completions and ``low`` for responses with models
    that think (GPT-5.6 and later), ``low`` for Gemini 3 and later, and is left out with others. Thinking may use 2000
    tokens more than `max_tokens`."""
    connect_limit: float = field(default=2.0, metadata=FIXED)
    """Seconds within which the connection must be open."""
    first_token_limit: float = field(default=6.0, metadata=FIXED)
    """Seconds from the request to the first piece of the reply, at most 6. A second try is included in them."""
    gap_limit: float = field(default=5.0, metadata=FIXED)
    """Maximum seconds between two pieces of the reply, at most 6."""
    retries: int = field(default=0, metadata=FIXED)
    """0 or 1: whether the client repeats a failed request by itself, within `first_token_limit`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.retries not in (0, 1):
            raise RuleError("must be 0 or 1", "retries")
        if self.max_tokens < 1:
            raise RuleError("must be at least 1", "max_tokens")
        for name, most in (("first_token_limit", FIRST_TOKEN), ("gap_limit", GAP)):
            if not 0 < getattr(self, name) <= most:
                raise RuleError(f"must be above 0 and up to {most:g}: no caller is kept waiting for longer", name)


@dataclass(frozen=True)
class OpenAIOptions(ModelOptions):
    """Options of a language model of OpenAI or of a compatible server, such as ``url =
    "https://llm-gateway.assemblyai.com/v1"``."""

    url: str = "https://api.openai.com/v1"
    api: Literal["chat", "responses"] = "chat"
    """The interface of OpenAI that is used: chat completions, which all servers have, or responses."""
    model: str = "gpt-6-luna"
    max_tokens_name: Literal["auto", "max_completion_tokens", "max_tokens"] = field(default="auto", metadata=FIXED)
    """The server's name for `max_tokens` in chat completions. `auto`: by the address of the server, and by its
    refusals."""
    usage: bool = field(default=True, metadata=FIXED)
    """Whether requests ask for the number of tokens (`stream_options`)."""
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
        """See `ProviderOptions.through`. Options that depend on the address still depend on the server's own
        address."""
        named = limit_name(self.url) if self.max_tokens_name == "auto" else self.max_tokens_name
        return replace(self, url=proxy, max_tokens_name=named)


class ModelClient:
    """The connections to one server, for all calls."""

    def __init__(
        self, options: ModelOptions, name: str = "openai", client: str = "AsyncOpenAI", largest: int = LARGEST
    ) -> None:
        """`client` is a class of the package `name`; `largest` are the bytes of an answer that is not streamed.

        Raises `ImportError`.
        """
        self.name = name
        self._package = import_module(name)
        self.options = options
        self.dialect = Dialect()
        timeout = httpx2.Timeout(options.first_token_limit, connect=options.connect_limit)
        limits = httpx2.Limits(max_connections=1000, keepalive_expiry=KEEP_CONNECTION)
        base_url, query = query_of(options.url)  # the SDK would append the path to the query
        self._http = self._package.DefaultAioHttpClient(
            timeout=timeout, limits=limits, verify=tls(), event_hooks=within(largest), params=query
        )
        self.sdk = getattr(self._package, client)(
            api_key=options.api_key or "none",
            base_url=base_url,
            max_retries=options.retries,
            http_client=self._http,
            timeout=timeout,
        )
        self._used = float("-inf")
        """The time at which an answer was last read to its end, so that its connection was open."""
        self._warming: Warming | None = None

    def warm(self) -> None:
        """Open a connection in the background, unless one is open, so that the first reply of a call can use it."""
        idle = asyncio.get_running_loop().time() - self._used
        if idle > WARM and not (self._warming and self._warming.going_on):
            self._warming = Warming(self._connect)

    async def _connect(self) -> None:
        await self._http.get(self.options.url)
        self._used = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close the connections."""
        if self._warming is not None:
            await self._warming.stop()
        await self.sdk.close()

    async def answer(self, stack: AsyncExitStack, path: str, request: dict[str, Any], limit: float) -> httpx2.Response:
        """The response to `request`. If the server refuses a parameter or the length, the request is repeated without
        this parameter, or without its oldest turns. `stack` closes the response. Its first byte, and each further one,
        must come within `limit` seconds.

        The SDK has a method for each `path`, but this method checks every parameter by its type hints, which takes
        time.
        """
        shortened = again = False
        timeout = httpx2.Timeout(limit, connect=self.options.connect_limit)
        while True:
            spoken = self.dialect.spoken(merged(request, self.options.extra))
            try:
                response: httpx2.Response = await self.sdk.post(
                    path, cast_to=httpx2.Response, body=spoken, options={"timeout": timeout}, stream=True
                )
            except UnicodeEncodeError:
                request = _whole(request)
            except self._package.APIConnectionError as error:
                if again or not self._had_ended(error):
                    raise
                again = True
                sent_again()
            except self._package.APIStatusError as error:
                if not shortened and (shorter := self._shorter(request, error)):
                    request, shortened = shorter, True
                elif not self.learns(spoken, error):
                    raise
            else:
                stack.push_async_callback(response.aclose)
                return response

    def _had_ended(self, error: Exception) -> bool:
        """Whether the server had closed a kept connection, as llama.cpp does after each stream without a notice. Then
        the request has hardly reached the server. aiohttp itself repeats such requests, but not a POST.
        """
        import aiohttp

        kept = asyncio.get_running_loop().time() - self._used < KEEP_CONNECTION
        ended = _is_of(error, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
        return kept and ended and not _unsent(error)

    def _shorter(self, request: dict[str, Any], error: Any) -> dict[str, Any] | None:
        """`request` without its oldest turns, if the server refused it for its length."""
        if error.status_code not in (400, 413, 422) or not is_too_long(_words(error)):
            return None
        key = "messages" if "messages" in request else "input"
        kept = latest(request[key])
        _log.warning("llm_overflow", provider=self.name, messages=len(request[key]), kept=len(kept))
        return request | {key: kept} if len(kept) < len(request[key]) else None

    async def events(self, response: httpx2.Response) -> AsyncGenerator[Any, None]:
        """The events of a streamed response, as plain JSON: the SDK would make objects for every token. Raises an error
        if the stream ends without OpenAI's last event. A caller who knows that the reply is complete ignores this
        error.
        """
        lift(response)
        found, pieces = Events(), response.aiter_bytes()
        try:
            async for data in pieces:
                for text in found.feed(data):
                    if text.startswith(DONE):
                        await self.rest(pieces)
                        return
                    yield json.loads(text)
            self._used = asyncio.get_running_loop().time()
            for text in found.end():
                if text.startswith(DONE):
                    return
                yield json.loads(text)
            raise ProviderError(self.name, "broke off")
        except TooLongError:
            raise ProviderError(self.name, "sent an event beyond 1 MiB") from None

    async def rest(self, stream: AsyncIterator[object]) -> None:
        """Read a complete answer to the end of its stream, so that its connection can be used again."""
        with contextlib.suppress(
            ProviderError, TimeoutError, ValueError, self._package.APIError, httpx2.TransportError
        ):
            async with asyncio.timeout(REST):
                async for _ in stream:
                    pass
                self._used = asyncio.get_running_loop().time()

    async def next(self, stream: AsyncGenerator[Any, None], deadline: Deadline) -> Any:
        """The next item of `stream`; None at the end. Every error is raised as a `ProviderError`."""
        try:
            with deadline:
                return await anext(stream, None)
        except ProviderError:
            raise
        except (TimeoutError, self._package.APITimeoutError, httpx2.TimeoutException) as error:
            if isinstance(error.__cause__ or error, httpx2.ConnectTimeout):  # so aiohttp's transport calls any loss
                raise ProviderError(self.name, "connection failed", refused=_unsent(error)) from None
            raise ProviderError(self.name, f"nothing within {deadline.limit:g} s") from None
        except self._package.APIStatusError as error:
            words, wait = self.quoted(_told(error, "message")), wait_of(error.response.headers)
            strange = error.status_code == 400 and WRONG_KEY in words  # Gemini reports it like this
            fault = http_fault(self.name, 401 if strange else error.status_code, words, wait)
            fault.temporary |= _told(error, "code") == MISWRITTEN
            raise fault from None
        except (self._package.APIConnectionError, httpx2.TransportError, TooLargeError) as error:
            for one in (error, error.__cause__):  # the SDK reads an unstreamed answer within the request
                if isinstance(one, TooLargeError):
                    raise too_large(self.name, one) from None
            raise ProviderError(self.name, "connection failed", refused=_unsent(error)) from None
        except self._package.APIError as error:
            raise ProviderError(self.name, f"broke off: {self.quoted(error.message)}") from None
        except Exception as error:  # noqa: BLE001  the SDK lets errors of parsing through
            problem = self.quoted(f"{type(error).__name__} {error}")
            _log.warning("llm_failed", provider=self.name, problem=problem)
            raise ProviderError(self.name, f"sent nonsense: {problem}") from None

    def learns(self, request: dict[str, Any], error: Any) -> bool:
        """Whether the server refused a parameter of `request` that later requests leave out."""
        if error.status_code not in (400, 422):
            return False
        words = _words(error)
        learnt = self.dialect.learn(request, words)
        if learnt:
            _log.info("llm_dialect", provider=self.name, problem=self.quoted(words))
        return learnt

    def quoted(self, words: object) -> str:
        """The server's words, with the key masked."""
        return quoted(words, self.options.api_key)


def _unsent(error: BaseException) -> bool:
    """Whether there was no connection, so that the request was not sent. After any other error the server may have done
    the work, and may bill it. The error types of `httpx2` do not say this.
    """
    import aiohttp

    return _is_of(error, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


def _is_of(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    """Whether `error`, or an error that caused it, is of one of these `kinds`."""
    return error is not None and (isinstance(error, kinds) or _is_of(error.__cause__, *kinds))


def _whole(value: Any) -> Any:
    """The JSON `value` without unpaired surrogates (halves of characters): recognisers and models may send one, and
    UTF-8 cannot encode it."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_whole(key): _whole(one) for key, one in value.items()}
        case list() | tuple():
            return [_whole(one) for one in value]
    return value


def _told(error: Any, name: str) -> str:
    """The field `name` of the server's error. Gemini sends a list of errors."""
    body = error.body[0] if isinstance(error.body, list) and error.body else error.body
    return str(field_of(field_of(body, "error") or body, name) or "")


def _words(error: Any) -> str:
    """All words of the server about the error."""
    return " ".join(_told(error, name) for name in ("message", "param", "code"))


def field_of(thing: Any, name: str) -> Any:
    """The field `name` of the JSON object `thing`; None if it has no such field."""
    return thing.get(name) if isinstance(thing, dict) else None
