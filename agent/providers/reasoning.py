"""How long OpenAI's reasoning models may think before they speak, and what that costs of a reply's tokens. Sans-IO.

Of GPT-5.6 and later, chat completions with tools take only the effort ``none``. Left out it is the model's own, which
is refused, too ("Function tools with reasoning_effort are not supported ..."). Elsewhere what is thought counts against
the limit of the reply.

Gemini 3 and later think whatever they are told: "Reasoning cannot be turned off for Gemini 2.5 Pro or 3 models"
(https://ai.google.dev/gemini-api/docs/openai); the least that all of them take is ``low``.
"""

import re

from agent.llm import ReplyForm

ROOM = 2000
"""Tokens added to the limit of a reply for what is thought before it; more takes longer than a caller waits."""

SPENT = "used up the limit of tokens before it was done: lower reasoning_effort or raise max_tokens"
"""Message for a reply that has reached its limit without a word, or within a tool call."""

_REASONS = re.compile(r"(gpt-(5\.[6-9]|[6-9]|\d\d)|gemini-([3-9]|\d\d))(?![0-9])")


def reasons(model: str) -> bool:
    """Whether a model, by its name, thinks before it speaks unless it is told not to (GPT-5.6, Gemini 3 and later)."""
    return _REASONS.match(model.rpartition("/")[2]) is not None


def chat_effort(model: str, wanted: str) -> str:
    """`reasoning_effort` of chat completions; empty to leave it out. The default is the least reasoning."""
    return wanted or (("low" if "gemini" in model else "none") if reasons(model) else "")


def responses_effort(model: str, wanted: str) -> str:
    """`reasoning.effort` of Responses; empty to leave it out. The default is a little reasoning."""
    return wanted or ("low" if reasons(model) else "")


def token_limit(max_tokens: int, effort: str, form: ReplyForm | None = None) -> int:
    """The limit of tokens of a reply that is thought about with `effort`, or that fills `form` in."""
    most = max(max_tokens, form.TOKENS) if form else max_tokens
    return most if effort in ("", "none") else most + ROOM
