"""Campaigns with their pace and state, which the gateways dial; an index of the jobs that have a call."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "campaigns",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("concurrent", sa.Integer, nullable=False),
        sa.Column("per_second", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("busy", sa.Float, nullable=False),
        sa.Column("no_answer", sa.Float, nullable=False),
        sa.Column("next", sa.Float, nullable=False),
    )
    op.execute(sa.text("UPDATE jobs SET lease = 0 WHERE state != 'dialling'"))
    held = sa.text("lease > 0")
    op.create_index("jobs_held", "jobs", ["campaign", "lease"], sqlite_where=held, postgresql_where=held)
    # Campaigns of earlier releases were dialled by the command. No gateway continues them without an order.
    op.execute(
        sa.text(
            "INSERT INTO campaigns (name, state, concurrent, per_second, attempts, busy, no_answer, next) "
            "SELECT DISTINCT campaign, 'paused', 5, 1.0, 3, 300.0, 1800.0, 0.0 FROM jobs WHERE campaign != ''"
        )
    )
