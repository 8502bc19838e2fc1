"""Tools of the evaluation set ``ear``: a shop with fixed answers, whose results are written for readers."""

import asyncio
from typing import Annotated, Any

from agent.pool import NotBegun
from agent.tools import ToolError, tool
from agent.turn_taking.expect import Expected, Kind

VISITS = ({"day": "2027-03-02"}, {"day": "2027-03-04"}, {"day": "2027-03-08"})
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "purple", "orange")


@tool
async def price_of(item: str) -> dict[str, Any]:
    """Look up the price of something that we sell."""
    return {"item": item, "price": "USD 1,129.90"}


@tool
async def colours_of(item: str) -> dict[str, Any]:
    """Look up the colours that something comes in."""
    return {"item": item, "colours": COLOURS}


@tool
async def manual_of(item: str) -> dict[str, Any]:
    """Look up where the manual of something is."""
    return {"item": item, "url": "https://www.acme.example/manuals"}


@tool
async def opening_hours() -> str:
    """Look up when the shop is open."""
    return "Mon-Fri 9-5, Sat 10-2 approx. (closed 1 hr. for lunch)"


@tool
async def stock_of(item: str) -> dict[str, Any]:
    """Look up how many of something are in stock."""
    raise ToolError(f"the stock of {item} cannot be looked up now")


@tool
async def invoice_of(order_number: str) -> dict[str, Any]:
    """Look up the invoice of an order."""
    await asyncio.sleep(4)
    return {"order": order_number, "invoice": "sent on 2027-02-01", "paid": True}


@tool(side_effect=True)
async def register_product(
    serial_number: Annotated[str, "Eight digits.", Expected(Kind.DIGITS, 8)],
) -> dict[str, Any]:
    """Register a product of the caller by its serial number, for the warranty."""
    return {"serial_number": serial_number, "status": "registered"}


@tool(side_effect=True)
async def send_receipt(email: str) -> dict[str, Any]:
    """Send the caller the receipt of their last order by e-mail."""
    return {"email": email, "status": "sent"}


@tool(side_effect=True)
async def stop_newsletter() -> str:
    """Stop the newsletter to the caller."""
    raise NotBegun("too much to do")


@tool
async def free_visits() -> dict[str, Any]:
    """Look up the days on which a technician can come to repair something."""
    return {"free": VISITS}


@tool(side_effect=True)
async def book_visit(day: Annotated[str, "YYYY-MM-DD"]) -> dict[str, Any]:
    """Book a technician for one of the free days."""
    return {"day": day, "status": "booked"}


@tool(confirm=True)
async def cancel_order(order_number: str) -> dict[str, Any]:
    """Cancel an order. This cannot be undone."""
    return {"order": order_number, "status": "cancelled"}
