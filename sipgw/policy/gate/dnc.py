"""Do-not-call lists: our own list in the database, and published files."""

import asyncio
import codecs
import contextlib
import io
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO
from urllib.parse import quote

import structlog
from sqlalchemy import String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from agent.pool import Pool
from sipgw.policy.gate import number_set
from sipgw.policy.gate.number_set import NumberSet, TooManyError
from sipgw.policy.gate.rules import GateRefusal
from sipgw.records.store.store import Store
from sipgw.records.store.tables import Base, UtcDateTime

log = structlog.get_logger()

Source = Literal["caller", "key", "cli", "import", "api"]
CHUNK = 500
"""Numbers that are written in one statement."""
OWN = Pool("our own do-not-call list", workers=2, waiting=64)
LISTS = Pool("do-not-call files", workers=2, waiting=64)
LINE = 1000
"""Characters of a line that are read."""


class DoNotCall(Base):
    """A number that is not called any more."""

    __tablename__ = "do_not_call"
    number: Mapped[str] = mapped_column(String(16), primary_key=True)
    """The number in E.164."""
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(16))
    """The source of the entry: see `Source`."""
    call: Mapped[str] = mapped_column(String(255), default="", server_default="")
    """The call in which it was asked for."""
    note: Mapped[str] = mapped_column(String(200), default="", server_default="")


class DncEntry(NamedTuple):
    """A number on our own list."""

    number: str
    since: datetime
    source: str
    call: str
    note: str

    def __str__(self) -> str:
        who = {"caller": "they asked for it in a call", "key": "they asked for it by a key", "import": "imported"}
        note = f" ({self.note})" if self.note else ""
        return f"since {self.since:%Y-%m-%d}, {who.get(self.source, f'by {self.source}')}{note}"


_TABLE = DoNotCall.__table__
_FIND = select(_TABLE)
_IN_FILE = "SELECT number, since, source, call, note FROM do_not_call WHERE number = ?"


class OwnList:
    """Our own list. Every process sees a change at once."""

    def __init__(self, store: Store, path: str = "") -> None:
        """`path` is the file of a SQLite store, in which a number is looked up by a thread of `OWN`."""
        self._store = store
        self._path = path

    async def find(self, number: str) -> DncEntry | None:
        """The entry of an E.164 number, or None. Raises the errors of the database, and `PoolFullError`."""
        if self._path:
            return await OWN.run(_in_file, self._path, number)
        async with self._store.read() as session:
            row = (await session.execute(_FIND.where(_TABLE.c.number == number))).first()
            return None if row is None else DncEntry(*row)

    async def find_all(self, numbers: Sequence[str]) -> dict[str, DncEntry]:
        """The entries of those E.164 `numbers` that are on the list, by number. Raises `SQLAlchemyError`."""
        found = list[DncEntry]()
        async with self._store.read() as session:
            for start in range(0, len(numbers), CHUNK):
                some = _FIND.where(_TABLE.c.number.in_(numbers[start : start + CHUNK]))
                found += [DncEntry(*row) for row in await session.execute(some)]
        return {one.number: one for one in found}

    async def add(self, number: str, source: Source, call: str = "", note: str = "") -> bool:
        """Put an E.164 number on the list; returns whether it was not there yet."""
        return await self.add_all([number], source, call, note) == 1

    async def add_all(self, numbers: Sequence[str], source: Source, call: str = "", note: str = "") -> int:
        """Put E.164 `numbers` on the list, all or none; returns how many were not there yet. Earlier entries stay."""
        added, now = 0, datetime.now(UTC)
        async with self._store.write() as session:
            for start in range(0, len(numbers), CHUNK):
                chunk = dict.fromkeys(numbers[start : start + CHUNK])
                there = set(await session.scalars(select(DoNotCall.number).where(DoNotCall.number.in_(chunk))))
                new = [
                    DoNotCall(number=one, since=now, source=source, call=call[:255], note=note[:200])
                    for one in chunk
                    if one not in there
                ]
                session.add_all(new)
                await session.flush()
                session.expunge_all()
                added += len(new)
        return added

    async def remove(self, number: str) -> bool:
        """Take a number from the list; returns whether it was there."""
        async with self._store.write() as session:
            done: Any = await session.execute(delete(DoNotCall).where(DoNotCall.number == number))
            return bool(done.rowcount)

    async def entries(self, limit: int = 100, after: str = "") -> list[DncEntry]:
        """Up to `limit` entries after the number `after`, by number."""
        query = _FIND.where(_TABLE.c.number > after).order_by(_TABLE.c.number).limit(limit)
        async with self._store.read() as session:
            return [DncEntry(*row) for row in await session.execute(query)]

    async def count(self) -> int:
        """How many numbers are on the list."""
        async with self._store.read() as session:
            return await session.scalar(select(func.count()).select_from(DoNotCall)) or 0


def _in_file(path: str, number: str) -> DncEntry | None:
    """See `OwnList.find`. The file is opened each time, because SQLite would go on reading a deleted file."""
    uri = f"file:{quote(str(Path(path).resolve()))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0.05, isolation_level=None)) as file:
        row = file.execute(_IN_FILE, (number,)).fetchone()
    return None if row is None else DncEntry(row[0], datetime.fromisoformat(row[1]).replace(tzinfo=UTC), *row[2:])


def opened(path: Path) -> TextIO:
    """A file of numbers as text: UTF-8, or UTF-16 ("Unicode" in Excel) if it has a byte order mark."""
    file = path.open("rb")
    utf16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return io.TextIOWrapper(file, encoding="utf-16" if utf16 else "utf-8", errors="replace")


class _File:
    """One file of numbers, read again when it has changed."""

    def __init__(self, path: Path, country: str) -> None:
        self.path = path
        self.country = country
        """The country of its numbers without ``+``."""
        self.numbers = NumberSet()
        self.problem = "it was not read yet"
        self.stamp: tuple[int, int] | None = None

    def now(self) -> tuple[int, int]:
        """Values that change with the file; zeros if it is missing."""
        try:
            seen = self.path.stat()
        except OSError:
            return (0, 0)
        return (seen.st_mtime_ns, seen.st_size)

    def read(self) -> tuple[NumberSet, str]:
        """The numbers of the file, and what is wrong with it; the text is empty if nothing is."""
        try:
            with opened(self.path) as file:
                found = number_set.parse(iter(lambda: file.readline(LINE), ""), self.country)
        except OSError as error:
            return NumberSet(), error.strerror or str(error)
        except TooManyError as error:
            return NumberSet(), str(error)
        if 2 * found.unread > found.lines:  # the people in unreadable lines would be called
            return found, f"{found.unread} of {found.lines} lines are not understood, as {found.broken[0]}"
        if not found:  # a download that failed leaves an empty file, or a line of words as the names of columns are
            return found, "it has no number; take it out of dnc_files if nobody is on the list"
        return found, ""


class FileLists:
    """Files of numbers that must not be called. A file that is unreadable or has no number forbids all numbers."""

    def __init__(self, wanted: Iterable[tuple[str, str]]) -> None:
        self._files: list[_File] = []
        self._reading = asyncio.Lock()
        self.become(wanted)

    def become(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Use these files: each with its path, and the country of its numbers without ``+``."""
        held = {(file.path, file.country): file for file in self._files}
        names = dict.fromkeys((Path(path), country) for path, country in wanted)
        self._files = [held.get(name) or _File(*name) for name in names]

    async def fresh(self) -> None:
        """Read changed files, so that no decision uses an old list."""
        if all(file.stamp == file.now() for file in self._files):
            return
        async with self._reading:
            for file in self._files:
                stamp = file.now()
                if file.stamp == stamp:
                    continue
                file.numbers, file.problem = await LISTS.run(file.read)
                file.stamp = stamp
                tell = log.warning if file.problem else log.info
                tell("do-not-call file read", file=str(file.path), numbers=len(file.numbers), problem=file.problem)
                for line in file.numbers.broken:
                    log.warning("do-not-call file: a line is not understood", file=str(file.path), line=line)

    def refusal(self, number: str) -> GateRefusal | None:
        """The reason why the E.164 `number` must not be called; None if no file contains it."""
        for file in self._files:
            if file.problem:
                why = f"the do-not-call file {file.path} cannot be used ({file.problem})"
                return GateRefusal("do_not_call_file", f"{why}, and without it nobody is called", unable=True)
            if number in file.numbers:
                return GateRefusal("do_not_call_file", f"{number} is on the do-not-call list {file.path}")
        return None

    @property
    def sizes(self) -> dict[str, int]:
        """The files and how many numbers each has."""
        return {str(file.path): len(file.numbers) for file in self._files}
