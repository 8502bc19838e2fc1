"""The user's functions as tools."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agent.consent import Consent
from agent.history import History, Sentence
from agent.secrets import Secret
from agent.tools import (
    RESULT_LIMIT,
    Toolbox,
    ToolError,
    ToolFileError,
    UnknownOutcome,
    load_tools,
    result_text,
    tool,
)
from tests.virtual import run as on_virtual_time


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
from dataclasses import dataclass, replace
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
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('two\\nlines')", "two lines"),
        ("from agent.tools import tool\n@tool\ndef f(a):\n    'x'", "parameter a needs a type hint"),
        ("from agent.tools import tool\n@tool\ndef f(a: int):\n    pass", "docstring"),
        ("from agent.tools import tool\n@tool\ndef f(*a: int):\n    'x'", "ordinary named parameter"),
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


def counted(**options):
    """A toolbox with one tool that counts its runs."""
    runs: list[tuple[str, str]] = []

    async def order(item: str, idempotency_key: str) -> str:
        """Order something."""
        runs.append((item, idempotency_key))
        return f"{item} number {len(runs)}"

    return runs, Toolbox([tool(**options)(order)], "call-1")


def test_the_idempotency_key_is_not_the_models_to_choose() -> None:
    runs, box = counted(side_effect=True)
    assert list(box.schemas[0]["function"]["parameters"]["properties"]) == ["item"]
    assert on_virtual_time(box.run("order", '{"item": "tea", "idempotency_key": "x"}')).error.startswith(
        "wrong arguments"
    )
    assert runs == []


def test_what_changes_something_runs_once_for_the_same_arguments() -> None:
    runs, box = counted(side_effect=True)

    async def twice():
        return await box.run("order", '{"item": "tea"}'), await box.run("order", '{ "item":"tea" }')

    first, again = on_virtual_time(twice())
    assert first.result == again.result == "tea number 1"
    assert len(runs) == 1
    assert on_virtual_time(box.run("order", '{"item": "milk"}')).result == "milk number 2"
    assert runs[0][1] != runs[1][1]


def test_two_tries_at_the_same_time_are_one_order() -> None:
    began = []

    @tool(side_effect=True)
    async def order(item: str) -> str:
        """Order something slowly."""
        began.append(item)
        await asyncio.sleep(1)
        return "ordered"

    async def both():
        box = Toolbox([order])
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(box.run("order", '{"item": "tea"}')) for _ in range(2)]
        return [one.result() for one in tries]

    assert [done.result for done in on_virtual_time(both())] == ["ordered", "ordered"]
    assert began == ["tea"]


def test_a_failed_order_may_be_tried_again_under_the_same_key() -> None:
    keys = []

    @tool(side_effect=True)
    async def order(item: str, idempotency_key: str) -> str:
        """Order something."""
        keys.append(idempotency_key)
        if len(keys) == 1:
            raise ToolError("the shop is closed")
        return "ordered"

    async def twice():
        box = Toolbox([order], "call-1")
        return await box.run("order", '{"item": "tea"}'), await box.run("order", '{"item": "tea"}')

    first, second = on_virtual_time(twice())
    assert (first.error, second.result) == ("the shop is closed", "ordered")
    assert keys[0] == keys[1]

    async def elsewhere():
        return await Toolbox([order], "call-2").run("order", '{"item": "tea"}')

    on_virtual_time(elsewhere())
    assert keys[2] != keys[0]


def agreed(box: Toolbox) -> History:
    """The memory of a call in which the toolbox looks for a yes."""
    history = History("")
    box.consent = Consent(history)
    return history


def asked(history: History, question: str, answer: str) -> None:
    history.say().sentences.append(Sentence(1, question, samples=1, complete=True))
    history.ask(answer)


def test_what_cannot_be_undone_waits_for_the_callers_yes() -> None:
    runs, box = counted(confirm=True)
    history = agreed(box)

    async def talk():
        history.ask("tea")
        results = [(await box.run("order", '{"item": "tea"}')).result]
        results.append((await box.run("order", '{"item": "tea"}')).result)
        for item, answer in (("milk", "yes"), ("milk", "yes please"), ("tea", "yes"), ("tea", "yes"), ("tea", "no")):
            asked(history, f"{item}, is that right?", answer)
            results.append((await box.run("order", json.dumps({"item": item}))).result)
        return results

    results = on_virtual_time(talk())
    assert [isinstance(result, dict) for result in results] == [True, True, True, False, True, False, False]
    assert "Read exactly these arguments back" in results[0]["status"]
    assert [item for item, _ in runs] == ["milk", "tea"], "asked again, or after another yes, is no yes; twice is once"


def test_what_may_be_done_twice_is_asked_about_twice() -> None:
    runs, box = counted(confirm=True, repeatable=True)
    history = agreed(box)

    async def talk():
        results = []
        for answer in ("tea", "yes", "", "yes"):
            if answer:
                asked(history, "Tea, is that right?", answer)
            results.append((await box.run("order", '{"item": "tea"}')).result)
        return results

    assert [isinstance(result, dict) for result in on_virtual_time(talk())] == [True, False, True, False]
    assert len(runs) == 2


def test_a_cached_result_is_used_until_it_is_old() -> None:
    asked = []

    @tool(cache=60)
    async def stock(title: str) -> int:
        """Count books."""
        asked.append(title)
        return len(asked)

    async def talk():
        first = await Toolbox([stock]).run("stock", '{"title": "Emma"}')
        again = await Toolbox([stock]).run("stock", '{"title": "Emma"}')
        other = await Toolbox([stock]).run("stock", '{"title": "Ulysses"}')
        await asyncio.sleep(61)
        return (
            first.result,
            again.result,
            other.result,
            (await Toolbox([stock]).run("stock", '{"title": "Emma"}')).result,
        )

    assert on_virtual_time(talk()) == (1, 1, 2, 3)


def test_what_changes_something_cannot_be_cached() -> None:
    with pytest.raises(ToolFileError, match="cannot be cached"):

        @tool(side_effect=True, cache=5)
        def order() -> None:
            """Order."""


@pytest.mark.parametrize("hint", [Secret, Annotated[Secret, "The PIN."], Secret | None, list[Secret]])
def test_what_takes_a_secret_cannot_be_cached(hint: Any) -> None:
    """Its reference is the same in every call; the digits are not."""

    async def check(pin: Any) -> bool:
        """Check a PIN."""
        return True

    check.__annotations__["pin"] = hint
    with pytest.raises(ToolFileError, match="tool check: it takes a secret, so it cannot be cached"):
        tool(cache=5)(check)


def failing(error: Exception | None, **options: Any):
    """A toolbox with an order that reaches the shop, and then fails, or is late."""
    reached: list[str] = []

    async def order(item: str) -> str:
        """Order something."""
        reached.append(item)
        if error:
            raise error
        await asyncio.sleep(2)
        return "ordered"

    async def keyed(item: str, idempotency_key: str) -> str:
        """Order something."""
        return await order(item)

    made = tool(side_effect=True, timeout=1)(keyed if options.get("key") else order)
    return reached, Toolbox([replace(made, name="order")])


def twice(box: Toolbox):
    async def tries():
        return [(await box.run("order", '{"item": "tea"}')).error for _ in range(2)]

    return on_virtual_time(tries())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (None, "no answer within 1 s"),
        (ConnectionError(), "it failed (ConnectionError)"),
        (TimeoutError(), "no answer within 1 s"),
        (UnknownOutcome("the line broke"), "the line broke"),
    ],
)
def test_an_order_of_which_nobody_knows_whether_it_was_done_is_not_tried_again(error: Any, says: str) -> None:
    reached, box = failing(error)
    assert twice(box) == [f"{says}; it is not known whether it was done; do not try again"] * 2
    assert reached == ["tea"]


def test_one_that_was_refused_or_knows_its_tries_may_be_tried_again() -> None:
    reached, box = failing(ToolError("the shop is closed"))
    assert twice(box) == ["the shop is closed"] * 2
    assert len(reached) == 2
    reached, box = failing(None, key=True)
    assert twice(box) == ["no answer within 1 s"] * 2
    assert len(reached) == 2
