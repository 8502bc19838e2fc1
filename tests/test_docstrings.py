"""Docstrings begin with a noun or a verb, as people search for it: "Cost of a call", not "What a call costs"."""

import ast
import re
from collections.abc import Iterable, Iterator

from tests.source import ROOT, files, nodes

RIDDLE = re.compile(r"(What|Whatever|Who|Whom|Whose|Whoever|Whence|Those|That|Under which)\b")


def riddles(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and first words of each docstring that begins with a pronoun for its subject.

    Docstrings are the texts that stand alone: of modules, classes, functions and, after them, fields.
    """
    for node in nodes:
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if RIDDLE.match(text):
                yield node.lineno, text[:60]


def test_no_docstring_of_the_product_is_a_riddle() -> None:
    assert len(files()) > 500
    assert [f"{path.relative_to(ROOT)}:{line}: {text}"
            for path in files() for line, text in riddles(nodes(path))] == []  # fmt: skip


def test_a_riddle_is_found_at_a_class_a_function_and_a_field() -> None:
    source = '''
class Call:
    """Who is on the line."""
    cost: float
    """What it costs."""
    def end(self) -> None:
        """Whether or not it goes on, end it."""
        """Those of it."""
'''
    assert [line for line, _ in riddles(ast.walk(ast.parse(source)))] == [3, 5, 8]
