"""Entry point of Alembic: on the connection that it is given, in that connection's transaction."""

from typing import Any, Literal

from alembic import context

from sipgw.records.store.search import declared
from sipgw.records.store.tables import Base, UtcDateTime


def render(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as SQLAlchemy's types, so that a revision does not change with them."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making a new one
    render_item=render,
    include_name=declared,
    transaction_per_migration=False,
)
context.run_migrations()
