"""The states of the jitter buffer for recognisers: how much sound was put out, against the time that has passed.

A pair of state and event that is not in `TABLE` cannot occur; looking it up raises `KeyError`.
"""

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """The state of the buffer."""

    IN_STEP = "as much sound was put out as time has passed"
    SURPLUS = "silence was inserted that has to be taken back"
    CHECKING_CLOCK = "after a hold, it is not known yet whether the clock of the sender had stopped"
    CATCHING_UP = "sound that waited during a hold is put out at twice the pace of time"


class Event(Enum):
    """Event that changes the state."""

    INSERTED = "silence is inserted because no sound comes"
    HOLD_ENDED = "sound comes after a second or more, and there is a surplus"
    NETWORK_STALLED = "the clock of the sender had gone on"
    CLOCK_STOPPED = "the clock of the sender had stopped"
    DRAINED = "no more sound waits"
    BALANCED = "the surplus is zero"
    NEW_STREAM = "a new stream begins"


class Do(Enum):
    """Additional action of a transition."""

    CHECK_CLOCK = "the clock of the sender is watched for half a second"
    PACE = "sound is put out at twice the pace of time at most"
    FORGIVE = "the surplus is set to zero: it was time that had passed"


_S, _E = State, Event
TABLE: Mapping[tuple[State, Event], tuple[State, tuple[Do, ...]]] = {
    (_S.IN_STEP, _E.INSERTED): (_S.SURPLUS, ()),
    (_S.IN_STEP, _E.BALANCED): (_S.IN_STEP, ()),
    (_S.IN_STEP, _E.NEW_STREAM): (_S.IN_STEP, ()),
    (_S.SURPLUS, _E.INSERTED): (_S.SURPLUS, ()),
    (_S.SURPLUS, _E.HOLD_ENDED): (_S.CHECKING_CLOCK, (Do.CHECK_CLOCK, Do.PACE)),
    (_S.SURPLUS, _E.BALANCED): (_S.IN_STEP, ()),
    (_S.SURPLUS, _E.NEW_STREAM): (_S.SURPLUS, ()),
    (_S.CHECKING_CLOCK, _E.INSERTED): (_S.CHECKING_CLOCK, ()),
    (_S.CHECKING_CLOCK, _E.HOLD_ENDED): (_S.CHECKING_CLOCK, (Do.CHECK_CLOCK,)),
    (_S.CHECKING_CLOCK, _E.NETWORK_STALLED): (_S.CATCHING_UP, ()),
    (_S.CHECKING_CLOCK, _E.CLOCK_STOPPED): (_S.CATCHING_UP, (Do.FORGIVE,)),
    (_S.CHECKING_CLOCK, _E.DRAINED): (_S.CHECKING_CLOCK, ()),
    (_S.CHECKING_CLOCK, _E.BALANCED): (_S.CHECKING_CLOCK, ()),
    (_S.CHECKING_CLOCK, _E.NEW_STREAM): (_S.CATCHING_UP, ()),
    (_S.CATCHING_UP, _E.HOLD_ENDED): (_S.CHECKING_CLOCK, (Do.CHECK_CLOCK,)),
    (_S.CATCHING_UP, _E.DRAINED): (_S.SURPLUS, ()),
    (_S.CATCHING_UP, _E.BALANCED): (_S.CATCHING_UP, ()),
    (_S.CATCHING_UP, _E.NEW_STREAM): (_S.CATCHING_UP, ()),
}
