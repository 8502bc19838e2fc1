"""The shared parts of the calls of one user agent: timers, requests, responses and the table of dialogs. Sans-IO."""

from collections.abc import Callable

from sipgw.sip.checks import CAPABILITIES, secure
from sipgw.sip.client_transactions import PRODUCT, ClientTransactions
from sipgw.sip.dialog import Peer, sender_of
from sipgw.sip.dialogs import Dialogs
from sipgw.sip.environment import Environment
from sipgw.sip.message import Response, response_to
from sipgw.sip.output import Packet, Resolve
from sipgw.sip.timers import Timers
from sipgw.sip.transaction import Transaction

Fields = tuple[tuple[str, str], ...]
ACCEPTED: Fields = (("Accept", "application/sdp"),)
"""The header of an answer to OPTIONS, beside our capabilities."""


class Core:
    """The parts below a call. It knows the calls only as `DialogUsage`."""

    def __init__(
        self, environment: Environment, send: Callable[[Packet], None], resolve: Callable[[Resolve], None]
    ) -> None:
        self.timers = Timers()
        self.clients = ClientTransactions(environment, self.timers, send, resolve)
        self.dialogs = Dialogs(self.timers)

    @property
    def environment(self) -> Environment:
        """Random values and our addresses, from the driver."""
        return self.clients.environment

    def contact(self, peer: Peer) -> str:
        """Our Contact under which `peer` can reach us."""
        return f"<{self.clients.contact(peer)}>"

    def response(
        self,
        transaction: Transaction,
        status: int,
        *,
        reason: str = "",
        tag: str = "",
        headers: Fields = (),
        sdp: bytes = b"",
        contact: bool = False,
    ) -> Response:
        """A response to the request of `transaction`; without a `tag` it gets a new one, but 100 gets none."""
        fields = [*headers]
        if contact:
            request = transaction.request
            ours = self.clients.contact(sender_of(request), scheme="sips" if secure(request) else "sip")
            fields.append(("Contact", f"<{ours}>"))
            fields += CAPABILITIES
        if status >= 200:
            fields.append(("Server", PRODUCT))
        tag = tag or ("" if status == 100 else self.environment.token())
        return response_to(
            transaction.request,
            status,
            reason,
            to_tag=tag,
            headers=fields,
            body=sdp,
            content_type="application/sdp" if sdp else "",
        )

    def respond(
        self,
        transaction: Transaction,
        status: int,
        now: float,
        *,
        reason: str = "",
        tag: str = "",
        headers: Fields = (),
        contact: bool = False,
    ) -> None:
        """Answer the request of `transaction`."""
        response = self.response(transaction, status, reason=reason, tag=tag, headers=headers, contact=contact)
        transaction.respond(response, now)

    def respond_options(self, transaction: Transaction, now: float) -> None:
        """Answer OPTIONS with our capabilities (RFC 3261 §11.2)."""
        self.respond(transaction, 200, now, headers=ACCEPTED, contact=True)
