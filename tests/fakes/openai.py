"""OpenAI chat completions as a local server, and the ways in which compatible servers differ from it."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http import Exchange, HttpServer

QUIRKS = {
    *("no_index", "zero_index", "whole_call", "repeat_name", "no_id", "finish_stop", "no_finish", "object_arguments"),
    *("no_role_chunk", "choices_null", "signs", "error_list", "no_done", "hangs_up", "thinks"),
}


REASONING = ("gpt-5.6", "gpt-6")
"""How the models begin that think before they speak."""
EFFORTS = {"none": 0, "low": 64, "medium": 512, "high": 2048, "xhigh": 4096, "max": 8192}
"""Tokens that such a model thinks with each effort; ``medium`` is its own."""


def thought(model: str, effort: str | None) -> int:
    """Tokens that are spent before the first word."""
    return EFFORTS[effort or "medium"] if model.startswith(REASONING) else 0


def effort_problem(model: str, effort: str | None) -> str:
    """Why a model refuses an effort, if it does."""
    if not model.startswith(REASONING) or effort is None or effort in EFFORTS:
        return ""
    return (
        f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
        f"Supported values are: {', '.join(map(repr, EFFORTS))}."
    )


def signature(call: str) -> dict[str, Any]:
    """What a server that signs its calls wants to have back with each."""
    return {"google": {"thought_signature": f"signed {call}"}}


@dataclass(frozen=True)
class Reply:
    """One scripted reply and what goes wrong with it. Counts are of events (`data:` lines) already sent."""

    text: Sequence[str] = ()
    calls: Sequence[tuple[str, str, str]] = ()
    """(id, name, arguments) each; their fragments are interleaved."""
    finish: str = ""
    """Reason other than the right one."""
    quirks: frozenset[str] = frozenset()
    wire: int = 0
    """Bytes per network write, to split inside of UTF-8 letters and JSON tokens; 0 for an event each."""
    delay: float = 0.0
    """Seconds before the first event."""
    json_body: bool = False
    unknown: frozenset[str] = frozenset()
    """Parameters that the server refuses to take."""
    holds: int = 0
    """Messages beyond which the server refuses the request, as vLLM does; 0 for no such limit."""
    status: int = 200
    status_words: str = "no"
    status_code: str | None = None
    """The error's own code."""
    retry_after: str = ""
    error_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    nonsense_after: int | None = None


@dataclass
class FakeOpenAI(HttpServer):
    """`replies[n]` answers the n-th request, the last one all further; `script` answers all, where there is one."""

    path = "/v1/chat/completions"

    replies: Sequence[Reply]
    key: str = "sk-test-key"
    requests: list[dict[str, Any]] = field(default_factory=list)
    script: Callable[[dict[str, Any]], Reply] | None = None
    """What is replied to a request, for a model that reads what it is told."""

    def __post_init__(self) -> None:
        super().__init__()
        assert all(reply.quirks <= QUIRKS for reply in self.replies)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    async def respond(self, exchange: Exchange) -> None:
        if fault := self._check(exchange):
            await self._refuse(exchange, *fault)
            return
        reply = self._reply()
        if wrong := sorted(reply.unknown & set(self.requests[-1])):
            words = f"Unsupported parameter: '{wrong[0]}' is not supported with this model."
            await self._refuse(exchange, 400, words, "unsupported_parameter", param=wrong[0])
        elif 0 < reply.holds < sum(len(self.requests[-1].get(key, ())) for key in ("system", "messages", "input")):
            words = (
                "This model's maximum context length is 8192 tokens. However, your request has 8000 input tokens plus "
            )
            words += "400 'max_tokens'. Please reduce the length of the input messages or 'max_output_tokens'."
            await self._refuse(exchange, 400, words, 400)
        elif reply.status != 200:
            headers = {"retry-after": reply.retry_after} if reply.retry_after else {}
            await self._refuse(exchange, reply.status, reply.status_words, reply.status_code, headers)
        elif reply.json_body:
            await exchange.answer(200, self._body(reply))
        else:
            await self._stream(exchange, reply)

    def _reply(self) -> Reply:
        if self.script is not None:
            return self.script(self.requests[-1])
        return self.replies[min(len(self.requests), len(self.replies)) - 1]

    async def _refuse(
        self, exchange: Exchange, status: int, words: str, code: Any = None, headers: Any = None, param: Any = None
    ) -> None:
        error = {"error": {"message": words, "type": "invalid_request_error", "param": param, "code": code}}
        await exchange.answer(status, [error] if self._has("error_list") else error, headers)

    def _has(self, quirk: str) -> bool:
        return any(quirk in reply.quirks for reply in self.replies)

    def _check(self, exchange: Exchange) -> tuple[int, str] | None:
        if (exchange.method, exchange.path) != ("POST", self.path):
            return 404, f"Invalid URL ({exchange.method} {exchange.path})"
        if wrong := self._stranger(exchange):
            return 401, wrong
        request = json.loads(exchange.body)
        self.requests.append(request)
        wrong = self._wrong(request)
        return (400, wrong) if wrong else None

    def _stranger(self, exchange: Exchange) -> str:
        given = exchange.headers.get("authorization", "")
        known = given == f"Bearer {self.key}"
        return "" if known else f"Incorrect API key provided: {given[7:15]}***{given[-4:]}."

    def _wrong(self, request: dict[str, Any]) -> str:
        if not isinstance(request.get("model"), str) or not isinstance(request.get("messages"), list):
            return "Missing required parameter"
        roles = [message["role"] for message in request["messages"]]
        if "system" in roles[1:] or not {"user", "tool"} & set(
            roles
        ):  # Anthropic's would move the one, and refuse the other
            return "messages: one system message, at the beginning, and at least one of another role"
        if any(not message["content"] and not message.get("tool_calls") for message in request["messages"]):
            return "messages: text content blocks must be non-empty"
        asked, answered = [], []
        for message in request["messages"]:
            asked += [call["id"] for call in message.get("tool_calls") or ()]
            answered += [message["tool_call_id"]] if message["role"] == "tool" else []
        if sorted(asked) != sorted(answered):
            return "An assistant message with 'tool_calls' must be followed by tool messages"
        calls = [call for message in request["messages"] for call in message.get("tool_calls") or ()]
        signed = [call for call in calls if call.get("extra_content") == signature(call["id"])]
        if self._has("signs") and len(signed) < len(calls):
            return "Function call is missing a thought_signature in functionCall parts."
        if not self._has("signs") and any("extra_content" in call for call in calls):
            return "Unknown parameter: 'messages[1].tool_calls[0].extra_content'."
        if "stream_options" in request and not request.get("stream"):
            return "stream_options needs stream"
        model, effort = request["model"], request.get("reasoning_effort")
        if model.startswith(REASONING) and request.get("tools") and effort != "none":
            return (
                f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
                "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
            )
        return effort_problem(model, effort)

    async def _stream(self, exchange: Exchange, reply: Reply) -> None:
        await exchange.start(200, "text/event-stream; charset=utf-8")
        await asyncio.sleep(reply.delay)
        request = self.requests[-1]
        spent = thought(request["model"], request.get("reasoning_effort"))
        if spent >= request.get("max_completion_tokens", request.get("max_tokens", float("inf"))):
            reply = Reply(finish="length")
        usage = bool(request.get("stream_options", {}).get("include_usage"))
        events = [json.dumps(chunk, ensure_ascii=False) for chunk in _chunks(reply, usage)]
        for count, event in enumerate([*events, *([] if "no_done" in reply.quirks else ["[DONE]"])]):
            if count == reply.stall_after:
                await exchange.hang()
                return
            if count == reply.reset_after:
                exchange.reset()
                return
            if count == reply.error_after:
                event = json.dumps({"error": {"message": "The server had an error", "type": "server_error"}})
            if count == reply.nonsense_after:
                event = '{"choices": [{"delta": '
            await self._write(exchange, f": comment\n\ndata: {event}\n\n".encode(), reply.wire)
        await (exchange.hang() if reply.stall_after == count + 1 else exchange.finish())
        if "hangs_up" in reply.quirks:
            exchange.hang_up()

    @staticmethod
    async def _write(exchange: Exchange, data: bytes, size: int) -> None:
        for at in range(0, len(data), size or len(data)):
            await exchange.send(data[at : at + (size or len(data))])

    @staticmethod
    def _body(reply: Reply) -> dict[str, Any]:
        calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in reply.calls]
        message = {"role": "assistant", "content": "".join(reply.text) or None, "tool_calls": calls or None}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }


def _chunks(reply: Reply, usage: bool) -> Iterator[dict[str, Any]]:
    def chunk(choices: Any, tokens: Any = None) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
        return {**head, "choices": choices, "usage": tokens}

    def delta(content: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return chunk([{"index": 0, "delta": content, "finish_reason": finish, "logprobs": None}])

    if "no_role_chunk" not in reply.quirks:
        yield delta({"role": "assistant", "content": ""})
    if "choices_null" in reply.quirks:
        yield chunk(None)
    for text in reply.text:
        yield delta({"content": text})
    for fragment in _fragments(reply):
        yield delta({"tool_calls": [fragment]})
    finish = reply.finish or ("tool_calls" if reply.calls and "finish_stop" not in reply.quirks else "stop")
    if "no_finish" not in reply.quirks:
        yield delta({}, finish)
    if usage:
        yield chunk([], {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})


def _fragments(reply: Reply) -> Iterator[dict[str, Any]]:
    quirks = reply.quirks
    sequential = quirks & {"no_index", "zero_index", "whole_call"}
    streams = [list(_call_fragments(index, call, quirks)) for index, call in enumerate(reply.calls)]
    if sequential:
        yield from (fragment for stream in streams for fragment in stream)
        return
    while any(streams):
        for stream in streams:
            if stream:
                yield stream.pop(0)


def _call_fragments(index: int, call: tuple[str, str, str], quirks: frozenset[str]) -> Iterator[dict[str, Any]]:
    id_, name, arguments = call
    place = {} if "no_index" in quirks else {"index": 0 if "zero_index" in quirks else index}
    head = {**place, "id": "" if "no_id" in quirks else id_, "type": "function"}
    if "signs" in quirks:
        head["extra_content"] = signature(id_)
    if "object_arguments" in quirks:
        yield {**head, "function": {"name": name, "arguments": json.loads(arguments)}}
    elif "whole_call" in quirks:
        yield {**head, "function": {"name": name, "arguments": arguments}}
    else:
        yield {**head, "function": {"name": name, "arguments": ""}}
        for at in range(0, len(arguments), 5):
            function = {"arguments": arguments[at : at + 5]}
            if "repeat_name" in quirks:
                function["name"] = name
            yield {**place, "function": function}
