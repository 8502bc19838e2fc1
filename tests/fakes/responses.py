# mypy: disable-error-code="dict-item"
"""OpenAI's Responses interface as a local server; replies and their faults are those of `tests.fakes.openai`."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.http import Exchange
from tests.fakes.openai import FakeOpenAI, Reply, effort_problem, thought

KNOWN = {
    *("model", "input", "instructions", "tools", "tool_choice", "stream", "store", "max_output_tokens", "temperature"),
    *("reasoning", "parallel_tool_calls", "previous_response_id", "text"),
}


@dataclass
class FakeResponses(FakeOpenAI):
    """`replies[n]` answers the n-th request, the last one all further."""

    path = "/v1/responses"

    def _wrong(self, request: dict[str, Any]) -> str:
        if unknown := set(request) - KNOWN:
            return f"Unknown parameter: '{unknown.pop()}'."
        if not isinstance(request.get("model"), str) or not isinstance(request.get("input"), list):
            return "Missing required parameter: 'input'."
        if any("function" in tool or tool.get("type") != "function" for tool in request.get("tools", ())):
            return "Missing required parameter: 'tools[0].name'."
        items = request["input"]
        if any("type" not in item and item.get("role") not in ("system", "user", "assistant") for item in items):
            return "Invalid value: 'role'."
        asked = [item["call_id"] for item in items if item.get("type") == "function_call"]
        answered = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
        if sorted(asked) != sorted(answered):
            return f"No tool output found for function call {asked}."
        return effort_problem(request["model"], request.get("reasoning", {}).get("effort"))

    async def _stream(self, exchange: Exchange, reply: Reply) -> None:
        await exchange.start(200, "text/event-stream; charset=utf-8")
        await asyncio.sleep(reply.delay)
        request = self.requests[-1]
        spent = thought(request["model"], request.get("reasoning", {}).get("effort"))
        if spent >= request.get("max_output_tokens", float("inf")):  # what is thought counts against it
            reply = Reply(finish="max_output_tokens")
        for count, event in enumerate(_events(reply)):
            if count == reply.stall_after:
                await exchange.hang()
                return
            if count == reply.reset_after:
                exchange.reset()
                return
            if count == reply.error_after:
                event = {"type": "error", "code": "server_error", "message": "The server had an error", "param": None}
            data = json.dumps({**event, "sequence_number": count}, ensure_ascii=False)
            if count == reply.nonsense_after:
                data = '{"type": "response.output_text.del'
            await self._write(exchange, f"event: {event['type']}\ndata: {data}\n\n".encode(), reply.wire)
        await (exchange.hang() if reply.stall_after == count + 1 else exchange.finish())
        if "hangs_up" in reply.quirks:
            exchange.hang_up()


def _events(reply: Reply) -> Iterator[dict[str, Any]]:
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "fake", "output": []}
    response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    yield {"type": "response.created", "response": {**response, "status": "in_progress"}}
    yield {"type": "response.in_progress", "response": {**response, "status": "in_progress"}}
    index = 0
    if reply.text:
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}}
        part = {"type": "output_text", "text": "", "annotations": []}
        yield {"type": "response.content_part.added", **place, "part": part}
        for text in reply.text:
            yield {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": "".join(reply.text), "logprobs": []}
        yield {"type": "response.output_item.done", "output_index": 0, "item": {**item, "status": "completed"}}
        index = 1
    for number, (call_id, name, arguments) in enumerate(reply.calls, start=index):
        item = {"id": f"fc_{number}", "type": "function_call", "call_id": call_id, "name": name}
        place = {"item_id": item["id"], "output_index": number}
        yield {"type": "response.output_item.added", "output_index": number, "item": {**item, "arguments": ""}}
        for at in range(0, len(arguments), 5):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments[at : at + 5]}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": arguments}
        cut = reply.finish == "max_output_tokens" and number == index + len(reply.calls) - 1
        done = {**item, "arguments": arguments, "status": "incomplete" if cut else "completed"}
        yield {"type": "response.output_item.done", "output_index": number, "item": done}
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    usage |= {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    if reply.finish == "no_end":
        return
    if reply.finish == "failed":
        error = {"code": "rate_limit_exceeded", "message": "Slow down"}
        yield {"type": "response.failed", "response": {**response, "status": "failed", "error": error}}
    elif reply.finish:
        details = {"reason": reply.finish}
        incomplete = {**response, "status": "incomplete", "incomplete_details": details, "usage": usage}
        yield {"type": "response.incomplete", "response": incomplete}
    else:
        yield {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}}
