"""The part that speaks in a call: a conversation of an agent, or one sentence."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from agent.records import Outcome

Connect = Callable[[str], Awaitable[bool]]
"""Transfers the caller to the person of that name, or to anybody if it is empty; returns whether that succeeded."""
NOT_HUMAN = ("machine", "message_left", "fax", "screened", "no_person")
"""Outcomes that stay when the other side hangs up: after a message, for example, that is expected."""


class Talk(Protocol):
    """The agent's part of a call."""

    async def open(self) -> None:
        """Get ready."""

    async def run(self) -> Outcome:
        """Talk until one side hangs up; raises only when it is cancelled."""

    async def close(self) -> None:
        """Free what `open` took; safe to call twice."""
