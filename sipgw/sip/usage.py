"""One call as the SIP core sees it: the INVITE usage of a dialog (RFC 5057), as server or as client. Sans-IO.

`InviteServer` (server.py) and `InviteClient` (client.py) bring it to life; from the answer on both are alike, and what
is alike stands here: BYE, re-INVITE, UPDATE, INFO, REFER and NOTIFY inside the dialog.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from sipgw.sip.checks import ALLOW, unsupported
from sipgw.sip.dialog import Dialog
from sipgw.sip.digest import Credentials
from sipgw.sip.info import KeyPressed, KeySender, take_info
from sipgw.sip.message import Request, Response
from sipgw.sip.reason import reason_text
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction
from sipgw.sip.uri import Uri

if TYPE_CHECKING:
    from sipgw.sip.user_agent import UserAgent


REFER_LIMIT = 30.0
"""Seconds until the outcome of a REFER must be known."""
RETRY_AFTER = (("Retry-After", "2"),)
STATUS_LINE = re.compile(rb"SIP/2\.0 +([1-6]\d\d)(?: +([^\r\n]{0,200}))?")


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


class Offered(NamedTuple):
    """The other side wants to change the session; None asks for our offer."""

    sdp: bytes | None


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


CallEvent = Confirmed | Progress | Offered | KeyPressed | Referred | Ended


class Usage:
    """What both sides of a call have in common."""

    def __init__(self, agent: "UserAgent", invite: Request, tell: Callable[[CallEvent], None] | None = None) -> None:
        self.agent = agent
        self.invite = invite
        self.phase = Phase.CALLING
        self.dialog: Dialog | None = None
        self.tell: Callable[[CallEvent], None] = tell or (lambda event: None)
        self.offered: Transaction | None = None
        self.credentials: Credentials | None = None
        self._referring: Timer | None = None
        self._owed = 0
        self.keys = KeySender(self)

    @property
    def up(self) -> bool:
        """Whether requests can be sent inside the dialog."""
        return self.dialog is not None and self.phase is Phase.CONFIRMED

    def in_dialog(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a request inside the dialog; ACK has its own way."""
        dialog = self.dialog
        if dialog is None or self.phase is Phase.ENDED:
            self.agent.respond(transaction, 481, now)
            return
        if not dialog.in_order(request):
            self.agent.respond(transaction, 500, now)
            return
        refusal = unsupported(request)
        if refusal is not None and request.method != "BYE":  # whoever wants to end a call may
            self.agent.respond(transaction, refusal.status, now, headers=refusal.headers)
            return
        match request.method:
            case "BYE":
                self.agent.respond(transaction, 200, now)
                self.finish(Ended("caller", "BYE", reason_text(request)), now)
            case "INVITE" | "UPDATE":
                self._offer(request, transaction, now)
            case "INFO":
                take_info(self, request, transaction, now)
            case "NOTIFY":
                self.agent.respond(transaction, 200, now)
                self._notified(request)
            case "OPTIONS":
                self.agent.respond_options(transaction, now)
            case _:
                self.agent.respond(transaction, 405, now, headers=ALLOW)

    def _offer(self, request: Request, transaction: Transaction, now: float) -> None:
        if request.method == "INVITE" or request.body:
            if self.offered is not None or self.phase in (Phase.CALLING, Phase.RINGING):
                # RFC 3261 §14.2, RFC 3311 §5.2: their last offer has no answer yet.
                self.agent.respond(transaction, 500, now, headers=RETRY_AFTER)
                return
            if self.phase is Phase.ANSWERED or self.agent.awaits_ack(self):
                # Our 200 has no ACK yet, and with it there may be an answer to our own offer.
                self.agent.respond(transaction, 491, now)
                return
        if request.body and request.content_type != "application/sdp":
            self.agent.respond(transaction, 415, now, headers=(("Accept", "application/sdp"),))
            return
        if request.contact and self.dialog:
            self.dialog.target = request.contact.uri  # a target refresh (§12.2.2)
        if request.method == "UPDATE" and not request.body:
            self.agent.respond(transaction, 200, now, contact=True)  # a session refresh (RFC 4028)
            return
        self.offered = transaction
        self.tell(Offered(request.body or None))

    def accept_offer(self, sdp: bytes, now: float) -> None:
        """Answer a pending re-INVITE or UPDATE; for an INVITE the 200 is resent until its ACK."""
        transaction, self.offered = self.offered, None
        if transaction is None or self.dialog is None:
            return
        response = self.agent.response(transaction, 200, sdp=sdp, contact=True)
        transaction.respond(response, now)
        if transaction.request.method == "INVITE":
            self._owed = 0 if transaction.request.body else transaction.request.cseq.number
            self.agent.resend_until_ack(self, transaction, response, now)

    def acked(self, ack: Request, now: float) -> None:
        """The ACK for our 200 to a re-INVITE came; if the offer was ours, it brings the answer."""
        del now
        if ack.body and ack.cseq.number == self._owed:
            self.tell(Confirmed(ack.body))

    def reject_offer(self, status: int, now: float) -> None:
        """Refuse a pending re-INVITE or UPDATE; the session stays as it was."""
        transaction, self.offered = self.offered, None
        if transaction is not None:
            self.agent.respond(transaction, status, now)

    def bye(self, now: float, ended: Ended) -> None:
        """End a call that is up."""
        if self.dialog is not None and self.phase is not Phase.ENDED:
            self.agent.request_in_dialog(self.dialog, "BYE", now, credentials=self.credentials)
            self.finish(ended, now)

    def refer(self, target: Uri, now: float) -> None:
        """Ask the other side to call `target` instead (RFC 3515); the outcome comes as `Referred`."""
        if self.dialog is None or self.phase is not Phase.CONFIRMED or self._referring is not None:
            self.tell(Referred(False, 0, "the call is not up, or being transferred"))
            return
        late = Referred(False, 408, "the outcome of the transfer was never told")
        self._referring = self.agent.timers.at(now + REFER_LIMIT, lambda at: self._outcome(late))
        fields = (("Refer-To", f"<{target}>"), ("Referred-By", f"<{self.dialog.local.uri}>"))
        self.agent.request_in_dialog(
            self.dialog, "REFER", now, credentials=self.credentials, fields=fields, tell=self._refer_answered
        )

    def _refer_answered(self, response: Response | None, now: float) -> None:
        if response is None:
            self._outcome(Referred(False, 408, "no answer to REFER"))
        elif response.status >= 300:
            self._outcome(Referred(False, response.status, response.reason))

    def _notified(self, request: Request) -> None:
        """The other side reports on our REFER with a status line (RFC 3515 §2.4.5)."""
        line = STATUS_LINE.match(request.body)
        if line is None:
            return
        status, reason = int(line[1]), (line[2] or b"").decode("utf-8", "replace").strip()
        over = (request.headers.get("subscription-state") or "").lower().startswith("terminated")
        if status >= 200 or over:
            self._outcome(Referred(200 <= status < 300, status, reason))

    def _outcome(self, outcome: Referred) -> None:
        if self._referring is not None:
            self._referring.cancel()
            self._referring = None
            self.tell(outcome)

    def finish(self, ended: Ended, now: float) -> None:
        """Be over: forget everything and say so."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self.reject_offer(487, now)
        self._outcome(Referred(False, 0, "the call ended"))
        self.agent.forget(self)
        self.tell(ended)
