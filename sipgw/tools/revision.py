"""Writes the next database revision: the difference between the declared tables and the newest schema."""

import sys
from types import ModuleType

from alembic import command
from sqlalchemy import create_engine

from sipgw.outbound import tables as outbound_tables
from sipgw.policy.gate import dnc, shared_counts
from sipgw.records.store import prompts, tables
from sipgw.records.store.schema import config, revisions, upgrade
from sipgw.web import tables as web_tables

DECLARING: tuple[ModuleType, ...] = (tables, prompts, dnc, shared_counts, outbound_tables, web_tables)
"""Modules that declare tables on `sipgw.records.store.tables.Base`."""


def main() -> None:
    """``python -m sipgw.tools.revision what has changed``."""
    with create_engine("sqlite://").connect() as connection:
        upgrade(connection)
        number = int(revisions()[0]) + 1
        command.revision(
            config(connection), " ".join(sys.argv[1:]) or "change", autogenerate=True, rev_id=f"{number:04}"
        )


if __name__ == "__main__":
    main()
