"""The rows of documents in the database: passages, vectors, and the last use.

Each row belongs to one gateway and one of its folders; only this gateway replaces or deletes the row. If another
gateway or folder has read the same content, its row is copied, so that content is read and paid for once.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, delete, func, select, update

from sipgw.agents.knowledge.documents import Chunk
from sipgw.agents.knowledge.encoders import READING
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DocumentRecord

CONTENT = 32
"""Characters of the content's digest in a key, and of the folder's digest."""
UNUSED = timedelta(days=7)
"""Time after which rows are deleted that no gateway has used: their folder or its encoder is no longer configured."""


class DocumentRow(NamedTuple):
    """A document as it was read."""

    key: str
    """The key of the row: see `DocumentRecord.key`."""
    name: str
    chunks: list[Chunk]
    vectors: bytes
    """A row of float32 for each passage."""

    @property
    def width(self) -> int:
        """Number of values in a vector."""
        return len(self.vectors) // 4 // len(self.chunks)


def key_of(where: str, content: str) -> str:
    """The key of a row from the digest `content` and the folder's digest `where`."""
    return content[:CONTENT] + where[:CONTENT]


async def rows_of(
    store: Store, where: str, names: Mapping[str, str], width: int, now: datetime
) -> dict[str, DocumentRow]:
    """The rows of the folder `where` by their keys; `names` are its files by the keys of their content.

    Rows that others have made of the same content are copied. Rows of former content, and rows with vectors of another
    `width` (0: the widest), are not returned; they stay until `keep` replaces them. Rows of missing files are deleted.
    """
    own = await _read(store, DocumentRecord.folder == where)
    await drop(store, where, {row.name for row in own} - set(names.values()))
    width = width or max((row.width for row in own), default=0)
    found = {row.key: row for row in own if row.key in names and row.width == width}
    missing = {key[:CONTENT]: key for key in names if key not in found}
    others = await _read(store, func.substr(DocumentRecord.key, 1, CONTENT).in_(missing)) if missing else []
    width = width or max((row.width for row in others), default=0)
    keys = [(missing[row.key[:CONTENT]], row) for row in others if row.width == width]
    copied = {key: row._replace(key=key, name=names[key]) for key, row in keys}
    if copied:
        await keep(store, where, list(copied.values()), now)
    return found | copied


async def _read(store: Store, which: ColumnElement[bool]) -> list[DocumentRow]:
    table = DocumentRecord
    query = select(table.key, table.name, cast(table.chunks, Text), table.vectors).where(which)
    async with store.read() as session:
        told = [(key, name, chunks, vectors) for key, name, chunks, vectors in await session.execute(query)]
    return await READING.run(_decoded, told)


def _decoded(told: Iterable[tuple[str, str, str, bytes]]) -> list[DocumentRow]:
    return [
        DocumentRow(key, name, [Chunk(*one) for one in json.loads(chunks)], vectors)
        for key, name, chunks, vectors in told
    ]


async def keep(store: Store, where: str, rows: Sequence[DocumentRow], now: datetime) -> None:
    """Write rows of the folder `where`, and delete the rows of the files' former content, in one transaction."""
    table, keys = DocumentRecord, [row.key for row in rows]
    async with store.write() as session:
        await session.execute(delete(table).where(_of(where, [row.name for row in rows]), table.key.not_in(keys)))
        for row in rows:
            chunks = [list(one) for one in row.chunks]
            told = {"key": row.key, "folder": where, "name": row.name, "chunks": chunks}
            await session.merge(DocumentRecord(**told, vectors=row.vectors, used=now))


async def drop(store: Store, where: str, names: Collection[str]) -> None:
    """Delete the rows of the files `names` of the folder `where`, without a replacement."""
    if names:
        async with store.write() as session:
            await session.execute(delete(DocumentRecord).where(_of(where, names)))


def _of(where: str, names: Collection[str]) -> ColumnElement[bool]:
    return and_(DocumentRecord.folder == where, DocumentRecord.name.in_(names))


async def tidy(store: Store, used: Collection[str], now: datetime) -> None:
    """Note that the folders `used` are in use, and delete rows that nobody has used for `UNUSED`."""
    table = DocumentRecord
    async with store.read() as session:
        if await session.scalar(select(table.key).limit(1)) is None:
            return  # most gateways have no documents
    async with store.write() as session:
        await session.execute(update(table).where(table.folder.in_(used)).values(used=now))
        await session.execute(delete(table).where(table.used < now - UNUSED))
