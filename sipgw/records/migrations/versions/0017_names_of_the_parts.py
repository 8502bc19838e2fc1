"""The costs of a call name the parts of an agent as the configuration does: stt, llm, tts, realtime."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

NAMES = {"ears": "stt", "model": "llm", "voice": "tts", "duplex": "realtime"}


def upgrade() -> None:
    """To this revision."""
    calls = sa.table("calls", sa.column("id", sa.String), sa.column("costs", sa.JSON))
    connection = op.get_bind()
    for call, costs in connection.execute(sa.select(calls.c.id, calls.c.costs).where(calls.c.costs.is_not(None))).all():
        if isinstance(costs, dict) and (renamed := _renamed(costs)) != costs:
            connection.execute(calls.update().where(calls.c.id == call).values(costs=renamed))


def _renamed(costs: dict[str, Any]) -> dict[str, Any]:
    """Parts are keys of the costs, and the first words of what was used."""
    made: dict[str, Any] = {}
    for name, value in costs.items():
        if isinstance(value, dict):
            made[name] = {_first_word(used): amount for used, amount in value.items()}
        else:
            made[NAMES.get(name, name)] = [_first_word(str(one)) for one in value] if isinstance(value, list) else value
    return made


def _first_word(text: str) -> str:
    part, space, rest = text.partition(" ")
    return f"{NAMES.get(part, part)}{space}{rest}"
