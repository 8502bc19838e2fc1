"""A call that came in: the server side of INVITE (RFC 3261 §13.3)."""

from sipgw.sip.core import Core
from sipgw.sip.dialog import Dialog, Peer
from sipgw.sip.dialogs import DialogUsage
from sipgw.sip.events import Answered, Confirmed, Ended, Phase
from sipgw.sip.invite_dialog import InviteDialog
from sipgw.sip.invite_dialog_table import InviteAction, InviteEvent
from sipgw.sip.message import Request
from sipgw.sip.reliable import Reliable
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction

MINUTE = 60.0
"""Seconds after which a provisional response is sent again, for Timer C of proxies (RFC 3261 §13.3.1.1)."""


class InviteServer(InviteDialog):
    """A call to us, from its INVITE on."""

    def __init__(
        self,
        core: Core,
        invite: Request,
        transaction: Transaction,
        source: Peer,
        replaced: DialogUsage | None = None,
    ) -> None:
        super().__init__(core, invite)
        self.source = source
        self.replaced = replaced
        """The call that this call replaces (RFC 3891)."""
        self.transaction = transaction
        """The server transaction of the INVITE."""
        self._hung_up = Ended("gateway", "BYE")
        """How the call ends once the ACK has come, if we hang up before."""
        self._final: bytes | None = None
        """Our description in the 200 that waits for PRACKs."""
        self._minute: Timer | None = None
        self._expiry: Timer | None = None
        # The tag is ours from the first response on, so the dialog is known from the start.
        self.dialog = Dialog.of_server(invite, core.environment.token(), source, core.clients.first_number())
        self.dialog.told = core.environment.address(source)[0]
        self._reliable = Reliable(
            core.timers,
            core.clients.first_number(),
            self.dialog.id,
            transaction.respond,
            lambda at: self.reject(504, at),
        )

    @property
    def peer(self) -> Peer:
        """Where the INVITE came from."""
        return self.source

    @property
    def tag(self) -> str:
        """Our tag."""
        return self.dialog.local.tag if self.dialog else ""

    def begin(self, now: float) -> None:
        """Take requests inside the dialog, and wait for an answer as long as Expires of the INVITE says (§13.3.1)."""
        if self.dialog is not None:
            self.core.dialogs.add(self.dialog, self)
        if self.invite.expires:  # 0 would end every call at once, and is ignored
            self._expiry = self.core.timers.at(now + self.invite.expires, self._expired)

    def _expired(self, now: float) -> None:
        self.finish(Ended("caller", "487", "it was not answered in the time that the caller set", 487), now)

    def ringing(self, now: float) -> None:
        """Send 180 once. If 180 must be reliable and the INVITE had no offer, it would have to bring our offer (RFC
        3262 §5); then none is sent."""
        if self.phase is Phase.CALLING and not (self._is_reliable and not self.invite.body):
            self._progress(180, b"", now)

    def progress(self, sdp: bytes, now: float) -> None:
        """Send 183 once, for sound before the answer. `sdp` is our answer, or our offer if the INVITE had none."""
        if self._unanswered and not self.session.local:
            self.session.local, self.session.remote = sdp, self.invite.body
            self._progress(183, sdp, now)

    def _progress(self, status: int, sdp: bytes, now: float) -> None:
        self.advance(InviteEvent.PROVISIONAL)
        self._stop_minute()
        response = self.core.response(self.transaction, status, tag=self.tag, sdp=sdp, contact=True)
        if self._is_reliable:
            self._reliable.send(response, now)
            sdp = b""  # the repetition needs no description
        else:
            self.transaction.respond(response, now)
        self._minute = self.core.timers.at(now + MINUTE, lambda at: self._progress(status, sdp, at))

    @property
    def _unanswered(self) -> bool:
        return self.phase in (Phase.CALLING, Phase.RINGING)

    @property
    def _is_reliable(self) -> bool:
        """Whether our provisional responses are reliable: only if the other side requires it."""
        return "100rel" in self.invite.require

    def pracked(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a PRACK, which may bring the answer to our offer, or an offer once ours is answered (RFC 3262 §5)."""
        response = self._reliable.acknowledged(request)
        if response is None:
            self.core.respond(transaction, 481, now)
            return
        session = self.session
        if response.body and self.invite.body:
            session.exchanged()
        if request.body and session.settled:
            session.take(request, transaction, now)
        else:
            self.core.respond(transaction, 200, now)
            if request.body and response.body:
                session.remote = request.body
                session.exchanged()
                self.on_event(Answered(request.body))
        self._reliable.proceed(now)
        if self._final is not None and self._unanswered and not self._reliable.pending:
            self.answer(self._final, now)

    def answer(self, sdp: bytes, now: float) -> None:
        """Send 200 with `sdp` once all PRACKs have come (RFC 3262 §3); it is resent until its ACK comes (§13.3.1.4)."""
        if not self._unanswered:
            return
        if self._reliable.pending:
            self._final = sdp
            return
        self._stop_waiting()
        self.advance(InviteEvent.ANSWER)
        sdp = self.session.answer_invite(self.invite, sdp)
        self.session.learn(self.invite)
        fields = self.session.timer.granted(self.invite, now)
        response = self.core.response(self.transaction, 200, tag=self.tag, headers=fields, sdp=sdp, contact=True)
        self.transaction.respond(response, now)
        self.core.dialogs.resend_until_ack(self, self.transaction, response, now)

    def reject(self, status: int, now: float, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse the call."""
        if self._unanswered:
            self.core.respond(self.transaction, status, now, reason=reason, tag=self.tag, headers=headers)
            self.finish(Ended("gateway", str(status), reason, status), now)

    def cancelled(self, now: float, text: str, cause: int | None) -> None:
        """Take a CANCEL, if we have not answered; `text` and the Q.850 `cause` are those of its Reason header."""
        if self._unanswered:
            self.finish(Ended("caller", "CANCEL", text, cause=cause), now)

    def acked(self, ack: Request, now: float) -> None:
        """The ACK for our 200 to the INVITE, or to a re-INVITE, came."""
        if self.phase not in (Phase.ANSWERED, Phase.HANGING_UP):
            super().acked(ack, now)
            return
        actions = self.advance(InviteEvent.ACK)
        self.on_event(Confirmed(self.session.acked(ack)))
        if InviteAction.BYE in actions:
            self.bye(now, self._hung_up)

    def hangup(self, now: float, text: str = "") -> None:
        """End the call by a refusal, or by a BYE after the ACK; does nothing if the call has ended."""
        self._hung_up = Ended("gateway", "BYE", text)
        actions = self.advance(InviteEvent.HANG_UP)
        if InviteAction.REFUSE in actions:
            self.reject(480, now)
        if InviteAction.BYE in actions:
            self.bye(now, self._hung_up)

    def finish(self, ended: Ended, now: float) -> None:
        """End the call on our side. An INVITE without a final response gets 487, also after a BYE (§15.1.2)."""
        if self._unanswered:
            self.core.respond(self.transaction, 487, now, tag=self.tag)
        self._reliable.stop()
        self._stop_waiting()
        super().finish(ended, now)

    def _stop_waiting(self) -> None:
        self._stop_minute()
        if self._expiry is not None:
            self._expiry.cancel()

    def _stop_minute(self) -> None:
        if self._minute is not None:
            self._minute.cancel()
            self._minute = None
