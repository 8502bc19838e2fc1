"""The machines of a request that is tried at several addresses, as tables: the request, and each branch of it."""

from enum import Enum


class FailoverState(Enum):
    """States of the request."""

    TRYING = "waits for a final response"
    GIVEN_UP = "its user has given it up, branches are cancelled"
    ENDED = "has its final response, an INVITE may get further 2xx"
    OVER = "takes nothing more"


class FailoverEvent(Enum):
    """Event of the request."""

    GIVE_UP = "its user gives it up, or its time limit has passed"
    PROVISIONAL = "a branch brings 1xx"
    SUCCESS = "a branch brings 2xx"
    FAILURE = "a branch brings 300-699"
    CANCELLED = "a branch that we cancelled brings 300-699"
    SILENCE = "a branch ends without a final response"
    NO_MORE = "no branch can bring a better answer"


class FailoverAction(Enum):
    """Action of a transition of the request."""

    PASS = "pass the response to the user"  # noqa: S105
    CHOOSE = "pass the response, and cancel the other branches once this one rings, or cancel it if another one rings"
    CANCEL = "cancel the branch"
    CANCEL_ALL = "try no further address, and cancel all branches"
    WEIGH = "keep the refusal, and end, wait, or try the next address"
    GO_ON = "try the next address, or end"
    END = "stop the timers, and cancel all branches"
    REPORT = "pass the refusal that was kept, or that no answer came"


Table = dict[tuple[FailoverState, FailoverEvent], tuple[FailoverState, tuple[FailoverAction, ...]]]
S, E, A = FailoverState, FailoverEvent, FailoverAction


def _table(final: FailoverState) -> Table:
    return {
        (S.TRYING, E.GIVE_UP): (S.GIVEN_UP, (A.CANCEL_ALL,)),
        (S.TRYING, E.PROVISIONAL): (S.TRYING, (A.CHOOSE,)),
        (S.TRYING, E.SUCCESS): (final, (A.END, A.PASS)),
        (S.TRYING, E.FAILURE): (S.TRYING, (A.WEIGH,)),
        (S.TRYING, E.CANCELLED): (S.TRYING, ()),
        (S.TRYING, E.SILENCE): (S.TRYING, (A.GO_ON,)),
        (S.TRYING, E.NO_MORE): (final, (A.END, A.REPORT)),
        (S.GIVEN_UP, E.GIVE_UP): (S.GIVEN_UP, ()),
        (S.GIVEN_UP, E.PROVISIONAL): (S.GIVEN_UP, (A.CANCEL,)),
        (S.GIVEN_UP, E.SUCCESS): (final, (A.END, A.PASS)),
        (S.GIVEN_UP, E.FAILURE): (S.GIVEN_UP, (A.WEIGH,)),
        (S.GIVEN_UP, E.CANCELLED): (S.GIVEN_UP, (A.WEIGH,)),
        (S.GIVEN_UP, E.SILENCE): (S.GIVEN_UP, (A.GO_ON,)),
        (S.GIVEN_UP, E.NO_MORE): (final, (A.END, A.REPORT)),
    }


INVITE_FAILOVER: Table = {  # RFC 3261 §13.2.2.4: each branch of a fork may bring a 2xx
    **_table(S.ENDED),
    (S.ENDED, E.GIVE_UP): (S.ENDED, ()),
    (S.ENDED, E.PROVISIONAL): (S.ENDED, (A.CANCEL,)),
    (S.ENDED, E.SUCCESS): (S.ENDED, (A.PASS,)),
    (S.ENDED, E.FAILURE): (S.ENDED, ()),
    (S.ENDED, E.CANCELLED): (S.ENDED, ()),
    (S.ENDED, E.SILENCE): (S.ENDED, ()),
}
FAILOVER: Table = {
    **_table(S.OVER),
    **{(S.OVER, event): (S.OVER, ()) for event in FailoverEvent if event is not E.NO_MORE},
}


class BranchState(Enum):
    """States of one branch: the request at one address."""

    SILENT = "no response yet"
    RECEIVED = "100 came, or a response that was not passed"
    RINGING = "more than 100 came"
    CANCELLED = "CANCEL was sent"
    DONE = "its final response came, or none will"


class BranchEvent(Enum):
    """Event of a branch."""

    PROVISIONAL = "1xx"
    CHOSEN = "101-199, and it is the branch that counts"
    CANCEL = "we cancel it"
    FINAL = "200-699, or a timeout or transport error"


B, V = BranchState, BranchEvent
BRANCH: dict[tuple[BranchState, BranchEvent], tuple[BranchState, tuple[FailoverAction, ...]]] = {
    (B.SILENT, V.PROVISIONAL): (B.RECEIVED, ()),
    (B.SILENT, V.FINAL): (B.DONE, ()),
    (B.RECEIVED, V.PROVISIONAL): (B.RECEIVED, ()),
    (B.RECEIVED, V.CHOSEN): (B.RINGING, ()),
    (B.RECEIVED, V.CANCEL): (B.CANCELLED, ()),
    (B.RECEIVED, V.FINAL): (B.DONE, ()),
    (B.RINGING, V.PROVISIONAL): (B.RINGING, ()),
    (B.RINGING, V.CHOSEN): (B.RINGING, ()),
    (B.RINGING, V.CANCEL): (B.CANCELLED, ()),
    (B.RINGING, V.FINAL): (B.DONE, ()),
    (B.CANCELLED, V.PROVISIONAL): (B.CANCELLED, ()),
    (B.CANCELLED, V.CHOSEN): (B.CANCELLED, ()),
    (B.CANCELLED, V.FINAL): (B.DONE, ()),
    (B.DONE, V.FINAL): (B.DONE, ()),  # a further 2xx
}
