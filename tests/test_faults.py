"""Every fault of faults.toml has a test that failed before it was mended: `pytest -m faults` runs them."""

import ast
import tomllib

from tests.source import ROOT, files, nodes

KNOWN = tomllib.loads((ROOT / "tests/faults.toml").read_text())


def marked() -> dict[str, set[str]]:
    """The ids in marks, each with the files that have it; decorators, and the marks of `pytest.param`, alike."""
    found: dict[str, set[str]] = {}
    for path in files("tests"):
        for node in nodes(path) if ".faults" in path.read_text() else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.faults":
                for argument in node.args:
                    assert isinstance(argument, ast.Constant), f"{path.name}: ids are written out"
                    found.setdefault(argument.value, set()).add(path.name)  # type: ignore[arg-type]
    return found


def test_each_fault_has_a_test_and_each_mark_a_fault() -> None:
    found = marked()
    assert found.keys() - KNOWN.keys() == set(), "marks without a line in faults.toml"
    assert KNOWN.keys() - found.keys() == set(), "faults without a test"
