"""Offer and answer in one call (RFC 3264, RFC 6337), by INVITE, UPDATE or PRACK, and its session timer. Sans-IO."""

from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.call_state import CallState
from sipgw.sip.checks import CAPABILITIES
from sipgw.sip.dialog import Dialog
from sipgw.sip.events import Answered, Changed, Ended, Moved, Offered, Phase
from sipgw.sip.machine import step
from sipgw.sip.message import Request, Response
from sipgw.sip.offer_exchange_table import OFFERS, OfferEvent, OfferState
from sipgw.sip.sdp import Sdp
from sipgw.sip.session_timer import SessionTimer, too_short
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction

RETRY_AFTER = (("Retry-After", "2"),)
TRYING = 0.2
"""Seconds after which a re-INVITE that is not answered yet gets a 100."""
ANSWER_LIMIT = 10.0
"""Seconds after `TRYING` until an offer that the application does not answer is refused."""
MAX_TRIES = 6
"""How often a change is sent again because the other side is making one of its own (491)."""


class _Change(NamedTuple):
    """A change that we ask the other side for."""

    sdp: bytes | None
    """The new description. None: only the session timer is refreshed, so the request repeats our description as it is
    at that moment: an offer of the other side may have changed it since (RFC 3264 §8)."""
    before: bytes = b""
    """Our description that `sdp` was made from. If ours has changed since, `sdp` would undo that change."""
    tries: int = 1
    host: str = ""
    """Our new address, if the description is to be repeated with it."""
    told: Callable[[bool, float], None] | None = None
    """Takes whether the other side has accepted the change, and the time."""

    def described(self, present: bytes) -> bytes:
        """Our offer, while our description is `present`."""
        if self.sdp is not None:
            return self.sdp
        return Sdp.parse(present).moved(self.host).to_bytes() if self.host else present


class OfferExchange:
    """Offer and answer in one call. Descriptions are kept as they were sent and received, so that a refresh repeats
    ours byte for byte."""

    def __init__(self, call: CallState) -> None:
        self.state = OfferState.INITIAL
        self.local = b""
        """Our last description."""
        self.remote = b""
        """The other side's last description."""
        self.otherwise: tuple[bytes, ...] = ()
        """The offers that our INVITE makes next if the other side cannot accept this one."""
        core = call.core
        self.timer = SessionTimer(core.timers, core.environment.session_expires, self._refresh, self._expired)
        self._call = call
        self._offered: Transaction | None = None
        """The request of the other side that waits for our answer in `OfferState.REMOTE`."""
        self._acknowledges = 0
        """The CSeq number of the INVITE whose ACK brings the answer in `OfferState.LOCAL_IN_2XX`."""
        self._change: _Change | None = None
        self._updates = False
        """Whether the other side takes UPDATE."""
        self._again: Timer | None = None
        self._waiting: Timer | None = None

    def _fire(self, event: OfferEvent) -> None:
        self.state, _ = step(OFFERS, self.state, event)

    def close(self, now: float) -> None:
        """Refuse the offer that waits, and end a change of ours: the call is over."""
        self.timer.stop()
        if self._again is not None:
            self._again.cancel()
        self.refuse(487, now)
        self._fire(OfferEvent.CLOSE)
        self._over(Changed(None, 0, "the call ended"), now)

    # The INVITE's own offer

    @property
    def settled(self) -> bool:
        """Whether the offer of the INVITE is answered, perhaps before its final response (RFC 3262 §5)."""
        return self.state is not OfferState.INITIAL

    def exchanged(self) -> None:
        """Note that the offer of the INVITE is answered."""
        self._fire(OfferEvent.EXCHANGED)

    def answer_invite(self, invite: Request, sdp: bytes) -> bytes:
        """Return the body of our 2xx to `invite`: `sdp`, or nothing if answer and offer are exchanged already."""
        if self.settled:
            return b""
        self.local, self.remote = sdp, invite.body
        if invite.body:
            self.exchanged()
        else:
            self._offer_in_2xx(invite)
        return sdp

    def _offer_in_2xx(self, invite: Request) -> None:
        self._fire(OfferEvent.OFFER_IN_2XX)
        self._acknowledges = invite.cseq.number

    def acked(self, ack: Request) -> bytes | None:
        """Take the ACK for our 2xx to an INVITE. If the 2xx made an offer, the answer in the ACK is returned."""
        if self.state is not OfferState.LOCAL_IN_2XX or ack.cseq.number != self._acknowledges:
            return None
        self._fire(OfferEvent.ACK)
        self.remote = ack.body or self.remote
        return ack.body or None

    def offer_otherwise(self, now: float) -> bool:
        """Go on to the next offer of our INVITE; returns whether there is one."""
        if not self.otherwise:
            return False
        self.refuse(487, now)  # an early UPDATE ends with the INVITE
        self._fire(OfferEvent.RESTARTED)
        self.local, *rest = self.otherwise
        self.otherwise, self.remote = tuple(rest), b""
        return True

    # Their offers

    def offer(self, request: Request, transaction: Transaction, dialog: Dialog, now: float) -> None:
        """Take a re-INVITE or UPDATE inside `dialog`."""
        core = self._call.core
        self.learn(request)
        status = self._status_against(request)
        if status == 500:
            core.respond(transaction, 500, now, headers=RETRY_AFTER)
        elif status:
            core.respond(transaction, status, now)
        elif (refusal := too_short(request)) is not None:
            core.respond(transaction, refusal.status, now, headers=refusal.headers)
        else:
            if request.contact:
                dialog.target = request.contact.uri  # a target refresh (§12.2.2)
            if request.method == "UPDATE" and not request.body:  # a session refresh (RFC 4028)
                core.respond(transaction, 200, now, headers=self._granted(request, now), contact=True)
                return
            self.take(request, transaction, now)

    def take(self, request: Request, transaction: Transaction, now: float) -> None:
        """Report an offer, or a request for ours. It waits for `accept` or `refuse`, for at most `TRYING` and
        `ANSWER_LIMIT` together."""
        if self.state is not OfferState.STABLE:  # a PRACK that offers while their UPDATE waits (RFC 3311 §5.2)
            self._call.core.respond(transaction, 500, now, headers=RETRY_AFTER)
            return
        self._fire(OfferEvent.OFFERED)
        self._offered = transaction
        self._waiting = self._call.core.timers.at(now + TRYING, self._still_waiting)
        self._call.on_event(Offered(request.body or None))

    def _still_waiting(self, now: float) -> None:
        core, transaction = self._call.core, self._offered
        if transaction is not None and transaction.request.method == "INVITE":
            core.respond(transaction, 100, now)  # RFC 3261 §17.2.1
        self._waiting = core.timers.at(now + ANSWER_LIMIT, lambda at: self.refuse(488, at))

    def _status_against(self, request: Request) -> int:
        """500 or 491 if the offer of `request` comes at a bad time, else 0."""
        call = self._call
        if request.method == "UPDATE" and not request.body:
            return 0
        if self.state is OfferState.REMOTE:
            return 500  # RFC 3261 §14.2, RFC 3311 §5.2: their last offer has no answer yet
        if call.early and not (request.method == "UPDATE" and self.settled):
            theirs = not call.calling and (call.invite.body or request.method == "INVITE")
            return 500 if theirs else 491  # the INVITE and its offer come first
        # RFC 3261 §14.2, RFC 5407 §3.1.5: our own offer has no answer yet; an ACK alone may be late (§3.1.4).
        return 0 if self.state is OfferState.STABLE else 491

    def _granted(self, request: Request, now: float) -> tuple[tuple[str, str], ...]:
        """The session timer in our 2xx to INVITE or UPDATE; none before the call is answered (RFC 4028 §4)."""
        timed = request.method in ("INVITE", "UPDATE") and not self._call.early
        return self.timer.granted(request, now) if timed else ()

    def learn(self, message: Request | Response) -> None:
        """Note from the Allow header whether the other side takes UPDATE."""
        allowed = message.headers.tokens("allow")
        if allowed:
            self._updates = "update" in allowed

    def _taken(self) -> Transaction | None:
        """Take the request that waits for an answer; it waits no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
        transaction, self._offered = self._offered, None
        return transaction

    @property
    def offering(self) -> str:
        """The tag of the side whose offer waits for `accept` or `refuse`; empty if none waits."""
        return self._offered.request.from_.tag if self._offered else ""

    def accept(self, sdp: bytes, now: float) -> bool:
        """Answer a pending offer. Returns whether an offer still waited; if not, nothing is sent.

        The 200 to a re-INVITE is resent until its ACK.
        """
        transaction, call = self._taken(), self._call
        if transaction is None:
            return False
        request = transaction.request
        if request.body:
            self._fire(OfferEvent.ANSWER)
        else:
            self._offer_in_2xx(request)
        self.local, self.remote = sdp, request.body or self.remote
        fields = self._granted(request, now)
        response = call.core.response(transaction, 200, headers=fields, sdp=sdp, contact=True)
        transaction.respond(response, now)
        if request.method == "INVITE":
            call.core.dialogs.resend_until_ack(call, transaction, response, now)
        return True

    def refuse(self, status: int, now: float) -> None:
        """Refuse a pending offer; the session stays as it was. Does nothing if no offer is pending."""
        transaction = self._taken()
        if transaction is not None:
            self._fire(OfferEvent.REFUSE)
            self._call.core.respond(transaction, status, now)

    # Our offers

    def change(self, sdp: bytes, now: float) -> None:
        """Offer a new description by re-INVITE (RFC 3261 §14.1); the outcome comes as `Changed`."""
        if self._call.phase is not Phase.CONFIRMED or self._change is not None:
            self._call.on_event(Changed(None, 0, "the call is not up, or being changed"))
            return
        self._ask(_Change(sdp, self.local), now)

    def move(self, host: str, told: Callable[[bool, float], None], now: float) -> bool:
        """Repeat our description with our new address `host`; returns False if the session cannot be changed now.

        `told` takes whether the other side has accepted it, and the time. Until then the other side may send to the old
        address. Our Contact is new as well (RFC 3261 §12.2).
        """
        if self._call.phase is not Phase.CONFIRMED or self._change is not None:
            return False
        self._call.on_event(Moved(host))
        self._ask(_Change(None, host=host, told=told), now)
        return True

    def _refresh(self, now: float) -> None:
        if self._change is None:  # else the change refreshes too, or `_failed` starts the timer again
            self._ask(_Change(None), now)

    def _ask(self, change: _Change, now: float) -> None:
        call = self._call
        if change.sdp is not None and change.before != self.local:
            self._failed(Changed(None, 491, "the other side has changed the session meanwhile"), now)
            return
        self._change = change
        update = change.sdp is None and not change.host and self._updates
        if not update and (self.state is not OfferState.STABLE or not call.up or call.core.dialogs.awaits_ack(call)):
            self._ask_later(now)
            return
        fields, body = (*CAPABILITIES, *self.timer.asked()), b"" if update else change.described(self.local)
        fields = (*fields, ("Content-Type", "application/sdp")) if body else fields
        if not update:
            self._fire(OfferEvent.OFFER)
        call.request("UPDATE" if update else "INVITE", now, fields=fields, body=body, on_final=self._answered)

    def _ask_later(self, now: float) -> None:
        """Ask again after a pause. It is longer for the side that has chosen the Call-ID (RFC 3261 §14.1), so that the
        two sides do not collide again."""
        change = self._change
        if change is None or change.tries >= MAX_TRIES:
            self._failed(Changed(None, 491, "the other side is busy with changes of its own"), now)
            return
        fraction = self._call.core.environment.fraction()
        wait = 2.1 + 1.9 * fraction if self._call.calling else 2.0 * fraction
        again = self._change = change._replace(tries=change.tries + 1)
        self._again = self._call.core.timers.at(now + wait, lambda at: self._ask(again, at))

    def _answered(self, response: Response | None, now: float) -> None:
        change = self._change
        if change is None or self._call.phase is Phase.ENDED:
            return
        if self.state is OfferState.LOCAL:
            self._fire(OfferEvent.FINAL)
        if response is None or response.status in (408, 481):
            # RFC 3261 §12.2.1.2, RFC 4028 §10: the other side has lost the call.
            how = str(response.status) if response else "no answer"
            self._call.bye(now, Ended("network", how, "the session could not be refreshed", 408), cause=408)
        elif response.status < 200:  # §14.1: the re-INVITE was cancelled, and the session stays as it was
            self._failed(Changed(None, 408, f"no final response came, only {response.status}"), now)
        elif response.status < 300:
            self._succeeded(change, response, now)
        elif response.status == 491:
            self._ask_later(now)
        elif response.status == 422 and self.timer.told_minimum(response):
            self._ask(change, now)
        elif response.status in (405, 501) and response.cseq.method == "UPDATE":
            self._updates = False
            self._ask(change, now)
        else:
            self._failed(Changed(None, response.status, response.reason), now)

    def _succeeded(self, change: _Change, response: Response, now: float) -> None:
        if response.contact and self._call.dialog:
            self._call.dialog.target = response.contact.uri
        self.learn(response)
        self.timer.answered(response, now)
        self.local = change.described(self.local)
        news = response.body not in (b"", self.remote)
        self.remote = response.body or self.remote
        self._over(Changed(response.body or None, response.status, response.reason), now)
        if change.sdp is None and news:
            self._call.on_event(Answered(response.body))

    def _failed(self, outcome: Changed, now: float) -> None:
        self._over(outcome, now)
        self.timer.again(now)

    def _over(self, outcome: Changed, now: float) -> None:
        change, self._change = self._change, None
        if change is not None and change.sdp is not None:
            self._call.on_event(outcome)
        if change is not None and change.told is not None:
            change.told(200 <= outcome.status < 300, now)

    def _expired(self, now: float) -> None:
        text = "the session was not refreshed in time"
        self._call.bye(now, Ended("network", "session expired", text, 408), cause=408)
