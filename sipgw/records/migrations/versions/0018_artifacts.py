"""One table of the files of calls, from which they are redacted and deleted."""

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "artifacts",
        sa.Column("path", sa.String(1000), primary_key=True),
        sa.Column("gateway", sa.String(32), primary_key=True),
        sa.Column("call", sa.String(255), nullable=False, index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("consent", sa.String(16), nullable=False, server_default=""),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("redact", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_try", TIME),
        sa.Column("problem", sa.String(500), nullable=False, server_default=""),
    )
    op.create_index("artifacts_due", "artifacts", ["state", "next_try"])
    op.create_index("artifacts_by_age", "artifacts", ["kind", "created"])
    # A note beside a recording says that private words in it are not covered yet: then all of it is covered. Nobody
    # gets a recording that is not here now, because it may have such a note.
    old = sa.text(
        "INSERT INTO artifacts (path, gateway, call, kind, created, state, problem) "
        "SELECT recording, gateway, MIN(id), 'recording', MIN(began), 'to redact', "
        "'its folder was not looked at since the upgrade' FROM calls "
        "WHERE recording != '' GROUP BY recording, gateway"
    )
    op.execute(old)
    rows = sa.table("artifacts", *map(sa.column, ("path", "state", "problem")), sa.column("redact", sa.JSON))
    for (path,) in op.get_bind().execute(sa.select(rows.c.path).distinct()).all():
        if Path(path).exists():
            noted = Path(f"{path}.unfinished").exists()
            redact = {"spans": ["L:0-999999", "R:0-999999"]} if noted else {}
            found = {"state": "to redact" if noted else "finished", "redact": redact, "problem": ""}
            op.execute(rows.update().where(rows.c.path == path).values(**found))
    undeleted = (
        "INTO artifacts (path, gateway, call, kind, created, state, attempts, next_try, problem) "
        "SELECT path, gateway, '', 'recording', since, 'to delete', tries, since, cause FROM undeleted "
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(f"INSERT {undeleted} ON CONFLICT DO NOTHING"))
    else:
        op.execute(sa.text(f"INSERT OR IGNORE {undeleted}"))
    numbers = sa.text(
        "INSERT INTO artifacts (path, gateway, call, kind, created, state, next_try) "
        "SELECT number, gateway, '', 'audit', :now, 'to redact', :now FROM forgotten"
    )
    op.execute(numbers.bindparams(sa.bindparam("now", datetime.now(UTC), TIME)))
    op.drop_table("undeleted")
    op.drop_table("forgotten")
    op.drop_table("names")  # which notes beside recordings had
