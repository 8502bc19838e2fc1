"""A session keeps one token for as long as it lasts."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """To this revision."""
    op.drop_column("sessions", "since")
    op.drop_column("sessions", "last")
