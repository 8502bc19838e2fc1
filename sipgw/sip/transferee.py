"""The other side refers us to another target (REFER, RFC 3515): we call it and report by NOTIFY."""

from dataclasses import replace

from sipgw.sip.call_state import CallState
from sipgw.sip.events import ReferRequested
from sipgw.sip.fields import FieldError, NameAddr
from sipgw.sip.identity import cleaned
from sipgw.sip.message import Request, Response
from sipgw.sip.replaces import Replaces
from sipgw.sip.transaction import Transaction
from sipgw.sip.transferor import SIPFRAG

EXPIRES = 180
"""Seconds that a subscription lasts; a call attempt of ours is over before."""


class Transferee:
    """The REFERs of the other side in one call, one at a time."""

    def __init__(self, call: CallState) -> None:
        self.allowed = False
        """Whether the other side may refer us. A REFER costs a call, so it must be allowed first."""
        self._call = call
        self._event = "refer"
        self._silent = False
        self._busy = False
        self._queue: list[tuple[str, str]] = []
        self._sending = False
        self._count = 0

    def take(self, request: Request, transaction: Transaction, now: float) -> None:
        """Answer a REFER; if it is accepted, `ReferRequested` is reported, and `outcome` must be called in the end."""
        core = self._call.core
        if not self.allowed or not self._call.up:
            core.respond(transaction, 603, now)
            return
        if self._busy:
            core.respond(transaction, 491, now)
            return
        asked = _asked(request)
        if isinstance(asked, int):
            core.respond(transaction, asked, now)
            return
        self._busy = True
        self._count += 1
        # RFC 3515 §2.4.6: from the second REFER on its number names the subscription.
        self._event = "refer" if self._count == 1 else f"refer;id={request.cseq.number}"
        self._silent = (request.headers.get("refer-sub") or "").strip().lower() == "false"
        fields = (("Refer-Sub", "false"),) if self._silent else ()  # RFC 4488 §4
        core.respond(transaction, 202, now, headers=fields, contact=True)
        self._notify("SIP/2.0 100 Trying", f"active;expires={EXPIRES}", now)
        self._call.on_event(asked)

    def outcome(self, status: int, reason: str, now: float) -> None:
        """Report the outcome of the call to the target, once for each `ReferRequested`. Raises RuntimeError if no REFER
        waits for it."""
        if not self._busy:
            raise RuntimeError("no REFER waits for its outcome")
        self._busy = False
        reason = " ".join(cleaned(reason).split())[:100]
        self._notify(f"SIP/2.0 {status} {reason}", "terminated;reason=noresource", now)

    def _notify(self, line: str, state: str, now: float) -> None:
        if not self._silent:
            self._queue.append((line, state))
            if not self._sending:
                self._next(None, now)

    def _next(self, response: Response | None, now: float) -> None:
        """Send the next NOTIFY. There is one at a time: one that overtook another would be refused as out of order (RFC
        3261 §12.2.2)."""
        if response is not None and response.status in (481, 489):
            self._queue.clear()  # the other side has no subscription
        self._sending = bool(self._queue)
        if self._sending:
            line, state = self._queue.pop(0)
            fields = (("Event", self._event), ("Subscription-State", state), ("Content-Type", SIPFRAG))
            self._call.request("NOTIFY", now, fields=fields, body=f"{line}\r\n".encode(), on_final=self._next)


def _asked(request: Request) -> ReferRequested | int:
    """The target that a REFER asks us to call, or the status with which it is refused."""
    values = request.headers.lines("refer-to")
    try:
        (value,) = values  # §2.4.1: exactly one
        uri = NameAddr.parse(value).uri
        replaces = Replaces.in_uri(uri)
    except (ValueError, FieldError):
        return 400
    if uri.scheme not in ("sip", "sips", "tel"):
        return 416
    if (uri.param("method") or "INVITE").upper() != "INVITE":
        return 603
    params = tuple(entry for entry in uri.params if entry[0].lower() != "method")
    # Of the headers in the URI only Replaces is taken (RFC 3261 §19.1.5: the others cannot be trusted).
    return ReferRequested(replace(uri, params=params, headers="", password=""), replaces, _referrer(request))


def _referrer(request: Request) -> str:
    """Referred-By as we pass it on (RFC 3892): the address alone, in our own writing."""
    try:
        return str(NameAddr(NameAddr.parse(request.headers.get("referred-by") or "").uri))
    except FieldError:
        return ""
