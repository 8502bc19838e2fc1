"""A model by the chat completions protocol: OpenAI and every server compatible with it.

https://platform.openai.com/docs/api-reference/chat
"""

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from agent.deadline import Deadline
from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolSchema, Usage, form_in, patience
from agent.providers.dialect import limit_name
from agent.providers.openai_client import MAX_TEXT, ModelClient, OpenAIOptions, field_of
from agent.providers.reasoning import SPENT, chat_effort, token_limit
from agent.providers.tool_calls import ToolCalls, TooMuchError

CUT = ("length", "content_filter")
"""Finish reasons of a reply that ends too early."""


class _Finish(NamedTuple):
    reason: str


class OpenAILlm:
    """The language model of all calls. Keep the beginning of the messages byte for byte the same, because servers cache
    it."""

    name = "openai"

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        self._client = ModelClient(options)
        self._signs = frozenset[str]()
        """Names of additional fields that the server has sent with tool calls, and that must be sent back."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream a reply. Tool calls come complete, after the model has written all of them. Raises `ProviderError`."""
        calls = ToolCalls(f"call_{secrets.token_hex(6)}_")
        written, called, finish = 0, False, ""
        async with AsyncExitStack() as stack:
            limit = patience(tools, self._options.first_token_limit)
            chunks = self._chunks(stack, self._request(messages, tools), limit)
            stack.push_async_callback(chunks.aclose)
            deadline = Deadline(limit)
            while (chunk := await self._next(chunks, deadline, finish)) is not None:
                for piece in self._pieces(chunk, calls):
                    deadline.move(self._options.gap_limit)
                    if isinstance(piece, _Finish):
                        finish = piece.reason or finish
                        continue
                    if isinstance(piece, Text):
                        written += len(piece.delta)
                    yield piece
                if written > MAX_TEXT:
                    problem = f"wrote more than {MAX_TEXT} characters"
                    raise ProviderError(self.name, problem, temporary=False, of_request=True)
                for call in calls.finished(cut=finish in CUT) if finish else ():
                    called = True
                    yield call
        for call in calls.finished():  # a server that gives no finish_reason
            called = True
            yield call
        silent = not called and (calls.cut_off or not written)
        if finish == "content_filter" and (silent or not written):
            raise ProviderError(self.name, "the server's content filter stopped the reply")
        if silent:
            raise ProviderError(self.name, SPENT if finish == "length" else "sent an empty reply")

    def warm(self) -> None:
        """See `ModelClient.warm`."""
        self._client.warm()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        options = self._options
        request: dict[str, Any] = {
            "model": options.model,
            "messages": [self._known(message) for message in messages],
            "stream": True,
        }
        name = options.max_tokens_name
        effort = chat_effort(options.model, options.reasoning_effort)
        form = form_in(tools)
        limit = token_limit(options.max_tokens, effort, form)
        request[limit_name(options.url) if name == "auto" else name] = limit
        if form:
            request["response_format"] = {"type": "json_schema", "json_schema": form.strict}
        elif tools:
            request["tools"] = list(tools)
        if effort:
            request["reasoning_effort"] = effort
        if options.usage:
            request["stream_options"] = {"include_usage": True}
        return request

    def _known(self, message: Message) -> Message:
        """`message` without fields that only another server has sent, because this server might refuse them."""
        if "tool_calls" not in message:
            return message
        calls = []
        for call in message["tool_calls"]:
            known = {key: call[key] for key in call if key != "extra_content"}
            extra = {key: value for key, value in call.get("extra_content", {}).items() if key in self._signs}
            calls.append(known | {"extra_content": extra} if extra else known)
        return message | {"tool_calls": calls}

    async def _chunks(self, stack: AsyncExitStack, request: dict[str, Any], limit: float) -> AsyncGenerator[Any, None]:
        """The chunks of the reply, or the one body of a server that does not stream. `stack` closes the response."""
        response = await self._client.answer(stack, "/chat/completions", request, limit)
        if "json" not in response.headers.get("content-type", ""):
            async for chunk in self._client.events(response):
                yield chunk
            return
        yield json.loads(await response.aread())

    async def _next(self, chunks: AsyncGenerator[Any, None], deadline: Deadline, finish: str) -> Any:
        """The next chunk; None at the end. If the reply is already complete (`finish`), errors are ignored."""
        try:
            return await self._client.next(chunks, deadline)
        except ProviderError:
            if not finish:
                raise
            return None

    def _pieces(self, chunk: Any, calls: ToolCalls) -> list[Text | Usage | _Finish]:
        """The pieces of one chunk, or of one whole body. An empty `_Finish` stands for a fragment of a tool call."""
        if error := field_of(chunk, "error"):
            raise ProviderError(self.name, f"broke off: {self._client.quoted(field_of(error, 'message') or error)}")
        choices = field_of(chunk, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        delta = field_of(choice, "delta") or field_of(choice, "message")
        words = (field_of(delta, "content"), field_of(delta, "refusal"))
        pieces: list[Text | Usage | _Finish] = [Text(word) for word in words if isinstance(word, str) and word]
        fragments = field_of(delta, "tool_calls")
        for part in fragments if isinstance(fragments, list) else ():
            function, extra = field_of(part, "function"), field_of(part, "extra_content")
            self._signs = self._signs or frozenset(extra if isinstance(extra, dict) else ())
            try:
                calls.add(
                    field_of(part, "index"),
                    field_of(part, "id"),
                    field_of(function, "name"),
                    field_of(function, "arguments"),
                    extra,
                )
            except TooMuchError as much:
                raise ProviderError(self.name, f"wrote {much}", temporary=False, of_request=True) from None
            pieces.append(_Finish(""))
        usage = field_of(chunk, "usage")
        prompt, completion = field_of(usage, "prompt_tokens"), field_of(usage, "completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            pieces.append(Usage(prompt, completion))
        reason = field_of(choice, "finish_reason")
        if isinstance(reason, str):
            pieces.append(_Finish(reason))
        return pieces
