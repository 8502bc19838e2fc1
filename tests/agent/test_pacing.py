"""What the agent says about the turns to come."""

from typing import Annotated

import pytest

from agent.forms.fields import FormSetting
from agent.forms.telephone import ExpectedNumber
from agent.pacing import pacing
from agent.tools import Toolbox, tool
from agent.turn_taking.expect import Expected, Kind
from agent.turn_taking.table import State
from tests.agent.turn_taking.calling import machine
from tests.virtual import run


@tool
def find_order(number: Annotated[str, "The order number.", Expected(Kind.DIGITS, 10)], name: str = "") -> str:
    """Find an order."""
    return number + name


def test_a_parameter_of_a_tool_says_what_it_is_and_the_model_sees_its_description_and_pattern() -> None:
    box = Toolbox([find_order])
    assert box.expected == (Expected(Kind.DIGITS, 10),)
    assert find_order.schema["function"]["parameters"]["properties"]["number"] == {
        "description": "The order number.", "type": "string", "pattern": "^[0-9]{10}$",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"kind": "digits", "length": 10}', Expected(Kind.DIGITS, 10)),
        ('{"kind": "phone"}', ExpectedNumber(Kind.DIGITS, country="GB")),
        ('{"kind": "email"}', Expected(Kind.EMAIL)),
    ],
)
def test_the_model_tells_what_it_has_asked_for(arguments: str, expected: Expected) -> None:
    subject = machine()
    told: list[Expected] = []
    setting = FormSetting(country="GB")
    paced = pacing(lambda: subject, lambda said: told.append(subject.endpointing.expected), lambda: setting)[1]
    box = Toolbox(paced)
    assert not run(box.run("expect", arguments)).error
    assert told == [expected]
    assert run(box.run("expect", '{"kind": "song"}')).error


def test_the_model_waits_for_the_caller() -> None:
    subject = machine()

    async def waits() -> None:
        assert not (await Toolbox(pacing(lambda: subject, lambda said: None)[1]).run("wait", "{}")).error

    run(waits())
    subject.says("Sure, take your time.", "", 0.0)
    subject.done(1.0)
    assert subject.state is State.HOLDING
