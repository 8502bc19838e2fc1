"""The language model: decides the next words and tool calls; messages are those of OpenAI's chat completions."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Message = dict[str, Any]
"""One chat message: ``{"role": "system"|"user"|"assistant"|"tool", "content": ..., "tool_calls": [...], ...}``."""

ToolSchema = dict[str, Any]
"""One tool: ``{"type": "function", "function": {"name", "description", "parameters": JSON schema}}``."""


class ReplyForm(dict[str, Any]):
    """A `ToolSchema` in whose form the model has to give its whole reply.

    If the provider's server can hold a reply to a JSON schema, the JSON is the `Text` of the reply. Every other
    provider offers the form as a tool, and the JSON is in `ToolCall.arguments`.
    """

    TOKENS = 3000
    """Most tokens of such a reply."""
    SECONDS = 45.0
    """Seconds for the first piece, and between two pieces. No caller waits, and a tool call comes only when it is
    complete."""

    @property
    def name(self) -> str:
        """The name of the tool."""
        return str(self["function"]["name"])

    @property
    def strict(self) -> dict[str, Any]:
        """Name and schema of the form, as OpenAI's structured outputs take them."""
        return {"name": self.name, "schema": self["function"]["parameters"], "strict": True}


def form_in(tools: Sequence[ToolSchema]) -> ReplyForm | None:
    """The form among the tools, if there is one."""
    return next((one for one in tools if isinstance(one, ReplyForm)), None)


def patience(tools: Sequence[ToolSchema], seconds: float) -> float:
    """Seconds for a piece of the reply: `seconds`, or the seconds of the form if one is among the tools."""
    return ReplyForm.SECONDS if form_in(tools) else seconds


class Text(NamedTuple):
    """The next piece of the reply."""

    delta: str


class ToolCall(NamedTuple):
    """A complete call of a tool; `arguments` is the JSON text that the model wrote, not yet validated."""

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] | None = None
    """Data that the server wants back with this call; in messages it is called ``extra_content``."""


class Usage(NamedTuple):
    """Tokens used by one reply."""

    prompt: int
    completion: int


class CallCommand(NamedTuple):
    """A command of a brain that controls the call, carried out when all words before it are on the line.

    `do` raises only `agent.errors.ProviderError`.
    """

    do: Callable[[], Awaitable[None]]


Piece = Text | ToolCall | Usage | CallCommand


class LanguageModel(Protocol):
    """A language model. One object serves every call."""

    @property
    def name(self) -> str:
        """Name of provider and model, for logs and bills."""
        ...

    def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream the reply to `messages`; closing the generator cancels it upstream.

        Raises `agent.errors.ProviderError` when refused, cut off, or silent beyond the provider's time limits.
        """
        ...

    async def close(self) -> None:
        """Free the connections."""
        ...


class DistantModel(LanguageModel, Protocol):
    """A language model of a service, as `agent.providers.provider.Provider.make` makes it."""

    def warm(self) -> None:
        """Open a connection in the background unless one stands, so that the first reply of a call finds it."""
        ...
