"""The page of options, as `docs/_site/reference.py` draws it, does not grow (docs/decisions.md)."""

import importlib.util
import re
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "docs" / "_site" / "reference.py"
MOST = 326
"""Options on the page. Lower it with each option that goes; a new option takes the place of another one."""


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
