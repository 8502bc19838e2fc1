"""Time limits for the streams of providers while a caller waits."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

import structlog

from agent.deadline import Deadline
from agent.errors import ProviderError, internal
from agent.llm import LanguageModel, Message, Piece, ReplyForm, Text, ToolCall, ToolSchema, patience

log = structlog.get_logger()

T = TypeVar("T")

FIRST_TOKEN = 6.0
"""Seconds that a model has for the first piece of its reply, however often it is asked: no option allows more."""
FIRST_SOUND = 4.0
"""Seconds that a voice has for the first sound of a sentence."""
GAP = 6.0
"""Seconds between two pieces; no option allows more."""
OPEN = 5.0
"""Seconds that a provider has to get ready."""


class boundary:  # noqa: N801  in place of a function with `contextmanager`, which takes three times as long
    """Context that converts every error of the block: see `provider_error`."""

    __slots__ = ("_provider",)

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ProviderError):
            raise provider_error(self._provider, error) from None


def provider_error(provider: str, error: BaseException) -> ProviderError:
    """`error` as a `ProviderError` of `provider`; if it is any other error, it is logged in full."""
    if isinstance(error, ProviderError):
        return error
    log.error("provider raised an unexpected error", provider=provider, exc_info=error)
    return ProviderError(provider, internal(error), temporary=False, of_request=True)


async def within(stream: AsyncGenerator[T, None], provider: str, first: float, gap: float) -> AsyncGenerator[T, None]:
    """Pass `stream` on. Raises only `ProviderError`, also if the first piece takes more than `first` seconds, or a
    later one more than `gap` seconds."""
    deadline = Deadline(first)
    async with aclosing(stream):
        while True:
            with boundary(provider):
                try:
                    with deadline:
                        piece = await anext(stream)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise ProviderError(provider, f"nothing came for {deadline.limit:g} s") from None
            yield piece
            deadline.move(gap)


async def think(
    llm: LanguageModel, messages: Sequence[Message], tools: Sequence[ToolSchema]
) -> AsyncGenerator[Piece, None]:
    """The model's reply within its time limits; after a temporary failure before the first piece it is asked once more.

    Both tries together have `FIRST_TOKEN` seconds, or the seconds of a `ReplyForm`. If the model asks for a pause
    before the next try, it gets the pause if that leaves time for its first piece.
    """
    now = asyncio.get_running_loop().time
    until, gap = now() + patience(tools, FIRST_TOKEN), patience(tools, GAP)
    for attempt in (1, 2):
        begun = False
        try:
            async with aclosing(within(llm.reply(messages, tools), llm.name, until - now(), gap)) as pieces:
                async for piece in pieces:
                    begun = True
                    yield piece
        except ProviderError as error:
            wait = error.retry_after
            if begun or attempt == 2 or not error.temporary or now() + wait >= until:
                raise
            await asyncio.sleep(wait)
        else:
            return


async def whole(llm: LanguageModel, messages: Sequence[Message], limit: float, form: ReplyForm | None = None) -> str:
    """All words of the model's reply, or the arguments with which it has filled in `form`, as unchecked JSON.

    Raises `ProviderError`, also if the reply takes more than `limit` seconds.
    """
    text, filled = "", ""
    try:
        async with asyncio.timeout(limit), aclosing(think(llm, messages, (form,) if form else ())) as pieces:
            async for piece in pieces:
                text += piece.delta if isinstance(piece, Text) else ""
                if form and isinstance(piece, ToolCall) and piece.name == form.name:
                    filled = piece.arguments
    except TimeoutError:
        raise ProviderError(llm.name, f"the reply took more than {limit:g} s") from None
    return filled or text
