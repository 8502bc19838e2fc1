"""The session of one call: who offers what to whom (RFC 3264, RFC 6337), by INVITE or UPDATE, and its timer."""

from typing import NamedTuple

from sipgw.sip.call_state import CallState
from sipgw.sip.checks import CAPABILITIES
from sipgw.sip.dialog import Dialog
from sipgw.sip.events import Answered, Changed, Ended, Offered, Phase
from sipgw.sip.message import Request, Response
from sipgw.sip.session_timer import SessionTimer, too_short
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction

RETRY_AFTER = (("Retry-After", "2"),)
TRYING = 0.2
"""Seconds after which an offer that is not answered yet gets a 100."""
ANSWER_LIMIT = 10.0
"""Seconds after which it is refused, as nobody seems to look after it."""
MAX_TRIES = 6
"""How often a change is asked for while the other side is busy with one of its own (491)."""


class _Change(NamedTuple):
    """What we ask the other side for."""

    sdp: bytes | None
    """The new description. None: nothing is to change but the session timer, so that our description is repeated as it
    is when the request leaves: an offer of theirs may have changed it since (RFC 3264 §8)."""
    before: bytes = b""
    """Our description that `sdp` was made from: made from an older one it would undo what was agreed on since."""
    method: str = ""
    """By which request it is asked for; empty until it is sent again."""
    tries: int = 1


class OfferExchange:
    """Descriptions are kept as they went over the wire, so that a refresh repeats ours byte for byte."""

    def __init__(self, call: CallState) -> None:
        self.local = b""
        """Our last description."""
        self.remote = b""
        """The other side's last description."""
        self.otherwise: tuple[bytes, ...] = ()
        """What our INVITE offers next, if the other side cannot accept what it has offered."""
        self.settled = False
        """Whether offer and answer were exchanged before the final response to INVITE (RFC 3262 §5)."""
        self.offered: Transaction | None = None
        """Their request whose offer waits for our answer."""
        core = call.core
        self.timer = SessionTimer(core.timers, core.environment.session_expires, self._refresh, self._expired)
        self._call = call
        self.owed = 0
        """The CSeq number of the INVITE whose ACK has to bring the answer to our offer; 0 for none."""
        self._change: _Change | None = None
        self._updates = False
        self._again: Timer | None = None
        self._waiting: Timer | None = None

    def close(self, now: float) -> None:
        """The call is over."""
        self.timer.stop()
        if self._again is not None:
            self._again.cancel()
        self.refuse(487, now)
        self._over(Changed(None, 0, "the call ended"))

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
        """Tell of an offer, or of the wish for one; it is answered by `accept` or `refuse`, in time or by ourselves."""
        self.offered = transaction
        self._waiting = self._call.core.timers.at(now + TRYING, self._still_waiting)
        self._call.on_event(Offered(request.body or None))

    def _still_waiting(self, now: float) -> None:
        core, transaction = self._call.core, self.offered
        if transaction is not None and transaction.request.method == "INVITE":
            core.respond(transaction, 100, now)  # RFC 3261 §17.2.1
        self._waiting = core.timers.at(now + ANSWER_LIMIT, lambda at: self.refuse(488, at))

    def _taken(self) -> Transaction | None:
        """The request that waits for an answer, which waits no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
        transaction, self.offered = self.offered, None
        return transaction

    def _status_against(self, request: Request) -> int:
        """500 or 491 if the offer of `request` comes at a bad time, else 0."""
        if request.method == "UPDATE" and not request.body:
            return 0
        if self.offered is not None:
            return 500  # RFC 3261 §14.2, RFC 3311 §5.2: their last offer has no answer yet
        if self._call.phase in (Phase.CALLING, Phase.RINGING):
            if request.method == "UPDATE" and self.settled:
                return 0
            theirs = not self._call.calling and (self._call.invite.body or request.method == "INVITE")
            return 500 if theirs else 491  # the INVITE and its offer come first
        # RFC 3261 §14.2, RFC 5407 §3.1.5: our own offer has no answer yet; an ACK alone may be late (§3.1.4).
        ours = self.owed or (self._change is not None and self._change.method == "INVITE")
        return 491 if ours else 0

    def _granted(self, request: Request, now: float) -> tuple[tuple[str, str], ...]:
        """The session timer begins with the call (RFC 4028 §4), and no other method is about it."""
        early = self._call.phase in (Phase.CALLING, Phase.RINGING)
        return () if early or request.method not in ("INVITE", "UPDATE") else self.timer.granted(request, now)

    def learn(self, message: Request | Response) -> None:
        """Note from the Allow header whether the other side takes UPDATE."""
        allowed = message.headers.tokens("allow")
        if allowed:
            self._updates = "update" in allowed

    def accept(self, sdp: bytes, now: float) -> None:
        """Answer a pending offer; the 200 to a re-INVITE is resent until its ACK."""
        transaction, call = self._taken(), self._call
        if transaction is None:
            return
        request = transaction.request
        self.local, self.remote = sdp, request.body or self.remote
        fields = self._granted(request, now)
        response = call.core.response(transaction, 200, headers=fields, sdp=sdp, contact=True)
        transaction.respond(response, now)
        if request.method == "INVITE":
            self.owed = 0 if request.body else request.cseq.number
            call.core.dialogs.resend_until_ack(call, transaction, response, now)

    def acked(self, ack: Request) -> bytes | None:
        """The ACK for our 200 to an INVITE came; if the offer was ours, it brings the answer, which is returned."""
        if ack.cseq.number != self.owed:
            return None
        self.owed = 0
        self.remote = ack.body or self.remote
        return ack.body or None

    def refuse(self, status: int, now: float) -> None:
        """Refuse a pending offer; the session stays as it was."""
        transaction = self._taken()
        if transaction is not None:
            self._call.core.respond(transaction, status, now)

    # Our offers

    def offer_otherwise(self) -> bool:
        """Go on to the next description that our INVITE can offer; returns whether there is one."""
        if not self.otherwise:
            return False
        (self.local, *rest), self.remote, self.settled = self.otherwise, b"", False
        self.otherwise = tuple(rest)
        return True

    def change(self, sdp: bytes, now: float) -> None:
        """Offer a new description by re-INVITE (RFC 3261 §14.1); the outcome comes as `Changed`."""
        if self._call.phase is not Phase.CONFIRMED or self._change is not None:
            self._call.on_event(Changed(None, 0, "the call is not up, or being changed"))
            return
        self._ask(_Change(sdp, self.local), now)

    def _refresh(self, now: float) -> None:
        if self._change is None:  # else that refreshes too, or `_over` comes back to it
            self._ask(_Change(None), now)

    def _ask(self, change: _Change, now: float) -> None:
        call = self._call
        if change.sdp is not None and change.before != self.local:
            self._failed(Changed(None, 491, "the other side has changed the session meanwhile"), now)
            return
        update = change.sdp is None and self._updates
        self._change = change._replace(method="UPDATE" if update else "INVITE")
        if not update and (
            self.offered is not None or call.phase is Phase.ANSWERED or call.core.dialogs.awaits_ack(call)
        ):
            self._ask_later(now)
        elif call.dialog is not None:
            described = self.local if change.sdp is None else change.sdp
            fields, body = (*CAPABILITIES, *self.timer.asked()), b"" if update else described
            fields = (*fields, ("Content-Type", "application/sdp")) if body else fields
            call.request(self._change.method, now, fields=fields, body=body, on_final=self._answered)

    def _ask_later(self, now: float) -> None:
        """RFC 3261 §14.1: who has chosen the Call-ID waits longer, so that the two do not collide again."""
        change = self._change
        if change is None or change.tries >= MAX_TRIES:
            self._failed(Changed(None, 491, "the other side is busy with changes of its own"), now)
            return
        core = self._call.core
        wait = 2.1 + 1.9 * core.environment.fraction() if self._call.calling else 2.0 * core.environment.fraction()
        again = self._change = change._replace(method="", tries=change.tries + 1)
        self._again = core.timers.at(now + wait, lambda at: self._ask(again, at))

    def _answered(self, response: Response | None, now: float) -> None:
        change = self._change
        if change is None or self._call.phase is Phase.ENDED:
            return
        if response is None or response.status in (408, 481):
            # RFC 3261 §12.2.1.2, RFC 4028 §10: the other side has lost the call.
            how = str(response.status) if response else "no answer"
            self._call.bye(now, Ended("network", how, "the session could not be refreshed", 408), cause=408)
        elif response.status < 200:  # §14.1: it was taken back, and the session stays as it was
            self._failed(Changed(None, 408, f"nothing but {response.status} was answered"), now)
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
        self.local = self.local if change.sdp is None else change.sdp
        news = response.body not in (b"", self.remote)
        self.remote = response.body or self.remote
        self._over(Changed(response.body or None, response.status, response.reason))
        if change.sdp is None and news:
            self._call.on_event(Answered(response.body))

    def _failed(self, outcome: Changed, now: float) -> None:
        self._over(outcome)
        self.timer.again(now)

    def _over(self, outcome: Changed) -> None:
        change, self._change = self._change, None
        if change is not None and change.sdp is not None:
            self._call.on_event(outcome)

    def _expired(self, now: float) -> None:
        text = "the session was not refreshed in time"
        self._call.bye(now, Ended("network", "session expired", text, 408), cause=408)
