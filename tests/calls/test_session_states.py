"""The states of a call are those of the table, and a step that cannot happen is an error of our own; how it ends."""

import pytest

from sipgw.calls.info import TRANSITIONS, SessionEvent, SessionState, following
from sipgw.calls.sip_connection import hung_up
from sipgw.calls.transfers import FOLLOWING, TransferState
from sipgw.sip.events import Ended


def walked(*events: str) -> str:
    state = SessionState.NEW
    for event in events:
        state = following(state, SessionEvent(event))
    return state.value


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (("begin",), "begun"),
        (("begin", "ring"), "ringing"),
        (("begin", "answer"), "answered"),
        (("begin", "ring", "answer", "join"), "transferred"),
        (("begin", "answer", "join", "part"), "answered"),
        (("begin", "answer", "join", "finish"), "ending"),
        (("begin", "answer", "finish", "end"), "ended"),
        (("end",), "ended"),
    ],
)
def test_a_call_goes_from_state_to_state(events: tuple[str, ...], state: str) -> None:
    assert walked(*events) == state


@pytest.mark.parametrize(
    "events",
    [
        ("answer",), ("begin", "begin"), ("begin", "join"), ("begin", "answer", "answer"), ("begin", "answer", "ring"),
        ("begin", "answer", "part"), ("begin", "answer", "finish", "join"), ("end", "end"),
    ],
)  # fmt: skip
def test_what_cannot_happen_is_an_error(events: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeError, match=r"a call that is \w+ cannot \w+"):
        walked(*events)


def test_every_state_but_the_last_can_end() -> None:
    for state in SessionState:
        assert ((state, SessionEvent.END) in TRANSITIONS) == (state is not SessionState.ENDED)


def test_a_call_with_a_third_is_free_only_when_they_have_left() -> None:
    assert FOLLOWING[TransferState.SHARED] == (TransferState.FREE, TransferState.JOINED)
    assert not FOLLOWING[TransferState.JOINED]
    assert set(FOLLOWING) == set(TransferState)


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (Ended("caller", "CANCEL", cause=26), "answered_elsewhere"),
        (Ended("caller", "BYE", cause=26), "answered_elsewhere"),
        (Ended("caller", "CANCEL"), "caller_hung_up"),
        (Ended("caller", "BYE", cause=16), "caller_hung_up"),
        (Ended("network", "BYE", cause=26), "line_lost"),
    ],
)
def test_a_call_that_another_phone_of_the_group_has_answered_was_not_given_up(ended: Ended, kind: str) -> None:
    assert hung_up(ended).kind == kind
