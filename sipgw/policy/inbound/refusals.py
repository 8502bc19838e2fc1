"""Who was turned away lately, and why: what somebody wants to know whose call does not arrive. Sans-IO."""

from collections import deque
from typing import NamedTuple

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request

STRANGERS = 20
"""The latest of them are remembered."""
CALLS = 200
"""The latest calls of others that were not let in are remembered."""


class RefusalEntry(NamedTuple):
    """Somebody was turned away."""

    at: float
    """Seconds of the caller's clock."""
    address: str
    method: str
    status: int
    """What was answered; 0 for nothing."""
    why: str
    call: str = ""
    """The Call-ID, if it was to become a call."""

    @classmethod
    def of(cls, request: Request, source: Peer, now: float, status: int, why: str) -> "RefusalEntry":
        """What is told of a `request` that is turned away."""
        call = request.headers.get("call-id") or "" if request.method == "INVITE" else ""
        return cls(now, source.host, request.method, status, why, call)


class Refusals:
    """The last refusal of each trunk, the latest strangers, and the latest calls that were not let in."""

    def __init__(self) -> None:
        self.last: dict[str, RefusalEntry] = {}
        """By trunk."""
        self.strangers: deque[RefusalEntry] = deque(maxlen=STRANGERS)
        self.calls: dict[str, RefusalEntry] = {}
        """By Call-ID; those of strangers, who get no answer, are not among them."""

    def note(self, trunk: str, refused: RefusalEntry) -> None:
        """Remember one; `trunk` is empty for a stranger."""
        if trunk:
            self.last[trunk] = refused
            if refused.call:
                self.calls[refused.call] = refused
                if len(self.calls) > CALLS:
                    del self.calls[next(iter(self.calls))]
        else:
            self.strangers.appendleft(refused)
