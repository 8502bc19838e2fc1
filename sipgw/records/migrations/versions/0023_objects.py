"""Where the files of calls are: on the disk, or in object storage."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """To this revision."""
    op.add_column("artifacts", sa.Column("place", sa.String(8), nullable=False, server_default="disk"))
    op.create_index("artifacts_to_upload", "artifacts", ["kind", "place", "state"])
    op.add_column("artifacts", sa.Column("object", sa.String(1000), nullable=False, server_default=""))
