"""The options, and the page of them that `docs/_site/reference.py` draws, do not grow (docs/decisions.md)."""

import importlib.util
import re
from pathlib import Path

from sipgw.config.config import GatewayConfig
from sipgw.config.options import options_of, table_of

REFERENCE = Path(__file__).parents[2] / "docs" / "_site" / "reference.py"
MOST = 326
"""Options on the page. Lower it with each option that goes; a new option takes the place of another one."""
MOST_SET = 418
"""Keys that a configuration can set, those of each table apart; the page of commit dd389077 drew 412 of them."""


def documented() -> list[str]:
    """The options on the page, without the names in the environment, which are the same options again."""
    spec = importlib.util.spec_from_file_location("reference", REFERENCE)
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    options, names = reference.configuration().split("\n## Names in the environment\n")
    assert "| `" in names
    return re.findall(r"^\| (`\w+`) \|", options, re.MULTILINE)


def test_the_number_of_documented_options_only_shrinks() -> None:
    found = len(documented())
    assert found <= MOST, f"{found} options are documented, {MOST} may be: remove one, or make it a constant"
    assert found == MOST, f"{found} options are documented: lower MOST to {found}, so that they stay as few"


def settable(kind: type) -> int:
    """The keys of a table and of all tables below it, a table counted wherever it stands."""
    tables = [table_of(option.hint) for option in options_of(kind).values()]
    return sum(settable(table) if table else 1 for table in tables)


def test_the_number_of_options_that_can_be_set_only_shrinks() -> None:
    assert settable(GatewayConfig) == MOST_SET, (
        "remove an option for each new one, and lower MOST_SET with each that goes"
    )
