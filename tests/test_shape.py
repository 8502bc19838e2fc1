"""The shape of the code (docs/architecture.md, rule 3). The lists of exceptions may only shrink."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for top in ("sipgw", "media", "agent", "tests") for p in (ROOT / top).rglob("*.py"))

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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_shape(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    source = path.read_text()
    faults = []
    if len(source.splitlines()) > FILE_LINES and name not in LONG_FILES:
        faults.append(f"{name}: {len(source.splitlines())} lines (cap {FILE_LINES})")
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES and f"{name}:{node.name}" not in LONG_FUNCTIONS:
                faults.append(f"{name}:{node.lineno} {node.name}: {lines} lines (cap {FUNCTION_LINES})")
        if isinstance(node, ast.ClassDef):
            if node.name.endswith(VAGUE):
                faults.append(f"{name}:{node.lineno} {node.name}: a vague name")
            attributes = self_attributes(node)
            if len(attributes) > CLASS_ATTRIBUTES and f"{name}:{node.name}" not in WIDE_CLASSES:
                faults.append(
                    f"{name}:{node.lineno} {node.name}: {len(attributes)} attributes (cap {CLASS_ATTRIBUTES})"
                )
    assert not faults, "\n".join(faults)


def test_top_level_folders() -> None:
    allowed = {"sipgw", "media", "agent", "tests", "docker", "docs"}
    found = {
        p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".") and not p.name.endswith(".egg-info")
    }
    assert found - {"build", "var"} <= allowed
