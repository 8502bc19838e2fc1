"""The user's functions as tools."""

import asyncio
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from agent.tools import RESULT_LIMIT, Toolbox, ToolFileError, load_tools, result_text, tool


@tool
def plain(
    name: Annotated[str, "Whose."],
    count: Annotated[int, Field(ge=1, description="How many.")] = 1,
    kind: Literal["a", "b"] = "a",
) -> str:
    """Do something plain."""
    return f"{name} {count} {kind}"


def run(function, arguments: str):
    return asyncio.run(Toolbox([function]).run(function.name, arguments))


def test_the_schema_comes_from_hints_and_docstring() -> None:
    assert plain.schema == {
        "type": "function",
        "function": {
            "name": "plain",
            "description": "Do something plain.",
            "parameters": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "Whose."},
                    "count": {"type": "integer", "minimum": 1, "default": 1, "description": "How many."},
                    "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
    }


def test_a_plain_function_runs_in_a_thread_with_validated_arguments() -> None:
    assert run(plain, '{"name": "x", "count": 2}').result == "x 2 a"


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{}",
        "[]",
        "null",
        "nonsense",
        '{"name": 5}',
        '{"name": "x", "count": 0}',
        '{"name": "x", "evil": 1}',
        "{" * 5000,
    ],
)
def test_what_does_not_fit_the_schema_is_refused(arguments: str) -> None:
    done = run(plain, arguments)
    assert done.error.startswith("wrong arguments")
    assert len(done.error) < 600


def test_results_are_bounded_and_must_be_json() -> None:
    @tool
    def big() -> str:
        """Much."""
        return "x" * 100_000

    @tool
    def strange() -> object:
        """No JSON."""
        return object()

    assert len(result_text(run(big, ""))) == RESULT_LIMIT
    assert run(strange, "").error == "it failed (PydanticSerializationError)"


def test_dates_and_dataclasses_are_results() -> None:
    @dataclass
    class Slot:
        day: date
        free: bool

    @tool
    def slots() -> list[Slot]:
        """Free times."""
        return [Slot(date(2026, 11, 21), True)]

    assert result_text(run(slots, "")) == '[{"day": "2026-11-21", "free": true}]'


DATA = """\
from __future__ import annotations
from dataclasses import dataclass
from agent.tools import tool

@dataclass
class Order:
    number: str

@tool
def order(number: str) -> Order:
    "Look up."
    return Order(number)
"""


def test_a_file_of_tools_may_use_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "data.py"
    path.write_text(DATA)
    (found,) = load_tools(path)
    assert run(found, '{"number": "7"}').result == {"number": "7"}


HELLO = """\
from agent.tools import tool

@tool(timeout=1)
async def hello(who: str) -> str:
    "Greet."
    return who
"""


def test_a_file_of_tools(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HELLO)
    (found,) = load_tools(path)
    assert (found.name, found.timeout) == ("hello", 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no such Python file"),
        ("x = 1", "no function is marked with @tool"),
        ("1/0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("raise ValueError('two\\nlines')", "two lines"),
        ("from agent.tools import tool\n@tool\ndef f(a):\n    'x'", "parameter a needs a type hint"),
        ("from agent.tools import tool\n@tool\ndef f(a: int):\n    pass", "docstring"),
        ("from agent.tools import tool\n@tool\ndef f(*a: int):\n    'x'", "plain named one"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ToolFileError, match=str(path)) as caught:
        load_tools(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
