"""What things cost: a table of dated prices, and what a carrier makes of the seconds of a call. Sans-IO."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from importlib.resources import files
from math import ceil
from typing import Literal

from sipgw.options import build

Part = Literal["trunk", "ears", "model", "voice", "duplex"]
Unit = Literal["seconds", "tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out", "characters"]


@dataclass(frozen=True)
class PriceOptions:
    """One line of the price table. Lines of the configuration go before those of the package."""

    part: Part
    """``trunk``, ``ears`` (seconds of sound), ``model`` (tokens), ``voice`` (characters), ``duplex`` (seconds, and
    tokens)."""
    name: str
    """Whose price it is: the name of a trunk, or provider and model as ``"openai/gpt-6-luna"``; ``*`` stands for
    anything."""
    unit: Unit
    price: float
    per: float = 1
    """So many units for `price`: 60 seconds, 1_000_000 tokens."""
    since: str = ""
    """The day from which it holds, as ``"2026-06-01"``; a later line of the same name follows it."""
    direction: Literal["", "in", "out"] = ""
    """Trunks: only calls that come in, or go out."""
    prefix: str = ""
    """Trunks: only calls with numbers that begin so; the longest that fits counts."""
    rounding: str = "60/60"
    """Trunks: seconds that are charged at least, and the step after that: ``"60/60"`` whole minutes, ``"60/6"``,
    ``"1/1"`` by the second."""
    source: str = ""
    """Where the price is from."""
    estimate: bool = False
    """Whether nobody has compared it with a bill or the vendor's own page: costs that rest on it are marked."""

    def __post_init__(self) -> None:
        if self.price < 0 or self.per <= 0:
            raise ValueError("price must not be less than 0, and per must be more")
        if self.since:
            date.fromisoformat(self.since)
        self.steps  # noqa: B018  what cannot be used is told now

    @property
    def steps(self) -> tuple[int, int]:
        """The two numbers of `rounding`."""
        first, _, step = self.rounding.partition("/")
        if not (first.isdigit() and step.isdigit() and int(first) > 0 and int(step) > 0):
            raise ValueError(f'rounding {self.rounding!r} must be written like "60/6"')
        return int(first), int(step)

    def charged(self, seconds: float) -> float:
        """The seconds that a carrier charges for a call."""
        first, step = self.steps
        if seconds <= 0:
            return 0.0
        return float(first + max(0, ceil((seconds - first) / step)) * step)

    def cost(self, amount: float) -> float:
        """What so many units cost; of a trunk with its rounding."""
        return (self.charged(amount) if self.part == "trunk" else amount) * self.price / self.per


BOUNDS = {
    ("trunk", "seconds"): (1.00, 60),
    ("ears", "seconds"): (0.05, 60),
    ("model", "tokens_in"): (30, 1_000_000),
    ("model", "tokens_out"): (180, 1_000_000),
    ("voice", "characters"): (0.30, 1000),
    ("duplex", "seconds"): (0.60, 60),
    ("duplex", "tokens_in"): (30, 1_000_000),
    ("duplex", "tokens_out"): (180, 1_000_000),
    ("duplex", "audio_tokens_in"): (100, 1_000_000),
    ("duplex", "audio_tokens_out"): (200, 1_000_000),
}
"""What caps count for what has no price, in US dollars for so many units: above the dearest list prices known in
November 2026."""
_UNHEARD_OF = (1.0, 1)


def free(taken: Iterable[str]) -> tuple[PriceOptions, ...]:
    """Lines for the ways in that no carrier charges, unless a trunk of the configuration has `taken` the name: phones
    of our own networks and accounts, and the browser."""
    names = ("local", "accounts", "browser")
    return tuple(PriceOptions("trunk", name, "seconds", 0) for name in names if name not in taken)


def bound(part: Part, unit: Unit) -> PriceOptions:
    """The price that caps count for what has none."""
    price, per = BOUNDS.get((part, unit), _UNHEARD_OF)
    return PriceOptions(part, "*", unit, price, per)


@dataclass(frozen=True)
class CostOptions:
    """What a call may cost, in the currency of the prices; 0 is as much as it takes."""

    per_call: float = 0
    """Then the agent says goodbye and hangs up."""
    goodbye: str = "I am sorry, I have to end this call now. Thank you for calling. Goodbye."
    """What it says then, or when the day's money or minutes ([limits]) are spent."""

    def __post_init__(self) -> None:
        if self.per_call < 0:
            raise ValueError("per_call must not be less than 0")


def packaged() -> tuple[PriceOptions, ...]:
    """The prices that come with the package: list prices, each with its source and date."""
    table = tomllib.loads((files("sipgw.billing") / "prices.toml").read_text(encoding="utf-8"))
    return tuple(build(PriceOptions, line, {}) for line in table["prices"])


class PriceTable:
    """Prices by part, name, unit and day."""

    def __init__(self, own: Iterable[PriceOptions]) -> None:
        self._lines = [(True, line) for line in own] + [(False, line) for line in packaged()]
        self._found: dict[tuple[str, ...], PriceOptions | None] = {}

    def of(
        self, part: Part, name: str, unit: Unit, at: datetime, direction: str = "", number: str = ""
    ) -> PriceOptions | None:
        """The price that holds; None if there is none."""
        key = (part, name, unit, f"{at:%Y-%m-%d}", direction, number)
        if key not in self._found:
            if len(self._found) > 1000:
                self._found.clear()
            self._found[key] = self._look_up(key)
        return self._found[key]

    def knows(self, part: Part, name: str, unit: Unit, at: datetime, direction: str = "") -> bool:
        """Whether there is a price, for whatever number."""
        return any(
            (line.part, line.unit) == (part, unit) and fnmatchcase(name, line.name)
            and line.since <= f"{at:%Y-%m-%d}" and line.direction in ("", direction)
            for _, line in self._lines
        )  # fmt: skip

    def _look_up(self, key: tuple[str, ...]) -> PriceOptions | None:
        part, name, unit, day, direction, number = key
        fitting = [
            ((own, len(line.prefix), len(line.name.replace("*", "")), line.since), line)
            for own, line in self._lines
            if (line.part, line.unit) == (part, unit)
            and fnmatchcase(name, line.name)
            and line.since <= day
            and line.direction in ("", direction)
            and number.startswith(line.prefix)
        ]
        return max(fitting, key=lambda found: found[0])[1] if fitting else None
