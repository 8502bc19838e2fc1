"""A string that names a module is an import, too: it names no module of a higher row, and none of another floor."""

import ast
import configparser
import re
from collections.abc import Collection

from tests.source import ROOT, modules, nodes

FLOORS = ("sipgw.sip", "media", "agent")
NAMED = re.compile(r"\b(?:sipgw|media|agent)(?:\.\w+)+")


def ranks() -> dict[str, int]:
    """The packages of sipgw, and the number of their row in .importlinter, from below."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    rows = contracts["importlinter:contract:app"]["layers"].split("\n")[1:]
    return {f"sipgw.{name}": number for number, row in enumerate(reversed(rows)) for name in re.findall(r"\w+", row)}


RANKS = ranks()


def package(module: str) -> str:
    """The row of a module, or its floor."""
    floor = next((one for one in FLOORS if f"{module}.".startswith(f"{one}.")), "")
    return floor or ".".join(module.split(".")[:2])


def forbidden(module: str, other: str) -> bool:
    """Whether `module` must not know `other`; above all rows stand the modules of `sipgw` that are in none."""
    ours, theirs = package(module), package(other)
    if ours == theirs or theirs in FLOORS:
        return ours != theirs and ours in FLOORS
    above = len(RANKS)
    return ours in FLOORS or RANKS.get(theirs, above) >= RANKS.get(ours, above)


def strings(nodes: Collection[ast.AST]) -> set[str]:
    """The constants of a file, without its docstrings and the texts below attributes."""
    texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in texts)
    return {value for value in constants if isinstance(value, str)}


def known(name: str) -> str:
    """The module that a dotted name begins with: ``sipgw.cli.main:main`` is found as one of `sipgw.cli.main`."""
    while name not in modules() and "." in name:
        name = name.rpartition(".")[0]
    return name if "." in name and name in modules() else ""


def named(nodes: Collection[ast.AST]) -> set[str]:
    """The modules that the strings of a file name."""
    return {module for text in strings(nodes) for name in NAMED.findall(text) if (module := known(name))}


def test_no_string_names_a_module_that_the_file_must_not_import() -> None:
    wrong = {
        name: bad
        for name, path in modules().items()
        if (bad := {other for other in named(nodes(path)) if forbidden(name, other)})
    }
    assert wrong == {}


def test_a_string_that_names_a_module_is_seen() -> None:
    source = '"""See `sipgw.web.app`."""\nA = ("sipgw.web.tables", f"sipgw.cli.{a}:b", "from sipgw.cli.main import c")'
    assert named([*ast.walk(ast.parse(source))]) == {"sipgw.web.tables", "sipgw.cli", "sipgw.cli.main"}
    assert named([*ast.walk(ast.parse('GROUP = "sipgw.stt"\nurl = "https://sipgw.example.com"'))]) == set()


def test_rows_are_those_of_the_contract() -> None:
    assert forbidden("sipgw.records.store.schema", "sipgw.web.tables")
    assert forbidden("sipgw.records.store.schema", "sipgw.trunks.trunks"), "one beside it"
    assert forbidden("agent.tools", "sipgw.config.agent") and forbidden("media.process.wire", "agent.line")
    assert forbidden("sipgw.sip.leg", "media.rtp.packet") and forbidden("sipgw.web.app", "sipgw.__main__")
    assert not forbidden("sipgw.web.app", "sipgw.records.store.schema") and not forbidden("agent.a", "agent.b")
    assert not forbidden("sipgw.records.store.schema", "media.recording.redact")
