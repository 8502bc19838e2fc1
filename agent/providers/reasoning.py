"""How long OpenAI's reasoning models may think before they speak, and what that costs of a reply's tokens. Sans-IO.

Of GPT-5.6 and later, chat completions with tools take only the effort ``none``. Left out it is the model's own, which
is refused, too ("Function tools with reasoning_effort are not supported ..."). Elsewhere what is thought counts against
the limit of the reply.
"""

import re

ROOM = 2000
"""Tokens added to the limit of a reply for what is thought before it; more takes longer than a caller waits."""

SPENT = "used up the limit of tokens before it said anything: lower reasoning_effort or raise max_tokens"
"""What is wrong with a reply without words that has reached its limit."""

_REASONS = re.compile(r"gpt-(5\.[6-9]|[6-9]|\d\d)(?![0-9])")


def reasons(model: str) -> bool:
    """Whether a model, by its name, thinks before it speaks unless it is told not to (GPT-5.6 and later)."""
    return _REASONS.match(model.rpartition("/")[2]) is not None


def chat_effort(model: str, wanted: str) -> str:
    """`reasoning_effort` of chat completions; empty leaves it out. Without a wish the model is not to think."""
    return wanted or ("none" if reasons(model) else "")


def responses_effort(model: str, wanted: str) -> str:
    """`reasoning.effort` of Responses; empty leaves it out. Without a wish the model thinks a little."""
    return wanted or ("low" if reasons(model) else "")


def token_limit(max_tokens: int, effort: str) -> int:
    """The limit of tokens of a reply that is thought about with `effort`."""
    return max_tokens if effort in ("", "none") else max_tokens + ROOM
