"""A caller for the brain: plays the part of the conversation, runs the tools and keeps the messages."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from agent.llm import Text, ToolCall
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.llm import LocalLlm

INTENTS = Intents()
MODEL = LocalLlm(business="the Lamp Shop", intents=INTENTS)


def schema(name: str, **properties: dict[str, Any]) -> dict[str, Any]:
    required = [key for key, value in properties.items() if "default" not in value]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


TEXT = {"type": "string"}
OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
ORDER = schema("get_order_status", order_number=TEXT)
CALLBACK = schema("schedule_callback", phone_number=TEXT, when=TEXT, topic=OPTIONAL)
PERSON = schema("transfer_to_human", reason=TEXT)
HANG_UP = schema("hang_up", reason=TEXT)
TOOLS = [ORDER, CALLBACK, PERSON, HANG_UP]

ORDERS = {
    "7346": {"number": "7346", "item": "a blue raincoat", "status": "out for delivery", "expected": "today before six"},
    "1234": {"number": "1234", "item": "a coffee grinder", "status": "being packed", "expected": "on Friday"},
}


def shop(name: str, arguments: Mapping[str, Any]) -> Any:
    if name == "get_order_status":
        return ORDERS.get(arguments["order_number"], {"error": "no order with that number"})
    return {"ok": True}


def pieces(messages: list[Any], tools: list[Any], model: Any = MODEL) -> list[Any]:
    async def collect() -> list[Any]:
        return [piece async for piece in model.reply(messages, tools)]

    return asyncio.run(collect())


class Caller:
    """Speaks to the brain; `heard` is how the conversation cuts what the agent said, by default it is heard in full."""

    def __init__(
        self, tools: Any = None, answer: Callable[[str, Mapping[str, Any]], Any] = shop, model: Any = MODEL
    ) -> None:
        self.tools = TOOLS if tools is None else tools
        self.model = model
        self.answer = answer
        self.messages: list[Any] = [
            {"role": "system", "content": "You are the telephone assistant of the Lamp Shop."},
            {"role": "assistant", "content": "Hello, this is the Lamp Shop. How can I help you?"},
        ]
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def says(self, text: str, *, hears: str | None = None) -> str:
        """Say `text`; returns everything the agent answers, of which the caller hears `hears` (default: all)."""
        self.messages.append({"role": "user", "content": text})
        spoken: list[str] = []
        for _ in range(5):
            found = pieces(self.messages, self.tools, self.model)
            said = "".join(piece.delta for piece in found if isinstance(piece, Text))
            calls = [piece for piece in found if isinstance(piece, ToolCall)]
            spoken.append(said)
            kept = said if hears is None or calls else hears
            self._record(kept, calls)
            if not calls or calls[0].name in ("hang_up", "transfer_to_human"):
                break
        return " ".join(filter(None, spoken))

    def _record(self, said: str, calls: list[ToolCall]) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": said or None}
        if calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls
            ]
        if said or calls:
            self.messages.append(message)
        for call in calls:
            arguments = json.loads(call.arguments)
            self.calls.append((call.name, arguments))
            result = json.dumps(self.answer(call.name, arguments))
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
