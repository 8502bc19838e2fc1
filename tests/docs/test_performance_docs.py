"""What docs/performance.md says is so: its commands run what they name, and each figure has one."""

import importlib.util
import re
from pathlib import Path

from tests.bench.__main__ import AREAS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "performance.md").read_text()
SECTIONS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]


def test_its_areas_are_those_of_the_bench() -> None:
    listed = TEXT.partition("The areas are ")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == {area for area, modules in AREAS.items() if modules}
    named = set(re.findall(r"make bench AREA=(\w+)", TEXT))
    assert named and all(AREAS[area] for area in named)


def test_its_modules_can_be_run() -> None:
    named = re.findall(r"python -m ([\w.]+)", TEXT)
    assert named and all(importlib.util.find_spec(name) for name in named)


def test_every_table_stands_behind_a_command_and_beside_its_goals() -> None:
    tables = [section for section in SECTIONS if re.search(r"^\| ", section, re.MULTILINE)]
    assert len(tables) >= 7
    for section in tables:
        name = section.splitlines()[0]
        assert "```sh" in section.partition("\n|")[0], f"{name}: no command"
        head, *rows = re.findall(r"^\|.*\|$", section, re.MULTILINE)
        assert head.endswith("| measured | goal |"), name
        assert all(row.count("|") == 4 for row in rows), name
