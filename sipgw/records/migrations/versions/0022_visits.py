"""Calls of visitors of web sites, to be counted, and what the role of a session rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ix_visits_at", "visits", ["at"])
    op.execute(sa.text("DELETE FROM sessions WHERE name LIKE 'oidc:%'"))  # nothing tells what their roles rest on
    op.create_index("ix_sessions_token", "sessions", ["token"])
    op.add_column("sessions", sa.Column("issuer", sa.String(2048), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("subject", sa.String(255), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
