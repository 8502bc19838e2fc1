"""Entries of the spool become rows. Each batch is one transaction, and one statement for each kind of row in it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, false, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.bounds import BoundedTable
from sipgw.events import CallKey
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactPlace, ArtifactState
from sipgw.records.store.spool import Entry, SpoolPosition
from sipgw.records.store.tables import (
    ID,
    ArtifactRecord,
    Base,
    CallRecord,
    EventRecord,
    ReportRecord,
    SpoolRecord,
    ToolCallRecord,
    TurnRecord,
)

MOMENTS = ("at", "began", "answered", "ended", "again", "created", "next_try")
ROWS = 10_000
"""Number of remembered calls whose identity an earlier call had."""
STATEMENTS = 64
"""Remembered statements, one for each set of columns, because making a statement costs as much as executing it."""


class Rows:
    """The rows of a batch of entries.

    An entry is ``{"call": identity}`` with any of: ``new`` (columns of a new call), ``set`` (columns of a call that is
    there), ``turn`` (columns of a turn, of which the last counts), ``tool`` and ``event`` (columns of one),
    ``artifact`` (columns of an artifact, of which the last counts, and whether it is ``new``), ``report`` (columns of
    a report that waits to be filled in).
    """

    def __init__(self) -> None:
        self.new: dict[str, dict[str, Any]] = {}
        self.set: dict[str, dict[str, Any]] = defaultdict(dict)
        self.turns: dict[tuple[str, int], dict[str, Any]] = {}
        self.tools: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.artifacts: dict[tuple[str, str], dict[str, Any]] = {}
        self.reports: list[dict[str, Any]] = []

    def add(self, entry: Entry, call: str) -> None:
        """Take an entry that belongs to the row `call`."""
        if new := entry.get("new"):
            self.new.setdefault(call, {"id": call, **_moments(new)})
        if changed := entry.get("set"):
            self.set[call].update(_moments(changed))
        if turn := entry.get("turn"):
            key = (call, turn["number"])
            self.turns[key] = self.turns.get(key, {}) | _moments(turn) | {"call": call}
        if tool := entry.get("tool"):
            self.tools.append({"call": call, **_moments(tool)})
        if event := entry.get("event"):
            self.events.append({"call": call, **_moments(event)})
        if report := entry.get("report"):
            self.reports.append({"call": call, **_moments(report)})
        if artifact := entry.get("artifact"):
            key = (call, artifact["path"])
            new = artifact["new"] or self.artifacts.get(key, {}).get("new", False)
            self.artifacts[key] = _moments(artifact) | {"call": call, "new": new}


class Writer:
    """Writes the entries of one gateway."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.sure = False
        """Whether the read position is known: not at the start, nor after a batch without an answer."""
        self._rows_of = BoundedTable[str, str]("identities of calls", ROWS)
        """Rows of calls whose identity an earlier call had, because the caller chooses the Call-ID. Entries of files
        come after the end of their call."""

    async def place(self, session: AsyncSession) -> SpoolPosition:
        """The read position of the spool in the database."""
        found = await session.get(SpoolRecord, self.gateway)
        return SpoolPosition(found.segment, found.position) if found else SpoolPosition(0, 0)

    async def resume(self, session: AsyncSession) -> None:
        """Load the rows of the calls that an earlier run has not ended: the spool may still have entries of these
        calls."""
        for row, began in await session.execute(select(CallRecord.id, CallRecord.began).where(*self._open)):
            if row.endswith(ending := CallKey("", began).name):
                self._rows_of[row.removesuffix(ending)] = row

    async def apply(self, session: AsyncSession, entries: Sequence[Entry], place: SpoolPosition | None) -> None:
        """Write entries, and `place` as the read position. Adds the row's identity to each entry, as ``record``."""
        rows = Rows()
        taken = await self._taken(session, entries)
        for entry in entries:
            call = str(entry.get("call", ""))[:ID]
            if "new" in entry:
                self._name(call, entry["new"]["began"], taken)
            entry["record"] = self._rows_of.get(call, call)
            rows.add(entry, entry["record"])
        if rows.new:
            new = [{**_DEFAULTS, "gateway": self.gateway, **row} for row in rows.new.values()]
            await session.execute(insert(_table(CallRecord)), new)
        await _update(session, rows.set)
        await self._upsert(session, TurnRecord, ("call", "number"), rows.turns.values())
        if rows.tools:
            await session.execute(insert(_table(ToolCallRecord)), rows.tools)
        if rows.events:
            await session.execute(insert(_table(EventRecord)), rows.events)
        await self._upsert(session, ReportRecord, ("call",), rows.reports)
        await self._move(session, rows.artifacts.values())
        if place is not None:
            mark = {
                "gateway": self.gateway, "segment": place.segment, "position": place.position,
                "seen": datetime.now(UTC),
            }  # fmt: skip
            await self._upsert(session, SpoolRecord, ("gateway",), [mark])

    async def open_calls(self, session: AsyncSession) -> list[str]:
        """The calls of this gateway that have not ended."""
        return list(await session.scalars(select(CallRecord.id).where(*self._open)))

    @property
    def _open(self) -> tuple[ColumnElement[bool], ...]:
        return CallRecord.gateway == self.gateway, CallRecord.ended.is_(None)

    async def about(self, session: AsyncSession, call: str, names: Sequence[str]) -> dict[str, Any]:
        """The columns `names` of the row of a call."""
        row = await session.get_one(CallRecord, call)
        return {name: getattr(row, name) for name in names}

    async def _taken(self, session: AsyncSession, entries: Sequence[Entry]) -> set[str]:
        """Identities of new calls that earlier ones had."""
        new = [str(entry["call"])[:ID] for entry in entries if "new" in entry]
        return set(await session.scalars(select(CallRecord.id).where(CallRecord.id.in_(new)))) if new else set()

    def _name(self, call: str, began: str, taken: set[str]) -> None:
        """Choose the row of a new call. If an earlier call had the identity, the time of the call is added to it."""
        self._rows_of.pop(call, None)
        if call in taken:
            suffix = CallKey("", datetime.fromisoformat(began)).name
            self._rows_of[call] = call[: ID - len(suffix)] + suffix
        taken.add(call)

    async def _move(self, session: AsyncSession, rows: Iterable[dict[str, Any]]) -> None:
        """Insert artifacts, or change their states. A recording never takes the row or file of an earlier recording;
        other kinds replace the earlier row.

        Rows with a later state, or deleted rows of forgotten callers, stay as they are.
        """
        table = _table(ArtifactRecord)
        for row in rows:
            recording = row["kind"] == ArtifactKind.RECORDING
            if row.pop("new"):
                row |= {"attempts": 0, "problem": "", "place": ArtifactPlace.DISK.value}
                made = _dialect(session).insert(table).values(gateway=self.gateway, **row)
                which = false() if recording else None
                key = ("path", "gateway")
                await session.execute(made.on_conflict_do_update(index_elements=key, set_=row, where=which))
            else:
                one = table.c.path == row["path"], table.c.gateway == self.gateway, table.c.call == row["call"]
                await session.execute(update(table).where(*one, table.c.state == ArtifactState.WRITING).values(row))

    async def _upsert(
        self, session: AsyncSession, table: type[Base], key: tuple[str, ...], rows: Iterable[dict[str, Any]]
    ) -> None:
        dialect = _dialect(session)
        alike: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            alike[frozenset(row)].append(row)
        for names, some in alike.items():
            await session.execute(_upsert(dialect, table, key, names), some)


@lru_cache(STATEMENTS)
def _upsert(dialect: Any, table: type[Base], key: tuple[str, ...], names: frozenset[str]) -> Any:
    statement = dialect.insert(_table(table))
    changed = {name: statement.excluded[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def _dialect(session: AsyncSession) -> Any:
    return postgresql if session.get_bind().dialect.name == "postgresql" else sqlite


async def interrupted(session: AsyncSession, call: str, cause: str) -> dict[str, Any]:
    """The columns that end an interrupted call. It ended with its last event, and an unfinished check of the caller's
    number has no verdict."""
    ended = {"ended": await _last_seen(session, call), "ending": "interrupted", "cause": cause}
    identity = await session.scalar(select(CallRecord.identity).where(CallRecord.id == call)) or {}
    if (identity.get("stir") or {}).get("result") == "pending":
        ended["identity"] = identity | {"stir": {"result": "unverified", "reason": cause}}
    return ended


async def _last_seen(session: AsyncSession, call: str) -> datetime:
    """The time of the last event of a call."""
    found = [await session.scalar(select(CallRecord.began).where(CallRecord.id == call))]
    for table in (EventRecord, TurnRecord, ToolCallRecord):
        found += await session.scalars(select(table.at).where(table.call == call))
    return max((at for at in found if at is not None), default=datetime.now(UTC))


_DEFAULTS: dict[str, Any] = {"media": {}, "identity": None, "tenant": ""}


async def _update(session: AsyncSession, changes: dict[str, dict[str, Any]]) -> None:
    alike: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for call, change in changes.items():
        alike[frozenset(change)].append({"row": call, **{f"new_{name}": value for name, value in change.items()}})
    connection = await session.connection()
    for names, some in alike.items():
        await connection.execute(_change(names), some)


@lru_cache(STATEMENTS)
def _change(names: frozenset[str]) -> Any:
    """The statement that sets the columns `names` in rows of calls."""
    into = _table(CallRecord)
    values = {name: bindparam(f"new_{name}", type_=into.c[name].type) for name in names}
    return update(into).where(into.c.id == bindparam("row")).values(values)


def _table(of: type[Base]) -> Table:
    """The table of a class; statements on the class itself cost three times as much."""
    table = of.__table__
    assert isinstance(table, Table)  # noqa: S101  it is declared as one
    return table


def _moments(row: dict[str, Any]) -> dict[str, Any]:
    """A copy of `row` with times, which the spool has as text."""
    return {
        name: datetime.fromisoformat(value) if name in MOMENTS and isinstance(value, str) else value
        for name, value in row.items()
    }
