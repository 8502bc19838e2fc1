"""Tools of the scenarios."""

import asyncio
from typing import Any

from agent.secrets import Secret
from agent.tools import tool


@tool
async def look_up(number: str) -> dict[str, Any]:
    """Look up an order; that takes three seconds."""
    await asyncio.sleep(3)
    return {"number": number, "status": "packed"}


@tool
async def track(number: str) -> dict[str, Any]:
    """Track a parcel; that takes six seconds."""
    await asyncio.sleep(6)
    return {"number": number, "status": "packed"}


@tool(confirm=True)
async def cancel_order(number: str) -> dict[str, Any]:
    """Cancel an order for good."""
    return {"number": number, "status": "cancelled"}


ORDERS: list[str] = []


@tool(side_effect=True)
async def place_order(item: str) -> dict[str, Any]:
    """Order something; that takes two seconds."""
    await asyncio.sleep(2)
    ORDERS.append(item)
    return {"item": item, "orders": len(ORDERS)}


@tool(side_effect=True)
async def pay(card: Secret) -> str:
    """Pay by card."""
    return f"paid by {card.reveal()}"
