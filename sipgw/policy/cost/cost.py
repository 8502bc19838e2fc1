"""The live cost of calls: the bill of each, and the sum of the day."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select

from agent.records import Used
from sipgw.config.cost import Part
from sipgw.midnight import midnight
from sipgw.policy.cost.prices import FREE, PriceTable, bound
from sipgw.policy.inbound.limits import SpentToday
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, ExpenseRecord

NOTHING = SpentToday()
FRESH = 1.0
"""Seconds for which the sum of a day is cached."""
LONGEST = timedelta(days=1)
"""Calls that went on after midnight are looked for if they began at most this long before midnight."""


@dataclass
class FurtherLeg:
    """A further outgoing leg of a call: to a transfer target, or to the target of a REFER."""

    trunk: str
    number: str
    answered: datetime
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long the leg has lasted, in seconds."""
        return max(0.0, ((self.ended or now) - self.answered).total_seconds())


@dataclass
class Bill:
    """The bill of one call."""

    prices: PriceTable
    direction: str
    number: str
    """The number of the person at the other end."""
    began: datetime
    trunk: str = ""
    answered: datetime | None = None
    ended: datetime | None = None
    left: datetime | None = None
    """The end of the first leg, if another leg has replaced it (REFER)."""
    further: list[FurtherLeg] = field(default_factory=list)
    tenant: str = ""
    """Tenant that pays it; empty: the installation itself."""
    of_call: bool = True
    """Whether this is the bill of a call, and not of work after a call."""
    told: Callable[[Used], None] | None = None
    """Also takes each report that `used` takes."""
    _own: FurtherLeg | None = None
    """The present leg of the call, if it is no longer the first."""
    _amounts: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    _products: "Cost | None" = None
    """The cost of `_amounts`; None after a change. The pages ask for the cost of each call every second."""

    def used(self, report: Used) -> None:
        """Add what was used of a provider."""
        self._amounts[(report.part, report.name, report.unit)] += report.amount
        self._products = None
        if self.told:
            self.told(report)

    def leg(self, trunk: str, number: str, now: datetime) -> FurtherLeg:
        """Add a further leg, which `number` has answered through `trunk`."""
        made = FurtherLeg(trunk, number, now)
        self.further.append(made)
        return made

    def goes_on(self, leg: FurtherLeg, now: datetime) -> None:
        """Note that the call goes on with `leg`, and that its former leg is over."""
        if self._own is None:
            self.left = now
        else:
            self._own.ended = now
        self._own, leg.ended = leg, None

    def seconds(self, now: datetime) -> float:
        """How long the call has lasted since it was answered, in seconds; 0 before."""
        return max(0.0, ((self.ended or now) - self.answered).total_seconds()) if self.answered else 0.0

    def cost(self, now: datetime) -> "Cost":
        """The cost so far."""
        if self._products is None:
            self._products = self._of_products()
        products, trunk, guessed = self._products, 0.0, 0.0
        unknown, estimated, used = list[str](), list[str](), dict[str, float]()
        for name, direction, number, seconds in self._legs(now):
            price = self.prices.of("trunk", name, "seconds", self.began, direction, number)
            if price is None:
                unknown.append(f"trunk {name} {direction}")
                guessed += bound("trunk", "seconds").cost(seconds)
            else:
                estimated += [f"trunk {name} {direction}"] * price.estimate
                trunk += price.cost(seconds)
            unit = f"trunk {name} {'further ' if used else ''}seconds"
            used[unit] = used.get(unit, 0.0) + seconds
        parts: dict[Part, float] = {"trunk": trunk, **products.parts}
        return Cost(
            trunk + products.total, parts, (*unknown, *products.unpriced), (*estimated, *products.estimated),
            {name: round(amount, 2) for name, amount in used.items()} | products.used, trunk + guessed + products.most,
        )  # fmt: skip

    def _of_products(self) -> "Cost":
        """The cost of what providers reported."""
        parts: dict[Part, float] = {"stt": 0.0, "llm": 0.0, "tts": 0.0}
        unknown, estimated, guessed = [], [], 0.0
        used: Any
        for used, amount in self._amounts.items():
            part, name, unit = used
            if name == FREE:
                continue
            price = self.prices.of(part, name, unit, self.began)
            if price is None:
                unknown.append(f"{part} {name} {unit}")
                guessed += bound(part, unit).cost(amount)
            else:
                estimated += [f"{part} {name} {unit}"] * price.estimate
                parts[part] = parts.get(part, 0.0) + price.cost(amount)
        amounts = {" ".join(of): round(amount, 2) for of, amount in self._amounts.items()}
        total = sum(parts.values())
        return Cost(total, parts, tuple(unknown), tuple(estimated), amounts, total + guessed)

    def _legs(self, now: datetime) -> Iterator[tuple[str, str, str, float]]:
        """Trunk, direction, number and seconds of each leg that a carrier charges."""
        if self.answered:
            yield (
                self.trunk,
                self.direction,
                self.number,
                max(0.0, ((self.left or self.ended or now) - self.answered).total_seconds()),
            )
        for leg in self.further:
            yield leg.trunk, "out", leg.number, leg.seconds(self.ended or now)


@dataclass(frozen=True)
class Cost:
    """The cost of a call, in the currency of the prices."""

    total: float
    """The cost of all products that have a price."""
    parts: dict[Part, float]
    unpriced: tuple[str, ...] = ()
    """Used products without a price."""
    estimated: tuple[str, ...] = ()
    """Products whose price is an estimate."""
    used: dict[str, float] = field(default_factory=dict)
    most: float = 0.0
    """The cost at most: products without a price count with their upper bound (`sipgw.policy.cost.prices.BOUNDS`). Caps
    use it."""

    def as_dict(self) -> dict[str, Any]:
        """This cost as values for JSON."""
        parts: dict[str, Any] = {name: round(amount, 6) for name, amount in self.parts.items()}
        named = {"unpriced": list(self.unpriced), "estimated": list(self.estimated), "most": round(self.most, 6)}
        return {"total": round(self.total, 6), **parts, **named, "used": self.used}


def increased(costs: dict[str, Any] | None, more: Cost) -> dict[str, Any]:
    """The costs of a record, as `Cost.as_dict` made them, increased by `more`, which came after the call."""
    before, added = costs or {}, more.as_dict()
    lists = {name: sorted({*before.get(name, ()), *added[name]}) for name in ("unpriced", "estimated")}
    used = before.get("used", {})
    used = used | {name: round(used.get(name, 0.0) + amount, 2) for name, amount in more.used.items()}
    sums = {name: round(before.get(name, 0.0) + value, 6) for name, value in added.items() if isinstance(value, float)}
    return before | sums | lists | {"used": used}


class Expenses:
    """The bills of all calls, and the sums of the day: of all calls (""), and of each tenant. `now` is in local time,
    whose midnight begins a day."""

    def __init__(
        self,
        prices: PriceTable,
        now: Callable[[], datetime],
        earlier: Mapping[str, SpentToday] | None = None,
        told: Callable[[Used], None] | None = None,
    ) -> None:
        """`earlier` are the sums of today before the start of this process. `told` takes each report of use."""
        self.prices = prices
        self._told = told
        self._now = now
        self._earlier = dict(earlier or {})
        self._closed = self._earlier
        """The sums of today's bills that are closed."""
        self._day: date = now().date()
        self._open: dict[Hashable, Bill] = {}
        self._spent: tuple[datetime, dict[str, SpentToday]] | None = None

    def open(self, whose: Hashable, bill: Bill) -> Bill:
        """Open the bill of a call, or of work that is no call. `whose` is the identity of the call. For other work
        `whose` is never a text, because the caller can choose any text as Call-ID."""
        self._open[whose], bill.told, self._spent = bill, self._told, None
        return bill

    def close(self, whose: Hashable) -> Cost | None:
        """Close the bill of an ended call or other work and return its cost; None if there is no bill."""
        bill, now = self._open.pop(whose, None), self._now()
        if bill is None:
            return None
        self._turn_page(now)
        bill.ended = bill.ended or now
        self._closed, self._spent = _with(self._closed, (bill,), now), None
        return bill.cost(now)

    def calls_of(self, tenant: str) -> int:
        """How many calls of `tenant` go on."""
        return sum(bill.of_call and bill.tenant == tenant for bill in self._open.values())

    def spent(self, tenant: str = "") -> SpentToday:
        """The minutes and money of today's calls of `tenant`, or of all (""), running calls included; up to a second
        old."""
        return self._sums().get(tenant, NOTHING)

    def since_start(self) -> dict[str, SpentToday]:
        """The sums without calls before the start of this process."""
        return {
            tenant: SpentToday(spent.minutes - before.minutes, spent.money - before.money)
            for tenant, spent in self._sums().items()
            for before in (self._earlier.get(tenant, NOTHING),)
        }

    @property
    def day(self) -> str:
        """The day that `spent` was last asked for."""
        return self._day.isoformat()

    def _sums(self) -> dict[str, SpentToday]:
        now = self._now()
        if self._spent is None or not 0 <= (now - self._spent[0]).total_seconds() < FRESH:
            self._turn_page(now)
            self._spent = (now, _with(self._closed, self._open.values(), now))
        return self._spent[1]

    def _turn_page(self, now: datetime) -> None:
        if now.date() != self._day:
            self._day, self._closed, self._earlier = now.date(), {}, {}


def _with(sums: Mapping[str, SpentToday], bills: Iterable[Bill], now: datetime) -> dict[str, SpentToday]:
    """`sums` increased by `bills`, as they are at the time `now`."""
    found = dict(sums)
    for bill in bills:
        spent = SpentToday(bill.seconds(now) / 60, bill.cost(now).most)
        for tenant in {"", bill.tenant}:
            found[tenant] = found.get(tenant, NOTHING).plus(spent)
    return found


async def spent_since_midnight(store: Store, now: datetime) -> dict[str, SpentToday]:
    """The minutes and money of today's ended calls, from their records, and of work that was paid for beside them: of
    all (""), and of each tenant. A call that ended today counts completely, even if it began before midnight, as in
    `Expenses`.
    """
    begun = midnight(now)
    columns = (CallRecord.tenant, CallRecord.answered, CallRecord.ended, CallRecord.cost, CallRecord.costs)
    over_midnight = and_(CallRecord.began >= begun - LONGEST, CallRecord.ended >= begun)
    query = select(*columns).where(or_(CallRecord.began >= begun, over_midnight))
    sums = {"": NOTHING}
    async with store.read() as session:
        for tenant, answered, ended, cost, costs in await session.execute(query):
            minutes = (ended - answered).total_seconds() / 60 if answered and ended else 0.0
            spent = SpentToday(minutes, float((costs or {}).get("most", cost or 0.0)))
            for one in {"", tenant}:
                sums[one] = sums.get(one, NOTHING).plus(spent)
        for costs in await session.scalars(select(ExpenseRecord.costs).where(ExpenseRecord.at >= begun)):
            sums[""] = sums[""].plus(SpentToday(money=float(costs["most"])))
    return sums


async def expenses_of_today(
    store: Store, prices: PriceTable, now: Callable[[], datetime], told: Callable[[Used], None] | None = None
) -> Expenses:
    """The expenses from now on, with what the records have of today."""
    return Expenses(prices, now, await spent_since_midnight(store, now()), told)


async def paid(store: Store, what: str, cost: Cost, now: datetime, row: int | None = None) -> int:
    """Store what work outside of calls has cost, in its `row` if it has one; the cost counts for the day. Returns the
    row.
    """
    async with store.write() as session:
        made = ExpenseRecord(id=row, at=now, what=what, cost=cost.total, costs=cost.as_dict())
        written = await session.merge(made)
        await session.flush()
        return written.id
