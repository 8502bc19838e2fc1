"""The schema's history, by Alembic. It is brought up to date whenever the database is opened.

A module that declares tables on `sipgw.records.store.Base` stands in `DECLARED`; after a change of tables
``python -m sipgw.records.migrations WHAT CHANGED`` writes the next revision, to be read before it is kept.
"""

from collections.abc import Iterable

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, text

DECLARED = (
    "sipgw.records.store.tables",
    "sipgw.web.tables",
    "sipgw.policy.gate.dnc",
    "sipgw.outbound.jobs",
    "sipgw.policy.gate.shared_counts",
)
"""Modules that declare tables."""
FIRST = "0001"
"""The revision of the first release, which did not number its schema."""
LOCK = 0x51B6A7E
"""Number of the lock that lets one process at a time change a PostgreSQL schema."""


class NewerSchemaError(Exception):
    """The database was brought to a schema that this release does not know; the message is its revision."""


def config(connection: Connection) -> Config:
    """Alembic on `connection`."""
    made = Config()
    made.set_main_option("script_location", "sipgw.records:migrations")
    made.attributes["connection"] = connection
    return made


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, within the transaction of `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
    there = config(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and not any(one.revision == current for one in _history(there)):
        raise NewerSchemaError(current)
    if current is None and inspect(connection).has_table("calls"):
        _complete_first(connection)
        command.stamp(there, FIRST)
    command.upgrade(there, "head")


def _history(there: Config) -> Iterable[Script]:
    return ScriptDirectory.from_config(there).walk_revisions()


def _complete_first(connection: Connection) -> None:
    """Give a database from before the first release the column that came last."""
    if "identity" not in {column["name"] for column in inspect(connection).get_columns("calls")}:
        connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN identity JSON")
