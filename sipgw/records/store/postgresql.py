"""The driver of PostgreSQL, with every failure of a connection as an error of the database.

A statement that the server does not answer in time raises `TimeoutError` in asyncpg, and a lost connection may raise
another `OSError`. SQLAlchemy passes both on as they are. Here they become `sqlalchemy.exc.OperationalError`, so callers
catch `SQLAlchemyError` and nothing else.
"""

from typing import Any, NoReturn

from sqlalchemy import ExceptionContext, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from sipgw.records.store.storable import in_json

CONNECT = 5.0
"""Time limit in seconds for connecting to the server, and for a free connection of the pool."""
STATEMENT = 30.0
"""Time limit in seconds for a statement."""


class _Connection(AsyncAdapt_asyncpg_connection):
    """SQLAlchemy passes every error of a connection, a statement, a transaction and a ping to this method."""

    __slots__ = ()

    @classmethod
    def _handle_exception_no_connection(cls, dbapi: Any, error: Exception) -> NoReturn:
        if isinstance(error, OSError):
            raise dbapi.OperationalError(str(error) or "the server did not answer in time", error) from error
        super()._handle_exception_no_connection(dbapi, error)


class _Driver(AsyncAdapt_asyncpg_dbapi):
    """The driver asyncpg with connections of this module."""

    def connect(self, *given: Any, **more: Any) -> Any:
        connecting = self.asyncpg.connect(*given, **more)
        return await_only(_Connection.create(self, connecting))


def open_engine(url: str, size: int) -> AsyncEngine:
    """An engine with up to `size` permanent connections, and twice as many more under load."""
    import asyncpg

    engine = create_async_engine(
        url, module=_Driver(asyncpg),  # type: ignore[no-untyped-call]
        pool_pre_ping=True, pool_timeout=CONNECT, pool_size=size, max_overflow=2 * size,
        connect_args={"timeout": CONNECT, "command_timeout": STATEMENT}, json_serializer=in_json,
    )  # fmt: skip
    event.listen(engine.sync_engine, "handle_error", _on_error)
    return engine


def _on_error(context: ExceptionContext) -> None:
    """Close a connection that failed. Otherwise its rollback would wait for the server, too."""
    if isinstance(context.original_exception.__cause__, OSError):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False  # the next ping tests each of the others
