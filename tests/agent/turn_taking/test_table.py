"""The table of turn-taking and its time limits."""

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import LIMITS, TABLE, Action, Event, State
from tests.agent.turn_taking.calling import machine

ENDING = (State.CLOSING, State.ENDED)


def test_every_state_but_the_last_has_cells_and_a_time_limit() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.ENDED}
    assert set(LIMITS) == set(State) - {State.ENDED}


def test_every_state_is_reached() -> None:
    assert {then for then, _ in TABLE.values()} | {State.LISTENING} == set(State) - {State.HOLDING}


@pytest.mark.parametrize("state", [state for state in State if state is not State.ENDED])
def test_every_time_limit_stands_in_the_table(state: State) -> None:
    judged = {Event.DONE, Event.ENDPOINT, Event.UNHEARD, Event.SILENCE}
    assert all((state, limit.event) in TABLE or limit.event in judged for limit in LIMITS[state])


@pytest.mark.parametrize("state", [state for state in State if state not in ENDING])
def test_every_state_leads_to_the_goodbye(state: State) -> None:
    subject = machine()
    subject.state = state
    subject.close(1.0)
    assert subject.state is State.CLOSING
    assert [one.action for one in subject.done(2.0)] == [Action.END]
    assert subject.state is State.ENDED  # type: ignore[comparison-overlap]
    assert subject.deadline is None


def test_a_goodbye_is_over_at_its_limit() -> None:
    subject = machine()
    subject.close(100.0)
    assert subject.deadline == 120.0
    assert [one.action for one in subject.handle_timer(120.0)] == [Action.END]


@pytest.mark.parametrize(
    "name", sorted({limit.seconds for row in LIMITS.values() for limit in row if isinstance(limit.seconds, str)})
)
def test_limits_by_evidence_are_properties_of_the_machine(name: str) -> None:
    assert isinstance(getattr(TurnMachine, name), property)
