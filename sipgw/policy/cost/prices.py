"""A table of dated prices, and the rounding of a call's seconds by the carrier. Sans-IO."""

import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from fnmatch import fnmatchcase
from importlib.resources import files

from agent.providers.provider import Price, Provider, Unit
from sipgw.bounds import BoundedTable
from sipgw.config.cost import Part, PriceOptions
from sipgw.config.registry import every
from sipgw.config.trunks import OWN_TRUNKS

FREE = "local"
"""The product of the embedded models, which run on this machine."""
BOUNDS = {
    ("trunk", "seconds"): (1.00, 60),
    ("stt", "seconds"): (0.05, 60),
    ("llm", "tokens_in"): (30, 1_000_000),
    ("llm", "tokens_out"): (180, 1_000_000),
    ("tts", "characters"): (0.30, 1000),
    ("realtime", "seconds"): (0.60, 60),
    ("realtime", "tokens_in"): (30, 1_000_000),
    ("realtime", "tokens_out"): (180, 1_000_000),
    ("realtime", "audio_tokens_in"): (100, 1_000_000),
    ("realtime", "audio_tokens_out"): (200, 1_000_000),
}
"""Upper bounds that caps use for products without a price, in US dollars for so many units: above the highest list
prices known in November 2026."""
_UNHEARD_OF = (1.0, 1)


def free(taken: Iterable[str]) -> tuple[PriceOptions, ...]:
    """Free price lines for incoming calls without a carrier, unless a trunk of the configuration has `taken` the name:
    phones of our own networks and accounts, and the browser."""
    return tuple(PriceOptions("trunk", name, "seconds", 0) for name in OWN_TRUNKS if name not in taken)


def bound(part: Part, unit: Unit) -> PriceOptions:
    """The price that caps use for a product without a price."""
    price, per = BOUNDS.get((part, unit), _UNHEARD_OF)
    return PriceOptions(part, "*", unit, price, per)


def packaged() -> tuple[PriceOptions, ...]:
    """The prices of trunks that come with the package, and those of the registered providers: list prices, each with
    its source and date."""
    table = tomllib.loads((files("sipgw.policy.cost") / "prices.toml").read_text(encoding="utf-8"))
    trunks = tuple(PriceOptions(**line | {"since": date.fromisoformat(line["since"])}) for line in table["prices"])
    return (*trunks, *(_line(record, one) for record in every() for one in record.prices))


def _line(record: Provider, one: Price) -> PriceOptions:
    name = f"{record.family}/{one.model}"
    return PriceOptions(
        record.part, name, one.unit, one.price, one.per, one.since, source=one.source, estimate=one.estimate
    )


Key = tuple[Part, str, Unit, date, str, str]
"""Part, name and unit, the day, the direction and the number of a call."""

FOUND = 1000
"""Prices that were looked up and are remembered."""


class PriceTable:
    """Prices by part, name, unit and day."""

    def __init__(self, own: Iterable[PriceOptions]) -> None:
        self._lines = [(True, line) for line in own] + [(False, line) for line in packaged()]
        self._found = BoundedTable[Key, PriceOptions | None]("prices", FOUND)

    def of(
        self, part: Part, name: str, unit: Unit, at: datetime, direction: str = "", number: str = ""
    ) -> PriceOptions | None:
        """The price that is valid on the day of `at`; None if there is none."""
        key = (part, name, unit, at.date(), direction, number)
        if key not in self._found:
            self._found[key] = self._look_up(key)
        return self._found[key]

    def knows(self, part: Part, name: str, unit: Unit, at: datetime, direction: str = "") -> bool:
        """Whether there is a price for any number."""
        return any(
            (line.part, line.unit) == (part, unit) and fnmatchcase(name, line.name)
            and line.begins <= at.date() and line.direction in ("", direction)
            for _, line in self._lines
        )  # fmt: skip

    def _look_up(self, key: Key) -> PriceOptions | None:
        part, name, unit, day, direction, number = key
        fitting = [
            ((own, len(line.prefix), len(line.name.replace("*", "")), line.begins), line)
            for own, line in self._lines
            if (line.part, line.unit) == (part, unit)
            and fnmatchcase(name, line.name)
            and line.begins <= day
            and line.direction in ("", direction)
            and number.startswith(line.prefix)
        ]
        return max(fitting, key=lambda found: found[0])[1] if fitting else None
