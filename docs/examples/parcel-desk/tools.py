"""Tools of the parcel desk's agent. The parcels are made up: put your tracking in their place."""

from typing import Annotated, Any, Literal

from agent.tools import ToolError, tool
from agent.turn_taking.expect import Expected, Kind

PARCELS = {"4008215739": {"is": "in the van", "comes": "today between two and four"}}
Parcel = Annotated[str, "The number on the card.", Expected(Kind.DIGITS, 10)]


def _of(parcel: str) -> dict[str, str]:
    if parcel not in PARCELS:
        raise ToolError("there is no parcel with this number")
    return PARCELS[parcel]


@tool(filler="One moment, I am looking for it.")
async def where_is(parcel: Parcel) -> dict[str, Any]:
    """Look up where a parcel is, and when it comes."""
    return {"parcel": parcel, **_of(parcel)}


@tool(side_effect=True)
async def bring_on(parcel: Parcel, day: Literal["tomorrow", "the day after tomorrow", "Saturday"]) -> dict[str, Any]:
    """Have a parcel brought on another day."""
    _of(parcel)
    return {"status": "changed", "comes": day}


@tool(confirm=True)
async def leave_with_neighbour(parcel: Parcel, neighbour: str) -> dict[str, Any]:
    """Have a parcel given to a neighbour, who is named."""
    _of(parcel)
    return {"status": "changed", "given_to": neighbour}
