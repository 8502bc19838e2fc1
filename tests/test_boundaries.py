"""Every error boundary is listed in docs/architecture.md, so a call gets no second one unnoticed."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest

from tests.source import ROOT, modules, nodes

BROAD = frozenset({"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"})
LIKELY = re.compile(r"\b(?:Base)?Exception(?:Group)?\b|\bexcept[ *]*:")
SUPPRESS = frozenset({"suppress"})
COMMANDS = ("sipgw/tools/",)
"""Commands that drive a gateway from outside: an error of theirs ends no call."""


def words(node: ast.AST) -> set[str]:
    """The names in an expression; of `contextlib.suppress` both."""
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, set[str]]]:
    """The names that a file gives to classes, functions or tuples of them, and the names that they stand for."""
    for node in nodes:
        given: list[tuple[ast.AST | str, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            given = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            given = [(node.target, node.value)]
        elif isinstance(node, ast.arguments):
            last = [one.arg for one in (*node.posonlyargs, *node.args)][-len(node.defaults) :]
            given = [*zip(last, node.defaults, strict=False)]
            given += zip((one.arg for one in node.kwonlyargs), node.kw_defaults, strict=True)
        for target, value in given:
            if isinstance(value, ast.Name | ast.Attribute | ast.Tuple | ast.BinOp):
                yield target if isinstance(target, str) else ast.unparse(target).rpartition(".")[2], words(value)


def standing(wanted: frozenset[str], names: Iterable[tuple[str, set[str]]]) -> frozenset[str]:
    """`wanted`, and the names that stand for one of them."""
    found, names = wanted, list(names)
    while more := {name for name, meant in names if meant & found} - found:
        found |= more
    return found


@functools.cache
def own(path: Path, wanted: frozenset[str]) -> frozenset[str]:
    return standing(wanted, assigned(nodes(path)))


def aliases(nodes: Collection[ast.AST], wanted: frozenset[str]) -> frozenset[str]:
    """The names of a file that stand for one of `wanted`, also where it imports them from the file that names them."""
    imported = set[tuple[str, frozenset[str]]]()
    for node in (node for node in nodes if isinstance(node, ast.ImportFrom)):
        there = modules().get(node.module or "")
        known = own(there, wanted) if there else wanted
        imported |= {(one.asname or one.name, wanted) for one in node.names if one.name in known}
    return standing(wanted, [*assigned(nodes), *((name, set(meant)) for name, meant in imported)])


def boundaries(nodes: Collection[ast.AST]) -> int:
    """How many places of a file catch every error and raise none: an error ends there."""
    broad, suppress = aliases(nodes, BROAD), aliases(nodes, SUPPRESS)

    def ends(node: ast.AST) -> bool:
        if isinstance(node, ast.ExceptHandler):
            every = node.type is None or bool(words(node.type) & broad)
            return every and not any(isinstance(one, ast.Raise) for one in ast.walk(node))
        return (
            isinstance(node, ast.Call)
            and bool(words(node.func) & suppress)
            and any(words(one) & broad for one in node.args)
        )

    return sum(ends(node) for node in nodes)


def likely() -> set[Path]:
    """The files with a word for every error: to parse all would take long."""
    sources = {path: path.read_text(encoding="utf-8") for path in modules().values()}
    first = {path for path, source in sources.items() if LIKELY.search(source)}
    named = re.compile("|".join(rf"\b{name}\b" for name in BROAD.union(*(own(path, BROAD) for path in first))))
    return first | {path for path, source in sources.items() if named.search(source)}


def found() -> Counter[str]:
    files = {path.relative_to(ROOT).as_posix(): boundaries(nodes(path)) for path in likely()}
    return Counter({name: number for name, number in files.items() if number and not name.startswith(COMMANDS)})


def listed() -> Counter[str]:
    """The files of the table, with the number of boundaries where it is not one: ``(2)``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^### Error boundaries\n(.*?)^##", page, re.DOTALL | re.MULTILINE)
    files = re.findall(r"`((?:sipgw|media|agent)/[\w/]+\.py)`(?: \((\d)\b)?", table)
    return Counter({name: int(number or 1) for name, number in files})


def test_each_error_boundary_is_on_the_page() -> None:
    assert found() == listed()


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    work()\nexcept Exception:\n    log()",
        "try:\n    work()\nexcept (OSError, BaseException) as error:\n    log()",
        "try:\n    work()\nexcept* builtins.Exception:\n    log()",
        "try:\n    work()\nexcept:\n    log()",
        "EVERY = Exception\nANY = (OSError, EVERY)\ntry:\n    work()\nexcept ANY:\n    log()",
        "from builtins import Exception as Fault\ntry:\n    work()\nexcept Fault:\n    log()",
        "def work(faults=(Exception,)):\n    try:\n        work()\n    except faults:\n        log()",
        "class A:\n    faults = (Exception,)\n    def b(self):\n        with suppress(*self.faults):\n            c()",
        "with contextlib.suppress(Exception):\n    work()",
        "with suppress(OSError, BaseException):\n    work()",
        "from contextlib import suppress as quiet\nwith quiet(*(OSError, Exception)):\n    work()",
        "quiet = contextlib.suppress\nstack.enter_context(quiet(Exception))",
    ],
)
def test_a_boundary_is_seen(source: str) -> None:
    assert boundaries([*ast.walk(ast.parse(source))]) == 1


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    work()\nexcept Exception:\n    free()\n    raise",  # it goes on to the next one
        "try:\n    work()\nexcept OSError:\n    log()",
        "with contextlib.suppress(OSError):\n    work()",
        "from agent.errors import ProviderError as Fault\nwith suppress(Fault):\n    work(Exception)",
    ],
)
def test_what_catches_some_errors_is_no_boundary(source: str) -> None:
    assert boundaries([*ast.walk(ast.parse(source))]) == 0


def test_an_alias_of_another_file_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "faults.py").write_text("EVERY = (Exception,)", encoding="utf-8")
    monkeypatch.setitem(modules(), "agent.faults", tmp_path / "faults.py")
    source = "from agent.faults import EVERY as ANY\ntry:\n    work()\nexcept ANY:\n    log()"
    assert boundaries([*ast.walk(ast.parse(source))]) == 1


def test_a_call_has_one_boundary() -> None:
    """`bounded` and `contained` are for work beside calls; within a call an error goes up to its session."""
    users = [
        path.name for path in (ROOT / "sipgw" / "calls").rglob("*.py") if "sip.boundaries" in path.read_text("utf-8")
    ]
    assert users == []
