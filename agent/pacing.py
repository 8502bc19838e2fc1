"""What the agent says about the turns to come: what it has asked for, and that the caller needs time."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from agent.tools import Tool, tool
from agent.turn_taking.expect import Expected, Kind
from agent.turn_taking.machine import TurnMachine

EXPECT, WAIT = "expect", "wait"
# Once for all calls: pydantic makes a model of each that is new.
Asked = Annotated[
    Literal["digits", "spelling", "email", "date", "yes_no", "open"],
    Field(description="What the caller will say: a number digit by digit, letters, an address, a date, yes or no."),
]
Length = Annotated[int, Field(description="How many digits or letters it has; 0 if that is not known.", ge=0, le=64)]


def pacing(turns: Callable[[], TurnMachine], asked: Callable[[], None]) -> list[Tool]:
    """The tools `expect` and `wait`, for the turn machine of the call; `asked` is told that it expects something."""

    @tool(quiet=True, repeatable=True)
    async def expect(kind: Asked, length: Length = 0) -> dict[str, str]:
        """Tell what you have just asked the caller for, in the same reply as the question, so that nobody cuts in."""
        turns().expect(Expected(Kind(kind), length or None))
        asked()
        return {"status": "noted"}

    @tool(quiet=True, repeatable=True)
    async def wait() -> dict[str, str]:
        """Wait for minutes, when the caller asks you to hold on. Say so in the same reply; they will speak first."""
        turns().wait(asyncio.get_running_loop().time())
        return {"status": "the caller will speak when they are back"}

    return [expect, wait]
