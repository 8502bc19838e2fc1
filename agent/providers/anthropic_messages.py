"""A model by Anthropic's Messages interface, streamed.

https://platform.claude.com/docs/en/api/messages and the types of the package ``anthropic`` 2.12.0.
``docs/providers/anthropic.md`` says what the OpenAI-compatible interface of Anthropic lacks.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolSchema, Usage, form_in
from agent.providers.event_llm import EventLlm, EventReader
from agent.providers.extra import Limits
from agent.providers.openai_client import ModelClient, ModelOptions, field_of
from agent.providers.reasoning import token_limit
from agent.providers.tool_calls import MAX_ARGUMENTS, ToolCalls, TooMuchError
from agent.rules.rule_error import RuleError

SDK = ("anthropic", "httpcore2")
"""The modules that a client uses. Their import takes seconds on a small machine."""
EXTRA = "anthropic"
"""Key of a tool call under which the model's thinking before it is kept. It must be sent back with the call, or the
service refuses the next request."""
ALWAYS = ("claude-opus-5-5", "claude-fable", "claude-mythos")
"""Beginnings of the names of models that refuse a request without thinking."""
CACHED = {"type": "ephemeral"}
NOBODY = {"role": "user", "content": "(The caller is on the line.)"}
"""Stands before a conversation that the agent began, and after one in which it spoke last: a request begins with the
user, and models from 4.6 on do not go on with words of their own.
"""


@dataclass(frozen=True)
class AnthropicOptions(ModelOptions):
    """Options of Anthropic's language models."""

    url: str = "https://api.anthropic.com"
    model: str = "claude-haiku-5-5"
    reasoning_effort: Literal["", "none", "low", "medium", "high", "xhigh", "max"] = ""
    """Effort of thinking before the reply. Empty or ``none``: no thinking. Opus 5.5, Fable and Mythos always think, and
    need another value. Thinking may use 2000 tokens more than `max_tokens`."""
    decided: ClassVar = ("container", "max_tokens", "mcp_servers", "output_config", "system", "thinking")
    limits: ClassVar = {"temperature": Limits(0, 1), "top_p": Limits(0, 1)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.startswith(ALWAYS) and self.reasoning_effort in ("", "none"):
            raise RuleError(
                f"{self.model} always thinks, so reasoning_effort must be set; low is the least",
                "reasoning_effort",
                "model",
            )


class AnthropicLlm(EventLlm):
    """See `EventLlm`. The server caches tools, prompt and history for 5 minutes."""

    name = "anthropic"

    def __init__(self, options: AnthropicOptions) -> None:
        self._options = options
        super().__init__(ModelClient(options, self.name, "AsyncAnthropic"), "/v1/messages")

    def _reader(self) -> EventReader:
        return _Reader(self._client.quoted)

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        options = self._options
        effort, form = options.reasoning_effort.replace("none", ""), form_in(tools)
        told = [message["content"] for message in messages if message["role"] == "system" and message["content"]]
        request: dict[str, Any] = {
            "model": options.model,
            "max_tokens": token_limit(options.max_tokens, effort, form),
            "messages": said(messages),
            "stream": True,
            "cache_control": CACHED,
            "thinking": {"type": "adaptive" if effort else "disabled"},
        }
        if effort:
            request["output_config"] = {"effort": effort}
        if told:  # the cached prefix ends here: the next call has the same tools and instructions
            request["system"] = [{"type": "text", "text": "\n\n".join(told), "cache_control": CACHED}]
        if tools:
            request["tools"] = [_tool(**tool["function"]) for tool in tools]
        # Not `output_config.format`, which refuses a schema with more than 16 values that may be null. A model that
        # thinks cannot be forced to call a tool; without it, it may also write the JSON as text.
        if form and not effort:
            request["tool_choice"] = {"type": "tool", "name": form.name, "disable_parallel_tool_use": True}
        return request


def _tool(name: str, parameters: dict[str, Any], description: str = "", **_: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": parameters}


def said(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages of chat completions in Anthropic's form: user and assistant alternate, and tool results are the
    user's."""
    found: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = [] if message["role"] == "system" else list(_blocks(message))
        if blocks and found and found[-1]["role"] == role:
            found[-1]["content"] += blocks
        elif blocks:
            found.append({"role": role, "content": blocks})
    if not found or found[0]["role"] == "assistant":
        found.insert(0, NOBODY)
    return [*found, NOBODY] if found[-1]["role"] == "assistant" else found


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    content = message.get("content") or ""
    if message["role"] == "tool":
        yield {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}
        return
    calls = message.get("tool_calls") or ()
    for call in calls:
        yield from call.get("extra_content", {}).get(EXTRA, ())
    if content:
        yield {"type": "text", "text": content}
    for call in calls:
        function = call["function"]
        yield {"type": "tool_use", "id": call["id"], "name": function["name"], "input": _input(function["arguments"])}


def _input(arguments: str) -> dict[str, Any]:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        given = None
    return given if isinstance(given, dict) else {}


class _Reader(EventReader):
    def __init__(self, quoted: Callable[[object], str]) -> None:
        self._quoted = quoted
        self._calls = ToolCalls(f"toolu_{secrets.token_hex(6)}_")
        self._thought: list[dict[str, Any]] = []
        self._prompt = self._completion = 0

    def read(self, event: Any) -> tuple[list[Piece], bool]:
        match field_of(event, "type"):
            case "message_start":
                self._count(field_of(field_of(event, "message"), "usage"))
            case "content_block_start":
                self._begin(field_of(event, "index"), field_of(event, "content_block"))
            case "content_block_delta":
                return self._delta(field_of(event, "index"), field_of(event, "delta")), False
            case "message_delta":
                self._count(field_of(event, "usage"))
                reason = field_of(field_of(event, "delta"), "stop_reason")
                self.spent = reason == "max_tokens"
                if reason == "refusal":
                    raise ProviderError(AnthropicLlm.name, "the server's content filter stopped the reply")
            case "message_stop":
                calls = self._calls.finished(cut=self.spent)
                self.cut_off = self._calls.cut_off
                if calls and self._thought:
                    calls[0] = calls[0]._replace(extra={EXTRA: self._thought})
                return [*calls, Usage(self._prompt, self._completion)], True
            case "error":
                words = field_of(field_of(event, "error"), "message") or ""
                raise ProviderError(AnthropicLlm.name, f"broke off: {self._quoted(words)}")
        return [], False

    def is_calling(self, event: Any) -> bool:
        return bool(field_of(field_of(event, "delta"), "type") == "input_json_delta")

    def _begin(self, index: Any, block: Any) -> None:
        match field_of(block, "type"):
            case "tool_use":
                self._add(index, field_of(block, "id"), field_of(block, "name"), field_of(block, "input") or "")
            case "thinking" | "redacted_thinking":
                self._thought.append(block)

    def _delta(self, index: Any, delta: Any) -> list[Piece]:
        match field_of(delta, "type"):
            case "text_delta":
                text = field_of(delta, "text")
                return [Text(text)] if isinstance(text, str) and text else []
            case "input_json_delta":
                self._add(index, None, None, field_of(delta, "partial_json"))
            case "thinking_delta" | "signature_delta" if self._thought:
                key = "signature" if field_of(delta, "type") == "signature_delta" else "thinking"
                part = field_of(delta, key)
                if isinstance(part, str):
                    self._thinks(key, part)
        return []

    def _thinks(self, key: str, part: str) -> None:
        block = self._thought[-1]
        block[key] = str(block.get(key) or "") + part
        if len(block[key]) > MAX_ARGUMENTS:
            raise ProviderError(
                AnthropicLlm.name, "thought more than any reply needs", temporary=False, of_request=True
            )

    def _add(self, index: Any, id_: Any, name: Any, arguments: Any) -> None:
        try:
            self._calls.add(index, id_, name, arguments)
        except TooMuchError as much:
            raise ProviderError(AnthropicLlm.name, f"wrote {much}", temporary=False, of_request=True) from None

    def _count(self, usage: Any) -> None:
        """Note the tokens in `usage`. Tokens read from or written to the cache are not part of its input tokens."""
        kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        prompt = [count for kind in kinds if isinstance(count := field_of(usage, kind), int)]
        completion = field_of(usage, "output_tokens")
        self._prompt = max(self._prompt, sum(prompt))
        self._completion = completion if isinstance(completion, int) else self._completion
