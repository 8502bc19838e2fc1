"""The state of each value in a call's forms: heard, said back, confirmed. One table of states.

A value is known by its field's name and kind, its part and what is said for it. So a confirmed one needs no second
question in another tool with such a field, a corrected part starts anew while the others stay as they are, and values
that change places between two fields have to be confirmed again. Sans-IO.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import NamedTuple

MOST = 100
"""Values that are kept in one call, unless a tool gets more at once; those that nobody gave for longest are forgotten
first."""
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
    """An event of a value."""

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
"""A missing cell is an error of ours."""


class ValueToConfirm(NamedTuple):
    """One value that has to be confirmed."""

    field: str
    """The name of the tool's parameter."""
    kind: str
    """Of the field."""
    name: str
    """Of the part; empty for the whole."""
    said: str
    """As it is said back."""

    @property
    def slot(self) -> tuple[str, str, str]:
        """Slot of the value: another value of the same slot replaces it."""
        return self.field, self.kind, self.name

    def is_like(self, other: "ValueToConfirm") -> bool:
        """Whether a caller may take one for the other: two dates, of which the agent says which is which."""
        return (self.kind, self.name) == (other.kind, other.name) and self.said != other.said


@dataclass
class FormValues:
    """The values of one call."""

    _states: dict[ValueToConfirm, FieldState] = field(default_factory=dict)
    _asked: tuple[ValueToConfirm, ...] = ()

    def state(self, part: ValueToConfirm) -> FieldState:
        """How far it is."""
        return self._states.get(part, FieldState.EMPTY)

    def take(self, event: FieldEvent, parts: Collection[ValueToConfirm]) -> None:
        """`event` happens to `parts`. Raises `KeyError` for one that cannot happen in their state."""
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
        """The caller said yes or no to the last question; what was said back before it is agreed to as well."""
        asked = self.asked(parts)
        self.take(FieldEvent.SPOKEN, asked)
        event = FieldEvent.YES if agreed else FieldEvent.NO
        self.take(event, [one for one in parts if self.state(one) is FieldState.READ_BACK] if agreed else asked)
        self._asked = ()

    def ask(self, parts: Sequence[ValueToConfirm]) -> tuple[ValueToConfirm, ...]:
        """Which of `parts` have to be said back now; empty when all are confirmed. They are what is asked then."""
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
