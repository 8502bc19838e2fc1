"""Ollama by its own interface, https://github.com/ollama/ollama/blob/main/docs/api.md."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sipgw.tools.init.model_servers.server import (
    LOAD_LIMIT,
    SMALLEST_CONTEXT,
    Requests,
    ServedModel,
    ServerError,
    entries,
    printable,
)

EXAMPLE = "qwen3:4b-instruct"
"""A model that calls tools, named in advice."""
SOON = timedelta(hours=12)
"""If a model is unloaded sooner than this, the first call of the next day waits until it is loaded again."""


class Ollama:
    """One Ollama server."""

    title = "Ollama"
    default_url = "http://localhost:11434"

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    absent = "install it from https://ollama.com/download, start it with `ollama serve`, or name its address with --url"
    """Advice if no server answers."""
    without_tools = f"take a model that calls tools: `ollama pull {EXAMPLE}`, then --model {EXAMPLE}"

    async def models(self) -> list[ServedModel]:
        """See `ModelServer`."""
        await self._requests.get("/api/version")
        running = {str(one.get("name")) for one in entries(await self._requests.get("/api/ps"), "models", "name")}
        found = []
        for one in entries(await self._requests.get("/api/tags"), "models", "name"):
            name, details = str(one.get("name")), one.get("details")
            shown = await self._show(name)
            told = shown.get("capabilities")
            abilities = told if isinstance(told, list) else None
            if abilities is not None and "completion" not in abilities:
                continue  # an embedding model
            about = " ".join(
                printable(details[key]) for key in ("parameter_size", "quantization_level")
                if isinstance(details, dict) and details.get(key)
            )  # fmt: skip
            tools = None if abilities is None else "tools" in abilities
            thinks = abilities is not None and "thinking" in abilities
            found.append(ServedModel(name, about, tools, name in running, thinks))
        if not found:
            raise ServerError(f"Ollama has no model yet: `ollama pull {EXAMPLE}`, then this command again")
        if all(one.tools is False for one in found):
            names = ", ".join(one.name for one in found)
            raise ServerError(f"none of Ollama's models calls tools ({names}): `ollama pull {EXAMPLE}`")
        return found

    async def _show(self, name: str) -> dict[str, Any]:
        status, value = await self._requests.ask("POST", "/api/show", {"model": name})
        return self._requests.checked("/api/show", status, value)

    async def load(self, model: ServedModel) -> None:
        """See `ModelServer`. A request without a prompt loads `model`, and keeps it loaded until Ollama ends."""
        body = {"model": model.name, "stream": False, "keep_alive": -1}
        status, value = await self._requests.ask("POST", "/api/generate", body, LOAD_LIMIT)
        if status == 404:
            raise ServerError(f"Ollama has no model {model.name}: `ollama pull {model.name}`")
        self._requests.checked("/api/generate", status, value)

    async def notes(self, model: ServedModel) -> AsyncIterator[str]:
        """See `ModelServer`. The advice concerns how long the model stays loaded after a request, and the size of its
        context."""
        running = entries(await self._requests.get("/api/ps"), "models", "name")
        one = next((one for one in running if one.get("name") == model.name), {})
        if (until := _moment(one.get("expires_at"))) and until - datetime.now(UTC) < SOON:
            minutes = max(0, round((until - datetime.now(UTC)).total_seconds() / 60))
            yield (
                f"Ollama unloads {model.name} {minutes} minutes after a call, and the next caller waits for it: start "
                "Ollama with OLLAMA_KEEP_ALIVE=-1 in its environment"
            )
        context = one.get("context_length")
        if isinstance(context, int) and context < SMALLEST_CONTEXT:
            yield (
                f"Ollama runs it with {context} tokens of context and forgets the beginning of longer calls without a "
                f"word: start Ollama with OLLAMA_CONTEXT_LENGTH={SMALLEST_CONTEXT} in its environment"
            )


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
