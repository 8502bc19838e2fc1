"""Presses keys with pauses between them."""

import asyncio
import re

from agent.line import Line

KEY, PAUSE = 0.2, 0.5
"""Seconds that a key takes with the pause after it, and seconds of a ``w``. PBXs accept RFC 4733 events of 100 ms with
100 ms between them: Asterisk needs at least 80 ms, and gaps of 50 ms."""


async def press(line: Line, keys: str) -> None:
    """Press `keys` one after the other; ``w`` is a pause. Returns when the last one has been pressed."""
    for part in re.findall("w+|[^w]+", keys):
        if part[0] != "w":
            line.send_digits(part)
        await asyncio.sleep(len(part) * (PAUSE if part[0] == "w" else KEY))
