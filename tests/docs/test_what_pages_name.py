"""Files, targets of make and modules that the pages name exist; their blocks of Python are valid."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.tools import load_tools
from tests.bench.__main__ import AREAS
from tests.docs.test_sentences import PAGES

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
FOLDERS = r"(?<![\w./~:-])((?:\.ci|\.github|tests|sipgw|agent|media|docker|docs)/[\w./{},*-]+)"
MADE_UP = re.compile(r"NAME|SECTION|tests/data/live|sipgw/recording")
"""Placeholders, a folder that a reader makes, names in the storage of a cloud."""
OF_OTHERS = {"docs/architecture.md: tests/test_protocol.py", "docs/privacy.md: spacy"}
"""Files and modules of other projects."""
INSTALLED = ROOT / "docs" / "providers" / "own.md"
"""`test_own_provider` runs its blocks: they are a package."""
PYTHON = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    if page != INSTALLED
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL), 1)
]


def alternatives(path: str) -> Iterator[str]:
    """The paths that `a/{b,c}.py` means."""
    if found := re.search(r"\{([^{}]*)\}", path):
        for one in found[1].split(","):
            yield from alternatives(path[: found.start()] + one + path[found.end() :])
    else:
        yield path


def lacking(text: str) -> Iterator[str]:
    """What the code of a page names and the repository has not got."""
    for code in re.findall(r"^ *```.*?^ *```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL):
        for named in re.findall(FOLDERS, code):
            paths = (one for one in alternatives(named.rstrip(".,/")) if not MADE_UP.search(one))
            yield from (one for one in paths if not any(ROOT.glob(one)))
        yield from (f"make {one}" for one in re.findall(r"\bmake ([a-z][a-z-]*)(?![\w-])", code) if one not in TARGETS)
        yield from (f"AREA={one}" for one in re.findall(r"\bAREA=([a-z]+)", code) if not AREAS.get(one))
        for name in re.findall(r"\bpython -m ([a-z][\w.]+)", code):
            if not importlib.util.find_spec(name.partition(".")[0]) or not importlib.util.find_spec(name):
                yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_targets_and_modules_of_a_page_exist(page: Path) -> None:
    name = page.relative_to(ROOT)
    text = re.sub(r"^from .* import .*$", "", page.read_text(), flags=re.MULTILINE)
    assert {f"{name}: {one}" for one in lacking(text)} <= OF_OTHERS


def test_what_does_not_exist_is_found() -> None:
    text = "`tests/{docs,no_such}/`, `make nothing` or `make bench AREA=nothing`.\n```sh\npython -m tests.nothing\n```"
    assert list(lacking(text)) == ["tests/no_such", "make nothing", "AREA=nothing", "tests.nothing"]


def test_the_architecture_names_each_folder_and_file_of_sipgw() -> None:
    packages = (ROOT / "docs" / "architecture.md").read_text().partition("\n## 2.")[0]
    named = set(re.findall(r"^  \| `([\w.]+)` \|", packages, re.MULTILINE))
    found = [one for one in (ROOT / "sipgw").iterdir() if one.is_dir() or one.suffix == ".py"]
    assert {one.name for one in found} - {"__pycache__", "__init__.py"} == named


@pytest.mark.parametrize("block", PYTHON)
def test_a_block_of_python_is_valid(block: str, tmp_path: Path) -> None:
    """One with `@tool` is the file of an agent, and has tools that a model can be told of."""
    path = tmp_path / "block.py"
    path.write_text(block)
    if "@tool" not in block:
        exec(compile(block, str(path), "exec"), {})  # noqa: S102 - our own documentation
        return
    assert all(one.schema for one in load_tools(path))
