"""A call that came in: the server side of INVITE (RFC 3261 §13.3)."""

from typing import TYPE_CHECKING

from sipgw.sip.dialog import Dialog, Peer
from sipgw.sip.events import Confirmed, Ended, Phase
from sipgw.sip.message import Request
from sipgw.sip.transaction import Transaction
from sipgw.sip.usage import Usage

if TYPE_CHECKING:
    from sipgw.sip.user_agent import UserAgent


class InviteServer(Usage):
    """The INVITE of somebody who calls us, and the call that comes of it."""

    def __init__(
        self,
        agent: "UserAgent",
        invite: Request,
        transaction: Transaction,
        source: Peer,
        replaced: Usage | None = None,
    ) -> None:
        super().__init__(agent, invite)
        self.source = source
        self.replaced = replaced
        """The call that this one is to take the place of (RFC 3891)."""
        self._transaction = transaction
        self._hang_up_on_ack: Ended | None = None
        # The tag is ours from the first response on, so the dialog is known from the start.
        self.dialog = Dialog.of_server(invite, agent.token(), source, agent.first_number())

    @property
    def tag(self) -> str:
        """Our tag."""
        return self.dialog.local.tag if self.dialog else ""

    def ringing(self, now: float) -> None:
        """Send 180 once."""
        if self.phase is Phase.CALLING:
            self.phase = Phase.RINGING
            self.agent.respond(self._transaction, 180, now, tag=self.tag, contact=True)

    def answer(self, sdp: bytes, now: float) -> None:
        """Send 200 with `sdp`; it is resent until the ACK comes (§13.3.1.4)."""
        if self.phase not in (Phase.CALLING, Phase.RINGING):
            return
        self.phase = Phase.ANSWERED
        response = self.agent.response(self._transaction, 200, tag=self.tag, sdp=sdp, contact=True)
        self._transaction.respond(response, now)
        self.agent.resend_until_ack(self, self._transaction, response, now)

    def reject(self, status: int, now: float, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse the call."""
        if self.phase in (Phase.CALLING, Phase.RINGING):
            self.agent.respond(self._transaction, status, now, reason=reason, tag=self.tag, headers=headers)
            self.finish(Ended("gateway", str(status), reason, status), now)

    def cancelled(self, now: float, text: str) -> None:
        """The other side gave up before we answered."""
        if self.phase in (Phase.CALLING, Phase.RINGING):
            self.finish(Ended("caller", "CANCEL", text), now)

    def acked(self, ack: Request, now: float) -> None:
        """See `Usage.acked`."""
        if self.phase is not Phase.ANSWERED:
            super().acked(ack, now)
            return
        self.phase = Phase.CONFIRMED
        self.tell(Confirmed(ack.body or None if not self.invite.body else None))
        if self._hang_up_on_ack is not None:
            self.bye(now, self._hang_up_on_ack)

    def hangup(self, now: float, text: str = "") -> None:
        """End the call in whatever way its phase asks for."""
        ended = Ended("gateway", "BYE", text)
        if self.phase in (Phase.CALLING, Phase.RINGING):
            self.reject(480, now)
        elif self.phase is Phase.ANSWERED:
            self._hang_up_on_ack = ended  # §15: the callee's BYE waits for the ACK
        else:
            self.bye(now, ended)

    def finish(self, ended: Ended, now: float) -> None:
        """See `Usage.finish`. A caller may end a call that still rings by BYE (§15.1.2): its INVITE gets 487."""
        if self.phase in (Phase.CALLING, Phase.RINGING):
            self.agent.respond(self._transaction, 487, now, tag=self.tag)
        super().finish(ended, now)
