"""Access of a tenant to the database: views with the names of the tables, which hide them on the connections of a
tenant.

The database binds every query to these views, by ORM, Core or as text. A table that `_condition` does not name is empty
for tenants, so a new table is closed until somebody opens it. These connections only read.
"""

import re
from typing import Any

from sipgw.config.tenants import NAME
from sipgw.records.store.search import OWN

OWNED = ("calls", "audit", "spoken_calls")
"""Tables with a column ``tenant``."""
OF_CALLS = ("turns", "tool_calls", "events", "artifacts", "reports")
"""Tables whose rows belong to a call, by their column ``call``. PostgreSQL's `turns` has a column ``tenant``, too."""
INDEX = re.compile(rf"{OWN}(_(?!calls)\w+)?")
"""SQLite's index of words and its parts, which have numbers only; ``MATCH`` finds nothing through a view."""
TABLES = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
POSTGRESQL_TABLES = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
POSTGRESQL_SCHEMA = "SELECT current_schema()"


def check(tenant: str) -> None:
    """Raises `ValueError` if `tenant` is no name of a tenant. The name becomes part of the SQL of the views."""
    if not re.fullmatch(NAME, tenant):
        raise ValueError(f"{tenant[:40]!r} is no name of a tenant")


def bind(connection: Any, tenant: str, *, postgresql: bool) -> None:
    """Bind a new connection of the driver to `tenant`, which `check` has passed."""
    cursor = connection.cursor()
    place = '"main"'
    if postgresql:
        cursor.execute(POSTGRESQL_SCHEMA)
        place = '"{}"'.format(cursor.fetchall()[0][0].replace('"', '""'))
    cursor.execute(POSTGRESQL_TABLES if postgresql else TABLES)
    for (table,) in cursor.fetchall():
        if not INDEX.fullmatch(table):
            columns: list[str] = []
            hidden = _hidden(table, postgresql=postgresql)
            if hidden:  # tables of others are not queried, because our role may not read them
                cursor.execute(f'SELECT * FROM {place}."{table}" LIMIT 0')  # noqa: S608  names of the database
                columns = [one[0] for one in cursor.description]
            cursor.execute(_view(table, columns, hidden, tenant, place, postgresql))
    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY" if postgresql else "PRAGMA query_only = ON")
    cursor.close()
    if postgresql:
        connection.commit()


def _hidden(table: str, *, postgresql: bool) -> dict[str, str]:
    """The columns of `table` that a tenant sees with another value, each with the SQL of this value. They hide the
    trunks of calls, and the names and reasons of the operator's people."""
    columns = {
        "calls": {"trunk": "''"},
        "events": {"about": _plain_about(postgresql=postgresql)},
        "audit": {"who": _of_tenants("who"), "address": _of_tenants("address"), "detail": "''"},
    }
    return columns.get(table, {})


def _view(table: str, columns: list[str], hidden: dict[str, str], tenant: str, place: str, postgresql: bool) -> str:
    shown = "*"
    if hidden:
        instead = {name: f'"{name}"' for name in columns} | hidden
        shown = ", ".join(f'{instead[name]} AS "{name}"' for name in columns)
    condition = f"tenant = '{tenant}'" if postgresql and table == "turns" else _condition(table, tenant, place)
    if not postgresql and table in OWNED:
        # SQLite takes any equality for a rare one: it would read all rows of the tenant to find the row of an identity.
        condition = f"likelihood({condition}, 0.5)"
    rows = f'SELECT {shown} FROM {place}."{table}" WHERE {condition}'  # noqa: S608  as below
    return f'CREATE TEMP VIEW "{table}" AS {rows}'


def _plain_about(*, postgresql: bool) -> str:
    return "(about::jsonb - 'trunk')::json" if postgresql else "json_remove(about, '$.trunk')"


def _of_tenants(column: str) -> str:
    return f"CASE WHEN by_operator THEN '' ELSE {column} END"


def _condition(table: str, tenant: str, place: str) -> str:
    if table in OWNED:
        return f"tenant = '{tenant}'"
    if table in OF_CALLS:
        alarms = " AND kind NOT IN ('trunk_alarm', 'cost_alarm')" if table == "events" else ""  # based on all calls
        return _call(table, tenant, place) + alarms
    if table == "campaigns":
        return _begins("name", tenant)
    if table == "jobs":  # a callback belongs to the tenant whose call promised it, or whose call was last made for it
        return f"({_begins('campaign', tenant)} OR (campaign = '' AND {_call(table, tenant, place)}))"
    return "1 = 0"


def _call(table: str, tenant: str, place: str) -> str:
    """SQL condition: the call of a row belongs to the tenant."""
    own = f"owner.id = {place}.\"{table}\".call AND owner.tenant = '{tenant}'"
    return f"EXISTS (SELECT 1 FROM {place}.calls AS owner WHERE {own})"  # noqa: S608  nothing from outside


def _begins(column: str, tenant: str) -> str:
    """SQL condition: a name is ``TENANT/NAME``, see `sipgw.outbound.campaign_names`."""
    return f"substr({column}, 1, {len(tenant) + 1}) = '{tenant}/'"
