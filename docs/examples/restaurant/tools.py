"""Tools of the restaurant's agent. The tables are made up: put your booking system in their place."""

from typing import Annotated, Any

from pydantic import Field

from agent.tools import ToolError, tool

FREE = {"18:00": 2, "20:30": 3}
"""Tables that are free at a time, on any day."""
Guests = Annotated[int, Field(ge=1, le=8, description="How many people come.")]


@tool(filler="Let me look at the book.")
async def free_tables(day: str, guests: Guests) -> dict[str, Any]:
    """Look up the times at which a table is free on a day."""
    return {"day": day, "guests": guests, "free": [time for time, tables in FREE.items() if tables]}


@tool(confirm=True)
async def book_table(day: str, time: str, guests: Guests, name: str) -> dict[str, Any]:
    """Book a table; the time is one of those that are free."""
    if not FREE.get(time):
        raise ToolError(f"there is no table at {time}")
    return {"status": "booked", "day": day, "time": time, "guests": guests, "name": name}


@tool(cache=3600)
async def menu() -> dict[str, Any]:
    """Look up what is on the menu today."""
    return {"main": ["ossobuco", "risotto with mushrooms"], "sweet": ["tiramisu"], "vegan": ["risotto with mushrooms"]}
