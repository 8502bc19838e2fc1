"""A call that goes out: the client side of INVITE (RFC 3261 §13.2), with challenges, forking and CANCEL."""

from dataclasses import replace

from sipgw.sip.auth import Authenticator, Challengers, renumber
from sipgw.sip.checks import CAPABILITIES
from sipgw.sip.core import Core
from sipgw.sip.dialog import Dialog, Peer, peer_of
from sipgw.sip.dialog_request import credentials_of
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Confirmed, Ended, Phase, Progress
from sipgw.sip.failover import LIMIT, Failover
from sipgw.sip.identity import cleaned
from sipgw.sip.invite_dialog import InviteDialog
from sipgw.sip.invite_dialog_table import CLIENT, InviteAction, InviteEvent
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.reason import cause_of, reason_text
from sipgw.sip.reliable import MAX_BRANCHES, Early
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction
from sipgw.sip.uri import Uri

NOT_ACCEPTABLE = (488, 606)
"""Statuses that say that the description is the fault (RFC 3261 §21.4.26, §21.6.4)."""
MAX_CONTACTS = 5
"""Contacts of a redirection that are looked at."""


class InviteClient(InviteDialog):
    """Our INVITE, and the call that it sets up."""

    calling = True
    table = CLIENT

    def __init__(
        self,
        core: Core,
        invite: Request,
        peer: Peer,
        credentials: Credentials | None,
        ring_timeout: float,
        otherwise: tuple[bytes, ...] = (),
    ) -> None:
        super().__init__(core, invite)
        self.session.local, self.session.otherwise = invite.body, otherwise
        self.credentials = credentials
        self._peer = peer
        self._ring_timeout = ring_timeout
        self._early = Early(self, self.session)
        self._auth = Authenticator(credentials, core.environment.token)
        self._failover: Failover | None = None
        self._acks: dict[str, tuple[Request, Peer]] = {}
        self._cancelled: Ended | None = None
        """Ending of the call once the cancelled INVITE has its final response."""
        self._timer: Timer | None = None

    @classmethod
    def to(
        cls,
        core: Core,
        target: Uri,
        from_: str,
        *offers: bytes,
        proxy: Uri | None = None,
        peer: Peer | None = None,
        credentials: Credentials | None = None,
        ring_timeout: float = 60.0,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> "InviteClient":
        """A call to `target` from the name-addr `from_`; set its `on_event` before `start`.

        The first of the `offers` is made, and after a 488 or 606 the next in the same call (RFC 3261 §8.1.3.5).

        In an offer, our address for the path of the INVITE takes the place of the address `sipgw.sip.sdp.UNKNOWN`.

        `fields` are further headers, e.g. Replaces (RFC 3891) or Referred-By (RFC 3892). If `peer` is given, the INVITE
        goes there whatever `target` says, e.g. to a phone behind NAT.
        """
        peer = peer or peer_of(proxy or target)
        headers = (
            *((("Route", f"<{proxy};lr>"),) if proxy else ()),
            ("Max-Forwards", "70"),
            ("From", f"{from_};tag={core.environment.token()}"),
            ("To", f"<{target.address}>"),
            ("Call-ID", core.environment.token()),
            ("CSeq", f"{core.clients.first_number()} INVITE"),
            ("Contact", core.contact(peer)),
            *CAPABILITIES,
            *fields,
            ("Content-Type", "application/sdp"),
        )
        request = Request("INVITE", target, headers=Headers(headers), body=offers[0])
        return cls(core, request, peer, credentials, ring_timeout, offers[1:])

    def start(self, now: float) -> None:
        """Send the INVITE. Ringing may last `ring_timeout` seconds; Timer B ends only a silence (§17.1.1.2)."""
        if cause := self.core.environment.forbidden(self.invite.uri, now):
            self.finish(Ended("gateway", "403", cause, 403), now)
            return
        self._timer = self.core.timers.at(now + self._ring_timeout, self._rang_long_enough)
        self._send(self.invite, now)

    def _send(self, invite: Request, now: float) -> None:
        headers = invite.headers.without("session-expires", "min-se").with_(*self.session.timer.asked())
        self.invite = replace(invite, headers=headers)
        # Perhaps only the server that gave a nonce knows it, so its address is tried first.
        asked = self._failover.peer if self._failover else None

        def answered(response: Request | Response | None, at: float) -> None:
            self._answered(failover, response, at)

        limit = self._ring_timeout + LIMIT
        failover = self._failover = Failover.start(
            self.core.clients, self.invite, self._peer, answered, now, prefer=asked, limit=limit
        )

    def _answered(self, failover: Failover, response: Request | Response | None, now: float) -> None:
        if failover is self._failover and not self.session.settled:
            self.session.local = failover.request.body  # with the address of the way that it went
        if isinstance(response, Response) and 200 <= response.status < 300:
            self._accepted(failover, response, now)
        elif failover is not self._failover:
            return  # another INVITE has taken its place, e.g. after a challenge
        elif response is None:
            self.finish(self._cancelled or self._no_response(), now)
        elif isinstance(response, Response):
            if response.status < 200:
                self._provisional(response, now)
            else:
                self._refused(response, now)

    def _no_response(self) -> Ended:
        cause = self._failover.failure if self._failover else ""
        if cause:
            return Ended("network", "unreachable", cause, 503)  # RFC 3261 §8.1.3.1
        return Ended("network", "no answer", "no response to the INVITE came", 408)

    @property
    def peer(self) -> Peer:
        """Where the INVITE went."""
        return self._failover.peer if self._failover else self._peer

    @property
    def challengers(self) -> Challengers:
        """See `CallState.challengers`."""
        return self._auth.challengers

    @property
    def rings_there(self) -> bool:
        """Whether the call rings at the other side."""
        return self.phase is Phase.RINGING

    def dialog_of(self, request: Request) -> Dialog | None:
        """The dialog that `request` came in, perhaps an early one."""
        return self.dialog or self._early.dialog(request.from_.tag)

    def in_dialog(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a request inside the dialog, but not ACK. BYE before the answer gets 481: a callee can end an early
        dialog only by a final response to the INVITE (§15)."""
        if self.dialog is None and request.method == "BYE":
            self.core.respond(transaction, 481, now)
        else:
            super().in_dialog(request, transaction, now)

    def accept_offer(self, sdp: bytes, now: float) -> bool:
        """The same; before the answer it is the offer of one branch."""
        tag = self.session.offering
        accepted = super().accept_offer(sdp, now)
        if accepted:
            self._early.changed(tag)
        return accepted

    def _provisional(self, response: Response, now: float) -> None:
        self.advance(InviteEvent.PROVISIONAL)
        if self._early.heard(response, self.peer, now):
            self.session.learn(response)
            self.on_event(Progress(response.status, response.reason, response.body or None))

    def _accepted(self, failover: Failover, response: Response, now: float) -> None:
        tag = response.to.tag
        if tag in self._acks:  # our ACK was lost (§13.2.2.4)
            self.core.clients.send_ack(*self._acks[tag], now)
            return
        if len(self._acks) >= MAX_BRANCHES:
            return
        dialog, answered, ours = self._early.become(response, failover.peer)
        peer = dialog.next_hop
        ack = dialog.request("ACK", self.core.contact(peer), number=response.cseq.number)
        ack = replace(ack, headers=ack.headers.with_(*credentials_of(failover.request)))
        self._acks[tag] = (ack, peer)
        self.core.clients.send_ack(ack, peer, now)
        # A 2xx to an INVITE that was sent again since, e.g. after a challenge, is not wanted either.
        actions = self.advance(InviteEvent.ANSWERED) if failover is self._failover else (InviteAction.BYE,)
        if InviteAction.BYE in actions:
            self.request_in(dialog, "BYE", now)
            if self._cancelled is not None:
                self.finish(self._cancelled, now)
            return
        self.dialog = dialog
        contact = failover.request.contact
        dialog.told = contact.uri.host if contact else ""
        self._stop_timer()
        self.session.learn(response)
        described = self._early.description(response)
        if self.session.offering not in ("", tag):
            self.session.refuse(487, now)  # of a branch that has lost
        self.session.local, self.session.remote = ours or failover.request.body, answered or described
        self.session.exchanged()
        self._early.close()
        self.session.timer.answered(response, now)
        self.core.dialogs.add(dialog, self)
        self.on_event(Confirmed(None if answered else described or None))

    def _refused(self, response: Response, now: float) -> None:
        if self._cancelled is not None:
            self.finish(self._cancelled, now)
            return
        # An answer to a challenge may cover the body (auth-int): the body as it was sent, with our address in it.
        sent = replace(self.invite, body=self._failover.request.body) if self._failover else self.invite
        retry = self._auth.retry(sent, response, self.peer.host)
        if response.status == 422 and self.session.timer.told_minimum(response):
            retry = self._auth.sign(sent)
        if retry is not None:
            retry = replace(retry, body=self.invite.body)  # another path may need another address
        if response.status in NOT_ACCEPTABLE and self.session.offer_otherwise(now):
            retry = self._offering(self.session.local)
        if retry is not None:
            self._send(renumber(retry), now)
            return
        text = ", ".join(part for part in (response.reason, reason_text(response)) if part)
        if (retry_after := response.headers.get("retry-after")) is not None:
            text += f"; Retry-After: {cleaned(retry_after[:20])}"
        ended = Ended(self.other, str(response.status), text, response.status, elsewhere(response), cause_of(response))
        self.finish(ended, now)

    def _offering(self, offer: bytes) -> Request:
        """The INVITE with another offer. To the server it is a new one, which may be challenged again."""
        self._auth.forget_attempts()
        self._early.close()
        headers = self.invite.headers.without("authorization", "proxy-authorization")
        return replace(self.invite, headers=headers, body=offer)

    def _rang_long_enough(self, now: float) -> None:
        self._timer = None
        self.hangup(now, "nobody answered in time")

    def hangup(self, now: float, text: str = "") -> None:
        """End the call by BYE or CANCEL; does nothing if the call is ending already."""
        actions = self.advance(InviteEvent.HANG_UP)
        if InviteAction.BYE in actions:
            self.bye(now, Ended("gateway", "BYE", text))
        if InviteAction.CANCEL in actions:
            self._stop_timer()
            self._cancelled = Ended("gateway", "CANCEL", text, 487)
            if self._failover is None:
                self.finish(self._cancelled, now)
            else:
                self._failover.give_up(now)

    def finish(self, ended: Ended, now: float) -> None:
        """End the call on our side, with its early dialogs."""
        self._stop_timer()
        self._early.close()
        super().finish(ended, now)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def elsewhere(response: Response) -> tuple[Uri, ...]:
    """The URIs that a redirection names, the preferred first; none for 305 and 380, which ask for something else."""
    if response.status not in (300, 301, 302):
        return ()
    return tuple(one.uri for one in sorted(response.contacts, key=lambda one: -one.preference)[:MAX_CONTACTS])
