"""Tenants of counted calls."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """To this revision. Gateways of the release before write no tenant."""
    op.add_column("dials", sa.Column("tenant", sa.String(40), nullable=False, server_default=""))
