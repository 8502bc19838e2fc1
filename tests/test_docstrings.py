"""Docstrings begin with a noun or a verb, as people search for it: "Cost of a call", not "What a call costs"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
RIDDLE = re.compile(r"(What|Whatever|Who|Whom|Whose|Whoever|Whence|Those|That|Under which)\b")


def docstrings(node: ast.AST) -> Iterator[ast.Constant]:
    """The texts that stand alone in `node`: of modules, classes, functions and, after them, fields."""
    for one in ast.walk(node):
        match one:
            case ast.Expr(value=ast.Constant(value=str()) as text):
                yield text


def riddles(source: str) -> Iterator[tuple[int, str]]:
    """Line and first words of each docstring that begins with a pronoun for its subject."""
    for text in docstrings(ast.parse(source)):
        if RIDDLE.match(str(text.value)):
            yield text.lineno, str(text.value)[:60]


def test_no_docstring_of_the_product_is_a_riddle() -> None:
    files = [path for top in ("sipgw", "agent", "media") for path in sorted((ROOT / top).rglob("*.py"))]
    assert len(files) > 500
    assert [f"{path.relative_to(ROOT)}:{line}: {text}"
            for path in files for line, text in riddles(path.read_text(encoding="utf-8"))] == []  # fmt: skip


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
    assert [line for line, _ in riddles(source)] == [3, 5, 8]
