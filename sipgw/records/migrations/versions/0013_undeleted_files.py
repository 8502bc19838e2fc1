"""Files whose deletion failed, and is tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "undeleted",
        sa.Column("path", sa.String(1000), primary_key=True),
        sa.Column("gateway", sa.String(32), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(200), nullable=False),
    )
