"""The last news of each gateway, and the numbers whose data it still has to delete: files are on the call's machine."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """To this revision."""
    seen = sa.Column("seen", sa.DateTime(timezone=True))
    op.add_column("spools", seen)
    op.execute(sa.table("spools", sa.column("seen", seen.type)).update().values(seen=datetime.now(UTC)))
    op.create_table(
        "forgotten",
        sa.Column("gateway", sa.String(32), primary_key=True),
        sa.Column("number", sa.String(200), primary_key=True),
    )
