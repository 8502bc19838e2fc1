"""The cost of calls, live: the bill of each, and what the day has taken."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from agent.records import Used
from sipgw.billing.prices import Part, PriceTable
from sipgw.config import Config
from sipgw.inbound.limits import Spent
from sipgw.store import CallRecord, Store

NOTHING = Spent()
FRESH = 1.0
"""Seconds for which the sum of a day is used again."""
FREE = ("local", "embedded")
"""Beginnings of the names of what runs on this machine."""


def models(config: Config) -> dict[tuple[str, str], str]:
    """The model of each provider of an agent, by part and provider."""
    return {
        ("duplex", "assemblyai"): "voice-agent",
        ("duplex", "openai"): config.openai_realtime.model,
        ("ears", "assemblyai"): config.assemblyai.model,
        ("ears", "deepgram"): config.deepgram.model,
        ("ears", "cartesia"): config.cartesia.model,
        ("model", "openai"): config.openai.model,
        ("voice", "assemblyai"): config.assemblyai_voice.model,
        ("voice", "cartesia"): config.cartesia_voice.model,
        ("voice", "deepgram"): config.deepgram_voice.model,
        ("voice", "elevenlabs"): config.elevenlabs.model_id,
        ("voice", "openai"): config.openai_voice.model,
        ("voice", "polly"): config.polly.engine,
    }


@dataclass
class Bridged:
    """A second leg, to somebody whom the caller was handed over to."""

    trunk: str
    number: str
    answered: datetime
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long it has lasted."""
        return max(0.0, ((self.ended or now) - self.answered).total_seconds())


@dataclass
class Bill:
    """What one call has used."""

    prices: PriceTable
    models: dict[tuple[str, str], str]
    direction: str
    number: str
    """Of the person at the other end."""
    began: datetime
    trunk: str = ""
    answered: datetime | None = None
    ended: datetime | None = None
    bridged: list[Bridged] = field(default_factory=list)
    _amounts: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))

    def used(self, report: Used) -> None:
        """Something of a provider was used."""
        provider = report.name.partition("/")[0]  # the first of those that stand in for each other
        model = self.models.get((report.part, provider), "")
        self._amounts[(report.part, f"{provider}/{model}" if model else provider, report.unit)] += report.amount

    def seconds(self, now: datetime) -> float:
        """How long it has lasted since it was answered."""
        return max(0.0, ((self.ended or now) - self.answered).total_seconds()) if self.answered else 0.0

    def cost(self, now: datetime) -> "Cost":
        """What it has cost until now."""
        parts: dict[Part, float] = {"trunk": 0.0, "ears": 0.0, "model": 0.0, "voice": 0.0}
        unknown, estimated = [], []
        for trunk, direction, number, seconds in self._legs(now):
            price = self.prices.of("trunk", trunk, "seconds", self.began, direction, number)
            if price is None:
                unknown.append(f"trunk {trunk} {direction}")
            else:
                estimated += [f"trunk {trunk} {direction}"] * price.estimate
                parts["trunk"] += price.charged(seconds) * price.price / price.per
        used: Any
        for used, amount in self._amounts.items():
            part, name, unit = used
            if name.startswith(FREE):
                continue
            price = self.prices.of(part, name, unit, self.began)
            if price is None:
                unknown.append(f"{part} {name} {unit}")
            else:
                estimated += [f"{part} {name} {unit}"] * price.estimate
                parts[part] = parts.get(part, 0.0) + amount * price.price / price.per
        return Cost(sum(parts.values()), parts, tuple(unknown), tuple(estimated), self._used(now))

    def _legs(self, now: datetime) -> Iterator[tuple[str, str, str, float]]:
        """Trunk, direction, number and seconds of each leg that a carrier charges."""
        if self.answered:
            yield self.trunk, self.direction, self.number, self.seconds(now)
        for leg in self.bridged:
            yield leg.trunk, "out", leg.number, leg.seconds(now)

    def _used(self, now: datetime) -> dict[str, float]:
        used: dict[str, float] = defaultdict(float)
        for number, (trunk, _, _, seconds) in enumerate(self._legs(now)):
            used[f"trunk {trunk} {'bridged ' if number else ''}seconds"] += seconds
        for (part, name, unit), amount in self._amounts.items():
            used[f"{part} {name} {unit}"] += amount
        return {name: round(amount, 2) for name, amount in used.items()}


@dataclass(frozen=True)
class Cost:
    """What a call costs, in the currency of the prices."""

    total: float
    parts: dict[Part, float]
    unpriced: tuple[str, ...] = ()
    """What was used without there being a price."""
    estimated: tuple[str, ...] = ()
    """What was used at a price that nobody has checked."""
    used: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts: dict[str, Any] = {name: round(amount, 6) for name, amount in self.parts.items()}
        named = {"unpriced": list(self.unpriced), "estimated": list(self.estimated)}
        return {"total": round(self.total, 6), **parts, **named, "used": self.used}


class Expenses:
    """The bills of all calls, and what the day has taken; `now` is in local time, whose midnight begins a day."""

    def __init__(self, prices: PriceTable, now: Callable[[], datetime], earlier: Spent = NOTHING) -> None:
        self.prices = prices
        self._now = now
        self._closed = self._earlier = earlier
        self._day: date = now().date()
        self._open: dict[str, Bill] = {}
        self._spent: tuple[datetime, Spent] | None = None

    def open(self, call: str, bill: Bill) -> Bill:
        """A call has begun."""
        self._open[call] = bill
        return bill

    def close(self, call: str) -> Cost | None:
        """A call is over: returns what it has cost; None if there is no bill of it."""
        bill, now = self._open.pop(call, None), self._now()
        if bill is None:
            return None
        self._turn_page(now)
        bill.ended = bill.ended or now
        cost, self._spent = bill.cost(now), None
        self._closed = Spent(self._closed.minutes + bill.seconds(now) / 60, self._closed.money + cost.total)
        return cost

    def spent(self) -> Spent:
        """What the calls of today have taken, those that go on included; up to a second old."""
        now = self._now()
        if self._spent is None or not 0 <= (now - self._spent[0]).total_seconds() < FRESH:
            self._spent = (now, self._spent_at(now))
        return self._spent[1]

    def since_start(self) -> Spent:
        """The same without what was taken before this process began."""
        spent = self.spent()
        return Spent(spent.minutes - self._earlier.minutes, spent.money - self._earlier.money)

    @property
    def day(self) -> str:
        """The day that `spent` was last asked for."""
        return self._day.isoformat()

    def _spent_at(self, now: datetime) -> Spent:
        self._turn_page(now)
        going = self._of(self._open.values(), now)
        return Spent(self._closed.minutes + going.minutes, self._closed.money + going.money)

    def _turn_page(self, now: datetime) -> None:
        if now.date() != self._day:
            self._day, self._closed, self._earlier = now.date(), NOTHING, NOTHING

    @staticmethod
    def _of(bills: Iterable[Bill], now: datetime) -> Spent:
        minutes = money = 0.0
        for bill in bills:
            minutes += bill.seconds(now) / 60
            money += bill.cost(now).total
        return Spent(minutes, money)


async def spent_since_midnight(store: Store, now: datetime) -> Spent:
    """What the calls that have ended today took, by their records."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(CallRecord.answered, CallRecord.ended, CallRecord.cost).where(CallRecord.began >= midnight)
    minutes = money = 0.0
    async with store.read() as session:
        for answered, ended, cost in await session.execute(query):
            money += cost or 0.0
            if answered and ended:
                minutes += (ended - answered).total_seconds() / 60
    return Spent(minutes, money)
