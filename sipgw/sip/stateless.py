"""Responses without a transaction (RFC 3261 §8.2.7): a refused request takes almost no memory."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer, reply_peer
from sipgw.sip.matching import Key, stateless_tag
from sipgw.sip.message import Request, response_to
from sipgw.sip.output import Packet, Unjudged
from sipgw.sip.timers import TIMEOUT

BUSY = Refusal(503, headers=(("Retry-After", "10"),))
SENT_ON = 10_000
"""INVITEs whose 503 is remembered; beyond that the oldest is forgotten."""
SHARE = 7_000
"""Like `SENT_ON`, for one address, so that it cannot displace the others: enough for 200 calls a second."""


class _SentOn(NamedTuple):
    until: float
    refusal: Refusal


class SentOn:
    """INVITEs that we refused with 503, while a copy of them may still come."""

    def __init__(self) -> None:
        self._refusals: OrderedDict[Key, _SentOn] = OrderedDict()
        self._keys: defaultdict[str, deque[Key]] = defaultdict(deque)
        """The keys of each address, in the same order. A key begins with the address, because two addresses may send
        the same request."""

    def find(self, key: Key, host: str, now: float) -> Refusal | None:
        """The refusal of a copy from `host`, or None."""
        while self._refusals and next(iter(self._refusals.values())).until <= now:
            self._forget(next(iter(self._refusals)))
        found = self._refusals.get((host, *key))
        return found.refusal if found else None

    def add(self, key: Key, host: str, refusal: Refusal, now: float) -> bool:
        """Remember `refusal` for `TIMEOUT`; returns whether an older one was dropped for it."""
        self._refusals[host, *key] = _SentOn(now + TIMEOUT, refusal)
        self._keys[host].append((host, *key))
        if len(self._keys[host]) > SHARE:
            self._forget(self._keys[host][0])
        elif len(self._refusals) > SENT_ON:
            self._forget(next(iter(self._refusals)))
        else:
            return False
        return True

    def _forget(self, key: Key) -> None:
        """Forget the refusal of `key`, which must be the oldest of its address."""
        del self._refusals[key]
        keys = self._keys[key[0]]
        keys.popleft()
        if not keys:
            del self._keys[key[0]]


class Stateless:
    """Answers refused requests outside all transactions and calls."""

    def __init__(self, send: Callable[[Packet], None]) -> None:
        self.counts: Counter[str] = Counter()
        """How many messages were dropped or refused, by cause."""
        self._send = send
        self._sent_on = SentOn()
        """INVITEs that were refused with 503: copies of them are refused too, even if there is room by now."""

    def repeated(self, request: Request, source: Peer, key: Key, now: float) -> bool:
        """Whether `request` is a copy of a refused INVITE; then it gets the same answer."""
        if (again := self._sent_on.find(key, source.host, now)) is not None:
            self.refuse(request, source, again)
        return again is not None

    def admits(self, request: Request, source: Peer, key: Key, refusal: Refusal | None, now: float) -> bool:
        """Whether the verdict on `request` admits it; if not, it is answered here."""
        if refusal is None:
            return True
        new = refusal.status == BUSY.status and request.method == "INVITE"
        if new and self._sent_on.add(key, source.host, refusal, now):
            self.counts["forgotten 503"] += 1
        self.refuse(request, source, refusal)
        return False

    def malformed(self, event: Unjudged, refusal: Refusal | None) -> None:
        """Answer a malformed request, of which enough can be read."""
        if refusal is not None:
            self.refuse(event.request, event.source, refusal)
        elif event.error is not None:
            self._answer(event.request, event.source, Refusal(event.error.status, event.error.reason))

    def refuse(self, request: Request, source: Peer, refusal: Refusal) -> None:
        """Refuse a request, and count that."""
        self.counts["refused"] += 1
        self._answer(request, source, refusal)

    def _answer(self, request: Request, source: Peer, refusal: Refusal) -> None:
        if refusal.status and request.method != "ACK":
            tag = stateless_tag(request)
            response = response_to(request, refusal.status, refusal.reason, to_tag=tag, headers=refusal.headers)
            self._send(Packet(response.to_bytes(), reply_peer(request, source)))
