"""One request of ours inside a dialog until its final response (RFC 3261 §12.2.1, §14.1, §22)."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sipgw.sip.auth import Authenticator
from sipgw.sip.dialog import Dialog
from sipgw.sip.digest import Credentials
from sipgw.sip.failover import Failover
from sipgw.sip.fields import CSeq
from sipgw.sip.message import Request, Response

if TYPE_CHECKING:
    from sipgw.sip.user_agent import UserAgent

TellFinal = Callable[[Response | None, float], None]
"""Gets the final response, or None when there is none; and the time. Of an INVITE that was taken back for want of a
final response it gets the last provisional one: the other side has the call still (RFC 3261 §14.1)."""


class DialogRequest:
    """A challenge is answered once, and a 2xx to a re-INVITE is acknowledged each time it comes."""

    def __init__(
        self,
        agent: "UserAgent",
        dialog: Dialog,
        request: Request,
        credentials: Credentials | None,
        tell: TellFinal | None,
    ) -> None:
        self._agent = agent
        self._dialog = dialog
        self._request = request
        self._peer = dialog.next_hop
        self._auth = Authenticator(credentials, agent.token)
        self._tell = tell
        self._hunt: Failover | None = None
        self._provisional: Response | None = None

    def send(self, now: float) -> None:
        """Send it."""
        # Where we were challenged our nonce is known.
        peer, others = (self._hunt.peer, None) if self._hunt else (self._peer, self._dialog.others)
        self._hunt = self._agent.clients.hunt(self._request, peer, self._answered, now, others=others)

    def _answered(self, response: Request | Response | None, now: float) -> None:
        if isinstance(response, Request):
            return
        if response is not None and response.status < 200:
            self._provisional = response if self._request.method == "INVITE" else None
            return
        if response is not None and response.status < 300 and self._request.method == "INVITE":
            self._acknowledge(response, now)
        server = self._hunt.peer.host if self._hunt else ""
        retry = self._auth.retry(self._request, response, server) if response is not None else None
        if retry is None:
            self._over(response or self._provisional, now)
            return
        self._dialog.local_number += 1
        number = CSeq(self._dialog.local_number, self._request.method)
        headers = retry.headers.without("cseq", "via").with_(("CSeq", str(number)))
        self._request = replace(retry, headers=headers)
        self.send(now)

    def _acknowledge(self, response: Response, now: float) -> None:
        """RFC 3261 §13.2.2.4; a re-INVITE refreshes the target, so the ACK goes there already (§12.2.1.2)."""
        if response.contact is not None:
            self._dialog.target = response.contact.uri
        peer = self._dialog.next_hop
        ack = self._dialog.request("ACK", self._agent.contact(peer), number=self._request.cseq.number)
        self._agent.send_ack(replace(ack, headers=ack.headers.with_(*credentials_of(self._request))), peer, now)

    def _over(self, response: Response | None, now: float) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(response, now)


def credentials_of(request: Request) -> list[tuple[str, str]]:
    """The credentials that an ACK repeats, as it cannot be challenged (RFC 3261 §22.1)."""
    return [field for field in request.headers if field[0].lower() in ("authorization", "proxy-authorization")]
