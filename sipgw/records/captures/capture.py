"""The SIP messages of calls, kept in memory within a limit of bytes, credentials masked. Sans-IO."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sipgw.bounds import FULL
from sipgw.events import CallBegan, CallEnded, Event
from sipgw.sip.trace import Traced

CALL_LIMIT = 512 * 1024
"""Bytes of one call; beyond that its first `FIRST` messages and its latest are kept."""
FIRST = 20
OTHERS = 200
"""Messages outside of calls (REGISTER, OPTIONS) that are kept, and the bytes of each at most."""
OTHER_BYTES = 4096
OVERHEAD = 400
"""Bytes that a message takes besides its own."""
CALL_ID = 200
"""Characters of a Call-ID that count."""
_CALL_ID = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]{1,%d})" % CALL_ID)


class Ladder(NamedTuple):
    """The messages of one call in their order, those of its other legs included."""

    messages: list[Traced]
    left_out: int
    """Number of dropped messages, after the first `FIRST`."""


@dataclass
class _Kept:
    call: str
    messages: list[Traced] = field(default_factory=list)
    size: int = 0
    left_out: int = 0
    legs: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)
    """Further calls with the same Call-ID."""


class SipCapture:
    """The messages of all calls. `trace` and `watch` must get everything."""

    def __init__(self, limit: int, whose: Callable[[], str] = lambda: "") -> None:
        """`limit` is in bytes; `whose` returns the call for which an INVITE is sent, "" for a new call."""
        self.others: deque[Traced] = deque(maxlen=OTHERS)
        """The latest messages outside of calls."""
        self.size = 0
        self._limit = limit
        self._whose = whose
        self._strangers: dict[str, _Kept] = {}
        """Messages of INVITEs that were not admitted, by call; then of ended calls, and of running calls."""
        self._ended: dict[str, _Kept] = {}
        self._live: dict[str, _Kept] = {}
        self._legs: dict[str, _Kept] = {}
        self._also: dict[str, _Kept] = {}

    def trace(self, traced: Traced) -> None:
        """Keep a message."""
        head = traced.data.partition(b"\r\n\r\n")[0]
        found = _CALL_ID.search(head)
        leg = found[1].decode("utf-8", "replace").strip() if found else ""
        kept = self._legs.get(leg)
        if kept is None:
            if not leg or not head.startswith(b"INVITE "):
                self.others.append(traced._replace(data=traced.data[:OTHER_BYTES]))
                return
            kept = self._begin(leg, self._whose() if traced.direction == "out" else "")
        self._add(kept, traced)

    def watch(self, event: Event) -> None:
        """Follow which calls go on."""
        if isinstance(event, CallBegan):
            kept = self._find(event.call) or self._legs.get(event.call_id[:CALL_ID]) or _Kept(event.call)
            if kept.call != event.call:
                kept.also.add(event.call)
                self._also[event.call] = kept
                kept.size += OVERHEAD  # a repeated Call-ID uses no more memory than others
                self.size += OVERHEAD
            self._live[kept.call] = kept
            self._strangers.pop(kept.call, None)
            self._ended.pop(kept.call, None)
        elif isinstance(event, CallEnded) and (ended := self._find(event.call)) and self._live.pop(ended.call, None):
            self._ended[ended.call] = ended

    def of(self, call: str) -> Ladder | None:
        """The messages of a call, None if there are none. Calls with the same Call-ID share all messages."""
        kept = self._find(call)
        return Ladder(list(kept.messages), kept.left_out) if kept and kept.messages else None

    def _find(self, call: str) -> _Kept | None:
        return self._live.get(call) or self._ended.get(call) or self._strangers.get(call) or self._also.get(call)

    def _begin(self, leg: str, call: str) -> _Kept:
        call = call or leg
        kept = self._find(call)
        if kept is None:
            kept = self._strangers[call] = _Kept(call)
        kept.legs.add(leg)
        self._legs[leg] = kept
        return kept

    def _add(self, kept: _Kept, traced: Traced) -> None:
        size = len(traced.data) + OVERHEAD
        kept.messages.append(traced)
        kept.size += size
        self.size += size
        while kept.size > CALL_LIMIT and len(kept.messages) > FIRST + 1:
            gone = len(kept.messages.pop(FIRST).data) + OVERHEAD
            kept.left_out += 1
            kept.size -= gone
            self.size -= gone
        while self.size > self._limit and (held := self._strangers or self._ended or self._live):
            oldest = next(iter(held.values()))
            del held[oldest.call]
            FULL["SIP messages of calls"] += 1
            self.size -= oldest.size
            for leg in oldest.legs:
                self._legs.pop(leg, None)
            for call in oldest.also:
                self._also.pop(call, None)
