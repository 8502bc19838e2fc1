"""The reports on calls that the language model fills in."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "reports",
        sa.Column("call", sa.String(255), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", TIME),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_try", TIME),
        sa.Column("problem", sa.String(500), nullable=False, server_default=""),
        sa.Column("content", sa.JSON),
    )
    op.create_index("reports_due", "reports", ["state", "next_try"])
