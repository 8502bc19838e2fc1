"""What happens to a call, as the SIP core tells it, and how far it has come."""

from enum import Enum
from typing import NamedTuple

from sipgw.sip.info import KeyPressed


class Phase(Enum):
    """How far a call has come."""

    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Confirmed(NamedTuple):
    """The call, or its changed session, is up; `sdp` is the answer, if the other side still owed one."""

    sdp: bytes | None


class Progress(NamedTuple):
    """A provisional response to our INVITE."""

    status: int
    reason: str
    sdp: bytes | None = None
    """The answer for early media, which the final response may repeat."""


class Offered(NamedTuple):
    """The other side wants to change the session; None asks for our offer."""

    sdp: bytes | None


class Answered(NamedTuple):
    """The other side's description while nothing else has changed: its answer to our refresh, or in a PRACK."""

    sdp: bytes


class Changed(NamedTuple):
    """The outcome of our re-INVITE: `sdp` is the answer; without one the session stays as it was."""

    sdp: bytes | None
    status: int
    reason: str


class Referred(NamedTuple):
    """The outcome of a REFER: `status` is that of the call to the target, or of the refusal."""

    accepted: bool
    status: int
    reason: str


class Ended(NamedTuple):
    """The call is over; always the last event."""

    by: str
    """``caller`` (the other side), ``gateway`` (us) or ``network``."""
    how: str
    """The method or status that ended it."""
    text: str = ""
    """What the other side said about it (Reason header, RFC 3326)."""
    status: int = 0

    def __str__(self) -> str:
        return f"{self.by}: {self.how}" + (f" ({self.text})" if self.text else "")


CallEvent = Confirmed | Progress | Offered | Answered | Changed | KeyPressed | Referred | Ended
