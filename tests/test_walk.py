# mypy: disable-error-code="call-arg"
"""The walk of an INVITE to the conversation, as docs/architecture.md tells it, is that of the code."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FILES, CLIMBS = 12, 3
"""So many files are read at most to understand a call, and so often the walk climbs back up by a callback."""


class Step(NamedTuple):
    """A line of the table."""

    number: str
    after: str
    by: str
    file: str
    function: str


def steps() -> list[Step]:
    """The table of the page."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^### The walk of an INVITE\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^\| \d.*", table, re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]
    return [Step(*row[:2], row[2].replace("`", ""), *row[3:5]) for row in rows]


def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def defined(file: str) -> dict[str, ast.AST]:
    """Classes and functions of a file, methods as ``Class.method``."""
    found: dict[str, ast.AST] = {}
    for node in tree(file).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}": one for one in node.body if isinstance(one, FUNCTIONS)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node
    return found


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imports(file: str) -> set[str]:
    """The files that a file imports something of."""
    modules = {node.module for node in ast.walk(tree(file)) if isinstance(node, ast.ImportFrom) and node.module}
    return {f"{module.replace('.', '/')}.py" for module in modules}


def names(file: str) -> set[str]:
    """All names and attributes that a file uses."""
    nodes = list(ast.walk(tree(file)))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return used | {node.id for node in nodes if isinstance(node, ast.Name)}


def methods(file: str, kind: str) -> set[str]:
    """The methods of a class, those of its base classes in the same file included."""
    (node,) = (one for one in tree(file).body if isinstance(one, ast.ClassDef) and one.name == kind)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    here = {one.name for one in tree(file).body if isinstance(one, ast.ClassDef)}
    own = {one.name for one in node.body if isinstance(one, FUNCTIONS)}
    return own.union(*(methods(file, base) for base in bases if base in here))


def test_each_step_is_there_and_is_reached_as_the_page_says() -> None:
    walk = {step.number: step for step in steps()}
    assert len(walk) >= 8
    for step in walk.values():
        assert step.function in defined(step.file), f"{step.file} has no {step.function}"
        if not step.after:
            continue
        before = walk[step.after]
        kind, _, name = step.by.partition(" ")
        function = step.function.rpartition(".")[2]
        if kind == "import":
            assert step.file in imports(before.file), f"{before.file} does not import {step.file}"
            assert function in names(before.file) | names(step.file), f"nobody uses {function}"
        elif kind == "callback":
            name, _, other = name.partition(" from ")
            giver = other or step.file
            assert name in names(before.file) and function in names(giver)
            assert before.file in imports(giver), f"{giver} does not give {name} to {before.file}"
        else:
            assert kind == "interface"
            wanted, given = methods(before.file, name), methods(step.file, step.function.partition(".")[0])
            assert wanted <= given, f"{step.file} lacks {wanted - given}"


def test_each_file_of_calls_that_a_session_uses_is_on_the_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("### The walk of an INVITE\n")[2]
    used = {file for file in imports("sipgw/calls/session.py") if file.startswith("sipgw/calls/")}
    assert used <= set(re.findall(r"`(sipgw/calls/\w+\.py)`", page.partition("\n## ")[0]))


def test_each_file_that_takes_a_leg_is_on_the_page() -> None:
    """Else the walk could go on through files that the table does not count."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("### The walk of an INVITE\n")[2]
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "sipgw").rglob("*.py")]
    taking = {one for one in files if "sipgw/sip/leg.py" in imports(one) and not one.startswith("sipgw/tools/")}
    assert len(taking) > 10
    assert taking <= set(re.findall(r"`(sipgw/[\w/]+\.py)`", page.partition("\n## ")[0]))


def test_the_walk_is_short() -> None:
    walk = steps()
    assert len({step.file for step in walk}) <= FILES
    assert sum(step.by.startswith("callback") for step in walk) <= CLIMBS
