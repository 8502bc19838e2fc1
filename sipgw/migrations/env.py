"""What Alembic runs: on the connection that it is given, in that connection's transaction."""

from alembic import context

from sipgw.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making another
    transaction_per_migration=False,
)
context.run_migrations()
