"""A model by the chat completions protocol: OpenAI and every server compatible with it.

https://platform.openai.com/docs/api-reference/chat
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import httpx2
import openai
import structlog
from openai import AsyncOpenAI

from agent.errors import ProviderError
from agent.model import Message, Piece, Text, ToolSchema, Usage
from agent.providers.faults import http_fault, quoted, seconds_of
from agent.providers.tool_calls import ToolCalls, TooMuchError

MAX_TEXT = 20_000
"""Characters of one reply; nobody listens to more than 20 minutes."""

MAX_BODY = 1 << 20
"""Bytes of a reply that comes as one JSON body."""

KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept; the transport's own 5 would cost a TLS handshake per turn."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class OpenAIOptions:
    """How to think with a chat completions server."""

    api_key: str = field(default="", repr=False)
    """The account's key; servers of your own often take any."""
    base_url: str = "https://api.openai.com/v1"
    """Where the server is: any compatible one, such as ``https://llm-gateway.assemblyai.com/v1``."""
    model: str = "gpt-4.1-mini"
    """The model's name at that server."""
    max_tokens: int = 400
    """Tokens of one reply; more than that is never spoken."""
    max_tokens_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """What the server calls `max_tokens`; compatible servers usually know only ``max_tokens``."""
    temperature: float | None = None
    """0 to 2; None leaves it out, which reasoning models want."""
    reasoning_effort: str = ""
    """``none``, ``minimal``, ``low`` ...; empty leaves it out."""
    usage: bool = True
    """Whether to ask for the number of tokens (`stream_options`); some servers refuse the question."""
    connect_limit: float = 2.0
    """Seconds until the connection must stand."""
    first_token_limit: float = 6.0
    """Seconds from the request to the first piece of the reply."""
    gap_limit: float = 5.0
    """Seconds between two pieces."""
    retries: int = 0
    """0 or 1: whether the client repeats a failed request by itself, within `first_token_limit`."""

    def __post_init__(self) -> None:
        if self.retries not in (0, 1):
            raise ValueError("retries must be 0 or 1")
        if self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1")
        if not self.base_url.startswith(("https://", "http://")):
            raise ValueError("base_url must begin with https://")


class _Finish(NamedTuple):
    reason: str


class OpenAIModel:
    """The model of all calls. Keep the prefix of the messages byte-stable: servers cache it."""

    name = "openai"

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        self._client = AsyncOpenAI(
            api_key=options.api_key or "none",
            base_url=options.base_url,
            max_retries=options.retries,
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=httpx2.Timeout(options.first_token_limit, connect=options.connect_limit),
                limits=httpx2.Limits(
                    max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEEP_CONNECTION
                ),
            ),
            timeout=httpx2.Timeout(options.first_token_limit, connect=options.connect_limit),
        )

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream a reply. Tool calls come whole, when the model has written them all. Raises `ProviderError`."""
        calls = ToolCalls(f"call_{secrets.token_hex(6)}_")
        written, called, finish = 0, False, ""
        async with AsyncExitStack() as stack:
            chunks = self._chunks(stack, self._request(messages, tools))
            stack.push_async_callback(chunks.aclose)
            limit = self._options.first_token_limit
            deadline = asyncio.get_running_loop().time() + limit
            while (chunk := await self._next(chunks, deadline, limit, finish)) is not None:
                for piece in self._pieces(chunk, calls):
                    limit = self._options.gap_limit
                    deadline = asyncio.get_running_loop().time() + limit
                    if isinstance(piece, _Finish):
                        finish = piece.reason or finish
                        continue
                    if isinstance(piece, Text):
                        written += len(piece.delta)
                    yield piece
                if written > MAX_TEXT:
                    raise ProviderError(self.name, f"wrote more than {MAX_TEXT} characters", temporary=False)
                for call in calls.finished() if finish else ():
                    called = True
                    yield call
        for call in calls.finished():  # a server that gives no finish_reason
            called = True
            yield call
        if finish == "content_filter" and not written:
            raise ProviderError(self.name, "the server's content filter stopped the reply")
        if not called and not written:
            raise ProviderError(self.name, "sent an empty reply")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        options = self._options
        request: dict[str, Any] = {
            "model": options.model,
            "messages": list(messages),
            "stream": True,
            options.max_tokens_name: options.max_tokens,
        }
        if tools:
            request["tools"] = list(tools)
        if options.temperature is not None:
            request["temperature"] = options.temperature
        if options.reasoning_effort:
            request["reasoning_effort"] = options.reasoning_effort
        if options.usage:
            request["stream_options"] = {"include_usage": True}
        return request

    async def _chunks(self, stack: AsyncExitStack, request: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Chunks as objects of the SDK, or the one body of a server that does not stream; closing is up to `stack`."""
        response = await stack.enter_async_context(
            self._client.chat.completions.with_streaming_response.create(**request)
        )
        if "json" not in response.headers.get("content-type", ""):
            stream = await response.parse()
            async for chunk in stream:
                yield chunk
            return
        body = b""
        async for data in response.iter_bytes():
            body += data
            if len(body) > MAX_BODY:
                raise ProviderError(self.name, "sent a body beyond 1 MiB")
        yield json.loads(body)

    async def _next(self, chunks: AsyncGenerator[Any, None], deadline: float, limit: float, finish: str) -> Any:
        """The next chunk, None at the end. A reply that is already complete (`finish`) cannot fail any more."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._checked(chunks, limit)
        except TimeoutError:
            fault = ProviderError(self.name, f"nothing within {limit:g} s")
        except ProviderError as error:
            fault = error
        if not finish:
            raise fault
        return None

    async def _checked(self, chunks: AsyncGenerator[Any, None], limit: float) -> Any:
        """The next chunk; every error of the SDK becomes a `ProviderError`."""
        try:
            return await anext(chunks, None)
        except ProviderError:
            raise
        except openai.APITimeoutError:
            raise ProviderError(self.name, f"nothing within {limit:g} s") from None
        except openai.APIStatusError as error:
            words, wait = self._quoted(_get(error.body, "message") or ""), error.response.headers.get("retry-after")
            raise http_fault(self.name, error.status_code, words, seconds_of(wait)) from None
        except openai.APIConnectionError:
            raise ProviderError(self.name, "connection failed") from None
        except openai.APIError as error:
            raise ProviderError(self.name, f"broke off: {self._quoted(error.message)}") from None
        except Exception as error:  # noqa: BLE001  the SDK lets errors of parsing through
            problem = self._quoted(f"{type(error).__name__} {error}")
            _log.warning("model_failed", provider=self.name, problem=problem)
            raise ProviderError(self.name, f"sent nonsense: {problem}") from None

    def _pieces(self, chunk: Any, calls: ToolCalls) -> list[Text | Usage | _Finish]:
        """What one chunk, or one whole body, holds; an empty `_Finish` stands for a fragment of a tool call."""
        if error := _get(chunk, "error"):
            raise ProviderError(self.name, f"broke off: {self._quoted(_get(error, 'message') or error)}")
        choices = _get(chunk, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        delta = _get(choice, "delta") or _get(choice, "message")
        words = (_get(delta, "content"), _get(delta, "refusal"))
        pieces: list[Text | Usage | _Finish] = [Text(word) for word in words if isinstance(word, str) and word]
        fragments = _get(delta, "tool_calls")
        for part in fragments if isinstance(fragments, list) else ():
            function = _get(part, "function")
            try:
                calls.add(_get(part, "index"), _get(part, "id"), _get(function, "name"), _get(function, "arguments"))
            except TooMuchError as much:
                raise ProviderError(self.name, f"wrote {much}", temporary=False) from None
            pieces.append(_Finish(""))
        usage = _get(chunk, "usage")
        prompt, completion = _get(usage, "prompt_tokens"), _get(usage, "completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            pieces.append(Usage(prompt, completion))
        reason = _get(choice, "finish_reason")
        if isinstance(reason, str):
            pieces.append(_Finish(reason))
        return pieces

    def _quoted(self, words: object) -> str:
        return quoted(words, self._options.api_key)


def _get(thing: Any, name: str) -> Any:
    """A field of an SDK object, which is built without validation, or of plain JSON; None if it is not there."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)
