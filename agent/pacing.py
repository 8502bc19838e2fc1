"""The tool by which the model announces the caller's next turn: the kind of answer, or that the caller needs time."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from agent.forms.fields import FormSetting, Phone
from agent.tools import Tool, tool
from agent.turn_taking.expect import Expected, Kind
from agent.turn_taking.machine import TurnMachine

EXPECT, WAIT = "expect", "wait"
# Once for all calls: pydantic makes a model of each that is new.
Asked = Annotated[
    Literal["digits", "phone", "spelling", "email", "date", "yes_no", "open"],
    Field(description="What the caller will say: a number digit by digit, a telephone number, letters, and so on."),
]
Length = Annotated[int, Field(description="How many digits or letters it has; 0 if that is not known.", ge=0, le=64)]


def pacing(
    turns: Callable[[], TurnMachine], asked: Callable[[str], None], setting: Callable[[], FormSetting] = FormSetting
) -> tuple[Callable[[Expected], None], list[Tool]]:
    """A function that sets the expected answer in the call's turn machine, and the tools `expect` and `wait`.

    `asked` is called with the agent's words when an answer is expected. `setting` returns how numbers are read.
    """

    def note(expected: Expected) -> None:
        turns().expect(expected)
        asked(turns().said)

    @tool(quiet=True, repeatable=True)
    async def expect(kind: Asked, length: Length = 0) -> dict[str, str]:
        """Call this in the same reply as a question for a number, letters, an address, a date, or a yes or a no.

        The caller is then not cut off between the parts of the answer.
        """
        note(Phone().expects(setting()) if kind == "phone" else Expected(Kind(kind), length or None))
        return {"status": "noted"}

    @tool(quiet=True, repeatable=True)
    async def wait() -> dict[str, str]:
        """Call this when the caller asks you to hold on or to wait. Say two or three words to it in the same reply.

        You are silent then, for minutes if need be, until the caller speaks.
        """
        turns().wait(asyncio.get_running_loop().time())
        return {"status": "the caller will speak when they are back"}

    return note, [expect, wait]
