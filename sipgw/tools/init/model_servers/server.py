"""Code shared by both servers: models, requests with a time limit, and errors that say what to do."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol

import httpx2

from agent.authorities import tls
from agent.bodies import TooLargeError, within

CONNECT_LIMIT = 2.0
"""Seconds within which the connection must be open."""
ANSWER_LIMIT = 10.0
"""Seconds that a question about the server or a model may take."""
LOAD_LIMIT = 300.0
"""Seconds that a model may take to be loaded: tens of gigabytes from a slow disk."""
POLL = 1.0
"""Seconds between two checks of a model that is being loaded."""
MOST_MODELS = 50
"""Maximum number of models that are examined."""
MOST_BYTES = 4 << 20
"""Maximum bytes of one answer: a list of 50 models with their templates has a few hundred thousand."""
SMALLEST_CONTEXT = 8192
"""Smallest context in tokens: prompt, tools and a call of ten minutes need so many."""


class ServerError(Exception):
    """The server or its model cannot be used. The text is one line that ends with what to do."""


class ServedModel(NamedTuple):
    """One model that a server has."""

    name: str
    about: str = ""
    """Size and quantisation, as the server reports them."""
    tools: bool | None = None
    """Whether the server says that the model calls tools; None if it does not say."""
    loaded: bool = False
    thinks: bool = False
    """Whether the model thinks before it answers, unless a request forbids it."""


class ModelServer(Protocol):
    """A server of language models."""

    title: str
    default_url: str
    without_tools: str
    """Advice when a model calls no tool."""

    async def models(self) -> list[ServedModel]:
        """The models of the server, at least one. Raises `ServerError`, also if it has none."""
        ...

    async def load(self, model: ServedModel) -> None:
        """Let the server load `model`, so that no caller waits for the loading. Raises `ServerError`."""
        ...

    def notes(self, model: ServedModel) -> AsyncIterator[str]:
        """Advice on settings of the server before calls come, a sentence each."""
        ...


class Requests:
    """Requests to one server, each with its time limit."""

    def __init__(self, url: str, absent: str) -> None:
        """`absent` is the advice for the user if nothing answers at `url`."""
        self.url = url
        self._absent = absent
        self._client = httpx2.AsyncClient(
            base_url=url,
            timeout=httpx2.Timeout(ANSWER_LIMIT, connect=CONNECT_LIMIT),
            verify=tls(),
            event_hooks=within(MOST_BYTES),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Any = None, limit: float = ANSWER_LIMIT) -> tuple[int, Any]:
        """Status and JSON of an answer; the second is None if the body is no JSON. Raises `ServerError` if no answer
        comes."""
        timeout = httpx2.Timeout(limit, connect=CONNECT_LIMIT)
        try:
            async with asyncio.timeout(limit):
                answer = await self._client.request(method, path, json=body, timeout=timeout)
        except TooLargeError as error:
            raise ServerError(f"{self.url}{path}: {error}: is another program on this port?") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise ServerError(f"nothing answers at {self.url}: {self._absent}") from None
        except (TimeoutError, httpx2.TimeoutException):
            raise ServerError(
                f"{self.url}{path} gave no answer within {limit:g} s: is the machine overloaded?"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise ServerError(f"{self.url}{path} broke off ({type(error).__name__}): {self._absent}") from None
        try:
            return answer.status_code, json.loads(answer.content)
        except (ValueError, RecursionError):
            return answer.status_code, None

    async def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`. Raises `ServerError` for any other answer."""
        return self.checked(path, *await self.ask("GET", path))

    def checked(self, path: str, status: int, value: Any) -> dict[str, Any]:
        """`value`, if it is a JSON object and `status` is 200. Raises `ServerError` otherwise."""
        if status in (401, 403):
            raise ServerError(f"{self.url} wants a key (HTTP {status}): start it without one for this machine alone")
        if status != 200 or not isinstance(value, dict):
            told = f": {words}" if (words := error_words(value)) else ""
            raise ServerError(f"{self.url}{path} answered HTTP {status}{told}; is another program on this port?")
        return value


def printable(value: Any) -> str:
    """`value` of a server as text on one line, without control characters, which would control the terminal."""
    return "".join(char if char.isprintable() else " " for char in str(value)[:200])


def error_words(value: Any) -> str:
    """The words in the JSON of a server's error: ``{"error": "…"}`` or ``{"error": {"message": "…"}}``."""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return printable(error) if error else ""


def entries(value: Any, key: str, name: str) -> list[dict[str, Any]]:
    """The objects in the list that `value` has under `key`, if their field `name` is a name."""
    found = value.get(key) if isinstance(value, dict) else None
    objects = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in objects if isinstance(one.get(name), str) and one[name].isprintable()][:MOST_MODELS]
