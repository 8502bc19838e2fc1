"""Provisional responses that are acknowledged (RFC 3262): sent by the server side, PRACKed by the client side."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sipgw.sip.call_state import CallState
from sipgw.sip.dialog import Dialog, DialogId, Peer
from sipgw.sip.message import Request, Response
from sipgw.sip.offer_exchange import OfferExchange
from sipgw.sip.retransmitter import Retransmitter
from sipgw.sip.timers import TIMEOUT, Timers

MAX_BRANCHES = 16
"""Early dialogs of one INVITE that are kept; further branches of a fork are ignored."""
RACK = re.compile(r"(\d{1,10})\s+(\d{1,10})\s+(\S+)", re.ASCII)


class Reliable:
    """The reliable provisional responses to one INVITE: one at a time, each resent until its PRACK (§3)."""

    def __init__(
        self,
        timers: Timers,
        number: int,
        dialog: DialogId,
        send: Callable[[Response, float], None],
        give_up: Callable[[float], None],
    ) -> None:
        self._dialog = dialog
        self._send = send
        self._give_up = give_up
        self._number = number
        self._waiting: list[Response] = []
        self._resent = Retransmitter(timers, longest=TIMEOUT)  # §3: the interval doubles without T2's limit

    @property
    def pending(self) -> bool:
        """Whether a PRACK is still to come."""
        return bool(self._waiting)

    def send(self, response: Response, now: float) -> None:
        """Send `response`; if the one before still waits for its PRACK, send it after that."""
        self._waiting.append(response)
        if len(self._waiting) == 1:
            self._begin(now)

    def _begin(self, now: float) -> None:
        fields = (("Require", "100rel"), ("RSeq", str(self._number)))
        response = self._waiting[0]
        response = self._waiting[0] = replace(response, headers=response.headers.with_(*fields))
        self._send(response, now)
        key = (self._dialog, self._number)
        self._resent.add(key, lambda at: self._send(response, at), self._give_up, now)

    def acknowledged(self, prack: Request) -> Response | None:
        """The response that `prack` acknowledges, or None."""
        rack = RACK.fullmatch((prack.headers.get("rack") or "").strip())
        if rack is None or not self._waiting:
            return None
        response = self._waiting[0]
        if (int(rack[1]), int(rack[2]), rack[3]) != (self._number, response.cseq.number, response.cseq.method):
            return None
        self._resent.acked((self._dialog, self._number))
        self._waiting.pop(0)
        self._number += 1
        return response

    def proceed(self, now: float) -> None:
        """Send the next response after a PRACK."""
        if self._waiting:
            self._begin(now)

    def stop(self) -> None:
        """Stop resending, because the INVITE has its final response."""
        self._waiting.clear()
        self._resent.forget(self._dialog)


@dataclass
class _Branch:
    dialog: Dialog
    number: int = 0
    """The RSeq of its last reliable response."""
    answer: bytes = b""
    """The answer to our offer in a reliable response, or its own last offer (RFC 3311)."""
    ours: bytes = b""
    """Our answer to that offer; empty if it made none."""
    preview: bytes = b""
    """The description in the last provisional response that had one: the answer if the 2xx has none."""


class Early:
    """The early dialogs of our INVITE, one for each branch on which it forked (RFC 3261 §12.1, RFC 3262 §4)."""

    def __init__(self, call: CallState, exchange: OfferExchange) -> None:
        self._call = call
        self._exchange = exchange
        self._branches: dict[str, _Branch] = {}
        self._over: dict[str, Dialog] = {}
        """The early dialogs of branches that are over: a 2xx that comes late goes on with their CSeq numbers."""

    def dialog(self, tag: str) -> Dialog | None:
        """The early dialog with the user agent that has chosen `tag`."""
        branch = self._branches.get(tag)
        return branch.dialog if branch else None

    def heard(self, response: Response, peer: Peer, now: float) -> bool:
        """Take a provisional response of `peer` and send its PRACK.

        Returns False if the response is to be ignored: it came before, or out of order, or from too many branches.
        """
        tag = response.to.tag
        if not tag:
            return True
        branch = self._branches.get(tag)
        if branch is None:
            if len(self._branches) >= MAX_BRANCHES:
                return False
            branch = self._branches[tag] = _Branch(Dialog.of_client(self._call.invite, response, peer))
            self._call.core.dialogs.add(branch.dialog, self._call)
        branch.preview = response.body or branch.preview
        return "100rel" not in response.require or self._acknowledge(branch, response, now)

    def _acknowledge(self, branch: _Branch, response: Response, now: float) -> bool:
        value = (response.headers.get("rseq") or "").strip()
        number = int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else 0
        if not number or (branch.number and number != branch.number + 1):
            return False
        branch.number = number
        if response.body and not branch.answer:
            branch.answer = self._exchange.remote = response.body
            self._exchange.exchanged()
        rack = (("RAck", f"{number} {self._call.invite.cseq.number} INVITE"),)
        self._call.request_in(branch.dialog, "PRACK", now, fields=rack)
        return True

    def changed(self, tag: str) -> None:
        """Keep the answered offer of the early dialog of `tag`. The other branches know only our first offer."""
        if branch := self._branches.get(tag):
            branch.answer, branch.ours = self._exchange.remote, self._exchange.local

    def become(self, response: Response, peer: Peer) -> tuple[Dialog, bytes, bytes]:
        """The dialog of a 2xx of `peer`, with the CSeq numbers of its early dialog.

        Further the last description that came in this dialog (empty: none), and our answer to it (empty: the branch
        knows only the offer of our INVITE)."""
        dialog = Dialog.of_client(self._call.invite, response, peer)
        branch = self._branches.get(response.to.tag)
        early = branch.dialog if branch else self._over.get(response.to.tag)
        if early is not None:  # §12.2.1.1: a BYE with the number of a PRACK is refused, and the branch stays answered
            dialog.local_number = max(dialog.local_number, early.local_number)
            dialog.remote_number = early.remote_number
        return (dialog, branch.answer, branch.ours) if branch else (dialog, b"", b"")

    def description(self, response: Response) -> bytes:
        """The description of a 2xx, or of the provisional response before it: some send it only there (RFC 3261
        §13.2.1: the first is the answer)."""
        branch = self._branches.get(response.to.tag)
        return response.body or (branch.preview if branch else b"")

    def close(self) -> None:
        """The INVITE is over: requests in an early dialog are answered 481 from now on."""
        for tag, branch in self._branches.items():
            self._call.core.dialogs.remove(branch.dialog)
            self._over[tag] = branch.dialog
        self._branches.clear()
