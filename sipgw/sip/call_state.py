"""How far one call has come: what the parts of an INVITE dialog share, and act on. Sans-IO."""

from collections.abc import Callable

from sipgw.sip.auth import Authenticator, Challengers
from sipgw.sip.core import Core
from sipgw.sip.dialog import Dialog, Peer
from sipgw.sip.dialog_request import DialogRequest, OnFinal
from sipgw.sip.dialogs import DialogUsage
from sipgw.sip.digest import Credentials
from sipgw.sip.events import CallEvent, Phase
from sipgw.sip.invite_dialog_table import SERVER, InviteAction, InviteEvent, Table
from sipgw.sip.machine import step
from sipgw.sip.message import Request


class CallState(DialogUsage):
    """The INVITE, the dialog and the phase of one call."""

    calling = False
    """Whether we made the call, and so chose its Call-ID."""
    table: Table = SERVER
    """The phases of this side of a call."""

    def __init__(self, core: Core, invite: Request) -> None:
        self.core = core
        self.invite = invite
        self.phase = Phase.CALLING
        self.dialog: Dialog | None = None
        self.credentials: Credentials | None = None
        """Used to answer challenges to requests inside the dialog, see `_authenticator`."""
        self.on_event: Callable[[CallEvent], None] = lambda event: None
        """Takes each event of the call; `Ended` is the last one."""

    def advance(self, event: InviteEvent) -> tuple[InviteAction, ...]:
        """Go on to the next phase; returns the actions of this transition."""
        self.phase, actions = step(self.table, self.phase, event)
        return actions

    @property
    def early(self) -> bool:
        """Whether the INVITE has no final response, or only a 2xx that crossed our CANCEL."""
        return self.phase in (Phase.CALLING, Phase.RINGING, Phase.CANCELLED)

    @property
    def up(self) -> bool:
        """Whether requests can be sent inside the dialog."""
        return self.dialog is not None and self.phase is Phase.CONFIRMED

    @property
    def peer(self) -> Peer:
        """Where the INVITE of the other side came from, or where ours went."""
        raise NotImplementedError

    @property
    def challengers(self) -> Challengers:
        """Realms and servers that have challenged our INVITE; empty in a call that came in."""
        return frozenset()

    @property
    def rings_there(self) -> bool:
        """Whether we made this call, and it rings at the other side."""
        return False

    def _authenticator(self, dialog: Dialog, method: str) -> Authenticator:
        """Authenticator for a request inside `dialog`.

        The other side may be an attacker, who could call at our cost with our answer to a nonce of our carrier. So only
        a realm that has challenged our REGISTER or the INVITE of this call gets an answer (RFC 3261 §22.1). The answer
        goes only to the server that challenged before, or to the server that the call came from or went to. A proxy
        passes the challenges of the other side back to us, and the Contact of the other side may name that proxy. So in
        a call that came in through a proxy (a further Via, or a Record-Route), no challenge to an INVITE is answered.
        """

        def may(realm: str, server: str) -> bool:
            known = self.core.clients.challengers(self.credentials) | self.challengers
            asked = (realm, server) in known or (server == self.peer.host and any(realm == one for one, _ in known))
            direct = self.invite.direct and not dialog.routes
            return asked and (self.calling or method != "INVITE" or direct)

        return Authenticator(self.credentials, self.core.environment.token, may)

    def request(
        self,
        method: str,
        now: float,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        on_final: OnFinal | None = None,
    ) -> None:
        """Send a request inside the dialog, if there is one."""
        if self.dialog is not None:
            self.request_in(self.dialog, method, now, fields=fields, body=body, on_final=on_final)

    def request_in(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        on_final: OnFinal | None = None,
    ) -> None:
        """Send a request inside `dialog`, which may be an early one."""
        DialogRequest.start(
            self.core.clients,
            dialog,
            method,
            now,
            auth=self._authenticator(dialog, method),
            fields=fields,
            body=body,
            on_final=on_final,
        )
