"""A language model that streams its reply as named events: OpenAI's Responses, Anthropic's Messages."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from agent.deadline import Deadline
from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema, patience
from agent.providers.openai_client import MAX_TEXT, ModelClient
from agent.providers.reasoning import SPENT
from agent.providers.tool_calls import MAX_ARGUMENTS, MAX_CALLS


class EventReader(ABC):
    """Reads the events of one reply. Sans-IO."""

    spent = False
    """Whether the reply ended because it reached its limit of tokens."""
    cut_off = False
    """Whether a tool call was left out because the reply ended within it."""

    @abstractmethod
    def read(self, event: Any) -> tuple[list[Piece], bool]:
        """The pieces in one event, and whether it is the last event. Raises `ProviderError`."""

    @abstractmethod
    def is_calling(self, event: Any) -> bool:
        """Whether the event is a fragment of a tool call. Thinking is none, so that a call does not wait long for
        it."""


class EventLlm(ABC):
    """The language model of all calls. Keep the beginning of the messages byte for byte the same, because servers cache
    it."""

    name: ClassVar[str]

    def __init__(self, client: ModelClient, path: str) -> None:
        """`path` is the path of the requests."""
        self._client, self._path = client, path

    @abstractmethod
    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        """The body of the request."""

    @abstractmethod
    def _reader(self) -> EventReader:
        """Make the reader for one reply."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream a reply. Tool calls come when the reply is complete, so never from one that broke off. Raises
        `ProviderError`.
        """
        written, calls, reader = 0, list[ToolCall](), self._reader()
        async with AsyncExitStack() as stack:
            limit = patience(tools, self._client.options.first_token_limit)
            events = self._events(stack, self._request(messages, tools), limit)
            stack.push_async_callback(events.aclose)
            deadline = Deadline(limit)
            complete = False
            while not complete:
                event = await self._client.next(events, deadline)
                if event is None:
                    raise ProviderError(self.name, "broke off")
                pieces, complete = reader.read(event)
                for piece in pieces:
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                    else:
                        written += len(piece.delta) if isinstance(piece, Text) else 0
                        yield piece
                if written > MAX_TEXT or len(calls) > MAX_CALLS or sum(len(c.arguments) for c in calls) > MAX_ARGUMENTS:
                    problem = "wrote more than any reply needs"
                    raise ProviderError(self.name, problem, temporary=False, of_request=True)
                if pieces or reader.is_calling(event):
                    deadline.move(self._client.options.gap_limit)
            await self._client.rest(events)
        for call in calls:
            yield call
        if not calls and (reader.cut_off or not written):
            raise ProviderError(self.name, SPENT if reader.spent else "sent an empty reply")

    def warm(self) -> None:
        """See `ModelClient.warm`."""
        self._client.warm()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _events(self, stack: AsyncExitStack, request: dict[str, Any], limit: float) -> AsyncGenerator[Any, None]:
        response = await self._client.answer(stack, self._path, request, limit)
        async for event in self._client.events(response):
            yield event
