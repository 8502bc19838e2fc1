"""The latest refused requests and their reasons, which explain why a call does not arrive. Sans-IO."""

from collections import deque
from typing import NamedTuple

from sipgw.bounds import BoundedTable
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request

STRANGERS = 20
"""Number of remembered refusals of strangers."""
CALLS = 200
"""Number of remembered refused calls of known senders."""


class RefusalEntry(NamedTuple):
    """A refused request."""

    at: float
    """When the request was refused, in seconds on the clock of the event loop."""
    address: str
    method: str
    status: int
    """The status of the response; 0 for none."""
    why: str
    call: str = ""
    """The Call-ID, if it was to become a call."""

    @classmethod
    def of(cls, request: Request, source: Peer, now: float, status: int, why: str) -> "RefusalEntry":
        """The entry of a refused `request`."""
        call = request.headers.get("call-id") or "" if request.method == "INVITE" else ""
        return cls(now, source.host, request.method, status, why, call)


class Refusals:
    """The last refusal of each trunk, the latest strangers, and the latest refused calls."""

    def __init__(self) -> None:
        self.last: dict[str, RefusalEntry] = {}
        """The last refusal of each trunk, by its name."""
        self.strangers: deque[RefusalEntry] = deque(maxlen=STRANGERS)
        self.calls = BoundedTable[str, RefusalEntry]("refused calls", CALLS)
        """The refused calls by Call-ID, without those of strangers, who get no answer."""

    def note(self, trunk: str, refused: RefusalEntry) -> None:
        """Add a refusal; `trunk` is empty for a stranger."""
        if trunk:
            self.last[trunk] = refused
            if refused.call:
                self.calls[refused.call] = refused
        else:
            self.strangers.appendleft(refused)
