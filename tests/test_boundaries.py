"""Every error boundary is listed in docs/architecture.md, so a call gets no second one unnoticed."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIKELY = re.compile(r"\bexcept\b(?:[ *]*:|[^:]*\b(?:Base)?Exception(?:Group)?\b)")
BROAD = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}
COMMANDS = ("sipgw/tools/",)
"""Commands that drive a gateway from outside: an error of theirs ends no call."""


def is_boundary(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every error and raises none: an error ends there."""
    caught = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else BROAD
    return bool(caught & BROAD) and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def boundaries(source: str) -> int:
    if not LIKELY.search(source):
        return 0
    return sum(isinstance(node, ast.ExceptHandler) and is_boundary(node) for node in ast.walk(ast.parse(source)))


def found() -> Counter[str]:
    files = {
        path.relative_to(ROOT).as_posix(): path
        for name in ("sipgw", "media", "agent")
        for path in (ROOT / name).rglob("*.py")
    }
    counted = {name: boundaries(path.read_text(encoding="utf-8")) for name, path in files.items()}
    return Counter({name: number for name, number in counted.items() if number and not name.startswith(COMMANDS)})


def listed() -> Counter[str]:
    """The files of the table, with the number of boundaries where it is not one: ``(2)``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^### Error boundaries\n(.*?)^##", page, re.DOTALL | re.MULTILINE)
    files = re.findall(r"`((?:sipgw|media|agent)/[\w/]+\.py)`(?: \((\d)\b)?", table)
    return Counter({name: int(number or 1) for name, number in files})


def test_each_error_boundary_is_on_the_page() -> None:
    assert found() == listed()


def test_a_boundary_is_seen() -> None:
    assert boundaries("try:\n    work()\nexcept Exception:\n    log()") == 1
    assert boundaries("try:\n    work()\nexcept (OSError, BaseException) as error:\n    log()") == 1
    assert boundaries("try:\n    work()\nexcept:\n    log()") == 1
    assert boundaries("try:\n    work()\nexcept Exception:\n    free()\n    raise") == 0, "it goes on to the next one"
    assert boundaries("try:\n    work()\nexcept OSError:\n    log()") == 0


def test_a_call_has_one_boundary() -> None:
    """`bounded` and `contained` are for work beside calls; within a call an error goes up to its session."""
    users = [
        path.name for path in (ROOT / "sipgw" / "calls").rglob("*.py") if "sip.boundaries" in path.read_text("utf-8")
    ]
    assert users == []
