"""A name of the database itself, by which notes beside recordings tell it from others; an index of waiting webhooks."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """To this revision."""
    names = op.create_table("names", sa.Column("name", sa.String(32), primary_key=True))
    op.bulk_insert(names, [{"name": secrets.token_hex(8)}])
    waits = sa.text("given_up IS NULL")
    op.create_index(
        "deliveries_waiting", "deliveries", ["target", "given_up"], sqlite_where=waits, postgresql_where=waits
    )
