"""Tools that nobody had seen who wrote the brain, asked for in several wordings.

What the brain does not understand it asks for; it never acts on a wrong guess.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest

from agent.tools import Tool, tool
from tests.agent.brain.caller import HANG_UP, Caller
from tests.agent.brain.measure_tools import MODEL, plain
from tests.agent.brain.strange_tools import PLACES
from tests.agent.brain.test_own_tools import DENIAL

PHRASINGS = Path(__file__).with_name("strange_phrasings.toml")
MISSED = 2
"""Calls in which it does not come to the tool."""


class Call(NamedTuple):
    """A call of somebody, and the tool that they want."""

    tools: tuple[Tool, ...]
    wanted: str
    said: list[str]
    arguments: dict[str, Any]


def calls() -> Iterator[Call]:
    rows = tomllib.loads(PHRASINGS.read_text(encoding="utf-8"))
    for tools in PLACES.values():
        for one in tools:
            for row in rows[one.name]:
                yield Call(tools, one.name, row["said"], row["wants"])


def spoken(one: Call) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The tools that were called, and what the caller heard."""
    caller = Caller([*(each.schema for each in one.tools), HANG_UP], lambda name, arguments: {"ok": True}, MODEL)
    heard = [caller.says(words) for words in one.said]
    return [(name, plain(arguments)) for name, arguments in caller.calls if name != "hang_up"], heard


def right(one: Call, called: tuple[str, dict[str, Any]]) -> bool:
    name, arguments = called
    return name == one.wanted and arguments.items() >= plain(one.arguments).items()


def test_they_are_called_with_what_was_said() -> None:
    missed = [one.said for one in calls() if not any(right(one, called) for called in spoken(one)[0])]
    assert len(missed) <= MISSED, missed


@pytest.mark.parametrize("one", list(calls()), ids=lambda one: str(one.said[0]))
def test_nothing_else_is_done_and_nothing_denied(one: Call) -> None:
    called, heard = spoken(one)
    assert all(right(one, each) for each in called[:1]), called
    assert not any(DENIAL.search(words) for words in heard), heard


@tool
async def order_taxi(
    pickup: Annotated[str, "Where to pick you up."], destination: Annotated[str, "Where you want to go."]
) -> str:
    """Order a taxi."""
    return "done"


@tool
async def find_product(name: str) -> str:
    """Look up whether a product is in stock."""
    return "done"


@pytest.mark.parametrize(
    ("own", "said", "wants"),
    [
        (order_taxi, ["I need a cab", "at 5 Main Street", "to the airport"], ["5 Main Street", "airport"]),
        (order_taxi, ["I need a taxi to the zoo please", "from the hotel"], ["hotel", "zoo"]),
        (order_taxi, ["I need a taxi from the station to the airport"], ["station", "airport"]),
        (find_product, ["Do you sell garden hoses?", "do you have lamps?"], ["lamps"]),
        (find_product, ["is a product in stock", "I'm looking for lamps"], ["lamps"]),
        (find_product, ["is a product in stock", "lamps"], ["lamps"]),
    ],
)
def test_a_place_is_where_it_is_and_a_question_is_no_part_of_a_name(
    own: Tool, said: list[str], wants: list[str]
) -> None:
    called, _ = spoken(Call((own,), own.name, said, {}))
    assert [list(arguments.values()) for _, arguments in called] == [[plain({"": one})[""] for one in wants]]
