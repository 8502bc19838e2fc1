"""The schema's history, by Alembic. It is brought up to date whenever the database is opened.

Any package may declare tables on `sipgw.records.store.tables.Base`. After a change of tables
``python -m sipgw.tools.revision WHAT CHANGED`` writes the next revision; read it before you commit it.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:  # Alembic is loaded only to change a database
    from alembic.config import Config

FIRST = "0001"
"""The revision of the first release, which did not number its schema."""
LOCK = 0x51B6A7E
"""Number of the lock that lets one process at a time change a PostgreSQL schema."""


class NewerSchemaError(Exception):
    """The database was brought to a schema that this release does not know; the message is its revision."""


class OldSchemaError(Exception):
    """The database is not at the newest schema, and was not to be changed; the message is its revision."""


def config(connection: Connection | None = None) -> "Config":
    """Alembic on `connection`."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", "sipgw.records:migrations")
    made.attributes["connection"] = connection
    return made


@functools.cache
def revisions() -> tuple[str, ...]:
    """The revisions of this release, the newest first: their files begin with their numbers."""
    files = (Path(__file__).parent.parent / "migrations" / "versions").glob("[0-9]*.py")
    return tuple(sorted((one.name.partition("_")[0] for one in files), reverse=True))


def require_newest(connection: Connection) -> None:
    """Change nothing. Raises `OldSchemaError`, `NewerSchemaError`."""
    current = _current(connection)
    if current != revisions()[0]:
        raise OldSchemaError(current or "none")


def _current(connection: Connection) -> str | None:
    """The revision of the database; None: it has none. Raises `NewerSchemaError`."""
    there = inspect(connection).has_table("alembic_version")
    current = connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None
    if current is not None and current not in revisions():
        raise NewerSchemaError(current)
    return current


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, within the transaction of `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
    current = _current(connection)
    if current == revisions()[0]:
        return
    from alembic import command

    there = config(connection)
    if current is None and inspect(connection).has_table("calls"):
        _complete_first(connection)
        command.stamp(there, FIRST)
    command.upgrade(there, "head")


def _complete_first(connection: Connection) -> None:
    """Add the last column to a database that was made before the first release."""
    if "identity" not in {column["name"] for column in inspect(connection).get_columns("calls")}:
        connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN identity JSON")
