"""The events of a call, and its phases."""

from enum import Enum
from typing import NamedTuple

from sipgw.sip.message import Request
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri


class Phase(Enum):
    """How far a call has come."""

    CALLING = "INVITE sent or received"
    RINGING = "1xx sent or received"
    CANCELLED = "our INVITE is cancelled, its final response is awaited"
    ANSWERED = "2xx sent, ACK awaited"
    HANGING_UP = "the same, and BYE follows the ACK"
    CONFIRMED = "up"
    ENDED = "over"


class Confirmed(NamedTuple):
    """The call, or its changed session, is up; `sdp` is the answer of the other side, if it was still to come."""

    sdp: bytes | None


class Progress(NamedTuple):
    """A provisional response to our INVITE."""

    status: int
    reason: str
    sdp: bytes | None = None
    """The answer for early media, which the final response may repeat. Its host names are not looked up."""


class PickedUp(NamedTuple):
    """Another phone took the call while it rang (RFC 3891)."""


class Asserted(NamedTuple):
    """The other side states a new identity, by this re-INVITE or UPDATE (RFC 3325, RFC 4916)."""

    request: Request


class Offered(NamedTuple):
    """The other side wants to change the session. `sdp` is its offer; None asks for our offer."""

    sdp: bytes | None


class Moved(NamedTuple):
    """Our address, as the other side sees it, is now `host`. A re-INVITE tells it; its answer comes as `Answered`."""

    host: str


class Answered(NamedTuple):
    """The other side describes its session anew, in its answer to our refresh or in a PRACK; ours stays the same."""

    sdp: bytes


class Changed(NamedTuple):
    """The outcome of our re-INVITE: `sdp` is the answer; without one the session stays as it was."""

    sdp: bytes | None
    status: int
    reason: str


class KeyPressed(NamedTuple):
    """The other side pressed a key (INFO): one of ``0123456789*#ABCD``, and its duration in seconds."""

    key: str
    seconds: float


class Referred(NamedTuple):
    """The outcome of our REFER: `status` is that of the call to the target, or of the refusal.

    202 means that the other side has taken the caller over, without proof that the target has answered.
    """

    accepted: bool
    status: int
    reason: str

    @property
    def proven(self) -> bool:
        """Whether the target has answered, as far as the reports show."""
        return self.accepted and self.status != 202


class ReferRequested(NamedTuple):
    """The other side asks us to call `target` and to report the outcome (RFC 3515)."""

    target: Uri
    replaces: Replaces | None
    """The call of the target that our call replaces (RFC 3891)."""
    referred_by: str
    """The Referred-By of the new INVITE (RFC 3892); may be empty."""


class Ended(NamedTuple):
    """The call is over; always the last event."""

    by: str
    """``caller`` or, in a call of ours, ``callee`` for the other side; ``gateway`` (us) or ``network``."""
    how: str
    """The method or status that ended it."""
    text: str = ""
    """The text of the other side about it (Reason header, RFC 3326)."""
    status: int = 0
    contacts: tuple[Uri, ...] = ()
    """The Contacts of a 300, 301 or 302, best first (RFC 3261 §8.1.3.4)."""
    cause: int | None = None
    """The Q.850 cause, as the Reason header of the other side gives it; None if there was none."""

    @property
    def lost(self) -> bool:
        """Whether the gateway or the network has ended the call, and not the other side."""
        return self.by not in ("caller", "callee")

    def __str__(self) -> str:
        return f"{self.by}: {self.how}" + (f" ({self.text})" if self.text else "")


CallEvent = (
    Confirmed
    | Progress
    | PickedUp
    | Asserted
    | Offered
    | Moved
    | Answered
    | Changed
    | KeyPressed
    | Referred
    | ReferRequested
    | Ended
)
