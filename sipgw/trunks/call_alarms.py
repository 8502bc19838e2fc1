"""Alarms on a trunk's calls: the share of the latest calls that failed, were answered slowly, or had one-way sound,
packets of other sources, or low quality; and an alarm on the cost of the day. Sans-IO.

The faults of the sound come from the counters of a call's media, so nothing is measured here.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from agent.records import ProviderFailed, Report, TurnEnded
from sipgw.config.alarms import AlarmOptions
from sipgw.events import (
    FAILED,
    FAULT_WORDS,
    SHORTEST,
    CallAnswered,
    CallBegan,
    CallEnded,
    CallMeasured,
    CallReported,
    CostAlarm,
    Event,
    Fault,
    TrunkAlarm,
    is_deaf,
    sounds,
)
from sipgw.trunks.kept_alarms import KeptAlarms, RaisedAlarms

log = structlog.get_logger()

SOUND: tuple[Fault, ...] = ("one_way", "foreign", "quality")
"""Faults of the sound of a call, which its record tells."""
FAULTS: tuple[Fault, ...] = (*SOUND, "failed", "slow")
OURS = ("failed", "line_lost", "interrupted", "transfer_failed")
"""Endings of unanswered calls that count as failed. Others do not: a call that was refused may have been unwanted."""
DEAF = 0.5
"""If the other side reports this part of our packets lost, it does not hear us."""
FOREIGN = 50
"""So many packets of other sources are a fault: a second of sound. A few come whenever media move."""


def faults_of(media: Mapping[str, Any], mos: float) -> frozenset[Fault]:
    """Faults in the sound of an answered call; `media` is what its record has of it.

    ``one_way``: nothing was received, `is_deaf`, or the other side reports at least half of our packets lost.
    ``foreign``: packets from an address that is not the other side's were refused. ``quality``: a MOS below `mos`.
    """
    sent, found = media.get("sent", 0), set[Fault]()
    if is_deaf(media) or (sent >= SHORTEST and media.get("remote_lost", 0) >= DEAF * sent):
        found.add("one_way")
    if media.get("foreign", 0) >= FOREIGN:
        found.add("foreign")
    if 0 < media.get("mos", 0) < mos:
        found.add("quality")
    return frozenset(found)


@dataclass(frozen=True)
class BadCalls:
    """How many of the latest calls of a trunk had a fault."""

    fault: Fault
    bad: int
    calls: int
    raised: bool
    """Whether there is an alarm."""

    @property
    def told(self) -> str:
        """The count as a text for people."""
        return f"{self.bad} of the latest {self.calls} calls {FAULT_WORDS[self.fault]}"


NONE = RaisedAlarms(frozenset(), ())


class _Window:
    """The latest calls of one trunk, and the alarms that are raised."""

    def __init__(self, calls: int, before: RaisedAlarms = NONE) -> None:
        """`before`: the alarms that were raised before the start."""
        self.latest: deque[frozenset[Fault]] = deque(before.latest, calls)
        self.raised: set[Fault] = set(before.faults)

    def counts(self) -> list[BadCalls]:
        """How many of the latest calls had each of `FAULTS`."""
        calls = len(self.latest)
        return [
            BadCalls(fault, sum(fault in one for one in self.latest), calls, fault in self.raised) for fault in FAULTS
        ]


@dataclass
class _CallInProgress:
    """A call in progress."""

    trunk: str
    answered: bool = False
    failed: bool = False
    """Whether a provider failed."""
    turns: int = 0
    slow: int = 0
    """Turns that were timed, and those that took too long."""


class CallAlarms:
    """The alarms of all trunks. `watch` must get all events; each trunk of the configuration has one window."""

    def __init__(
        self,
        options: AlarmOptions,
        tell: Callable[[Event], None],
        today: Callable[[], tuple[str, float]] = lambda: ("", 0.0),
        currency: str = "USD",
        kept: KeptAlarms | None = None,
    ) -> None:
        """`tell` gets a `TrunkAlarm` whenever an alarm is raised or over, and a `CostAlarm` when the cost of the day
        raises one. `today` returns the day, and what its calls have cost, in `currency`. `kept` has the alarms that
        were raised before the start."""
        self._options = options
        self._today = today
        self._tell = tell
        self._currency = currency
        self._costly = ""
        """The latest day whose cost raised an alarm."""
        self._in_progress: dict[str, _CallInProgress] = {}
        self._kept = kept
        self._windows = {
            trunk: _Window(options.calls, one) for trunk, one in (kept.read() if kept and options.share else {}).items()
        }

    def watch(self, event: Event) -> None:
        """Take an event of a call."""
        match event:
            case CallBegan(call=call, trunk=trunk):
                self._in_progress[call] = _CallInProgress(trunk)
            case CallAnswered(call=call, trunk=trunk):
                current = self._in_progress.setdefault(call, _CallInProgress(trunk))
                current.answered, current.trunk = True, trunk or current.trunk
            case CallReported(call=call, report=report) if call in self._in_progress:
                self._reported(self._in_progress[call], report)
            case CallMeasured():
                self._count_cost(event)
            case CallEnded(call=call):
                self._count_cost(event)
                ended = self._in_progress.pop(call, None)
                if ended is not None and self._options.share:
                    self._ended(ended, event)

    def of(self, trunk: str) -> tuple[BadCalls, ...]:
        """How many of the latest calls of `trunk` were bad, by fault; nothing before the first call."""
        window = self._windows.get(trunk)
        return tuple(window.counts()) if window else ()

    def _reported(self, current: _CallInProgress, report: Report) -> None:
        if isinstance(report, ProviderFailed):
            current.failed = True
        elif isinstance(report, TurnEnded) and (total := report.turn.times.parts_ms().get("total")):
            current.turns += 1
            current.slow += total > 1000 * self._options.slow

    def _count_cost(self, event: CallMeasured | CallEnded) -> None:
        limit = self._options.cost
        if not limit:
            return
        day, spent = self._today()
        if spent >= limit and day != self._costly:
            self._costly = day
            log.warning("cost alarm", cost=round(spent, 4), limit=limit, currency=self._currency)
            self._tell(CostAlarm(event.call, event.at, round(spent, 4), limit, self._currency))

    def _ended(self, current: _CallInProgress, event: CallEnded) -> None:
        options, heard = self._options, current.answered and "sent" in event.media
        (_, own), *legs = sounds(current.trunk, event.media)
        faults = set(faults_of(own, options.mos)) if heard else set()
        for trunk, media in legs:
            if trunk == current.trunk:
                faults |= faults_of(media, options.mos)
            elif trunk:
                self._count(trunk, faults_of(media, options.mos), event)
        if current.failed or event.ending.kind in (FAILED if heard else OURS):
            faults.add("failed")
        if 2 * current.slow > current.turns:
            faults.add("slow")
        if heard or faults:
            self._count(current.trunk, frozenset(faults), event)

    def _count(self, trunk: str, faults: frozenset[Fault], event: CallEnded) -> None:
        """Count a call of `trunk`, or a further leg of one."""
        options, window = self._options, self._windows.setdefault(trunk, _Window(self._options.calls))
        window.latest.append(faults)
        for one in window.counts():
            share = one.bad / one.calls
            told = {"trunk": trunk, "fault": one.fault, "bad": one.bad, "calls": one.calls}
            if one.raised and share <= options.share / 2:
                window.raised.discard(one.fault)
                log.info("call alarm over", **told)
            elif not one.raised and one.calls >= min(options.least, options.calls) and share >= options.share:
                window.raised.add(one.fault)
                log.warning("call alarm", **told)
            else:
                continue
            self._tell(TrunkAlarm(event.call, event.at, trunk, one.fault, not one.raised, one.bad, one.calls))
            self._keep()

    def _keep(self) -> None:
        """Keep the alarms that are raised now."""
        if self._kept is not None:
            raised = {trunk: one for trunk, one in self._windows.items() if one.raised}
            self._kept.write(
                {trunk: RaisedAlarms(frozenset(one.raised), tuple(one.latest)) for trunk, one in raised.items()}
            )
