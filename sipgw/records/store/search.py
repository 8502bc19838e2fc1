"""The index of spoken words, which migration 0024 makes: FTS5 in SQLite, a column of lexemes in PostgreSQL.

SQLite's index has an entry for each turn, without its text. Its number is the moment its call began (`place`) and the
number of the turn, so that SQLite reads the entries of a word in the order of the list. Triggers write it with each
change of a turn. `spoken_calls`, and in PostgreSQL `turns`, have the tenant of each call, so that a search skips the
calls of others without reading them.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, cast, column, func, literal_column, select, table
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.sql.visitors import iterate

from sipgw.records.store.tables import CallRecord

BITS = 12
"""Low bits of an entry's number that hold the number of the turn; turns with higher numbers are not found."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
FIRST, LAST = -(1 << 63), (1 << 63) - 1
"""The smallest and the largest number of an entry, in SQLite."""
SHIFTED = 1_000_000
"""Microseconds by which a call's place may be shifted: calls that began in the same microsecond get the next free
ones."""
CLOSE = timedelta(milliseconds=1)
"""The place of a call is less than this time after its beginning."""
WORDS = 16
"""Words of a search that count."""
PAGES = 500
"""Pages of the index that one transaction rewrites; calls are written between two of them."""
OWN = "spoken"
"""The tables of SQLite's index begin with this."""
_TOKEN = re.compile(r"[^ *]+\*?")
_spoken = table("spoken", column("rowid"))
_places = table("spoken_calls", column("place"), column("call"))
_turns = table("turns", column("call"), column("words", postgresql.TSVECTOR))


def tokens(words: str, parts: tuple[str, ...] = ("L", "N")) -> list[str]:
    """The words of a search, which the database puts in small letters; a ``*`` at the end matches any rest. They are
    made of characters whose Unicode category begins with one of `parts`."""
    kept = (one if one == "*" or unicodedata.category(one).startswith(parts) else " " for one in words)
    return _TOKEN.findall("".join(kept))[:WORDS]


class Said(ColumnElement[bool]):
    """Whether somebody said all `words` in one turn of the call `call`, between `since` and `until`."""

    inherit_cache = False

    def __init__(
        self, call: Any, words: str, since: datetime | None = None, until: datetime | None = None, each: bool = False
    ) -> None:
        hits = select(_spoken.c.rowid.op(">>")(BITS)).where(*matches(words))
        if since:
            hits = hits.where(_spoken.c.rowid >= entry(since))
        if until:
            hits = hits.where(_spoken.c.rowid < entry(until, SHIFTED))
        found: ColumnElement[bool] = _places.c.place.in_(hits)
        if each:  # check each call, as there are few: a frequent word has millions of entries
            low = _places.c.place.op("<<")(BITS)
            own = select(_spoken.c.rowid).where(*matches(words), _spoken.c.rowid.between(low, low + (1 << BITS) - 1))
            found = own.correlate(_places).exists()
            self.sqlite = select(_places.c.call).where(_places.c.call == call, found).exists()
        else:
            self.sqlite = call.in_(select(_places.c.call).where(found))
        self.postgresql = select(_turns.c.call).where(_turns.c.call == call, lexemes(words)).exists()


@compiles(Said)
def _compiled(said: Said, compiler: Any, **options: Any) -> str:
    which = said.postgresql if compiler.dialect.name == "postgresql" else said.sqlite
    return str(compiler.process(which, **options))


def matches(words: str) -> list[ColumnElement[bool]]:
    """Entries with all `words`, for SQLite; none if there is no word in it."""
    wanted = [f'"{one.removesuffix("*")}"{"*" * one.endswith("*")}' for one in tokens(words)]
    return [literal_column("spoken").op("MATCH")(" AND ".join(wanted))] if wanted else [literal_column("0") == 1]


def lexemes(words: str) -> ColumnElement[bool]:
    """Turns with all `words`, for PostgreSQL. Unlike FTS5, PostgreSQL need not end a word at a mark (M), such as a
    vowel of Hindi, or at a joiner (Cf). This depends on the language of the database, so PostgreSQL divides the words
    itself. The index has no places, so the parts of a word need not follow each other (``<->``)."""
    simple: ColumnElement[Any] = literal_column("'simple'::regconfig")
    wanted = tokens(words, ("L", "N", "M", "Cf"))
    plain = func.plainto_tsquery(simple, " ".join(one for one in wanted if not one.endswith("*")))
    begins = func.to_tsquery(simple, " & ".join(f"'{one[:-1]}':*" for one in wanted if one.endswith("*")))
    anywhere = cast(func.replace(cast(begins, Text), "<->", "&"), postgresql.TSQUERY)
    return _turns.c.words.op("@@")(plain.op("&&")(anywhere))


def entry(began: datetime, later: int = 0) -> int:
    """The first number for entries of a call that began at `began`; for the extreme dates, SQLite's smallest or largest
    number."""
    since = began.astimezone(UTC) - EPOCH
    number = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds + later) << BITS
    return max(FIRST, min(number, LAST))


async def calls_with(
    session: AsyncSession,
    words: str,
    also: Sequence[ColumnElement[bool]],
    limit: int,
    since: datetime | None,
    until: datetime | None,
) -> list[str]:
    """The newest calls in which all `words` were said, by the index of the words."""
    call = CallRecord
    newest = call.began.desc(), call.id.desc()
    if session.get_bind().dialect.name == "postgresql":
        # PostgreSQL itself might read all calls in the order of time.
        hits = select(_turns.c.call).distinct().where(lexemes(words)).cte("hits").prefix_with(
            "MATERIALIZED", dialect="postgresql"
        )  # fmt: skip
        query = select(call.id).join(hits, hits.c.call == call.id).where(*also).order_by(*newest).limit(limit)
        return list(await session.scalars(query))
    found = await _streamed(session, words, also, limit, entry(since) if since else FIRST, until)
    if len(found) == limit:
        # The page may end between calls that began within a few microseconds: those are in the order of `place`.
        last, said = min(found.values()), Said(call.id, words, each=True)
        close = call.began >= last, call.began <= last + CLOSE
        alike = await session.execute(select(call.id, call.began).where(*close, said, *also))
        found |= {row.id: row.began for row in alike}
    return sorted(found, key=lambda one: (found[one], one), reverse=True)[:limit]


async def _streamed(
    session: AsyncSession, words: str, also: Sequence[ColumnElement[bool]], limit: int, low: int, until: datetime | None
) -> dict[str, datetime]:
    """Up to `limit` calls and when they began, from SQLite's index, which has them in the order of time."""
    call, rowid, place = CallRecord, _spoken.c.rowid, _places.c.place
    high, size, found = entry(until, SHIFTED) if until else LAST, 4 * limit, dict[str, datetime]()
    while len(found) < limit:
        query = select(rowid).where(*matches(words), rowid >= low, rowid < high).order_by(rowid.desc()).limit(size)
        rows = list(await session.scalars(query))
        some = list(dict.fromkeys(row >> BITS for row in rows))
        # As one parameter: to write a thousand of them takes SQLAlchemy three times as long as SQLite the query.
        places = select(func.json_each(json.dumps(some)).table_valued("value").c.value)
        # First the calls, then the conditions: by the index of one condition SQLite would read its million calls.
        joined = select(*columns_in(also), place).join(_places, _places.c.call == call.id)
        these = joined.where(place.in_(places)).cte("these").prefix_with("MATERIALIZED")
        conditions = [ClauseAdapter(these).traverse(one) for one in also]
        wanted = select(these.c.id, these.c.began).where(*conditions).order_by(these.c.place.desc())
        found |= {row.id: row.began for row in await session.execute(wanted.limit(limit - len(found)))}
        if len(rows) < size:
            break
        high, size = some[-1] << BITS, min(4 * size, 20_000)
    return found


def columns_in(expressions: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The columns of a call that `expressions` use, and the columns of its identity and time."""
    parts = [part for expression in expressions for part in iterate(expression) if isinstance(part, Column)]
    names = {"id", "began"} | {part.name for part in parts if part.table.is_derived_from(CallRecord.__table__)}
    return [column for name, column in CallRecord.__table__.columns.items() if name in names]


async def scrub(connection: AsyncConnection) -> None:
    """Rewrite SQLite's index without deleted words. Until then FTS5 keeps these words, marked as deleted."""
    merge = "INSERT INTO spoken(spoken, rank) VALUES ('merge', {})"
    changes = "SELECT total_changes()"
    pages = -PAGES  # negative: merge all parts of the index
    while True:
        before = (await connection.exec_driver_sql(changes)).scalar_one()
        await connection.exec_driver_sql(merge.format(pages))
        if (await connection.exec_driver_sql(changes)).scalar_one() - before < 2:
            return
        pages = PAGES


def declared(name: str | None, kind: str, parents: Any) -> bool:
    """Whether `sipgw.records.store.tables` declares the table or index `name`: an ``include_name`` of Alembic."""
    return not (
        (kind == "table" and str(name).startswith(OWN))
        or (kind, name) in {("column", "words"), ("index", "turns_words")}
        or (kind, name, parents.get("table_name")) == ("column", "tenant", "turns")
    )
