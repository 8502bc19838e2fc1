"""Writes the next revision from the difference between the tables that are declared and the newest schema."""

import importlib
import sys

from alembic import command
from sqlalchemy import create_engine

from sipgw.records.store.schema import DECLARED, config, revisions, upgrade


def main() -> None:
    """``python -m sipgw.records.migrations what has changed``."""
    for name in DECLARED:
        importlib.import_module(name)
    with create_engine("sqlite://").connect() as connection:
        upgrade(connection)
        number = int(revisions()[0]) + 1
        command.revision(
            config(connection), " ".join(sys.argv[1:]) or "change", autogenerate=True, rev_id=f"{number:04}"
        )


main()
