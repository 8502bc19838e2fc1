"""Tools of the agents of the scenes."""

import asyncio

from agent.tools import ToolError, tool


@tool(filler="Let me look that up for you.")
async def look_up(code: str) -> dict[str, str]:
    """Look something up, slowly."""
    await asyncio.sleep(2.2)
    return {"status": "in stock", "code": code}


@tool(side_effect=True)
async def book(slot: str) -> dict[str, str]:
    """Book an appointment."""
    await asyncio.sleep(0.4)
    return {"booked": slot}


@tool
async def find_branch(town: str) -> dict[str, str]:
    """Find a branch."""
    raise ToolError(f"there is no branch in {town}")


@tool(timeout=1.5)
async def weather() -> dict[str, str]:
    """Ask a server that does not answer."""
    await asyncio.sleep(30)
    return {}
