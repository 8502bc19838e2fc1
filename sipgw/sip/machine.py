"""State machines as tables: a state and an event give the next state and the actions. A missing cell is an error."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

State = TypeVar("State", bound=Enum)
Event = TypeVar("Event", bound=Enum)
Action = TypeVar("Action", bound=Enum)

Table = Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]


class MachineError(RuntimeError):
    """An event happened that the table has no cell for: a fault of our own code, whatever the other side sent."""


def step(table: Table[State, Event, Action], state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """The next state and the actions. Raises `MachineError`."""
    try:
        return table[state, event]
    except KeyError:
        raise MachineError(f"{event.name} ({event.value}) cannot happen in {state.name} ({state.value})") from None
