"""One call as the SIP core sees it: the INVITE usage of a dialog (RFC 5057), as server or as client. Sans-IO.

`InviteServer` (server.py) and `InviteClient` (client.py) bring it to life; from the answer on both are alike, and what
is alike stands here: BYE, re-INVITE, UPDATE, INFO, REFER and NOTIFY inside the dialog.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipgw.sip.checks import ALLOW, unreadable, unsupported
from sipgw.sip.dialog import Dialog
from sipgw.sip.dialog_request import TellFinal
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Asserted, CallEvent, Confirmed, Ended, Phase
from sipgw.sip.identity import asserts
from sipgw.sip.info import KeySender, take_info
from sipgw.sip.message import Request
from sipgw.sip.offer_exchange import Session
from sipgw.sip.reason import reason_text
from sipgw.sip.transaction import Transaction
from sipgw.sip.transferee import Transferee
from sipgw.sip.transferor import Transferor

if TYPE_CHECKING:
    from sipgw.sip.user_agent import UserAgent


class InviteDialog:
    """What both sides of a call have in common."""

    calling = False
    """Whether the call is ours, and with it the Call-ID."""

    def __init__(self, agent: "UserAgent", invite: Request, tell: Callable[[CallEvent], None] | None = None) -> None:
        self.agent = agent
        self.invite = invite
        self.phase = Phase.CALLING
        self.dialog: Dialog | None = None
        self.tell: Callable[[CallEvent], None] = tell or (lambda event: None)
        self.session = Session(self)
        self.credentials: Credentials | None = None
        self.keys = KeySender(self)
        self.transferor = Transferor(self)
        self.transferee = Transferee(self)

    @property
    def other(self) -> str:
        """What the other side is: who has called us, or whom we have called."""
        return "callee" if self.calling else "caller"

    @property
    def up(self) -> bool:
        """Whether requests can be sent inside the dialog."""
        return self.dialog is not None and self.phase is Phase.CONFIRMED

    @property
    def rings_there(self) -> bool:
        """Whether it is a call of ours that rings at the other side."""
        return False

    def in_dialog(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a request inside the dialog; ACK has its own way."""
        dialog = self.dialog_of(request)
        if dialog is None or self.phase is Phase.ENDED:
            self.agent.respond(transaction, 481, now)
            return
        if not dialog.in_order(request):
            self.agent.respond(transaction, 500, now)
            return
        refusal = unsupported(request)
        if refusal is None and request.method in ("INVITE", "UPDATE", "PRACK"):
            refusal = unreadable(request)
        if refusal is not None and request.method != "BYE":  # whoever wants to end a call may
            self.agent.respond(transaction, refusal.status, now, headers=refusal.headers)
            return
        match request.method:
            case "BYE":
                self.agent.respond(transaction, 200, now)
                self.finish(Ended(self.other, "BYE", reason_text(request)), now)
            case "INVITE" | "UPDATE":
                self._changed(request, transaction, now)
            case "PRACK":
                self.pracked(request, transaction, now)
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

    def _changed(self, request: Request, transaction: Transaction, now: float) -> None:
        """A re-INVITE or UPDATE: it may bring an offer, and say who it is by now."""
        if asserts(request):
            self.tell(Asserted(request))
        self.session.offer(request, transaction, now)

    def dialog_of(self, request: Request) -> Dialog | None:
        """The dialog that `request` came in."""
        del request
        return self.dialog

    def pracked(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a PRACK; only a server's INVITE has something to acknowledge."""
        del request
        self.agent.respond(transaction, 481, now)

    def accept_offer(self, sdp: bytes, now: float) -> None:
        """Answer a pending re-INVITE or UPDATE."""
        self.session.accept(sdp, now)

    def reject_offer(self, status: int, now: float) -> None:
        """Refuse it; the session stays as it was."""
        self.session.refuse(status, now)

    def acked(self, ack: Request, now: float) -> None:
        """The ACK for our 200 to an INVITE came."""
        del now
        answer = self.session.acked(ack)
        if answer is not None:
            self.tell(Confirmed(answer))

    def request(
        self,
        method: str,
        now: float,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        tell: TellFinal | None = None,
    ) -> None:
        """Send a request inside the dialog, if there is one."""
        if self.dialog is not None:
            self.agent.request_in_dialog(
                self.dialog, method, now, credentials=self.credentials, fields=fields, body=body, tell=tell
            )

    def bye(self, now: float, ended: Ended, cause: int = 0) -> None:
        """End a call that is up; `cause` is the SIP status that its Reason header gives (RFC 3326)."""
        if self.dialog is not None and self.phase is not Phase.ENDED:
            fields = (("Reason", f'SIP;cause={cause};text="{ended.text}"'),) if cause else ()
            self.request("BYE", now, fields=fields)
            self.finish(ended, now)

    def finish(self, ended: Ended, now: float) -> None:
        """Be over: forget everything and say so."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self.session.close(now)
        self.transferor.close()
        self.agent.forget(self)
        self.tell(ended)
