"""Calls that are still to be made: callbacks and campaigns."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("campaign", sa.String(64), nullable=False, index=True),
        sa.Column("key", sa.String(320), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(40), nullable=False),
        sa.Column("trunk", sa.String(64), nullable=False),
        sa.Column("variables", sa.JSON(), nullable=False),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False, index=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("call", sa.String(255), nullable=False),
        sa.Column("holder", sa.String(40), nullable=False),
        sa.Column("lease", sa.Float(), nullable=False),
        sa.UniqueConstraint("campaign", "key"),
    )
