"""Tries a model as a call would: does it call a tool, and how long until its first token?"""

import asyncio
import json
import statistics
from typing import NamedTuple

from agent.llm import LanguageModel, Message, Text, ToolCall, ToolSchema

TIMES = 3
"""Number of replies whose time to the first token is measured; the median counts."""
TRIAL_LIMIT = 60.0
"""Seconds that one whole trial may take."""
PROMPT: Message = {
    "role": "system",
    "content": "You are the phone agent of a bookshop. You know the stock only by the tool find_book: call it when a "
    "caller asks for a book. Answer in one short sentence.",
}
QUESTION: Message = {"role": "user", "content": "Do you have Moby Dick in stock?"}
TOOL: ToolSchema = {
    "type": "function",
    "function": {
        "name": "find_book",
        "description": "Find out whether a book is in stock.",
        "parameters": {
            "type": "object",
            "properties": {"title": {"type": "string"}},
            "required": ["title"],
            "additionalProperties": False,
        },
    },
}


class TrialError(Exception):
    """The model does not call the tool. The text says what it did instead, without advice."""


class TrialResult(NamedTuple):
    """The result of a trial."""

    call: str
    """The tool call of the model, as text for people."""
    first_token: float
    """Seconds to the first token, the median of `TIMES` replies."""


async def trial(llm: LanguageModel) -> TrialResult:
    """Ask for a book in a shop whose only knowledge is a tool, then for a sentence.

    Raises `TrialError`, `TimeoutError` after `TRIAL_LIMIT`, and `agent.errors.ProviderError`.
    """
    async with asyncio.timeout(TRIAL_LIMIT):
        call = await _tool_call(llm)
        firsts = [await _first_token(llm) for _ in range(TIMES)]
    return TrialResult(call, statistics.median(firsts))


async def _tool_call(llm: LanguageModel) -> str:
    words, calls = "", []
    stream = llm.reply([PROMPT, QUESTION], [TOOL])
    async for piece in stream:
        if isinstance(piece, Text):
            words += piece.delta
        elif isinstance(piece, ToolCall):
            calls.append(piece)
    if not calls:
        raise TrialError(f"it called no tool, but said {words.strip()[:80]!r}")
    try:
        arguments = json.loads(calls[0].arguments)
    except ValueError:
        arguments = None
    if calls[0].name != "find_book" or not isinstance(arguments, dict) or not isinstance(arguments.get("title"), str):
        raise TrialError(
            f"it called {calls[0].name[:40]!r} with {calls[0].arguments[:80]!r} instead of find_book with a title"
        )
    return f"find_book(title={arguments['title'][:60]!r})"


async def _first_token(llm: LanguageModel) -> float:
    clock = asyncio.get_running_loop().time
    began, first = clock(), 0.0
    stream = llm.reply([PROMPT, {"role": "user", "content": "Good morning, how are you?"}], [TOOL])
    async for _ in stream:
        first = first or clock() - began
    return first
