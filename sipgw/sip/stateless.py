"""Answers without a transaction (RFC 3261 §8.2.7): who is turned away takes no memory here, or next to none."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer, reply_peer
from sipgw.sip.fields import FieldError
from sipgw.sip.matching import Key, stateless_tag
from sipgw.sip.message import Request, response_to
from sipgw.sip.parse import ParseError
from sipgw.sip.surroundings import Packet, Surroundings
from sipgw.sip.timers import TIMEOUT

BUSY = Refusal(503, headers=(("Retry-After", "10"),))
SENT_ON = 1000
"""INVITEs whose 503 is remembered; beyond that the oldest is forgotten."""


class Stateless:
    """Judges what comes from outside all transactions and calls, and answers what is not welcome."""

    def __init__(self, world: Surroundings, send: Callable[[Packet], None]) -> None:
        self.counts: Counter[str] = Counter()
        """What was dropped or turned away, by what was wrong with it."""
        self._world = world
        self._send = send
        self._sent_on: OrderedDict[Key, tuple[float, Refusal]] = OrderedDict()
        """Calls that went elsewhere, until when a copy may come: a place that is free by then is not for it."""

    def admits(self, request: Request, source: Peer, key: Key, now: float, *, room: bool) -> bool:
        """Whether `request` may come in; if not, it is answered. `room` is whether there is any for a transaction."""
        refusal = self._again(key, now) or self._judged(request, source)
        if refusal is None and not room:
            refusal = BUSY
            self.counts["no room for a transaction"] += 1
        if refusal is None:
            return True
        if refusal.status == BUSY.status and request.method == "INVITE":
            self._sent_on.setdefault(key, (now + TIMEOUT, refusal))
            if len(self._sent_on) > SENT_ON:
                self._sent_on.popitem(last=False)
                self.counts["forgotten 503"] += 1
        self._answer(request, source, refusal)
        return False

    def malformed(self, error: ParseError, source: Peer) -> None:
        """Answer what could not be read, as far as it can be answered."""
        self.counts["malformed"] += 1
        request = error.message
        if request is None or request.method == "ACK":
            return
        with suppress(FieldError):  # the other side knows its Via, even if we cannot read it
            request = request.with_top_via(request.via.with_received(source.host, source.port))
        refusal = self._judged(request, source)
        self._answer(request, source, refusal or Refusal(error.status, error.reason))

    def _judged(self, request: Request, source: Peer) -> Refusal | None:
        refusal = self._world.admit(request, source)
        if refusal is not None:
            self.counts["refused"] += 1
        return refusal

    def _again(self, key: Key, now: float) -> Refusal | None:
        while self._sent_on and next(iter(self._sent_on.values()))[0] <= now:
            self._sent_on.popitem(last=False)
        found = self._sent_on.get(key)
        return found[1] if found else None

    def _answer(self, request: Request, source: Peer, refusal: Refusal) -> None:
        if refusal.status and request.method != "ACK":
            tag = stateless_tag(request)
            response = response_to(request, refusal.status, refusal.reason, to_tag=tag, headers=refusal.headers)
            self._send(Packet(response.to_bytes(), reply_peer(request, source)))
