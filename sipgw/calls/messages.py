"""Messages for people who are not there: the agent takes them as a form, and the owner gets them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from agent.collect import PhoneName, PhoneNumber
from agent.tools import Tool, ToolError, tool
from sipgw.agents.agents import AgentDefinition
from sipgw.calls.context import CallContext
from sipgw.config.messages import MessageOptions
from sipgw.events import MessageTaken

CLOSED = (
    "Nobody of the office is there now: it is closed. Say so when the caller wants somebody, and offer to take a "
    "message (take_message) that they get."
)
UNREACHED = "When nobody takes a transfer, offer to take a message (take_message)."
MOST = 3
"""Messages in one call."""
Matter = Annotated[str, Field(description="What it is about, in one or two sentences.", min_length=1, max_length=1000)]


def about_messages(options: MessageOptions, now: datetime, *, calling: bool) -> str:
    """Instructions for the agent about messages at the time `now` (with a time zone); empty: it takes no messages.

    In a call of ours (`calling`) the hours do not matter.
    """
    return CLOSED if options.closed(now) and not calling else UNREACHED if "unreached" in options.when else ""


def message_tools(call: CallContext, agent: AgentDefinition) -> list[Tool]:
    """The tool that takes a message, if the agent's options offer it at this hour; else an empty list."""
    if not about_messages(agent.config.messages, datetime.now(UTC), calling=call.info.direction == "out"):
        return []

    @tool(timeout=5.0, side_effect=True)
    async def take_message(
        name: PhoneName, number: PhoneNumber, matter: Matter, urgency: Literal["low", "normal", "urgent"] = "normal"
    ) -> dict[str, str]:
        """Take a message for somebody who is not there: who calls, the number to call back, and what it is about."""
        if call.messages >= MOST:
            raise ToolError("messages were taken in this call already; the caller cannot leave more")
        call.messages += 1
        call.tell(MessageTaken(call.info.id, datetime.now(UTC), name, number, matter, urgency))
        return {"status": "the message is taken, and sent when the call is over"}

    return [take_message]
