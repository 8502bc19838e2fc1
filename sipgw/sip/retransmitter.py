"""Retransmission of responses to INVITE that wait for their ACK or PRACK; no transaction resends them."""

from collections.abc import Callable

from sipgw.sip.dialog import DialogId
from sipgw.sip.timers import T1, T2, TIMEOUT, Timer, Timers

Key = tuple[DialogId, int]
"""The dialog, and the number that is acknowledged: the CSeq of the INVITE, or an RSeq."""
Action = Callable[[float], None]


class Retransmitter:
    """Sends each response again after T1, then at intervals that double up to `longest`, until its ACK or PRACK, or
    until 64*T1 (RFC 3261 §13.3.1.4)."""

    def __init__(self, timers: Timers, longest: float = T2) -> None:
        self._timers = timers
        self._longest = longest
        self._waiting: dict[Key, list[Timer]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Key, resend: Action, give_up: Action, now: float) -> None:
        """Call `resend` again and again from now on; `give_up` is called if no ACK or PRACK comes."""

        def again(at: float, interval: float = T1) -> None:
            resend(at)
            longer = min(2 * interval, self._longest)
            self._waiting[key][0] = self._timers.at(at + longer, lambda later: again(later, longer))

        def over(at: float) -> None:
            self.acked(key)
            give_up(at)

        self.acked(key)
        self._waiting[key] = [self._timers.at(now + T1, again), self._timers.at(now + TIMEOUT, over)]

    def acked(self, key: Key) -> bool:
        """Stop resending; returns whether a response was waiting."""
        timers = self._waiting.pop(key, [])
        for timer in timers:
            timer.cancel()
        return bool(timers)

    def of(self, dialog: DialogId) -> bool:
        """Whether a response of `dialog` waits for its ACK or PRACK."""
        return any(key[0] == dialog for key in self._waiting)

    def forget(self, dialog: DialogId) -> None:
        """Stop resending the responses of a dialog that has ended."""
        for key in [key for key in self._waiting if key[0] == dialog]:
            self.acked(key)
