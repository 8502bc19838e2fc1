"""Tables with a limit, and counters of the entries for which a table or queue had no room."""

from collections import Counter, OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

FULL: Counter[str] = Counter()
"""Entries that were dropped, or that took the place of the oldest, by the name of their table or queue. The metric
`sipgw_full_total` shows them."""


class BoundedTable(OrderedDict[K, V]):
    """A table that callers or strangers can make grow: a new entry takes the place of the oldest, and is counted."""

    def __init__(self, name: str, most: int) -> None:
        """Hold at most `most` entries; `name` is the name of the counter in `FULL`."""
        super().__init__()
        self.name = name
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        while len(self) > self.most:
            self.popitem(last=False)
            FULL[self.name] += 1
