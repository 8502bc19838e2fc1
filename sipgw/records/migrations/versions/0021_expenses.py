"""Expenses outside of calls, and when documents were last used."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "expenses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(1100), nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("costs", sa.JSON, nullable=False),
    )
    op.create_index("ix_expenses_at", "expenses", ["at"])
    op.drop_table("documents")  # the documents are read again
    op.create_table(
        "documents",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("folder", sa.String(64), nullable=False),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("chunks", sa.JSON, nullable=False),
        sa.Column("vectors", sa.LargeBinary, nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_documents_folder", "documents", ["folder"])
