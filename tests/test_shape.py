"""The shape of the code (docs/architecture.md, rule 3). The lists of exceptions may only shrink."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import ROOT, TOPS, files, parsed

FILE_LINES = 400
FUNCTION_LINES = 60
CLASS_ATTRIBUTES = 12
VAGUE = ("Manager", "Handler", "Helper", "Util", "Processor")

LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
WIDE_CLASSES: set[str] = set()


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all statements in it; expressions, which are most of a tree, hold none."""
    yield node
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for inner in getattr(node, block, ()):
            yield from statements(inner)


def self_attributes(node: ast.ClassDef) -> set[str]:
    names = set()
    for inner in statements(node):
        targets = (
            inner.targets
            if isinstance(inner, ast.Assign)
            else [inner.target]
            if isinstance(inner, ast.AnnAssign)
            else []
        )
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self":
                    names.add(part.attr)
    return names


def faults(path: Path) -> Iterator[str]:
    name = str(path.relative_to(ROOT))
    length = len(path.read_text().splitlines())
    if length > FILE_LINES and name not in LONG_FILES:
        yield f"{name}: {length} lines (cap {FILE_LINES})"
    for node in statements(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES and f"{name}:{node.name}" not in LONG_FUNCTIONS:
                yield f"{name}:{node.lineno} {node.name}: {lines} lines (cap {FUNCTION_LINES})"
        if isinstance(node, ast.ClassDef):
            if node.name.endswith(VAGUE):
                yield f"{name}:{node.lineno} {node.name}: a vague name"
            attributes = self_attributes(node)
            if len(attributes) > CLASS_ATTRIBUTES and f"{name}:{node.name}" not in WIDE_CLASSES:
                yield f"{name}:{node.lineno} {node.name}: {len(attributes)} attributes (cap {CLASS_ATTRIBUTES})"


@pytest.mark.parametrize("top", (*TOPS, "tests"))
def test_shape(top: str) -> None:
    found = [fault for path in files(top) for fault in faults(path)]
    assert not found, "\n".join(found)


def test_what_is_too_long_or_vague_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    body = "\n".join(f"        self.a{each} = 1" for each in range(400))
    (tmp_path / "long.py").write_text(f"class CallManager:\n    def all(self):\n{body}\n")
    assert list(faults(tmp_path / "long.py")) == [
        "long.py: 402 lines (cap 400)",
        "long.py:1 CallManager: a vague name",
        "long.py:1 CallManager: 400 attributes (cap 12)",
        "long.py:2 all: 401 lines (cap 60)",
    ]


def test_top_level_folders() -> None:
    allowed = {"sipgw", "media", "agent", "tests", "docker", "docs"}
    found = {
        p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".") and not p.name.endswith(".egg-info")
    }
    assert found - {"build", "var"} <= allowed
