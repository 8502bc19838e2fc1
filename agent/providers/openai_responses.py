"""A model by OpenAI's Responses interface, streamed and without state on the server.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema, Usage
from agent.providers.openai_client import MAX_TEXT, OpenAIClient, OpenAIOptions, field_of
from agent.providers.reasoning import SPENT, responses_effort, token_limit
from agent.providers.tool_calls import MAX_ARGUMENTS, MAX_CALLS


class ResponsesLlm:
    """The model of all calls. Keep the prefix of the messages byte-stable: servers cache it."""

    name = "openai"

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        self._client = OpenAIClient(options)
        self._create = self._client.sdk.responses.with_streaming_response.create  # see `OpenAILlm`

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream a reply. Tool calls come when it is complete, so never from one that broke off.

        Raises `ProviderError`.
        """
        loop, written, calls = asyncio.get_running_loop(), 0, list[ToolCall]()
        async with AsyncExitStack() as stack:
            events = self._events(stack, self._request(messages, tools))
            stack.push_async_callback(events.aclose)
            limit = self._options.first_token_limit
            deadline = loop.time() + limit
            while True:
                event = await self._client.next(events, deadline, limit)
                if event is None:
                    raise ProviderError(self.name, "broke off")
                pieces, complete = self._pieces(event)
                for piece in pieces:
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                    else:
                        written += len(piece.delta) if isinstance(piece, Text) else 0
                        yield piece
                if written > MAX_TEXT or len(calls) > MAX_CALLS or sum(len(c.arguments) for c in calls) > MAX_ARGUMENTS:
                    problem = "wrote more than any reply needs"
                    raise ProviderError(self.name, problem, temporary=False, of_request=True)
                if complete:
                    await self._client.rest(events)
                    break
                if pieces or field_of(event, "type") == "response.function_call_arguments.delta":
                    limit = self._options.gap_limit
                    deadline = loop.time() + limit
        for call in calls:
            yield call
        if not calls and not written:
            reason = field_of(field_of(field_of(event, "response"), "incomplete_details"), "reason")
            raise ProviderError(self.name, SPENT if reason == "max_output_tokens" else "sent an empty reply")

    def warm(self) -> None:
        """See `OpenAIClient.warm`."""
        self._client.warm()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        options = self._options
        effort = responses_effort(options.model, options.reasoning_effort)
        request: dict[str, Any] = {
            "model": options.model,
            "input": [item for message in messages for item in items_of(message)],
            "stream": True,
            "store": False,
            "max_output_tokens": token_limit(options.max_tokens, effort),
        }
        if tools:
            request["tools"] = [{"type": "function", "strict": False, **tool["function"]} for tool in tools]
        if effort:
            request["reasoning"] = {"effort": effort}
        return request

    async def _events(self, stack: AsyncExitStack, request: dict[str, Any]) -> AsyncGenerator[Any, None]:
        response = await self._client.answer(stack, self._create, request)
        async for event in self._client.events(response):
            yield event

    def _pieces(self, event: Any) -> tuple[list[Piece], bool]:
        """What one event brings, and whether it is the last."""
        match field_of(event, "type"):
            case "response.output_text.delta" | "response.refusal.delta":
                delta = field_of(event, "delta")
                return ([Text(delta)] if isinstance(delta, str) and delta else []), False
            case "response.output_item.done":
                item = field_of(event, "item")
                if field_of(item, "type") != "function_call":
                    return [], False
                call, name, arguments = (field_of(item, key) for key in ("call_id", "name", "arguments"))
                if not (isinstance(call, str) and isinstance(name, str) and isinstance(arguments, str) and name):
                    raise ProviderError(self.name, "sent nonsense: a tool call without a name")
                return [ToolCall(call, name, arguments.strip() or "{}")], False
            case "response.completed" | "response.incomplete":
                return self._end(field_of(event, "response"))
            case "response.failed":
                error = field_of(field_of(event, "response"), "error")
                words = field_of(error, "message") or field_of(error, "code") or ""
                raise ProviderError(self.name, f"broke off: {self._client.quoted(words)}")
            case "error":
                words = field_of(event, "message") or field_of(field_of(event, "error"), "message") or ""
                raise ProviderError(self.name, f"broke off: {self._client.quoted(words)}")
        return [], False

    def _end(self, response: Any) -> tuple[list[Piece], bool]:
        usage = field_of(response, "usage")
        prompt, completion = field_of(usage, "input_tokens"), field_of(usage, "output_tokens")
        known = isinstance(prompt, int) and isinstance(completion, int)
        reason = field_of(field_of(response, "incomplete_details"), "reason")
        if reason == "content_filter":
            raise ProviderError(self.name, "the server's content filter stopped the reply")
        return ([Usage(prompt, completion)] if known else []), True


def items_of(message: Message) -> list[dict[str, Any]]:
    """One message of chat completions as items of a response's input."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": content or ""}]
    items: list[dict[str, Any]] = [{"role": role, "content": content}] if content else []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        items.append(
            {
                "type": "function_call",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return items
