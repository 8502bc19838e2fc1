"""Visits of web sites, to be counted; what the role of a session rests on; and the slowest answer of a call."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ix_visits_at", "visits", ["at"])
    op.execute(sa.text("DELETE FROM sessions WHERE name LIKE 'oidc:%'"))  # the basis of their roles is not stored
    op.create_index("ix_sessions_token", "sessions", ["token"])
    op.add_column("sessions", sa.Column("issuer", sa.String(2048), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("subject", sa.String(255), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("calls", sa.Column("slowest_ms", sa.Integer))
    calls, turns = (
        sa.table("calls", sa.column("id"), sa.column("slowest_ms")),
        sa.table("turns", sa.column("call"), sa.column("latency_ms", sa.JSON)),
    )
    total = sa.cast(turns.c.latency_ms["total"].as_float(), sa.Integer)
    slowest = sa.select(sa.func.max(total)).where(turns.c.call == calls.c.id, total > 0).scalar_subquery()
    op.execute(calls.update().values(slowest_ms=slowest))
    if op.get_bind().dialect.name == "postgresql":
        for party in ("caller", "called"):
            op.execute(sa.text(f'ALTER TABLE calls ALTER COLUMN {party} TYPE VARCHAR(200) COLLATE "C"'))
    op.create_index("calls_by_cost", "calls", ["cost", "began"])
    op.create_index("calls_by_slowest", "calls", ["slowest_ms", "began"])
