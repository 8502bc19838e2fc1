"""Figures of many calls: percentiles, and distributions that can be added. Sans-IO."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Self

EDGES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 1000.0)
"""Upper edges of the classes, in milliseconds. A value counts in the class of the first edge that it does not
exceed."""


def percentile(values: Sequence[float], part: float) -> float | None:
    """The percentile of `values` for the share `part` (0 to 1); None if there are no values."""
    return sorted(values)[max(0, ceil(part * len(values)) - 1)] if values else None


def milliseconds(values: Sequence[float], part: float) -> float | None:
    """The percentile of `values` for the share `part`, in milliseconds; `values` are in seconds. None without
    values."""
    found = percentile(values, part)
    return None if found is None else round(found * 1000, 1)


@dataclass
class Distribution:
    """The number of absolute values in each class of `EDGES`: exact enough for percentiles, and small to send."""

    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """The distribution of `seconds`."""
        last = len(EDGES) - 1
        found = Counter(min(last, bisect_left(EDGES, abs(value) * 1000)) for value in seconds)
        return cls({str(EDGES[at]): count for at, count in found.items()})

    def add(self, counts: dict[str, int]) -> None:
        """Add the counts of another distribution."""
        for edge, count in counts.items():
            self.counts[edge] = self.counts.get(edge, 0) + count

    def percentile(self, part: float) -> float:
        """An upper bound in milliseconds of the percentile for `part`; 0 without values."""
        whole, seen = sum(self.counts.values()), 0
        for edge in EDGES:
            seen += self.counts.get(str(edge), 0)
            if whole and seen >= part * whole:
                return edge
        return 0.0
