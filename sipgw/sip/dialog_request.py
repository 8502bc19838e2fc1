"""One request of ours inside a dialog until its final response (RFC 3261 §12.2.1, §14.1, §22). Sans-IO."""

from collections.abc import Callable
from dataclasses import replace

from sipgw.sip.auth import Authenticator
from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Dialog
from sipgw.sip.failover import Failover
from sipgw.sip.fields import CSeq
from sipgw.sip.message import Request, Response, response_to

OnFinal = Callable[[Response | None, float], None]
"""Takes the final response, or None if there is none; and the time. A request that could not be sent counts as answered
with 503 (RFC 3261 §8.1.3.1): the other side may still have the call. A re-INVITE that was cancelled, because no final
response came, counts as answered with its last provisional response, for the same reason (RFC 3261 §14.1)."""


class DialogRequest:
    """One request inside a dialog. Answers challenges to it, and acknowledges each copy of a 2xx to a re-INVITE."""

    def __init__(
        self,
        clients: ClientTransactions,
        dialog: Dialog,
        request: Request,
        auth: Authenticator,
        on_final: OnFinal | None,
    ) -> None:
        self._clients = clients
        self._dialog = dialog
        self._request = request
        self._peer = dialog.next_hop
        self._auth = auth
        self._on_final = on_final
        self._failover: Failover | None = None
        self._provisional: Response | None = None

    @classmethod
    def start(
        cls,
        clients: ClientTransactions,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        auth: Authenticator,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        on_final: OnFinal | None = None,
    ) -> None:
        """Send a request inside `dialog`; `auth` answers challenges to it."""
        request = dialog.request(method, f"<{clients.contact(dialog.next_hop)}>")
        request = replace(request, headers=request.headers.with_(*fields), body=body)
        started = cls(clients, dialog, request, auth, on_final)
        started._send(now)

    def _send(self, now: float) -> None:
        # After a challenge the same server is asked again: it knows its nonce.
        peer, others = (self._failover.peer, None) if self._failover else (self._peer, self._dialog.others)
        self._failover = Failover.start(self._clients, self._request, peer, self._answered, now, others=others)

    def _answered(self, response: Request | Response | None, now: float) -> None:
        if isinstance(response, Request):
            return
        if response is not None and response.status < 200:
            theirs = response.status > 100 or not self._dialog.routes  # a 100 comes from the next hop (RFC 3261 §16.2)
            if theirs and self._request.method == "INVITE":
                self._provisional = response
            return
        if response is not None and response.status < 300 and self._request.method == "INVITE":
            self._acknowledge(response, now)
        server = self._failover.peer.host if self._failover else ""
        retry = self._auth.retry(self._request, response, server) if response is not None else None
        if retry is None:
            self._over(response or self._provisional or self._unsent(), now)
            return
        self._dialog.local_number += 1
        number = CSeq(self._dialog.local_number, self._request.method)
        headers = retry.headers.without("cseq", "via").with_(("CSeq", str(number)))
        self._request, self._provisional = replace(retry, headers=headers), None
        self._send(now)

    def _unsent(self) -> Response | None:
        failure = self._failover.failure if self._failover else ""
        return response_to(self._request, 503, failure) if failure else None

    def _acknowledge(self, response: Response, now: float) -> None:
        """Send ACK (RFC 3261 §13.2.2.4) to the new target: a re-INVITE refreshes the target (§12.2.1.2)."""
        if response.contact is not None:
            self._dialog.target = response.contact.uri
        peer = self._dialog.next_hop
        ack = self._dialog.request("ACK", f"<{self._clients.contact(peer)}>", number=self._request.cseq.number)
        self._clients.send_ack(replace(ack, headers=ack.headers.with_(*credentials_of(self._request))), peer, now)

    def _over(self, response: Response | None, now: float) -> None:
        on_final, self._on_final = self._on_final, None
        if on_final is not None:
            on_final(response, now)


def credentials_of(request: Request) -> list[tuple[str, str]]:
    """The credentials that an ACK repeats, because it cannot be challenged (RFC 3261 §22.1)."""
    return [field for field in request.headers if field[0].lower() in ("authorization", "proxy-authorization")]
