"""The waveform of a recording, kept in its row."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """To this revision."""
    op.add_column("artifacts", sa.Column("peaks", sa.LargeBinary))
