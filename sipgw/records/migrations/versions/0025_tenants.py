"""Tenants of calls, users and keys."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """To this revision."""
    for table in ("calls", "users", "api_keys", "sessions"):
        op.add_column(table, sa.Column("tenant", sa.String(40), nullable=False, server_default=""))
    op.create_index("calls_by_tenant", "calls", ["tenant", "began", "id"])
