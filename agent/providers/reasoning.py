"""Parameters for models that think before they reply: the effort, and the tokens for it. Sans-IO.

With GPT-5.6 and later, chat completions with tools take only the effort ``none``. Without the parameter the model's
default counts, which is refused, too ("Function tools with reasoning_effort are not supported ..."). Elsewhere the
tokens of thinking count against the limit of the reply.

Gemini 3 and later think whatever they are told: "Reasoning cannot be turned off for Gemini 2.5 Pro or 3 models"
(https://ai.google.dev/gemini-api/docs/openai); the least that all of them take is ``low``.
"""

import re

from agent.llm import ReplyForm

ROOM = 2000
"""Tokens for thinking that are added to the limit of a reply. More thinking would take longer than a caller waits."""

SPENT = "used up the limit of tokens before it was done: lower reasoning_effort or raise max_tokens"
"""Problem of a reply that reached its limit of tokens without a word, or within a tool call."""

_REASONS = re.compile(r"(gpt-(5\.[6-9]|[6-9]|\d\d)|gemini-([3-9]|\d\d))(?![0-9])")


def reasons(model: str) -> bool:
    """Whether a model, by its name, thinks before it replies unless a request forbids it (GPT-5.6, Gemini 3 and
    later)."""
    return _REASONS.match(model.rpartition("/")[2]) is not None


def chat_effort(model: str, wanted: str) -> str:
    """The value of `reasoning_effort` in chat completions; empty: leave it out. Without `wanted`, the least
    reasoning."""
    return wanted or (("low" if "gemini" in model else "none") if reasons(model) else "")


def responses_effort(model: str, wanted: str) -> str:
    """The value of `reasoning.effort` in Responses; empty: leave it out. Without `wanted`, a little reasoning."""
    return wanted or ("low" if reasons(model) else "")


def token_limit(max_tokens: int, effort: str, form: ReplyForm | None = None) -> int:
    """The limit of tokens of a reply that is thought about with `effort`, or that fills `form` in."""
    most = max(max_tokens, form.TOKENS) if form else max_tokens
    return most if effort in ("", "none") else most + ROOM
