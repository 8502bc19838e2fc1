"""The gate in front of every outgoing call: it judges each dial by the rules, fails closed, and audits the reason."""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.pool import Pool, PoolFullError
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.audit import Audit, AuditError
from sipgw.policy.gate.caps import Caps
from sipgw.policy.gate.dnc import DncEntry, FileLists, OwnList
from sipgw.policy.gate.hook import Hook
from sipgw.policy.gate.rules import (
    AFTER_LISTS,
    BEFORE_LISTS,
    GateCase,
    GateRefusal,
    GateRequest,
    Permit,
    refusal,
    understood,
)
from sipgw.policy.gate.shared_counts import SharedCounts
from sipgw.records.store.store import Store

log = structlog.get_logger()

__all__ = ["Gate", "GateOptions", "GateRefusal", "GateRequest", "Permit"]

SOON, LONGEST = timedelta(minutes=1), timedelta(hours=1)
"""The first and the longest pause until a gate that could not do its work is asked again."""


def _utc() -> datetime:
    return datetime.now(UTC)


MANY = Pool("dry runs of calls out", workers=1, waiting=8)
HOOK_LIMIT = 2.0
"""Seconds that the hook may take: during a transfer, people wait for it."""


class Gate:
    """Judges every dial. Use it as an async context manager.

    `options` gives the options of each agent by name, and those of everybody else as ``""``. It is called for every
    dial, so reloaded options count at once. `audit` is the folder of the audit, unless the options name another. Raises
    `hook.HookError` for a hook that cannot be used.
    """

    def __init__(
        self,
        options: Callable[[], Mapping[str, GateOptions]],
        trunks: Callable[[str], TrunkOptions | None],
        own: OwnList,
        audit: Path,
        now: Callable[[], datetime] = _utc,
        shared: Store | None = None,
        people: Collection[str] = (),
    ) -> None:
        """`shared` is a PostgreSQL database, in which all its gateways count together. `people` are the numbers of the
        people to whom callers are transferred: only their numbers are judged as transfers.
        """
        self.own = own
        self._options = options
        self._trunks = trunks
        self._people = people
        self._now = now
        now_held = options()
        default = now_held[""]
        self._files = FileLists(_files(now_held))
        self._hooks: dict[str, Hook] = {}
        for one in now_held.values():
            self._hook(one)
        self._caps = Caps()
        self._database = SharedCounts(shared, self._caps.note) if shared else None
        self._audit = Audit(Path(default.audit) if default.audit else audit, self._take)
        self._unable: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        """By agent and rule: since when the rule could not do its work, and when it last could not."""

    async def __aenter__(self) -> Self:
        """Read lists and audit. Raises `audit.AuditError`."""
        self._audit.open(self._now())
        await self._files.fresh()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._audit.close()

    async def permit(self, dial: GateRequest) -> Permit | GateRefusal:
        """Judge a dial, audit the decision, and count the call if it is permitted. Call it before each attempt, also
        before an attempt on another trunk, with the numbers that were `counted`.
        """
        now = self._now()
        judged = await self._judged(dial, now)
        if isinstance(judged, GateRefusal):
            judged = self._dated(dial, judged, now)
        try:
            async with self._counting(judged, now) as count, self._audit.turn(now) as write:
                verdict = judged if isinstance(judged, GateRefusal) else self._counted(judged)
                line = _line(dial, verdict, judged, now)
                if line["counts"]:
                    count(line["number"], line["tenant"])
                write(line)
        except AuditError as error:  # a call that is not written down is not made
            verdict = self._dated(dial, GateRefusal("audit", str(error), unable=True), now)
        except (SQLAlchemyError, TimeoutError) as error:  # nor one that other gateways do not count
            verdict = self._dated(dial, _uncounted(error), now)
            with contextlib.suppress(AuditError):
                async with self._audit.turn(now) as write:
                    write(_line(dial, verdict, judged, now))
        allowed = isinstance(verdict, Permit)
        if allowed:
            self._unable = {who: when for who, when in self._unable.items() if who[0] != dial.agent}
        log.info(
            "call permitted" if allowed else "call refused by the gate",
            rule="" if isinstance(verdict, Permit) else verdict.rule,
            reason="" if isinstance(verdict, Permit) else verdict.reason,
            agent=dial.agent,
            trunk=dial.trunk,
        )
        return verdict

    async def judge(self, dial: GateRequest, *, later: bool = False) -> Permit | GateRefusal:
        """The present decision of `permit`, without counting, auditing or hooks. With `later`, only those refusals
        count that would be the same at a later time.
        """
        now = self._now()
        judged = await self._judged(dial, now, ask=False, later=later)
        if isinstance(judged, GateRefusal):
            return Permit(dial.number) if later and judged.unable else judged
        if later:
            return Permit(judged.number)
        try:
            async with self._counting(judged, now):
                return self._counted(judged)
        except (SQLAlchemyError, TimeoutError) as error:
            return _uncounted(error)

    def _dated(self, dial: GateRequest, refused: GateRefusal, now: datetime) -> GateRefusal:
        """`refused`; if the gate could not do its work, with a time to ask again, after a pause that grows."""
        if not refused.unable:
            return refused
        key = (dial.agent, refused.rule)
        since, last = self._unable.get(key, (now, now))
        since = since if now - last <= 2 * LONGEST else now
        self._unable[key] = (since, now)
        return refused._replace(again=now + min(max(now - since, SOON), LONGEST))

    async def judge_all(self, dials: Sequence[GateRequest], *, alone: bool = False) -> list[Permit | GateRefusal]:
        """The present decisions about many calls, without counting, auditing or hooks; the rules run in a thread, and
        lists and counts are asked once. With `alone` they are not asked: then only the rules of `rules.OF_THE_NUMBER`
        decide. Raises `SQLAlchemyError` if the list cannot be read, `PoolFullError`.
        """
        now, held = self._now(), self._options()
        first = await MANY.run(lambda: [_first(dial, held, self._trunks, now) for dial in dials])
        entries = dict[str, DncEntry]()
        if not alone:
            entries = await self.own.find_all([one.number for one in first if isinstance(one, GateCase)])
            await self._fresh(held)

        def refused(case: GateCase | GateRefusal) -> GateCase | GateRefusal:
            if isinstance(case, GateRefusal) or case.parsed is None:
                return case
            listed = None if alone else self._on_list(case.number, entries.get(case.number))
            return listed or refusal(case, AFTER_LISTS) or case

        judged = await MANY.run(lambda: [refused(case) for case in first])
        lost = None if alone else await self._counts_lost(now)

        def counted(case: GateCase) -> Permit | GateRefusal:
            return Permit(case.number) if alone or case.parsed is None else lost or self._counted(case)

        return [one if isinstance(one, GateRefusal) else counted(one) for one in judged]

    async def _counts_lost(self, now: datetime) -> GateRefusal | None:
        """Read the counts of other gateways; returns the refusal if that fails."""
        try:
            if self._database is not None:
                async with self._database.turn(now):
                    return None
        except (SQLAlchemyError, TimeoutError) as error:
            return _uncounted(error)
        return None

    async def _judged(
        self, dial: GateRequest, now: datetime, *, ask: bool = True, later: bool = False
    ) -> GateCase | GateRefusal:
        """Judge a dial by everything except the caps."""
        try:
            held = self._options()
            case = _first(dial, held, self._trunks, now)
            if isinstance(case, GateRefusal) or case.parsed is None:
                return case
            if dial.purpose == "transfer":
                if self._is_ours(case):
                    return case._replace(ours=True)
                # Another side has named the number, e.g. a trunk by a 302: purpose and consent are not for this number.
                case = case._replace(dial=dial._replace(consent=None))
            found = await self._listed(case.number, held) or refusal(case, AFTER_LISTS, later=later)
            if found is None and ask and (hook := self._hook(case.options)) is not None:
                found = await hook.refusal(dial._replace(number=case.number))
        except Exception as error:  # the gate fails closed, whatever is wrong
            log.exception("the gate failed")
            why = f"the gate itself failed ({type(error).__name__}), so nobody is called: see the log"
            return GateRefusal("failed", why, unable=True)
        return found or case

    def _is_ours(self, case: GateCase) -> bool:
        """Whether the number is that of a person of the configuration, or was permitted in this call before."""
        trunk = self._trunks(case.dial.trunk)
        same = (understood(case.dial._replace(number=one), case.options, trunk, case.now) for one in self._people)
        ours = {one.number for one in same if isinstance(one, GateCase)}
        return case.number in ours or case.number in case.dial.counted

    def _hook(self, options: GateOptions) -> Hook | None:
        if options.hook and options.hook not in self._hooks:
            self._hooks[options.hook] = Hook(Path(options.hook), HOOK_LIMIT)
        return self._hooks.get(options.hook)

    async def _listed(self, number: str, held: Mapping[str, GateOptions]) -> GateRefusal | None:
        try:
            entry = await self.own.find(number)
        except (SQLAlchemyError, sqlite3.Error, OSError, PoolFullError) as error:
            log.warning("the do-not-call list cannot be read", error=str(error))
            full = isinstance(error, PoolFullError)
            why = str(error) if full else f"the database does not answer ({type(error).__name__})"
            return GateRefusal(
                "failed", f"our own do-not-call list cannot be read, {why}, so nobody is called", unable=True
            )
        if entry is None:
            await self._fresh(held)
        return self._on_list(number, entry)

    async def _fresh(self, held: Mapping[str, GateOptions]) -> None:
        self._files.become(_files(held))
        await self._files.fresh()

    def _on_list(self, number: str, entry: DncEntry | None) -> GateRefusal | None:
        """The refusal by our own list, which has `entry`, or by a file."""
        if entry is None:
            return self._files.refusal(number)
        return GateRefusal(
            "do_not_call", f"{number} is on our own do-not-call list {entry}; sipgw dnc remove takes it off"
        )

    def _counting(
        self, judged: GateCase | GateRefusal, now: datetime
    ) -> AbstractAsyncContextManager[Callable[[str, str], None]]:
        """The lock under which a call is counted; if only this machine counts, the lock of the audit is enough."""
        if self._database is None or isinstance(judged, GateRefusal) or judged.parsed is None:
            return contextlib.nullcontext(lambda number, tenant: None)
        return self._database.turn(now)

    def _counted(self, case: GateCase) -> Permit | GateRefusal:
        if case.parsed is None or case.ours or case.number in case.dial.counted:
            return Permit(case.number)
        return self._caps.refusal(case.number, case.options, case.now, case.dial.tenant) or Permit(case.number)

    def _take(self, line: dict[str, Any]) -> None:
        at = datetime.fromisoformat(line["at"])
        if line["permitted"] and line["counts"] and self._database is None:
            self._caps.note(str(line["number"]), at, str(line.get("tenant", "")))
        else:
            self._caps.seen(at)


def _first(
    dial: GateRequest,
    held: Mapping[str, GateOptions],
    trunks: Callable[[str], TrunkOptions | None],
    now: datetime,
) -> GateCase | GateRefusal:
    """The rules that come before the lists."""
    options = held.get(dial.agent, held[""])
    case = understood(dial, options, trunks(dial.trunk), now)
    if isinstance(case, GateRefusal) or case.parsed is None:
        return case
    return refusal(case, BEFORE_LISTS) or case


def _files(held: Mapping[str, GateOptions]) -> Iterator[tuple[str, str]]:
    """The do-not-call files of all agents, each with the country of its agent."""
    return ((path, one.dnc_country) for one in held.values() for path in one.dnc_files)


def _uncounted(error: Exception) -> GateRefusal:
    why = f"the database that counts calls out does not answer ({type(error).__name__})"
    return GateRefusal("failed", why, unable=True)


def _line(
    dial: GateRequest, verdict: Permit | GateRefusal, judged: GateCase | GateRefusal, now: datetime
) -> dict[str, Any]:
    permitted = isinstance(verdict, Permit)
    number = judged.number if isinstance(judged, GateCase) else dial.number[:64]
    ours = isinstance(judged, GateCase) and judged.ours
    fresh = permitted and not ours and number not in dial.counted
    line = {
        "at": now.isoformat(),
        "number": number,
        "permitted": permitted,
        "counts": fresh and isinstance(judged, GateCase) and judged.parsed is not None,
        "rule": "" if isinstance(verdict, Permit) else verdict.rule,
        "reason": "every rule lets it be called" if isinstance(verdict, Permit) else verdict.reason,
        "agent": dial.agent,
        "tenant": dial.tenant,
        "trunk": dial.trunk,
        "purpose": dial.purpose,
        "campaign": dial.campaign,
        "consent": dial.consent,
    }
    if isinstance(verdict, GateRefusal) and verdict.again is not None:
        line["again"] = verdict.again.isoformat()
    return line


def gate_of(
    config: GatewayConfig,
    agents: Callable[[], Mapping[str, AgentConfig]],
    store: Store,
    trunks: Callable[[str], TrunkOptions | None],
) -> Gate:
    """The gate of a configuration and of those of its agents, by name, as they are at each dial."""
    own = OwnList(store, "" if config.store.url else config.store.path)

    def options() -> dict[str, GateOptions]:
        held = agents()
        return {"": held.get(DEFAULT, config).gate} | {name: one.gate for name, one in held.items()}

    shared = store if config.store.url else None
    people = [one.uri.user for one in config.people if one.uri.scheme == "tel"]
    return Gate(options, trunks, own, Path(f"{config.store.path}.gate"), shared=shared, people=people)
