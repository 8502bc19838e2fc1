"""How many replies of a turn were thrown away before anything of them was heard."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """To this revision."""
    op.add_column("turns", sa.Column("discarded", sa.Integer, nullable=False, server_default="0"))
