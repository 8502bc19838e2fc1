"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "orders",
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("item", sa.String(200), nullable=False),
        sa.Column("status", sa.String(200), nullable=False),
        sa.Column("expected", sa.String(100), nullable=False),
    )
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("phone_number", sa.String(32), nullable=False),
        sa.Column("due", sa.String(100), nullable=False),
        sa.Column("topic", sa.String(500), nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("trunk", sa.String(64), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("called", sa.String(200), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ending", sa.String(64), nullable=False),
        sa.Column("cause", sa.String(500), nullable=False),
        sa.Column("turns", sa.JSON, nullable=False),
        sa.Column("media", sa.JSON, nullable=False),
        sa.Column("identity", sa.JSON, nullable=True),
    )
