"""The phases of a call, of both sides, as tables (RFC 3261 §13, §15)."""

from enum import Enum

from sipgw.sip.events import Phase


class InviteEvent(Enum):
    """Event that changes the phase of a call."""

    PROVISIONAL = "101-199"
    ANSWER = "we send 2xx"
    ANSWERED = "2xx comes"
    ACK = "ACK comes"
    HANG_UP = "we hang up"
    END = "BYE, a refusal, a failure or a timeout"


class InviteAction(Enum):
    """Additional action of a step."""

    CANCEL = "send CANCEL"
    REFUSE = "refuse the INVITE"
    BYE = "send BYE"
    CONFIRM = "report that the call is up"


Table = dict[tuple[Phase, InviteEvent], tuple[Phase, tuple[InviteAction, ...]]]
P, S = Phase, InviteEvent

SERVER: Table = {
    (P.CALLING, S.PROVISIONAL): (P.RINGING, ()),
    (P.CALLING, S.ANSWER): (P.ANSWERED, ()),
    (P.CALLING, S.HANG_UP): (P.CALLING, (InviteAction.REFUSE,)),
    (P.CALLING, S.END): (P.ENDED, ()),
    (P.RINGING, S.PROVISIONAL): (P.RINGING, ()),
    (P.RINGING, S.ANSWER): (P.ANSWERED, ()),
    (P.RINGING, S.HANG_UP): (P.RINGING, (InviteAction.REFUSE,)),
    (P.RINGING, S.END): (P.ENDED, ()),
    (P.ANSWERED, S.ACK): (P.CONFIRMED, (InviteAction.CONFIRM,)),
    (P.ANSWERED, S.HANG_UP): (P.HANGING_UP, ()),  # §15: the callee's BYE waits for the ACK
    (P.ANSWERED, S.END): (P.ENDED, ()),
    (P.HANGING_UP, S.ACK): (P.CONFIRMED, (InviteAction.CONFIRM, InviteAction.BYE)),
    (P.HANGING_UP, S.HANG_UP): (P.HANGING_UP, ()),
    (P.HANGING_UP, S.END): (P.ENDED, ()),
    (P.CONFIRMED, S.HANG_UP): (P.CONFIRMED, (InviteAction.BYE,)),
    (P.CONFIRMED, S.END): (P.ENDED, ()),
    (P.ENDED, S.HANG_UP): (P.ENDED, ()),
}
CLIENT: Table = {
    (P.CALLING, S.PROVISIONAL): (P.RINGING, ()),
    (P.CALLING, S.ANSWERED): (P.CONFIRMED, (InviteAction.CONFIRM,)),
    (P.CALLING, S.HANG_UP): (P.CANCELLED, (InviteAction.CANCEL,)),
    (P.CALLING, S.END): (P.ENDED, ()),
    (P.RINGING, S.PROVISIONAL): (P.RINGING, ()),
    (P.RINGING, S.ANSWERED): (P.CONFIRMED, (InviteAction.CONFIRM,)),
    (P.RINGING, S.HANG_UP): (P.CANCELLED, (InviteAction.CANCEL,)),
    (P.RINGING, S.END): (P.ENDED, ()),
    (P.CANCELLED, S.HANG_UP): (P.CANCELLED, ()),
    (P.CANCELLED, S.ANSWERED): (P.CANCELLED, (InviteAction.BYE,)),  # §9.1: the 2xx crossed the CANCEL
    (P.CANCELLED, S.END): (P.ENDED, ()),
    (P.CONFIRMED, S.ANSWERED): (P.CONFIRMED, (InviteAction.BYE,)),  # §13.2.2.4: another branch of a fork
    (P.CONFIRMED, S.HANG_UP): (P.CONFIRMED, (InviteAction.BYE,)),
    (P.CONFIRMED, S.END): (P.ENDED, ()),
    (P.ENDED, S.ANSWERED): (P.ENDED, (InviteAction.BYE,)),
    (P.ENDED, S.HANG_UP): (P.ENDED, ()),
}
