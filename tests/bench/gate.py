"""One line of the benchmark: what was measured against what was promised."""

from typing import NamedTuple


class Gate(NamedTuple):
    """A measured figure and its goal; prints as ``area name measured goal met|missed``, tab-separated."""

    area: str
    name: str
    measured: str
    goal: str
    met: bool

    def __str__(self) -> str:
        return "\t".join((self.area, self.name, self.measured, self.goal, "met" if self.met else "missed"))


def percentile(values: list[float], q: float) -> float:
    """The q-quantile (0..1) of `values`, by nearest rank; nan if there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(q * len(ranked)))] if ranked else float("nan")
