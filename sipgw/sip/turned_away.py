"""What was turned away for now, without a transaction: a copy of the request is turned away alike (RFC 3261 §8.2.7).

Else a copy that comes when there is room again becomes a call, though its sender was told 503 and has gone elsewhere.
"""

from collections import OrderedDict

from sipgw.sip.checks import Refusal
from sipgw.sip.matching import stateless_tag
from sipgw.sip.message import Request
from sipgw.sip.timers import TIMEOUT

MAX_KEPT = 10_000
"""Requests that are remembered, for as long as copies of them may come; the oldest makes room for one more."""


class TurnedAway:
    """The refusals of the last 32 s."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Refusal]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, request: Request, refusal: Refusal, now: float) -> None:
        """`request` was refused with a 5xx; other refusals are judged anew, and alike, each time."""
        if refusal.status < 500:
            return
        while self._kept and (len(self._kept) >= MAX_KEPT or next(iter(self._kept.values()))[0] <= now):
            self._kept.popitem(last=False)
        self._kept.setdefault(stateless_tag(request), (now + TIMEOUT, refusal))

    def earlier(self, request: Request, now: float) -> Refusal | None:
        """What the same request was refused with."""
        until, refusal = self._kept.get(stateless_tag(request), (now, None))
        return refusal if until > now else None
