"""The store: sample orders, promised callbacks and the record of every call, in one SQLite file (SQLAlchemy 2)."""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import JSON, Connection, DateTime, String, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


@dataclass(frozen=True)
class StoreOptions:
    """Where records are kept."""

    path: str = "sipgw.db"
    """File of the SQLite database; made when it does not exist."""


class StoreError(Exception):
    """The database cannot be opened; the message is one line that says what to do."""


class Base(DeclarativeBase):
    """The tables."""


class Order(Base):
    """A customer's order."""

    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    item: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(200))
    expected: Mapped[str] = mapped_column(String(100))


class Callback(Base):
    """A promise to call somebody back."""

    __tablename__ = "callbacks"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone_number: Mapped[str] = mapped_column(String(32))
    due: Mapped[str] = mapped_column(String(100))
    topic: Mapped[str] = mapped_column(String(500))
    call: Mapped[str] = mapped_column(String(64))
    made: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class CallRecord(Base):
    """A call, from its INVITE to the reason why it ended."""

    __tablename__ = "calls"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    trunk: Mapped[str] = mapped_column(String(64))
    caller: Mapped[str] = mapped_column(String(200))
    called: Mapped[str] = mapped_column(String(200))
    began: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ending: Mapped[str] = mapped_column(String(64))
    cause: Mapped[str] = mapped_column(String(500))
    turns: Mapped[list[Any]] = mapped_column(JSON)
    media: Mapped[dict[str, Any]] = mapped_column(JSON)
    identity: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Who called whom, as the other side told it: see `sipgw.sip.identity.Identity`."""


SAMPLE_ORDERS = (
    Order(number="7346", item="a blue raincoat", status="out for delivery", expected="today before six p.m."),
    Order(number="1234", item="a coffee grinder", status="being packed", expected="on Friday"),
    Order(number="8005", item="two desk lamps", status="delivered", expected="delivered yesterday at noon"),
    Order(number="30865", item="a pair of hiking boots", status="delayed at the warehouse", expected="next Tuesday"),
)


class Store:
    """The database of one gateway. Use it as an async context manager."""

    def __init__(self, options: StoreOptions) -> None:
        self._path = Path(options.path)
        self._engine: AsyncEngine = create_async_engine(
            f"sqlite+aiosqlite:///{options.path}", connect_args={"timeout": 5}
        )
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def __aenter__(self) -> Self:
        try:
            # A file that cannot be opened is found out here, before there is a thread that would have to be ended.
            with contextlib.closing(sqlite3.connect(self._path)) as probe:
                probe.execute("PRAGMA user_version")
            async with self._engine.begin() as connection:
                # A reader never waits for the writer, and a kill loses at most the last second.
                await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                await connection.run_sync(Base.metadata.create_all)
                await connection.run_sync(_add_columns)
            async with self._session.begin() as session:
                if not await session.scalar(select(func.count()).select_from(Order)):
                    session.add_all(Order(**_columns(order)) for order in SAMPLE_ORDERS)
        except (SQLAlchemyError, sqlite3.Error) as error:
            await self._engine.dispose()
            cause = str(getattr(error, "orig", error)).splitlines()[0]
            raise StoreError(
                f"cannot open the database {self._path.resolve()}: {cause}; "
                "make its folder writable or set [store] path to another file"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    async def order(self, number: str) -> dict[str, Any] | None:
        """The order with that number, or None."""
        async with self._session() as session:
            found = await session.get(Order, number)
            return None if found is None else _columns(found)

    async def add_callback(self, phone_number: str, due: str, topic: str, call: str) -> int:
        """Keep the promise of a call back; returns its number. In one call the same promise counts once."""
        async with self._session.begin() as session:
            same = select(Callback).where(
                Callback.call == call, Callback.phone_number == phone_number, Callback.due == due
            )
            kept = await session.scalar(same)
            if kept is None:
                kept = Callback(phone_number=phone_number, due=due, topic=topic, call=call, made=datetime.now(UTC))
                session.add(kept)
                await session.flush()
            return kept.id

    async def callbacks(self) -> list[dict[str, Any]]:
        """All promised callbacks, oldest first."""
        async with self._session() as session:
            return [_columns(row) for row in await session.scalars(select(Callback).order_by(Callback.id))]

    async def add_call(self, record: CallRecord) -> None:
        """Keep the record of a call that has ended."""
        async with self._session.begin() as session:
            session.add(record)

    async def calls(self) -> list[dict[str, Any]]:
        """All calls, oldest first."""
        async with self._session() as session:
            return [_columns(row) for row in await session.scalars(select(CallRecord).order_by(CallRecord.began))]


def _add_columns(connection: Connection) -> None:
    """Give a database of an earlier version the columns that have come since; all of them may be NULL."""
    for table in Base.metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")


def _columns(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
