"""Keys by INFO (RFC 6086 §1 calls it legacy use): older PBXs send and expect DTMF this way."""

import re

from sipgw.sip.body import PLAIN, RELAY
from sipgw.sip.call_state import CallState
from sipgw.sip.checks import unreadable
from sipgw.sip.events import KeyPressed
from sipgw.sip.message import Request, Response
from sipgw.sip.transaction import Transaction

KEYS = "0123456789*#ABCD"
"""The keys in the order of their event codes (RFC 4733 §3.2)."""
PRESSED = 0.16
"""Seconds of a key press without a stated duration."""
LONGEST = 10.0
QUEUED = 64
"""Keys that may wait to be sent; beyond that new ones are dropped."""


def key_of(content_type: str, body: bytes) -> KeyPressed | None:
    """The key in the body of an INFO, or None for a hook flash or an unreadable body."""
    text = body[:200].decode("ascii", "replace")
    seconds = PRESSED
    if content_type == RELAY:
        lines = dict(re.findall(r"^[ \t]*(\w+)[ \t]*=[ \t]*([^\s]+)", text.lower(), re.MULTILINE))
        text, duration = lines.get("signal", ""), lines.get("duration", "")
        if re.fullmatch("[0-9]{1,6}", duration):
            seconds = min(int(duration) / 1000, LONGEST)
    text = text.strip().upper()
    if re.fullmatch("1[0-5]", text):
        text = KEYS[int(text)]
    return KeyPressed(text, seconds) if len(text) == 1 and text in KEYS else None


def take_info(call: CallState, request: Request, transaction: Transaction, now: float) -> None:
    """Answer an INFO inside the dialog of `call`, and report the key in it."""
    core, kind = call.core, request.content_type
    if request.headers.get("info-package") is not None:
        core.respond(transaction, 469, now, headers=(("Recv-Info", ""),))  # RFC 6086 §4.2.2: we support no package
    elif (refusal := unreadable(request)) is not None:
        core.respond(transaction, refusal.status, now, headers=refusal.headers)
    else:
        core.respond(transaction, 200, now)
        pressed = key_of(kind, request.body)
        if pressed is not None:
            call.on_event(pressed)


class KeySender:
    """Sends keys one by one: an INFO that overtook another would be refused as out of order (RFC 3261 §12.2.2).

    They go as `RELAY`, and once that was refused (415) as `PLAIN`.
    """

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._waiting: list[KeyPressed] = []
        self._sending: KeyPressed | None = None
        self._kind = RELAY

    def press(self, key: str, seconds: float, now: float) -> None:
        """Send `key` after the earlier ones. Raises `ValueError` if there is no such key."""
        if len(key) != 1 or key.upper() not in KEYS:
            raise ValueError(f"there is no key {key[:20]!r}")
        if len(self._waiting) < QUEUED:
            self._waiting.append(KeyPressed(key.upper(), seconds))
        if self._sending is None:
            self._next(None, now)

    def _next(self, response: Response | None, now: float) -> None:
        """Send the next key. The last one is sent again only in the other format, after a 415."""
        if response is not None and response.status == 415 and self._kind == RELAY and self._sending is not None:
            self._kind = PLAIN
            self._waiting.insert(0, self._sending)
        self._sending = None
        if not (self._waiting and self._call.up):
            self._waiting.clear()
            return
        self._sending = key, seconds = self._waiting.pop(0)
        relay = f"Signal={key}\r\nDuration={round(seconds * 1000)}\r\n"
        body = (relay if self._kind == RELAY else key).encode()
        self._call.request("INFO", now, fields=(("Content-Type", self._kind),), body=body, on_final=self._next)
