"""The calls of one user agent by their dialogs, and the 2xx responses that wait for their ACK. Sans-IO."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Dialog, DialogId, Peer
from sipgw.sip.events import Ended
from sipgw.sip.matching import dialog_of
from sipgw.sip.message import Request, Response
from sipgw.sip.replaces import Replaces
from sipgw.sip.retransmitter import Retransmitter
from sipgw.sip.timers import Timers
from sipgw.sip.transaction import Transaction

ENDED_KEPT = 256
"""Dialogs that are remembered after their end: Replaces for one of them gets 603, for an unknown dialog 481."""


class DialogUsage(Protocol):
    """Use of a dialog (RFC 5057): it takes the requests inside the dialog. Here always a call."""

    dialog: Dialog | None

    @property
    def up(self) -> bool:
        """Whether requests can be sent inside the dialog."""

    @property
    def rings_there(self) -> bool:
        """Whether we made this call, and it rings at the other side."""

    def in_dialog(self, request: Request, transaction: Transaction, now: float) -> None:
        """Take a request inside the dialog, but not ACK."""

    def acked(self, ack: Request, now: float) -> None:
        """The ACK for our 2xx to an INVITE came."""

    def reject_offer(self, status: int, now: float) -> None:
        """Refuse the re-INVITE or UPDATE that waits for an answer."""

    def bye(self, now: float, ended: Ended, cause: int = 0) -> None:
        """End a call that is up; `cause` is the SIP status that its Reason header gives (RFC 3326)."""

    def hangup(self, now: float, text: str = "") -> None:
        """End the call by the request or response that its phase asks for."""

    def moved(self, host: str, now: float) -> None:
        """Take our present address towards the other side, `host`; called again and again, also without a change."""


class Dialogs:
    """Finds the call that a request belongs to (RFC 3261 §12.2.2)."""

    def __init__(self, timers: Timers) -> None:
        self._usages: dict[DialogId, DialogUsage] = {}
        self._unacknowledged = Retransmitter(timers)
        self._ended: deque[DialogId] = deque(maxlen=ENDED_KEPT)

    def __len__(self) -> int:
        return len(self._usages) + len(self._unacknowledged)

    def __contains__(self, dialog: DialogId) -> bool:
        return dialog in self._usages

    def get(self, dialog: DialogId) -> DialogUsage | None:
        """The call that `dialog` belongs to."""
        return self._usages.get(dialog)

    def add(self, dialog: Dialog, usage: DialogUsage) -> None:
        """Enter `dialog`, perhaps one of several early ones, so that requests inside it find their call `usage`."""
        self._usages[dialog.id] = usage

    def remove(self, dialog: Dialog) -> None:
        """A dialog has ended: requests inside it are answered 481 from now on."""
        self._usages.pop(dialog.id, None)
        self._unacknowledged.forget(dialog.id)
        self._ended.append(dialog.id)

    def find_replaced(self, invite: Request) -> DialogUsage | Refusal | None:
        """The call that `invite` replaces, None if it replaces none, or how it is refused (RFC 3891 §3)."""
        lines = invite.headers.lines("replaces")
        if not lines:
            return None
        try:
            (line,) = lines
            replaces = Replaces.parse(line)
        except ValueError:  # more than one, or a malformed one
            return Refusal(400, "Bad Request (Replaces)")
        usage = self._usages.get(replaces.dialog)
        if usage is None:
            return Refusal(603 if replaces.dialog in self._ended else 481)
        if not usage.up:
            return usage if usage.rings_there else Refusal(481)
        return Refusal(486) if replaces.early_only else usage

    # 2xx responses until their ACK

    def resend_until_ack(self, usage: DialogUsage, transaction: Transaction, response: Response, now: float) -> None:
        """Resend a 2xx until its ACK comes; without an ACK the call is ended (RFC 3261 §13.3.1.4)."""
        if usage.dialog is not None:
            ended = Ended("network", "ACK timeout", "the 200 was never acknowledged")
            key = (usage.dialog.id, transaction.request.cseq.number)
            self._unacknowledged.add(
                key, lambda at: transaction.respond(response, at), lambda at: usage.bye(at, ended), now
            )

    def awaits_ack(self, usage: DialogUsage) -> bool:
        """Whether a 2xx of `usage` has not been acknowledged yet."""
        return usage.dialog is not None and self._unacknowledged.of(usage.dialog.id)

    def acknowledged(self, ack: Request) -> DialogUsage | None:
        """The call whose 2xx `ack` acknowledges for the first time."""
        dialog = dialog_of(ack)
        usage = self._usages.get(dialog)
        first = usage is not None and self._unacknowledged.acked((dialog, ack.cseq.number))
        return usage if first else None

    # Call-IDs and sources of the calls

    @property
    def usages(self) -> Iterable[DialogUsage]:
        """All calls, once for each of their dialogs: a fork may give a call several."""
        return self._usages.values()

    @property
    def call_ids(self) -> frozenset[str]:
        """The Call-IDs of all dialogs."""
        return frozenset(dialog.call_id for dialog in self._usages)

    @property
    def sources(self) -> list[Peer]:
        """The `source` of the dialog of each call: where messages of the other side come from."""
        return [usage.dialog.source for usage in self._usages.values() if usage.dialog]
