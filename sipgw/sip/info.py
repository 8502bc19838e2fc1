"""Keys by INFO (RFC 6086 §1 calls it legacy use): older PBXs send DTMF this way."""

import re

from sipgw.sip.body import RELAY
from sipgw.sip.call_state import CallState
from sipgw.sip.checks import unreadable
from sipgw.sip.events import KeyPressed
from sipgw.sip.message import Request
from sipgw.sip.transaction import Transaction

KEYS = "0123456789*#ABCD"
"""The keys in the order of their event codes (RFC 4733 §3.2)."""
PRESSED = 0.16
"""Seconds of a key press without a stated duration."""
LONGEST = 10.0


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
