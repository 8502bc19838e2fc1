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
    """``trunk``, ``stt`` (seconds of sound), ``llm`` (tokens), ``tts`` (characters), ``realtime`` (seconds, and
    tokens)."""
    name: str
    """Owner of the price: the name of a trunk, or provider and model as ``"openai/gpt-6-luna"``; ``*`` stands for
    anything.
    """
    unit: Unit
    price: Annotated[float, Ge(0)]
    per: Annotated[float, Gt(0)] = 1
    """So many units for `price`: 60 seconds, 1_000_000 tokens."""
    since: date | None = None
    """The first day on which it applies, as ``2026-06-01``; a later line of the same name replaces it from then on."""
    direction: Literal["", "in", "out"] = ""
    """Trunks: only calls that come in, or go out."""
    prefix: str = ""
    """Trunks: only calls with numbers that begin so; the longest matching prefix counts."""
    rounding: str = "60/60"
    """Trunks: seconds that are charged at least, and the step after that: ``"60/60"`` whole minutes, ``"60/6"``,
    ``"1/1"`` by the second."""
    source: str = field(default="", metadata=FIXED)
    """Where the price is from."""
    estimate: bool = field(default=False, metadata=FIXED)
    """Whether nobody has compared it with a bill or the vendor's own page: costs with this price are marked."""

    def __post_init__(self) -> None:
        self.steps  # noqa: B018  what cannot be used is told now

    @property
    def begins(self) -> date:
        """The first day on which it holds."""
        return self.since or date.min

    @property
    def steps(self) -> tuple[int, int]:
        """The two numbers of `rounding`."""
        first, _, step = self.rounding.partition("/")
        if not (first.isdigit() and step.isdigit() and int(first) > 0 and int(step) > 0):
            raise RuleError(f'{self.rounding!r} must be written like "60/6"', "rounding")
        return int(first), int(step)

    def charged(self, seconds: float) -> float:
        """The seconds that a carrier charges for a call."""
        first, step = self.steps
        if seconds <= 0:
            return 0.0
        return float(first + max(0, ceil((seconds - first) / step)) * step)

    def cost(self, amount: float) -> float:
        """The cost of so many units; of a trunk with its rounding."""
        return (self.charged(amount) if self.part == "trunk" else amount) * self.price / self.per


@dataclass(frozen=True)
class CostOptions:
    """The limit on the cost of a call, in the currency of the prices; 0: none."""

    per_call: Annotated[float, Ge(0)] = 0
    """Then the agent says its sentence `goodbye_overtime` and hangs up, as when the day's money or minutes ([limits])
    are used up."""
    currency: str = field(default="USD", metadata=GATEWAY)
    """The currency of the prices, as pages show it: three letters (ISO 4217). The prices of the package are in US
    dollars: with another currency, put prices of your own for everything."""

    def __post_init__(self) -> None:
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise RuleError(f'{self.currency!r} must be three letters like "EUR"', "currency")
