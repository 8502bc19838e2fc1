"""The model: what decides the next words and tool calls, in the shape of OpenAI's chat completions."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Message = dict[str, Any]
"""One chat message: ``{"role": "system"|"user"|"assistant"|"tool", "content": ..., "tool_calls": [...], ...}``."""

ToolSchema = dict[str, Any]
"""One tool: ``{"type": "function", "function": {"name", "description", "parameters": JSON schema}}``."""


class Text(NamedTuple):
    """The next piece of the reply."""

    delta: str


class ToolCall(NamedTuple):
    """A complete call of a tool; `arguments` is the JSON text that the model wrote, not yet validated."""

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] | None = None
    """What the server that made the call wants to have back with it; in messages it is called ``extra_content``."""


class Usage(NamedTuple):
    """Tokens used by one reply."""

    prompt: int
    completion: int


Piece = Text | ToolCall | Usage


class LanguageModel(Protocol):
    """A language model. One object serves every call."""

    @property
    def name(self) -> str:
        """Who it is, for logs and bills."""
        ...

    def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream the reply to `messages`; closing the generator cancels it upstream.

        Raises `agent.errors.ProviderError` when refused, cut off, or silent beyond the provider's time limits.
        """
        ...

    async def close(self) -> None:
        """Free the connections."""
        ...
