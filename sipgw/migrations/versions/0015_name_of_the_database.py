"""A name of the database itself, by which notes beside recordings tell it from others."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """To this revision."""
    names = op.create_table("names", sa.Column("name", sa.String(32), primary_key=True))
    op.bulk_insert(names, [{"name": secrets.token_hex(8)}])
