"""Listeners of recordings. A player asks for a file in many pieces, and some players never for the whole file: the
audit log gets one line for all requests together. Sans-IO."""

from sipgw.bounds import BoundedTable
from sipgw.web.principal import Principal

LATELY = 600.0
"""Seconds from one line to the next, while somebody asks for pieces of one recording."""
MOST = 1000
"""Remembered listeners; a forgotten listener gets another line."""


class RecentListeners:
    """Listeners of the last minutes."""

    def __init__(self) -> None:
        self._lines = BoundedTable[tuple[str, str, str], float]("listeners of recordings", MOST)
        """Times of the latest line, by tenant, name and call."""

    def anew(self, who: Principal, call: str, now: float, *, whole: bool) -> bool:
        """Whether the audit log gets a line for this request of `who`, at `now` seconds: for the `whole` recording of
        `call`, or for a piece of it."""
        key = who.tenant, who.name, call
        last = self._lines.get(key)
        if not whole and last is not None and now - last < LATELY:
            return False
        self._lines[key] = now
        self._lines.move_to_end(key)
        return True
