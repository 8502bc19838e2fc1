"""An index of the jobs that are not over; the calls that were placed with an Idempotency-Key; no keys of commands."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """To this revision."""
    still_open = sa.text("state IN ('planned', 'dialling')")
    op.create_index(
        "jobs_open", "jobs", ["campaign", "due", "id"], sqlite_where=still_open, postgresql_where=still_open
    )
    op.create_table(
        "placed",
        sa.Column("who", sa.String(80), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("call", sa.String(255), nullable=False, server_default=""),
        sa.Column("at", sa.Float, nullable=False, index=True),
    )
    # Killed commands left their keys behind, and these keys could place calls.
    op.execute(sa.text("DELETE FROM api_keys WHERE name = 'command-line'"))
