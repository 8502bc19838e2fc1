"""Listeners of recordings. A player asks for a file in many pieces, and some never for the whole: the audit log has
one line for all of them. Sans-IO."""

from sipgw.bounds import BoundedTable
from sipgw.web.principal import Principal

LATELY = 600.0
"""Seconds from one line to the next, while somebody asks for pieces of one recording."""
MOST = 1000
"""Remembered listeners; one that is forgotten gets a line more."""


class RecentListeners:
    """Listeners of the last minutes."""

    def __init__(self) -> None:
        self._lines = BoundedTable[tuple[str, str, str], float]("listeners of recordings", MOST)
        """Times of the latest line, by tenant, name and call."""

    def anew(self, who: Principal, call: str, now: float, *, whole: bool) -> bool:
        """Whether it gets a line that `who` asks for the `whole` recording of `call`, or for a piece of it, at `now`
        seconds."""
        key = who.tenant, who.name, call
        last = self._lines.get(key)
        if not whole and last is not None and now - last < LATELY:
            return False
        self._lines[key] = now
        self._lines.move_to_end(key)
        return True
