"""One call as the SIP core sees it: the INVITE usage of a dialog (RFC 5057), as server or as client. Sans-IO.

`InviteServer` (server.py) and `InviteClient` (client.py) bring it to life; from the answer on both are alike, and what
is alike stands here: BYE, re-INVITE, UPDATE, INFO, REFER and NOTIFY inside the dialog.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipgw.sip.checks import ALLOW, unsupported
from sipgw.sip.dialog import Dialog
from sipgw.sip.digest import Credentials
from sipgw.sip.events import CallEvent, Confirmed, Ended, Offered, Phase
from sipgw.sip.info import KeySender, take_info
from sipgw.sip.message import Request, Response
from sipgw.sip.reason import reason_text
from sipgw.sip.transaction import Transaction
from sipgw.sip.transferee import Transferee
from sipgw.sip.transferor import Transferor

if TYPE_CHECKING:
    from sipgw.sip.user_agent import UserAgent


RETRY_AFTER = (("Retry-After", "2"),)


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
        self._owed = 0
        self.keys = KeySender(self)
        self.transferor = Transferor(self)
        self.transferee = Transferee(self)

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
                self.transferor.notified(request, transaction, now)
            case "REFER":
                self.transferee.take(request, transaction, now)
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

    def request(
        self,
        method: str,
        now: float,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        tell: Callable[[Response | None, float], None] | None = None,
    ) -> None:
        """Send a request inside the dialog, if there is one."""
        if self.dialog is not None:
            self.agent.request_in_dialog(
                self.dialog, method, now, credentials=self.credentials, fields=fields, body=body, tell=tell
            )

    def bye(self, now: float, ended: Ended) -> None:
        """End a call that is up."""
        if self.dialog is not None and self.phase is not Phase.ENDED:
            self.request("BYE", now)
            self.finish(ended, now)

    def finish(self, ended: Ended, now: float) -> None:
        """Be over: forget everything and say so."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self.reject_offer(487, now)
        self.transferor.close()
        self.agent.forget(self)
        self.tell(ended)
