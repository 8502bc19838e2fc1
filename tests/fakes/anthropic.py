# mypy: disable-error-code="dict-item"
"""Anthropic's Messages interface as a local server; replies and their faults are those of `tests.fakes.openai`.

What it refuses is what the vendor's page of errors and the types of the package (2.12.0) name. Prompts are cached as
documented: by marked ends of a prefix of tools, instructions and messages.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http import Exchange
from tests.fakes.openai import EFFORTS, FakeOpenAI, Reply

KNOWN = {
    *("model", "max_tokens", "messages", "system", "stream", "tools", "tool_choice", "thinking", "output_config"),
    *("cache_control", "metadata", "service_tier", "stop_sequences", "speed", "inference_geo"),
}
ALWAYS = ("claude-opus-5-5", "claude-fable", "claude-mythos")
"""How the models begin that cannot but think."""
THOUGHT = {"type": "thinking", "thinking": "An order.", "signature": "c2lnbmVk"}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
CACHE_MARKS = 4


@dataclass
class FakeAnthropic(FakeOpenAI):
    """`replies[n]` answers the n-th request, the last one all further."""

    path = "/v1/messages"
    cached: list[int] = field(default_factory=list)
    """Blocks of each request that were read from the cache."""
    _cache: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def base_url(self) -> str:
        return str(self.url)

    def _stranger(self, exchange: Exchange) -> str:
        given = {exchange.headers.get("x-api-key"), exchange.headers.get("authorization")}
        if not given & {self.key, f"Bearer {self.key}"}:  # the package sends the latter since 2.12
            return "invalid x-api-key"
        return "" if exchange.headers.get("anthropic-version") else "anthropic-version: header is required"

    async def _refuse(
        self, exchange: Exchange, status: int, words: str, code: Any = None, headers: Any = None, param: Any = None
    ) -> None:
        error = {"type": KINDS.get(status, "api_error"), "message": words}
        await exchange.answer(status, {"type": "error", "error": error, "request_id": "req_1"}, headers)

    def _wrong(self, request: dict[str, Any]) -> str:
        if unknown := set(request) - KNOWN:
            name = unknown.pop()
            deprecated = name in ("temperature", "top_p", "top_k")
            return (
                f"`{name}` is not supported for this model."
                if deprecated
                else f"{name}: Extra inputs are not permitted"
            )
        if lacking := {"model", "max_tokens", "messages"} - set(request):
            return f"{lacking.pop()}: Field required"
        for tool in request.get("tools", ()):
            if tool.get("input_schema", {}).get("type") != "object" or set(tool) - {
                "name",
                "description",
                "input_schema",
            }:
                return "tools.0.custom.input_schema: Field required"
        forced = request.get("tool_choice", {})
        if forced.get("type") == "tool":
            if forced["name"] not in [tool["name"] for tool in request.get("tools", ())]:
                return f"Tool '{forced['name']}' not found in provided tools"
            if request.get("thinking", {}).get("type") == "adaptive":
                return "Thinking may not be enabled when tool_choice forces tool use."
        if json.dumps(request).count('"cache_control"') > CACHE_MARKS:
            return "A maximum of 4 blocks with cache_control may be provided."
        return self._thinking_wrong(request) or self._messages_wrong(request["messages"])

    @staticmethod
    def _thinking_wrong(request: dict[str, Any]) -> str:
        kind, effort = request.get("thinking", {}).get("type"), request.get("output_config", {}).get("effort", "low")
        if kind == "disabled" and request["model"].startswith(ALWAYS):
            return '"thinking.type.disabled" is not supported for this model. Use "output_config.effort".'
        if kind not in (None, "adaptive", "disabled", "between_tools"):
            return "thinking: Input tag does not match any of the expected tags"
        return "" if effort in EFFORTS and effort != "none" else "output_config.effort: Input should be 'low'"

    def _messages_wrong(self, messages: list[dict[str, Any]]) -> str:
        roles = [message["role"] for message in messages]
        if not roles or roles[0] != "user" or set(roles) - {"user", "assistant"}:
            return 'messages: first message must use the "user" role'
        if roles[-1] == "assistant":
            return "This model does not support assistant message prefill."
        open_calls: list[str] = []
        for message in messages:
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if not blocks or any(block["type"] == "text" and not block["text"].strip() for block in blocks):
                return "messages: text content blocks must be non-empty"
            results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            if sorted(results) != sorted(open_calls) or any(
                one["type"] != "tool_result" for one in blocks[: len(results)]
            ):
                return f"`tool_use` ids were found without `tool_result` blocks immediately after: {open_calls}."
            open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if any(not re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in open_calls):
                return "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if open_calls and self._has("thinks") and blocks[0] != THOUGHT:
                return "Expected `thinking` or `redacted_thinking`, but found `tool_use`."
        return ""

    def _read(self, request: dict[str, Any]) -> dict[str, int]:
        """The tokens of the prompt, by where they came from."""
        blocks: list[str] = []
        ends: list[int] = []
        told = [*request.get("tools", ()), *request.get("system", ())]
        for message in request["messages"]:
            content = message["content"]
            told += [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in told:
            plain = {key: value for key, value in block.items() if key != "cache_control"}
            blocks.append(json.dumps(plain, sort_keys=True))
            ends += [len(blocks)] if "cache_control" in block else []
        ends += [len(blocks)] if "cache_control" in request else []
        known = [end for end in range(1, len(blocks) + 1) if tuple(blocks[:end]) in self._cache]
        self._cache.update(tuple(blocks[:end]) for end in ends)
        self.cached.append(max(known, default=0))
        read, written = (8, 2) if known else (0, 10)
        return {"input_tokens": 1, "cache_creation_input_tokens": written, "cache_read_input_tokens": read}

    async def _stream(self, exchange: Exchange, reply: Reply) -> None:
        await exchange.start(200, "text/event-stream; charset=utf-8")
        await asyncio.sleep(reply.delay)
        request = self.requests[-1]
        effort = request.get("output_config", {}).get("effort", "medium")
        thinks = request.get("thinking", {}).get("type") == "adaptive"
        if thinks and EFFORTS[effort] >= request["max_tokens"]:  # what is thought counts against the limit
            reply = Reply(finish="max_tokens")
        for count, event in enumerate(_events(reply, self._read(request))):
            if count == reply.stall_after:
                await exchange.hang()
                return
            if count == reply.reset_after:
                exchange.reset()
                return
            if count == reply.error_after:
                event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            data = json.dumps(event, ensure_ascii=False)
            if count == reply.nonsense_after:
                data = '{"type": "content_block_del'
            await self._write(exchange, f"event: {event['type']}\ndata: {data}\n\n".encode(), reply.wire)
        await (exchange.hang() if reply.stall_after == count + 1 else exchange.finish())


def _events(reply: Reply, usage: dict[str, int]) -> Iterator[dict[str, Any]]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": message}
    number = 0
    if "thinks" in reply.quirks:
        yield from _block(0, {"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": "An "}, {"type": "thinking_delta", "thinking": "order."},
            {"type": "signature_delta", "signature": "c2lnbmVk"},
        ])  # fmt: skip
        number += 1
    if reply.text:
        deltas = [{"type": "text_delta", "text": text} for text in reply.text]
        yield from _block(number, {"type": "text", "text": ""}, deltas, ping=True)
        number += 1
    for at, (call, name, arguments) in enumerate(reply.calls, number):
        parts = ["", *(arguments[one : one + 5] for one in range(0, len(arguments), 5))]
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        yield from _block(at, {"type": "tool_use", "id": call, "name": name, "input": {}}, deltas)
    if reply.finish == "no_end":
        return
    finish = reply.finish or ("tool_use" if reply.calls else "end_turn")
    delta = {"stop_reason": finish, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


def _block(number: int, block: dict[str, Any], deltas: list[dict[str, Any]], *, ping: bool = False) -> Any:
    yield {"type": "content_block_start", "index": number, "content_block": block}
    if ping:
        yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": number, "delta": delta}
    yield {"type": "content_block_stop", "index": number}
