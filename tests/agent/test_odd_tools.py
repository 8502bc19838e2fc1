"""Functions whose parameters no model can write, whose own validators fail, or that end the program: the error names
the tool, and ends its run alone.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import AfterValidator, PlainSerializer

from agent.tools import Toolbox, ToolFileError, tool


def odd_class(one: int, two: socket.socket) -> str:
    """Take what no model can write."""
    return ""


def odd_callable(two: Callable[[], int]) -> str:
    """Take what no model can write."""
    return ""


def odd_name(two: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Take what is not there."""
    return ""


@pytest.mark.faults("H13")
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (odd_class, "tool odd_class: parameter two: <class 'socket.socket'> is no type that a model can write"),
        (odd_callable, "tool odd_callable: parameter two: "),
        (odd_name, "tool odd_name: its type hints cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_an_odd_type_names_tool_and_parameter(function: Callable[..., str], says: str) -> None:
    with pytest.raises(ToolFileError) as caught:
        tool(function)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[str, AfterValidator(lambda amount: str(Decimal(amount)))],
        Annotated[str, PlainSerializer(lambda amount: str(Decimal(amount)))],
    ],
)
def test_an_error_of_a_validator_of_the_owners_is_told_to_the_model(hint: type[str]) -> None:
    async def pay(amount: str) -> str:
        """Pay it."""
        paid.append(amount)
        return "paid"

    paid: list[str] = []
    pay.__annotations__["amount"] = hint
    run = asyncio.run(Toolbox([tool(pay)]).run("pay", '{"amount": "a lot"}'))
    assert run.error.startswith("wrong arguments (") and not paid


async def leaving() -> str:
    """End the program, as a parser of command lines does for wrong arguments."""
    sys.exit("wrong arguments")


def leaving_in_a_thread() -> str:
    """End the program, as a parser of command lines does for wrong arguments."""
    sys.exit("wrong arguments")


@pytest.mark.parametrize("function", [leaving, leaving_in_a_thread])
def test_a_tool_that_ends_the_program_ends_no_call(function: Callable[..., str]) -> None:
    async def call() -> str:
        run = asyncio.create_task(Toolbox([tool(function)]).run(function.__name__, "{}"))  # noqa: TID251
        return (await run).error

    assert asyncio.run(call()) == "it failed (SystemExit)"
