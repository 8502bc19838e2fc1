"""Keys by INFO, as PBXs with ``dtmfmode=info`` send them. The gateway only takes them, so tests send them by this."""

from weakref import WeakKeyDictionary

from sipgw.sip.body import RELAY
from sipgw.sip.call_state import CallState
from sipgw.sip.info import PRESSED
from sipgw.sip.leg import Leg
from sipgw.sip.message import Response


class KeySender:
    """Sends keys one by one: an INFO that overtook another would be refused as out of order (RFC 3261 §12.2.2)."""

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._waiting: list[tuple[str, float]] = []
        self._sending = False

    def press(self, key: str, seconds: float, now: float) -> None:
        """Send `key` after the earlier ones."""
        self._waiting.append((key.upper(), seconds))
        if not self._sending:
            self._next(None, now)

    def _next(self, _: Response | None, now: float) -> None:
        self._sending = bool(self._waiting and self._call.up)
        if self._sending:
            key, seconds = self._waiting.pop(0)
            body = f"Signal={key}\r\nDuration={round(seconds * 1000)}\r\n".encode()
            self._call.request("INFO", now, fields=(("Content-Type", RELAY),), body=body, on_final=self._next)


SENDERS = WeakKeyDictionary[Leg, KeySender]()


def send_info_digit(leg: Leg, key: str, seconds: float = PRESSED) -> None:
    """Press `key`, one of ``0123456789*#ABCD``, on the phone of `leg`."""
    sender = SENDERS.setdefault(leg, KeySender(leg._call))
    leg._act(sender.press, key, seconds)
