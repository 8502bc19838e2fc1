"""No rule of an option can be written without its key: what checks a table raises a `RuleError`, and nothing else."""

import ast
import builtins
import inspect
import ipaddress
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any
from urllib.parse import urlsplit

import pytest

from agent.rules.rule_error import RuleError
from sipgw.cli.knowledge import QuestionsFile
from sipgw.config.config import GatewayConfig
from sipgw.config.options import about
from sipgw.sip.uri import Uri, UriError
from sipgw.tools.evaluation.eval_set import EvalSet
from sipgw.tools.simulate.scenario import Scenario

OURS = ("agent.", "media.", "sipgw.", "tests.")
OF_OTHERS = (urlsplit, ipaddress.ip_address, ipaddress.ip_network)
"""Functions of others that raise a `ValueError` for a text."""
CHECKED = {
    "sipgw.config.oidc.OidcOptions.__post_init__: urlsplit",
    "sipgw.config.storage.StorageOptions.prefix: urlsplit",
    "sipgw.config.web.WebOptions.__post_init__: urlsplit",
}
"""Places that read a URL which a rule before them has found good."""
TELLING = {"Agents.__init__": "all faults together", "Agents.drafting": "a prompt that stands in no file yet"}
"""Functions of `sipgw/agents` that make a `ConfigError` of another error."""

Leak = tuple[type[Exception], str]


class Bare:
    """Finds the places at which a function can raise a `ValueError` that names no key."""

    def __init__(self) -> None:
        self._known = dict[tuple[object, type | None], list[Leak]]()

    def of(self, function: Any, owner: type | None) -> list[Leak]:
        """The errors that leave a function, which may be a method of `owner`."""
        function = inspect.unwrap(getattr(function, "__func__", function))
        if not isinstance(function, FunctionType):
            return []
        if (function, owner) in self._known:
            return self._known[function, owner]
        self._known[function, owner] = []  # a call of itself adds nothing
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        where = f"{function.__module__}.{function.__qualname__}"
        body = getattr(node, "body", [])
        found = [leak for one in body for leak in self._below(one, function.__globals__, owner, where)]
        self._known[function, owner] = found
        return found

    def _below(self, node: ast.AST, known: dict[str, Any], owner: type | None, where: str) -> Iterator[Leak]:
        kept = self._kept(node, known)
        for name, children in ast.iter_fields(node):
            for child in children if isinstance(children, list) else [children]:
                if isinstance(child, ast.AST):
                    inside = kept if name == "body" else ()
                    leaks = self._below(child, known, owner, where)
                    yield from ((kind, at) for kind, at in leaks if not issubclass(kind, inside))
        if isinstance(node, ast.Raise) and node.exc:
            kind = _resolved(node.exc.func if isinstance(node.exc, ast.Call) else node.exc, known, owner)
            if isinstance(kind, type) and issubclass(kind, ValueError) and kind.__name__ != "RuleError":
                yield kind, f"{where}: {ast.unparse(node)}"
        elif isinstance(node, ast.Name | ast.Attribute):
            found = _resolved(node, known, owner)
            if any(found is one for one in OF_OTHERS):
                yield ValueError, f"{where}: {ast.unparse(node)}"
            elif callable(found) and str(getattr(found, "__module__", "")).startswith(OURS):
                of_self = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
                yield from self.of(found, owner if of_self else getattr(found, "__self__", None))

    @staticmethod
    def _kept(node: ast.AST, known: dict[str, Any]) -> tuple[type, ...]:
        """The errors that do not leave the body of a statement."""
        if isinstance(node, ast.With):
            calls = [one.context_expr for one in node.items if isinstance(one.context_expr, ast.Call)]
            return (ValueError,) if any(ast.unparse(call.func) == "about" for call in calls) else ()
        if isinstance(node, ast.Try):
            kinds = [one.type.elts if isinstance(one.type, ast.Tuple) else [one.type] for one in node.handlers]
            found = (_resolved(one, known, None) for each in kinds for one in each if one)
            return tuple(one for one in found if isinstance(one, type))
        return ()


def _resolved(node: ast.AST, known: dict[str, Any], owner: type | None) -> Any:
    """What a name, or an attribute of one, stands for; of `self` the method or the function of a property."""
    if isinstance(node, ast.Name):
        return known.get(node.id, getattr(builtins, node.id, None))
    if not isinstance(node, ast.Attribute):
        return None
    if ast.unparse(node.value) == "self":
        found = inspect.getattr_static(owner, node.attr, None) if owner else None
        return found.fget if isinstance(found, property) else getattr(found, "func", found)
    base = _resolved(node.value, known, owner)
    return getattr(base, node.attr, None) if isinstance(base, type) or inspect.ismodule(base) else None


def leaks(kind: type) -> list[str]:
    """The places at which the making of a table can raise an error without a key."""
    bare = Bare()
    checks = [vars(one)["__post_init__"] for one in kind.__mro__ if "__post_init__" in vars(one)]
    return [at for check in checks for _, at in bare.of(check, kind)]


def tables(*kinds: Any) -> set[type]:
    """These tables and all below."""
    found, new = set[type](), list(kinds)
    while new:
        one = new.pop()
        if isinstance(one, type) and is_dataclass(one) and one not in found:
            found.add(one)
            hints = typing.get_type_hints(one)
            new += [hints[field.name] for field in fields(one)]
        new += typing.get_args(one)
    return found


TABLES = sorted(tables(GatewayConfig, Scenario, EvalSet, QuestionsFile), key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__qualname__)
def test_a_rule_names_its_key(kind: type) -> None:
    assert set(leaks(kind)) - CHECKED == set()


def test_each_exception_is_one() -> None:
    assert {at for kind in TABLES for at in leaks(kind)} == CHECKED


def _far(text: str) -> None:
    raise UriError(text)


@dataclass
class Sample:
    """A table whose rules name no key, but for those that do."""

    text: str = ""

    def __post_init__(self) -> None:
        self._own()
        self.part  # noqa: B018
        with about("text"):
            _far(self.text)
        list(map(_far, [self.text]))
        try:
            urlsplit(self.text)
        except TypeError:
            raise RuleError("is no text", "text") from None
        try:
            Uri.parse(self.text)
        except UriError:
            raise RuleError("is no URI", "text") from None

    def _own(self) -> None:
        if not self.text:
            raise ValueError("no text")

    @cached_property
    def part(self) -> str:
        """A part of the text."""
        if self.text == "x":
            raise ValueError("no part")
        return self.text


def test_a_rule_without_a_key_is_seen() -> None:
    assert sorted(at.partition(": ")[2] for at in leaks(Sample)) == [
        "raise UriError(text)", "raise ValueError('no part')", "raise ValueError('no text')", "urlsplit",
    ]  # fmt: skip


def test_a_check_of_an_agent_names_its_key() -> None:
    """The place is found by the key; only what all checks have told becomes a `ConfigError`."""
    told = []
    for path in (Path(__file__).parents[2] / "sipgw" / "agents").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        scopes = [(node, "") for node in tree.body] + [
            (node, f"{outer.name}.") for outer in tree.body if isinstance(outer, ast.ClassDef) for node in outer.body
        ]
        for scope, outer in scopes:
            if isinstance(scope, ast.FunctionDef) and path.name != "prompt_files.py":
                names = [node for node in ast.walk(scope) if isinstance(node, ast.Call)]
                told += [f"{outer}{scope.name}" for one in names if ast.unparse(one.func) == "ConfigError"]
    assert set(told) == set(TELLING)
