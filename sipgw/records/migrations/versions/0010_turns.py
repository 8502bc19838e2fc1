"""Speaker and language of a turn, and the number of replies that were discarded before the caller heard them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """To this revision."""
    op.add_column("turns", sa.Column("agent", sa.String(64), nullable=False, server_default=""))
    op.add_column("turns", sa.Column("language", sa.String(16), nullable=False, server_default=""))
    op.add_column("turns", sa.Column("discarded", sa.Integer, nullable=False, server_default="0"))
