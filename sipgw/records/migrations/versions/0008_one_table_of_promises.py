"""Promised callbacks of the first releases become jobs; gateways of a database count calls out; windows are kept."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

CALLBACKS = sa.table(
    "callbacks", *(sa.column(name) for name in ("id", "phone_number", "due", "topic", "call")), sa.column("made")
)
JOBS = sa.table(
    "jobs",
    *(sa.column(name) for name in ("campaign", "key", "line", "number", "agent", "trunk", "consent", "due", "state")),
    *(sa.column(name) for name in ("attempts", "reason", "call", "holder", "lease")),
    sa.column("variables", sa.JSON()),
)


def upgrade() -> None:
    """To this revision."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(CALLBACKS).order_by(CALLBACKS.c.id)).mappings().all():
        connection.execute(sa.insert(JOBS).values(_job(row)))
    op.drop_table("callbacks")
    op.add_column("calls", sa.Column("again", sa.DateTime(timezone=True)))
    op.create_table(
        "dials",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("number", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.Float(), nullable=False, index=True),
    )


def _job(row: "sa.RowMapping") -> dict[str, object]:
    """A promised callback as a job. Only a promise with a clear time is dialled; people decide about the rest."""
    try:
        due = datetime.fromisoformat(row["due"])
    except ValueError:
        due = None
    clear = due is not None and due.tzinfo is not None
    return {
        "campaign": "", "key": f"{row['call']} {row['phone_number']} {row['id']}"[:320], "line": 0,
        "number": row["phone_number"], "agent": "agent", "trunk": "", "consent": True,
        "variables": {"topic": row["topic"]} if row["topic"] else {},
        "due": due.timestamp() if due is not None and clear else 0.0, "state": "planned" if clear else "failed",
        "attempts": 0, "reason": "" if clear else f"promised by an earlier release for {row['due']!r}: call by hand",
        "call": row["call"], "holder": "", "lease": 0.0,
    }  # fmt: skip
