"""The state of each value in a call's forms: heard, said back, confirmed. One table of states.

A value is identified by its field's name and kind, its part, and the words for it. So a confirmed value needs no second
question in another tool with such a field. A corrected part starts anew, and the other parts keep their states. Values
that change places between two fields have to be confirmed again. Sans-IO.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import NamedTuple

MOST = 100
"""Values that are kept in one call, or more if a tool gets more at once. The values that were given longest ago are
forgotten first."""
AT_ONCE = 2
"""Fields that are said back in one question: more are hard to check by ear. Two of one kind with different
values are asked one by one."""


class FieldState(Enum):
    """The state of one value."""

    EMPTY = "nobody has said it"
    HEARD = "it is valid, and has to be said back"
    READ_BACK = "the caller has heard it, and has to agree"
    CONFIRMED = "the caller agreed"
    REFUSED = "the caller said no to it"


class FieldEvent(Enum):
    """An event that changes the state of a value."""

    GIVEN = "the model gives it, valid, to a tool"
    SPOKEN = "the agent has said it, and the caller has heard it"
    YES = "the caller agreed to what was said back"
    NO = "the caller said nothing but no to it"


_S, _E = FieldState, FieldEvent
TABLE: dict[tuple[FieldState, FieldEvent], FieldState] = {
    (_S.EMPTY, _E.GIVEN): _S.HEARD,
    (_S.HEARD, _E.GIVEN): _S.HEARD,
    (_S.HEARD, _E.SPOKEN): _S.READ_BACK,
    (_S.READ_BACK, _E.GIVEN): _S.READ_BACK,
    (_S.READ_BACK, _E.SPOKEN): _S.READ_BACK,
    (_S.READ_BACK, _E.YES): _S.CONFIRMED,
    (_S.READ_BACK, _E.NO): _S.REFUSED,
    (_S.CONFIRMED, _E.GIVEN): _S.CONFIRMED,
    (_S.REFUSED, _E.GIVEN): _S.HEARD,
}
"""The next state. An event without a cell is an error of our own code."""


class ValueToConfirm(NamedTuple):
    """One value that has to be confirmed."""

    field: str
    """The name of the tool's parameter."""
    kind: str
    """Kind of the field, such as "email"."""
    name: str
    """Name of the part; empty for the whole value."""
    said: str
    """Words with which the value is said back."""

    @property
    def slot(self) -> tuple[str, str, str]:
        """Slot of the value: another value of the same slot replaces it."""
        return self.field, self.kind, self.name

    def is_like(self, other: "ValueToConfirm") -> bool:
        """Whether a caller may confuse the two values, such as two dates: for these the agent has to say which is
        which."""
        return (self.kind, self.name) == (other.kind, other.name) and self.said != other.said


@dataclass
class FormValues:
    """The values of one call, with their states."""

    _states: dict[ValueToConfirm, FieldState] = field(default_factory=dict)
    _asked: tuple[ValueToConfirm, ...] = ()

    def state(self, part: ValueToConfirm) -> FieldState:
        """The state of a value."""
        return self._states.get(part, FieldState.EMPTY)

    def take(self, event: FieldEvent, parts: Collection[ValueToConfirm]) -> None:
        """Let `event` happen to each of `parts`. Raises `KeyError` if a part's state does not allow it."""
        for part in parts:
            after = TABLE[self.state(part), event]
            self._states.pop(part, None)  # so that it is the newest
            self._states[part] = after
        while len(self._states) > max(MOST, len(parts)) and event is FieldEvent.GIVEN:
            del self._states[next(iter(self._states))]

    def asked(self, parts: Collection[ValueToConfirm]) -> tuple[ValueToConfirm, ...]:
        """Which of `parts` the last question was about."""
        return tuple(one for one in parts if one in self._asked)

    def is_corrected(self, parts: Collection[ValueToConfirm]) -> bool:
        """Whether `parts` have another value for something that was asked: the caller has not just agreed."""
        slots = {one.slot for one in self._asked} - {one.slot for one in self.asked(parts)}
        return any(one.slot in slots for one in parts)

    def answered(self, parts: Collection[ValueToConfirm], *, agreed: bool) -> None:
        """Take the caller's yes or no to the last question. A yes also confirms what was said back before it."""
        asked = self.asked(parts)
        self.take(FieldEvent.SPOKEN, asked)
        event = FieldEvent.YES if agreed else FieldEvent.NO
        self.take(event, [one for one in parts if self.state(one) is FieldState.READ_BACK] if agreed else asked)
        self._asked = ()

    def ask(self, parts: Sequence[ValueToConfirm]) -> tuple[ValueToConfirm, ...]:
        """The parts that have to be said back now; empty if all are confirmed. The next question is
        about these parts."""
        left = [one for one in parts if self.state(one) is not FieldState.CONFIRMED]
        heard = [one for one in left if self.state(one) is FieldState.HEARD] or left
        asked: list[ValueToConfirm] = []
        for _, field_parts in groupby(heard, lambda one: one.field):
            some = list(field_parts)
            if len({one.field for one in asked}) < AT_ONCE and not any(
                one.is_like(other) for one in asked for other in some
            ):
                asked += some
        self._asked = tuple(asked)
        return self._asked
