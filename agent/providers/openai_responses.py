"""A model by OpenAI's Responses interface, streamed and without state on the server.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Sequence
from typing import Any

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema, Usage, form_in
from agent.providers.event_llm import EventLlm, EventReader
from agent.providers.openai_client import ModelClient, OpenAIOptions, field_of
from agent.providers.reasoning import responses_effort, token_limit


class ResponsesLlm(EventLlm):
    """See `EventLlm`."""

    name = "openai"

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        super().__init__(ModelClient(options), "/responses")

    def _reader(self) -> EventReader:
        return _Reader(self._client.quoted)

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        options = self._options
        effort, form = responses_effort(options.model, options.reasoning_effort), form_in(tools)
        request: dict[str, Any] = {
            "model": options.model,
            "input": [item for message in messages for item in items_of(message)],
            "stream": True,
            "store": False,
            "max_output_tokens": token_limit(options.max_tokens, effort, form),
        }
        if form:
            request["text"] = {"format": {"type": "json_schema", **form.strict}}
        elif tools:
            request["tools"] = [{"type": "function", "strict": False, **tool["function"]} for tool in tools]
        if effort:
            request["reasoning"] = {"effort": effort}
        return request


class _Reader(EventReader):
    def __init__(self, quoted: Callable[[object], str]) -> None:
        self._quoted = quoted

    def read(self, event: Any) -> tuple[list[Piece], bool]:
        match field_of(event, "type"):
            case "response.output_text.delta" | "response.refusal.delta":
                delta = field_of(event, "delta")
                return ([Text(delta)] if isinstance(delta, str) and delta else []), False
            case "response.output_item.done":
                item = field_of(event, "item")
                if field_of(item, "type") != "function_call":
                    return [], False
                if field_of(item, "status") == "incomplete":
                    self.cut_off = True
                    return [], False
                call, name, arguments = (field_of(item, key) for key in ("call_id", "name", "arguments"))
                if not (isinstance(call, str) and isinstance(name, str) and isinstance(arguments, str) and name):
                    raise ProviderError(ResponsesLlm.name, "sent nonsense: a tool call without a name")
                return [ToolCall(call, name, arguments.strip() or "{}")], False
            case "response.completed" | "response.incomplete":
                return self._end(field_of(event, "response"))
            case "response.failed":
                error = field_of(field_of(event, "response"), "error")
                words = field_of(error, "message") or field_of(error, "code") or ""
                raise ProviderError(ResponsesLlm.name, f"broke off: {self._quoted(words)}")
            case "error":
                words = field_of(event, "message") or field_of(field_of(event, "error"), "message") or ""
                raise ProviderError(ResponsesLlm.name, f"broke off: {self._quoted(words)}")
        return [], False

    def is_calling(self, event: Any) -> bool:
        return bool(field_of(event, "type") == "response.function_call_arguments.delta")

    def _end(self, response: Any) -> tuple[list[Piece], bool]:
        usage = field_of(response, "usage")
        prompt, completion = field_of(usage, "input_tokens"), field_of(usage, "output_tokens")
        known = isinstance(prompt, int) and isinstance(completion, int)
        reason = field_of(field_of(response, "incomplete_details"), "reason")
        self.spent = reason == "max_output_tokens"
        if reason == "content_filter":
            raise ProviderError(ResponsesLlm.name, "the server's content filter stopped the reply")
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
