"""Calls that go on, turns, tool calls and events in tables of their own, and where the spool was read to."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """To this revision."""
    _make_tables()
    with op.batch_alter_table("callbacks") as callbacks:
        callbacks.alter_column("call", type_=sa.String(255), existing_type=sa.String(64), existing_nullable=False)
    with op.batch_alter_table("calls") as calls:
        calls.alter_column("id", type_=sa.String(255), existing_type=sa.String(64), existing_nullable=False)
        calls.add_column(sa.Column("direction", sa.String(3), nullable=False, server_default="in"))
        calls.add_column(sa.Column("agent", sa.String(64), nullable=False, server_default=""))
        calls.add_column(sa.Column("answered", TIME))
        calls.add_column(sa.Column("cost", sa.Double))
        calls.add_column(sa.Column("costs", sa.JSON))
        calls.add_column(sa.Column("recording", sa.String(1000), nullable=False, server_default=""))
        calls.add_column(sa.Column("gateway", sa.String(32), nullable=False, server_default=""))
        calls.alter_column("ended", existing_type=TIME, nullable=True)
        for name, kind, default in (
            ("ending", sa.String(64), ""),
            ("cause", sa.String(500), ""),
            ("media", sa.JSON(), "{}"),
        ):
            calls.alter_column(name, existing_type=kind, existing_nullable=False, server_default=default)
    _move()
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("turns")
    for name, columns in (
        ("time", ["began", "id"]),
        ("caller", ["caller", "began"]),
        ("called", ["called", "began"]),
        ("trunk", ["trunk", "began"]),
        ("agent", ["agent", "began"]),
        ("ending", ["ending", "began"]),
    ):
        op.create_index(f"calls_by_{name}", "calls", columns)


def _make_tables() -> None:
    op.create_table(
        "turns",
        sa.Column("call", sa.String(255), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", TIME),
        sa.Column("caller", sa.Text, nullable=False, server_default=""),
        sa.Column("said", sa.Text, nullable=False, server_default=""),
        sa.Column("heard", sa.Text, nullable=False, server_default=""),
        sa.Column("interrupted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("latency_ms", sa.JSON, nullable=False, server_default="{}"),
    )
    op.create_table(
        "tool_calls",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call", sa.String(255), nullable=False, index=True),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("at", TIME),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("seconds", sa.Double, nullable=False, server_default="0"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call", sa.String(255), nullable=False, index=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("about", sa.JSON, nullable=False, server_default="{}"),
    )
    op.create_table(
        "spools",
        sa.Column("gateway", sa.String(32), primary_key=True),
        sa.Column("segment", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
    )


def _move() -> None:
    """Move the turns, which the first release kept as JSON in its calls."""
    connection = op.get_bind()
    meta = sa.MetaData()
    calls, turns, tools = (sa.Table(name, meta, autoload_with=connection) for name in ("calls", "turns", "tool_calls"))
    for row in connection.execute(sa.select(calls.c.id, calls.c.turns, calls.c.media)).all():
        said: list[dict[str, Any]] = row.turns or []
        for number, turn in enumerate(said):
            words = {name: turn.get(name) or "" for name in ("caller", "said", "heard")}
            rest = {"interrupted": bool(turn.get("interrupted")), "latency_ms": turn.get("latency_ms") or {}}
            connection.execute(sa.insert(turns).values(call=row.id, number=number, **words, **rest))
            for run in turn.get("tools") or []:
                values = {name: run.get(name) for name in ("name", "arguments", "result", "error", "seconds")}
                connection.execute(sa.insert(tools).values(call=row.id, turn=number, **values))
        recording = (row.media or {}).get("recording") or {}
        if file := recording.get("file"):
            connection.execute(sa.update(calls).where(calls.c.id == row.id).values(recording=file[:1000]))
