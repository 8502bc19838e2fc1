"""Lines over time as SVG that is drawn here, so that they need no script. Sans-IO.

A plot is 100 wide and 100 tall, and is stretched to its place; `static/plot.js` tells the figures of a step.
"""

from collections.abc import Sequence
from typing import NamedTuple

Values = Sequence[float | None]


class PlotLine(NamedTuple):
    """One line of a plot, with a gap where a value is missing."""

    name: str
    kind: str
    """The CSS class of the line's colour."""
    pieces: list[str]
    """Points of the polylines, one string for each piece of the line."""


class Plot(NamedTuple):
    """Values for the template of a plot."""

    lines: list[PlotLine]
    top: float
    """The value at the upper edge; the lower edge is 0."""


def plot(*series: tuple[str, str, Values]) -> Plot:
    """The plot of `series`: name, class and values of each, one for each step."""
    most = max((value for _, _, values in series for value in values if value is not None), default=0.0)
    top = rounded_up(most)
    return Plot([PlotLine(name, kind, _pieces(values, top)) for name, kind, values in series], top)


def rounded_up(value: float) -> float:
    """`value` rounded up to 1, 2, 4, 6, 8 or 10 times a power of ten, so that its half is round, too; at least 2."""
    power = 1.0
    while power * 10 < value:
        power *= 10
    return next((step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= max(value, 2)), 10 * power)


def _pieces(values: Values, top: float) -> list[str]:
    found: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append(f"{(number + 0.5) / len(values) * 100:.2f},{100 - value / top * 100:.2f}")
    return [" ".join(piece if len(piece) > 1 else 2 * piece) for piece in found if piece]  # a lone point is a dot
