"""One call: the INVITE usage of a dialog (RFC 5057), as server or as client. Sans-IO.

`InviteServer` and `InviteClient` set the call up; from the answer on both behave alike. The common part is here: BYE,
re-INVITE, UPDATE, INFO, REFER and NOTIFY inside the dialog.
"""

from sipgw.sip.call_state import CallState
from sipgw.sip.checks import ALLOW, unreadable, unsupported
from sipgw.sip.core import Core
from sipgw.sip.dialog import Dialog
from sipgw.sip.events import Asserted, Confirmed, Ended, Phase
from sipgw.sip.identity import asserts
from sipgw.sip.info import take_info
from sipgw.sip.invite_dialog_table import InviteEvent
from sipgw.sip.message import Request
from sipgw.sip.offer_exchange import OfferExchange
from sipgw.sip.reason import cause_of, reason_text
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction
from sipgw.sip.transferee import Transferee
from sipgw.sip.transferor import Transferor

TELL_LATER = 1.0
"""Seconds until we try again to tell our new address, while the session cannot be changed."""
TELL_AGAIN = (4.0, 300.0)
"""Seconds until we try again after the other side has refused it; doubled each time, up to the second number."""


class InviteDialog(CallState):
    """Common part of both sides of a call."""

    def __init__(self, core: Core, invite: Request) -> None:
        super().__init__(core, invite)
        self.session = OfferExchange(self)
        self.transferor = Transferor(self)
        self.transferee = Transferee(self)
        self._host = ""
        """The newest address of ours; empty as long as it has not changed."""
        self._pause = TELL_AGAIN[0]
        self._telling: Timer | None = None

    @property
    def other(self) -> str:
        """The role of the other side: ``caller`` if it has called us, ``callee`` if we have called it."""
        return "callee" if self.calling else "caller"

    def in_dialog(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a request inside the dialog, but not ACK."""
        dialog = self.dialog_of(request)
        if dialog is None or self.phase is Phase.ENDED:
            self.core.respond(transaction, 481, now)
            return
        if not dialog.in_order(request):
            self.core.respond(transaction, 500, now)
            return
        refusal = unsupported(request)
        if refusal is None and request.method in ("INVITE", "UPDATE", "PRACK"):
            refusal = unreadable(request)
        if refusal is not None and request.method != "BYE":  # a BYE always ends the call
            self.core.respond(transaction, refusal.status, now, headers=refusal.headers)
            return
        match request.method:
            case "BYE":
                self.core.respond(transaction, 200, now)
                self.finish(Ended(self.other, "BYE", reason_text(request), cause=cause_of(request)), now)
            case "INVITE" | "UPDATE":
                self._changed(request, transaction, dialog, now)
            case "PRACK":
                self.pracked(request, transaction, now)
            case "INFO":
                take_info(self, request, transaction, now)
            case "NOTIFY":
                self.transferor.notified(request, transaction, now)
            case "REFER":
                self.transferee.take(request, transaction, now)
            case "OPTIONS":
                self.core.respond_options(transaction, now)
            case _:
                self.core.respond(transaction, 405, now, headers=ALLOW)

    def _changed(self, request: Request, transaction: Transaction, dialog: Dialog, now: float) -> None:
        """Take a re-INVITE or UPDATE, which may bring an offer and a new identity of the other side."""
        if asserts(request):
            self.on_event(Asserted(request))
        self.session.offer(request, transaction, dialog, now)

    def dialog_of(self, request: Request) -> Dialog | None:
        """The dialog that `request` came in."""
        del request
        return self.dialog

    def pracked(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a PRACK; only the server side of an INVITE sends responses that need one."""
        del request
        self.core.respond(transaction, 481, now)

    def accept_offer(self, sdp: bytes, now: float) -> bool:
        """Answer a pending re-INVITE or UPDATE; returns whether it still waited for an answer."""
        return self.session.accept(sdp, now)

    def reject_offer(self, status: int, now: float) -> None:
        """Refuse a pending re-INVITE or UPDATE; the session stays as it was."""
        self.session.refuse(status, now)

    def moved(self, host: str, now: float) -> None:
        """Take our present address towards the other side, `host`. A new one is told until it has been accepted."""
        if self.dialog is not None and host != (self._host or self.dialog.told):
            self._host, self._pause = host, TELL_AGAIN[0]
            self._tell_address(now)

    def _tell_address(self, now: float) -> None:
        self._tell_no_more()
        host = self._host
        if not self.session.move(host, lambda taken, at: self._told(host, taken, at), now):
            self._telling = self.core.timers.at(now + TELL_LATER, self._tell_address)

    def _told(self, host: str, taken: bool, now: float) -> None:
        if self.dialog is None or self.phase is Phase.ENDED or host != self._host:
            return  # a newer address waits for its turn
        if taken:
            self.dialog.told = host
        else:
            self._telling = self.core.timers.at(now + self._pause, self._tell_address)
            self._pause = min(2 * self._pause, TELL_AGAIN[1])

    def _tell_no_more(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def acked(self, ack: Request, now: float) -> None:
        """The ACK for our 200 to an INVITE came."""
        del now
        answer = self.session.acked(ack)
        if answer is not None:
            self.on_event(Confirmed(answer))

    def bye(self, now: float, ended: Ended, cause: int = 0) -> None:
        """End a call that is up; `cause` is the SIP status that its Reason header gives (RFC 3326)."""
        if self.dialog is not None and self.phase is not Phase.ENDED:
            fields = (("Reason", f'SIP;cause={cause};text="{ended.text}"'),) if cause else ()
            self.request("BYE", now, fields=fields)
            self.finish(ended, now)

    def finish(self, ended: Ended, now: float) -> None:
        """End the call on our side: stop everything that runs for it, and report `Ended`."""
        if self.phase is Phase.ENDED:
            return
        self.advance(InviteEvent.END)
        self._tell_no_more()
        self.session.close(now)
        self.transferor.close()
        if self.dialog is not None:
            self.core.dialogs.remove(self.dialog)
        self.on_event(ended)
