"""Prices of providers and trunks, and limits on what a call may cost."""

from dataclasses import dataclass, field
from datetime import date
from math import ceil
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from agent.providers.extra import FIXED
from agent.providers.provider import Unit
from agent.rules.rule_error import RuleError
from sipgw.config.scope import GATEWAY

Part = Literal["trunk", "stt", "llm", "tts", "realtime"]


@dataclass(frozen=True)
class PriceOptions:
    """One line of the price table. Lines of the configuration take precedence over those of the package."""

    part: Part
    """The part of a call that costs this price: ``trunk``, ``stt`` (seconds of sound), ``llm`` (tokens), ``tts``
    (characters), ``realtime`` (seconds, and tokens)."""
    name: str
    """Owner of the price: the name of a trunk, or provider and model as ``"openai/gpt-6-luna"``; ``*`` stands for
    anything.
    """
    unit: Unit
    price: Annotated[float, Ge(0)]
    per: Annotated[float, Gt(0)] = 1
    """Number of units that cost `price`: 60 seconds, 1_000_000 tokens."""
    since: date | None = None
    """The first day of this price, as ``2026-06-01``. A line of the same name with a later day replaces it from that
    day on."""
    direction: Literal["", "in", "out"] = ""
    """Trunks: the price is only for calls that come in (``in``), or that go out (``out``)."""
    prefix: str = ""
    """Trunks: the price is only for numbers that begin with this prefix; the longest matching prefix counts."""
    rounding: str = "60/60"
    """Trunks: the least seconds that are charged, and the step after them. ``"60/60"``: whole minutes; ``"60/6"``: one
    minute, then steps of 6 s; ``"1/1"``: by the second."""
    source: str = field(default="", metadata=FIXED)
    """The source of the price."""
    estimate: bool = field(default=False, metadata=FIXED)
    """Whether nobody has compared the price with a bill or the vendor's own page. Costs with such a price are
    marked."""

    def __post_init__(self) -> None:
        self.steps  # noqa: B018  what cannot be used is told now

    @property
    def begins(self) -> date:
        """The first day of this price; the earliest possible day if `since` is empty."""
        return self.since or date.min

    @property
    def steps(self) -> tuple[int, int]:
        """The two numbers of `rounding`: the least seconds, and the step. Raises `RuleError` for another text."""
        first, _, step = self.rounding.partition("/")
        if not (first.isdigit() and step.isdigit() and int(first) > 0 and int(step) > 0):
            raise RuleError(f'{self.rounding!r} must be written like "60/6"', "rounding")
        return int(first), int(step)

    def charged(self, seconds: float) -> float:
        """The seconds that a carrier charges for a call of `seconds`, by `rounding`."""
        first, step = self.steps
        if seconds <= 0:
            return 0.0
        return float(first + max(0, ceil((seconds - first) / step)) * step)

    def cost(self, amount: float) -> float:
        """The cost of `amount` units; seconds of a trunk are rounded first."""
        return (self.charged(amount) if self.part == "trunk" else amount) * self.price / self.per


@dataclass(frozen=True)
class CostOptions:
    """The limit on the cost of a call, in the currency of the prices; 0: none."""

    per_call: Annotated[float, Ge(0)] = 0
    """The highest cost of one call. Then the agent says its sentence `goodbye_overtime` and hangs up. It does the same
    when the day's money or minutes ([limits]) are used up."""
    currency: str = field(default="USD", metadata=GATEWAY)
    """The currency of the prices, as pages show it: three letters (ISO 4217). The prices of the package are in US
    dollars: with another currency, put prices of your own for everything."""

    def __post_init__(self) -> None:
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise RuleError(f'{self.currency!r} must be three letters like "EUR"', "currency")
