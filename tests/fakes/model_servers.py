"""Ollama as its documentation has it, and llama.cpp's server as it answered, as far as `sipgw init` and calls use them.

https://github.com/ollama/ollama/blob/main/docs/api.md. Unknown paths, methods and fields are refused.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.http import Exchange, HttpServer
from tests.fakes.openai import FakeOpenAI, Reply

CALLS_TOOL = Reply(calls=[("call_1", "find_book", '{"title": "Moby Dick"}')])
RECORDED = json.loads((Path(__file__).parents[1] / "data" / "model_servers" / "llamacpp.json").read_text())
"""Answers of a real llama.cpp server; `tests/interop/test_llamacpp.py` holds them against one that runs."""
SPEAKS = Reply(text=["Good ", "morning."])


@dataclass
class ModelServerFake(HttpServer):
    """What both have: chat completions under ``/v1``, for a model that is loaded."""

    replies: Sequence[Reply] = (CALLS_TOOL, SPEAKS)
    loaded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.chat = FakeOpenAI(self.replies, key="none")

    async def complete(self, exchange: Exchange, names: Sequence[str]) -> None:
        model = json.loads(exchange.body).get("model")
        if model not in names:
            await exchange.answer(404, {"error": {"message": f"model '{model}' not found", "type": "not_found_error"}})
        else:
            self.loaded.add(model)
            await self.chat.respond(exchange)


@dataclass
class FakeOllama(ModelServerFake):
    """`models` maps names to capabilities; None is an Ollama that does not tell them yet."""

    models: dict[str, list[str] | None] = field(default_factory=lambda: {"llama3.2:3b": ["completion", "tools"]})
    context: int = 8192
    default_keep_alive: float = 300.0
    until: dict[str, datetime] = field(default_factory=dict)
    load_status: int = 200
    hangs: str = ""
    """The path that gets no answer."""

    async def respond(self, exchange: Exchange) -> None:
        match exchange.method, exchange.path:
            case _, path if path == self.hangs:
                await exchange.hang()
            case "GET", "/api/version":
                await exchange.answer(200, {"version": "0.12.6"})
            case "GET", "/api/tags":
                details = {"parameter_size": "3.2B", "quantization_level": "Q4_K_M", "family": "llama"}
                listed = [{"name": one, "model": one, "size": 2 << 30, "details": details} for one in self.models]
                await exchange.answer(200, {"models": listed})
            case "GET", "/api/ps":
                running = [
                    {"name": one, "model": one, "context_length": self.context, "expires_at": self._until(one)}
                    for one in sorted(self.loaded)
                ]
                await exchange.answer(200, {"models": running})
            case "POST", "/api/show":
                await self._show(exchange)
            case "POST", "/api/generate":
                await self._generate(exchange)
            case "POST", "/v1/chat/completions":
                await self.complete(exchange, list(self.models))
                model = json.loads(exchange.body)["model"]
                self.until[model] = datetime.now(UTC) + timedelta(seconds=self.default_keep_alive)
            case _:
                await exchange.answer(404, "404 page not found")

    def _until(self, name: str) -> str:
        return self.until.get(name, datetime(2318, 1, 1, tzinfo=UTC)).isoformat()

    def _known(self, exchange: Exchange, fields: set[str]) -> tuple[dict[str, Any], str]:
        body = json.loads(exchange.body)
        if unknown := body.keys() - fields:
            return body, f"unknown field {min(unknown)!r}"
        return body, "" if body.get("model") in self.models else f"model '{body.get('model')}' not found"

    async def _show(self, exchange: Exchange) -> None:
        body, problem = self._known(exchange, {"model", "verbose"})
        if problem:
            await exchange.answer(404, {"error": problem})
            return
        abilities = self.models[body["model"]]
        told = {} if abilities is None else {"capabilities": abilities}
        await exchange.answer(200, {"details": {"family": "llama"}, "model_info": {}, **told})

    async def _generate(self, exchange: Exchange) -> None:
        body, problem = self._known(exchange, {"model", "prompt", "stream", "keep_alive", "options"})
        if problem or self.load_status != 200:
            await exchange.answer(404 if problem else self.load_status, {"error": problem or "out of memory"})
            return
        self.loaded.add(body["model"])
        await exchange.answer(200, {"model": body["model"], "response": "", "done": True, "done_reason": "load"})


@dataclass
class FakeLlamaCpp(ModelServerFake):
    """What a real one answered (`RECORDED`), with these names; `models` are those of a router.

    As the real one it hangs up after each stream, and takes any name for its only model.
    """

    models: tuple[str, ...] = ("qwen2.5-3b-instruct",)
    router: bool = False
    loading: int = 0
    """How often it says that it is still loading its model, or the model that a router was told to load."""
    busy: bool = False
    """Whether somebody else has told the router to load its models."""
    jinja: bool = True
    context: int = 8192
    key: str = ""
    fails: bool = False

    async def respond(self, exchange: Exchange) -> None:
        if self.key and exchange.path != "/health" and exchange.headers.get("authorization") != f"Bearer {self.key}":
            await self._play(exchange, "no_key")
            return
        match exchange.method, exchange.path:
            case "GET", "/health":
                busy = not self.router and self.loading > 0
                self.loading -= busy
                await self._play(exchange, "loading" if busy else "health")
            case "GET", "/v1/models":
                await exchange.answer(200, {"object": "list", "data": [self._listed(one) for one in self.models]})
            case "GET", "/props":
                of_router = "router_props_small" if "model" in exchange.query else "router_props"
                props = copy.deepcopy(RECORDED[of_router if self.router else "props"]["body"])
                props["default_generation_settings"]["n_ctx"] = self.context
                await exchange.answer(200, props)
            case "POST", "/models/load" if self.router:
                await self._play(exchange, "router_load_again" if self.busy else "router_load")
                self.busy = True
            case "POST", "/v1/chat/completions":
                request = json.loads(exchange.body)
                if request.get("tools") and not self.jinja:
                    await self._play(exchange, "no_jinja")
                elif self.replies == ModelServerFake.replies:
                    asked = "Moby Dick" in request["messages"][-1]["content"]
                    await self._stream(exchange, RECORDED["calls_tool" if asked else "speaks"]["body"])
                else:
                    await self.chat.respond(exchange)
            case _:
                await self._play(exchange, "not_found")

    async def _play(self, exchange: Exchange, name: str) -> None:
        await exchange.answer(RECORDED[name]["status"], RECORDED[name]["body"])

    async def _stream(self, exchange: Exchange, lines: Sequence[str]) -> None:
        await exchange.start(200, "text/event-stream", {"keep-alive": "timeout=5, max=100"})
        for line in lines:
            await exchange.send(f"{line}\n\n".encode())
        await exchange.finish()
        exchange.hang_up()

    def _listed(self, name: str) -> dict[str, Any]:
        state = ""
        if self.router:
            state = "router_loading" if self.busy and self.loading else "router_loaded" if self.busy else "router"
            self.loading -= self.busy and self.loading > 0
            state = "router_failed" if self.busy and self.fails else state
        told = RECORDED[state or "models"]["body"]["data"]
        known = "large" if state == "router_failed" else "small"
        one = next(one for one in told if not self.router or one["id"] == known)
        return {**copy.deepcopy(one), "id": name}
