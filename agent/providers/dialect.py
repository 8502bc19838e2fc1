"""The dialect of an OpenAI-compatible server: which optional parameters it takes. Sans-IO.

Unknown servers are learnt from their refusals, which name the parameter ("Unsupported parameter: ...").
"""

import json
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any, Literal

OPTIONAL = (
    *("stream_options", "reasoning_effort", "reasoning", "temperature", "parallel_tool_calls", "store"),
    *("response_format", "text"),
)
"""Parameters that a reply does not need."""

_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_UNKNOWN = re.compile(
    "unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra|not (permitted|allowed)|cannot find"
    "|only .* supported|unavailable|invalid (parameter|argument|field|schema)",
    re.IGNORECASE | re.DOTALL,
)
"""Words in the refusal of a server that does not take a parameter."""
_EFFORT = "reasoning_effort"
_WANTED = re.compile(rf"set {_EFFORT} to ['\"]?(\w+)['\"]?", re.IGNORECASE)
"""Words in the refusal of a server that takes only one effort, and names it. Other parameters have no single value that
fits all requests."""
_TOO_LONG = re.compile("context|length|too long|too many tokens|request too large|token count", re.IGNORECASE)
"""Words in the refusal of a conversation that is too long. They may name the limit of the reply, too."""
_NEW = ("api.openai.com", ".openai.azure.com", "openrouter.ai")


def limit_name(base_url: str) -> Literal["max_completion_tokens", "max_tokens"]:
    """The server's name for the limit of a reply. OpenAI has a new name for it; most other servers know only the old
    one."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    return "max_completion_tokens" if host.endswith(_NEW) else "max_tokens"


class Dialect:
    """The parameters that one server has refused."""

    def __init__(self) -> None:
        self._without: set[str] = set()
        self._only: dict[str, str] = {}
        """For each such parameter, the only value that the server takes."""

    def spoken(self, request: dict[str, Any]) -> dict[str, Any]:
        """`request` without the parameters that the server has refused, or with their other names, and with the values
        that it wants."""
        spoken: dict[str, Any] = {}
        for name, value in (request | self._only).items():
            other = _LIMITS.get(name)
            if name not in self._without:
                spoken[name] = value
            elif other is not None and other not in self._without:
                spoken[other] = value
        return spoken

    def learn(self, spoken: dict[str, Any], words: str) -> bool:
        """Note that the server refused the request `spoken` with these `words`. Returns whether another request may
        succeed. A server that names the only value it takes gets this value, because OpenAI refuses some parameters
        also when they are left out.
        """
        wanted = _WANTED.search(words)
        if wanted and _EFFORT not in self._without and spoken.get(_EFFORT) != wanted[1]:
            if self._only.setdefault(_EFFORT, wanted[1]) != wanted[1]:
                self._without.add(_EFFORT)  # the server wanted another value before: the requests would never end
            return True
        if is_too_long(words) or not _UNKNOWN.search(words):
            return False
        words = words.replace("response format", "response_format")  # Groq's name for it
        named = [one for one in (*OPTIONAL, *_LIMITS) if one in spoken and one in words and one not in self._only]
        self._without.update(named[:1])
        return bool(named)


def is_too_long(words: str) -> bool:
    """Whether a refusal with these `words` concerns the length of the conversation."""
    return bool(_TOO_LONG.search(words))


def latest(messages: Sequence[Any]) -> list[Any]:
    """The first messages (prompt), and the latest turns: at most half of all turns, and at least the last one. A turn
    begins with words of the caller, so that a tool call stays with its result.
    """
    turns = [at for at, message in enumerate(messages) if message.get("role") == "user" and not _is_result(message)]
    if not turns:
        return list(messages)
    head = next((at for at, message in enumerate(messages) if message.get("role") != "system"), 0)
    sizes = [len(json.dumps(message)) for message in messages]
    half = sum(sizes[head:]) / 2
    kept = next((at for at in turns if sum(sizes[at:]) <= half), turns[-1])
    return [*messages[:head], *messages[kept:]]


def _is_result(message: Any) -> bool:
    """Whether an Anthropic message of the caller's role begins with the result of a tool."""
    content = message.get("content")
    return isinstance(content, list) and content[0].get("type") == "tool_result"
