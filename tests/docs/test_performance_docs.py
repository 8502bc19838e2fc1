"""What docs/performance.md says is so: its commands run what they name, and each figure has one."""

import re
from pathlib import Path

import pytest

from tests.bench.__main__ import AREAS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "performance.md").read_text()
OVERVIEW, DETAILS = (
    re.split(r"^## ", part, flags=re.MULTILINE)[1:]
    for part in re.split(r"^(?=## Load, step by step)", TEXT, flags=re.MULTILINE)
)


def test_its_areas_are_those_of_the_bench() -> None:
    listed = TEXT.partition("The areas are ")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == {area for area, modules in AREAS.items() if modules}
    named = set(re.findall(r"make bench AREA=(\w+)", TEXT))
    assert named and all(AREAS[area] for area in named)


def test_every_table_stands_behind_a_command_and_beside_its_goals() -> None:
    tables = [section for section in OVERVIEW if re.search(r"^\| ", section, re.MULTILINE)]
    assert len(tables) >= 7
    for section in tables:
        name = section.splitlines()[0]
        assert "```sh" in section.partition("\n|")[0], f"{name}: no command"
        head, *rows = re.findall(r"^\|.*\|$", section, re.MULTILINE)
        assert head.endswith("| measured | goal |"), f"{name}: the first table"
        assert all(row.count("|") == 4 for row in rows), name


def test_the_details_name_their_commands_and_the_beginning_leads_to_them() -> None:
    for section in DETAILS:
        name = section.splitlines()[0]
        assert re.search(r"`make bench|python -m tests|sipgw load ", section.partition("\n|")[0]), f"{name}: no command"
        assert f"(#{name.lower().replace(',', '').replace(' ', '-')})" in TEXT.partition("\n## ")[0], name


def test_no_other_page_has_a_table_of_figures_with_goals() -> None:
    """One page has them, so that no figure is told in two ways."""
    for page in (ROOT / "docs").rglob("*.md"):
        heads = re.findall(r"^\|.*\| *goal *\|$", page.read_text(), re.MULTILINE)
        assert not heads or page.name == "performance.md", f"{page.name}: {heads}"


MEASURED = re.compile(
    r"µs|ms of CPU|ms per call-second|ms/call-s|\bp(?:50|95|99)\b|% of a core|\b\d[\d,]* MB\b.*\|$", re.MULTILINE
)


@pytest.mark.parametrize("page", ["operations", "turn-taking"])
def test_what_we_have_measured_is_told_on_that_page_alone(page: str) -> None:
    """The others lead to it. The reasons for the design, and for what was chosen, have the figures that decided."""
    told = (ROOT / "docs" / f"{page}.md").read_text()
    assert MEASURED.findall(told) == []
