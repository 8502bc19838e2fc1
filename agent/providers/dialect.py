"""The dialect of an OpenAI-compatible server: which optional parameters it takes. Sans-IO.

What is not known beforehand is learnt from its refusals: they name the parameter ("Unsupported parameter: ...").
"""

import urllib.parse
from typing import Any

OPTIONAL = ("stream_options", "reasoning_effort", "reasoning", "temperature", "parallel_tool_calls", "store")
"""What a reply can do without."""

_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_NEW = ("api.openai.com", ".openai.azure.com", "openrouter.ai")


def limit_name(base_url: str) -> str:
    """What the server calls the limit of a reply: OpenAI has a new name for it, most others know only the old one."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    return "max_completion_tokens" if host.endswith(_NEW) else "max_tokens"


class Dialect:
    """What one server has refused."""

    def __init__(self) -> None:
        self._without: set[str] = set()

    def spoken(self, request: dict[str, Any]) -> dict[str, Any]:
        """`request` without what the server has refused, or by its other name."""
        spoken: dict[str, Any] = {}
        for name, value in request.items():
            other = _LIMITS.get(name)
            if name not in self._without:
                spoken[name] = value
            elif other is not None and other not in self._without:
                spoken[other] = value
        return spoken

    def learn(self, spoken: dict[str, Any], words: str) -> bool:
        """Take note of a refusal of `spoken` in the server's `words`; whether another request may go better."""
        named = [name for name in (*OPTIONAL, *_LIMITS) if name in spoken and name in words]
        self._without.update(named[:1])
        return bool(named)
