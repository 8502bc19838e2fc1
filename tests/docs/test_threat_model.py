"""What docs/threat-model.md names is there: each row has code and a test of it, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and line.count("|") == 5][1:]


def paths(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_attack_has_code_that_stands_in_the_way_and_a_test_of_it(row: str) -> None:
    *_, code, tests, _ = row.split("|")
    assert paths(code) and paths(tests)
    for path in paths(code):
        assert (ROOT / path).is_file(), path
        assert not path.startswith("tests/"), path
    for path in paths(tests):
        assert path.startswith("tests/"), path
        assert "def test_" in (ROOT / path).read_text(), path


def test_the_table_is_read() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/threat-model.md", "docs/operations.md"])
def test_every_link_and_file_of_the_page_exists(page: str) -> None:
    file = ROOT / page
    text = file.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (file.parent / link).exists(), link
    for path in re.findall(r"`((?:sipgw|media|agent|tests|docs|docker)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path
