"""When agents take messages, and how many in a call."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.tools import Toolbox, ToolError
from sipgw.calls.messages import CLOSED, MOST, UNREACHED, about_messages, message_tools
from sipgw.calls.transfer_targets import TransferTargets
from sipgw.config.messages import MessageOptions
from sipgw.config.people import PersonOptions
from sipgw.config.trunks import TrunkOptions
from tests.virtual import run

SUNDAY, MONDAY = (datetime(2026, 11, day, 12, tzinfo=UTC) for day in (22, 23))
OFFICE = ("mon-fri 09:00-17:00",)


def test_what_the_agent_is_told_depends_on_the_hours() -> None:
    both = MessageOptions(("closed", "unreached"), OFFICE)
    closed = MessageOptions(("closed",), OFFICE)

    def told(options: MessageOptions, now: datetime, *, calling: bool = False) -> str:
        return about_messages(options, now, calling=calling)

    assert (told(both, SUNDAY), told(both, MONDAY)) == (CLOSED, UNREACHED)
    assert told(closed, MONDAY) == ""
    assert told(MessageOptions(), SUNDAY) == ""
    assert (told(both, SUNDAY, calling=True), told(closed, SUNDAY, calling=True)) == (UNREACHED, "")


def test_a_call_leaves_a_few_messages_at_most() -> None:
    told: list[Any] = []
    context: Any = SimpleNamespace(info=SimpleNamespace(id="c", direction="in"), tell=told.append, messages=0)

    def agent(options: MessageOptions) -> Any:
        return SimpleNamespace(config=SimpleNamespace(messages=options))

    assert message_tools(context, agent(MessageOptions())) == []
    (take,) = message_tools(context, agent(MessageOptions(("unreached",))))
    assert take.asks
    for number in range(MOST):
        run(take.function("Jo", "+14155550132", f"matter {number}"))
    assert [one.matter for one in told] == ["matter 0", "matter 1", "matter 2"]
    (again,) = message_tools(context, agent(MessageOptions(("unreached",))))
    with pytest.raises(ToolError):
        run(again.function("Jo", "+14155550132", "after a hand-over"))
    box = Toolbox([take])
    answer = run(box.run("take_message", '{"name": "Jo Ray", "number": "+14155550132", "matter": "x"}'))
    assert "say_back" in answer.result, "nothing is taken that the caller has not confirmed"
    assert len(told) == MOST


def test_nobody_is_tried_on_their_holidays() -> None:
    people = (
        PersonOptions("anna", "sip:anna", hours=("mon-sun 00:00-24:00",), holidays="DE-BY", time_zone="Europe/Berlin"),
        PersonOptions("ben", "sip:ben"),
    )
    targets = TransferTargets(people, TrunkOptions("pbx", "peer", networks=("127.0.0.0/8",)))
    noon = datetime(2026, 1, 6, 12, tzinfo=ZoneInfo("Europe/Berlin"))  # Epiphany, in Bavaria
    assert [one.name for one in targets.hunt("", noon)] == ["ben"]
    assert [one.name for one in targets.hunt("", noon.replace(day=7))] == ["anna", "ben"]
    assert targets.hunt("anna", noon) == []
