"""Tenants of audit entries."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """To this revision. Gateways of the release before write entries of the operator, which no tenant sees."""
    op.add_column("audit", sa.Column("tenant", sa.String(40), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("by_operator", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_index("audit_by_tenant", "audit", ["tenant", "id"])
