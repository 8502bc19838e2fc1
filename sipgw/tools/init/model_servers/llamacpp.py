"""llama.cpp's server, https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from sipgw.tools.init.model_servers.server import (
    LOAD_LIMIT,
    POLL,
    SMALLEST_CONTEXT,
    Requests,
    ServedModel,
    ServerError,
    entries,
    error_words,
)

START = f"llama-server -m MODEL.gguf --jinja -c {SMALLEST_CONTEXT}"
"""The command that starts the server for a telephone agent."""


class LlamaCpp:
    """One llama.cpp server, with one model or, as a router, with several."""

    title = "llama.cpp"
    default_url = "http://localhost:8080"

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    absent = f"start it with `{START}`, or name its address with --url"
    """Advice if no server answers."""
    without_tools = f"start it with --jinja and an instruct model whose chat template has tools: `{START}`"

    async def models(self) -> list[ServedModel]:
        """See `ModelServer`. Waits for a model that is just being loaded."""
        await self._until_ready()
        found = []
        for one in entries(await self._requests.get("/v1/models"), "data", "id"):
            meta = one.get("meta")
            size = meta.get("n_params") if isinstance(meta, dict) else None
            about = f"{size / 1e9:.1f}B" if isinstance(size, int) and 0 < size < 1e15 else ""
            found.append(ServedModel(str(one.get("id")), about, None, _state(one) == "loaded"))
        if not found:
            raise ServerError(f"llama.cpp has no model: start it with `{START}`")
        return found

    async def _until_ready(self) -> None:
        """Wait until `/health` answers 200; it answers 503 while the model is being loaded."""
        try:
            async with asyncio.timeout(LOAD_LIMIT):
                while True:
                    status, value = await self._requests.ask("GET", "/health")
                    if status != 503:
                        self._requests.checked("/health", status, value)
                        return
                    await asyncio.sleep(POLL)
        except TimeoutError:
            words = error_words(value) or "no more"
            raise ServerError(
                f"{self._requests.url} is not ready after {LOAD_LIMIT:g} s ({words}): look at what it prints"
            ) from None

    async def load(self, model: ServedModel) -> None:
        """See `ModelServer`. A router is asked to load `model`; a server with one model has loaded it already."""
        if model.loaded:
            return
        status, value = await self._requests.ask("POST", "/models/load", {"model": model.name}, LOAD_LIMIT)
        if status != 400:  # it is being loaded already
            self._requests.checked("/models/load", status, value)
        try:
            async with asyncio.timeout(LOAD_LIMIT):
                while (state := await self._state_of(model.name)) != "loaded":
                    if state == "failed":
                        raise ServerError(f"llama.cpp could not load {model.name}: look at what it prints")
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise ServerError(f"llama.cpp has not loaded {model.name} within {LOAD_LIMIT:g} s") from None

    async def _state_of(self, name: str) -> str:
        listed = entries(await self._requests.get("/v1/models"), "data", "id")
        return next((_state(one) for one in listed if one.get("id") == name), "failed")

    async def notes(self, model: ServedModel) -> AsyncIterator[str]:
        """See `ModelServer`. The advice concerns the size of the context, which `/props` reports."""
        status, props = await self._requests.ask("GET", f"/props?model={quote(model.name, safe='')}")
        settings = props.get("default_generation_settings") if status == 200 and isinstance(props, dict) else None
        context = settings.get("n_ctx") if isinstance(settings, dict) else None
        if isinstance(context, int) and 0 < context < SMALLEST_CONTEXT:
            yield f"a call has {context} tokens of context, too few for a long one: start it with -c {SMALLEST_CONTEXT}"


def _state(one: dict[str, Any]) -> str:
    """The state of a model in the list. A server with one model reports none: then the model is loaded."""
    status = one.get("status")
    if not isinstance(status, dict):
        return "loaded"
    value = str(status.get("value") or "loaded")
    return "failed" if status.get("failed") else "loaded" if value == "sleeping" else value  # a request wakes it
