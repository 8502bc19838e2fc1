"""The SIP messages of calls, kept in memory within a limit of bytes, credentials masked. Sans-IO."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sipgw.bounds import FULL
from sipgw.events import CallBegan, CallEnded, CallKey, Event
from sipgw.sip.trace import Traced

CALL_LIMIT = 512 * 1024
"""Bytes of one call; beyond that its first `FIRST` messages and its latest are kept."""
FIRST = 20
OTHERS = 200
"""Messages outside of calls (REGISTER, OPTIONS) that are kept, and the bytes of each at most."""
OTHER_BYTES = 4096
OVERHEAD = 400
"""Bytes of memory that a message takes besides its text, and that a call takes."""
CALL_ID = 200
"""Characters of a Call-ID that count."""
_CALL_ID = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]{1,%d})" % CALL_ID)


class SipMessages(NamedTuple):
    """The messages of one call in their order, those of its other legs included."""

    messages: list[Traced]
    left_out: int
    """Number of dropped messages, after the first `FIRST`."""


@dataclass(eq=False)
class _Kept:
    """Messages of one call, or of several calls that go on at the same time with one Call-ID."""

    messages: list[Traced] = field(default_factory=list)
    size: int = 0
    left_out: int = 0
    legs: set[str] = field(default_factory=set)
    calls: set[CallKey] = field(default_factory=set)
    going: set[CallKey] = field(default_factory=set)
    """The calls of `calls` that have not ended."""


class SipCapture:
    """The messages of all calls. `trace` and `watch` must get everything."""

    def __init__(self, limit: int, whose: Callable[[], str] = lambda: "") -> None:
        """`limit` is in bytes; `whose` returns the call for which an INVITE is sent, "" for a new call."""
        self.others: deque[Traced] = deque(maxlen=OTHERS)
        """The latest messages outside of calls."""
        self.size = 0
        self._limit = limit
        self._whose = whose
        self._strangers: dict[_Kept, None] = {}
        """Messages of INVITEs that were not admitted, oldest first; then of ended calls, and of running calls."""
        self._ended: dict[_Kept, None] = {}
        self._live: dict[_Kept, None] = {}
        self._legs: dict[str, _Kept] = {}
        """The entry that takes the next message with a Call-ID."""
        self._calls: dict[CallKey, _Kept] = {}
        self._latest: dict[str, CallBegan] = {}
        """The latest call with an identity."""

    def trace(self, traced: Traced) -> None:
        """Keep a message."""
        head = traced.data.partition(b"\r\n\r\n")[0]
        found = _CALL_ID.search(head)
        leg = found[1].decode("utf-8", "replace").strip() if found else ""
        kept = self._legs.get(leg)
        if kept is None or (kept in self._ended and _begins_another(traced, head, kept)):
            if not leg or not head.startswith(b"INVITE "):
                self.others.append(traced._replace(data=traced.data[:OTHER_BYTES]))
                return
            kept = self._begin(leg, self._whose() if traced.direction == "out" else "")
        self._add(kept, traced)

    def watch(self, event: Event) -> None:
        """Follow the beginnings and ends of calls."""
        if isinstance(event, CallBegan):
            leg = event.call_id[:CALL_ID] or event.call
            kept = self._legs.get(leg)
            if kept is None or kept in self._ended:
                kept = self._begin(leg, "")
            kept.size += OVERHEAD  # a call without messages takes memory, too, and so does a repeated Call-ID
            self.size += OVERHEAD
            kept.calls.add(event.key)
            kept.going.add(event.key)
            self._calls[event.key] = kept
            self._latest[event.call] = event
            self._live[kept] = None
            self._strangers.pop(kept, None)
        elif isinstance(event, CallEnded) and (began := self._latest.get(event.call)):
            kept = self._calls[began.key]
            kept.going.discard(began.key)
            if not kept.going and kept in self._live:
                del self._live[kept]
                self._ended[kept] = None

    @property
    def calls(self) -> Iterable[CallKey]:
        """The calls of which there are messages."""
        return self._calls.keys()

    def forget(self, calls: Iterable[CallKey]) -> None:
        """Drop the messages of these calls. Messages that another call shares stay as long as that call's messages."""
        for call in calls:
            if (kept := self._calls.get(call)) is not None:
                self._lose(call)
                kept.calls.discard(call)
                if not kept.calls:
                    self._drop(kept)

    def of(self, call: CallKey) -> SipMessages | None:
        """The messages of a call, None if there are none. Calls that go on at the same time with one Call-ID share all
        messages.
        """
        return _sip_messages(self._calls.get(call))

    def latest(self, identity: str) -> CallBegan | None:
        """The beginning of the latest call with this identity, which may have no row yet. None if no messages of it are
        kept."""
        return self._latest.get(identity)

    def refused(self, call_id: str) -> SipMessages | None:
        """The messages of an INVITE that was not admitted, None if there are none."""
        kept = self._legs.get(call_id)
        return _sip_messages(kept) if kept in self._strangers else None

    def _begin(self, leg: str, call: str) -> _Kept:
        """The entry for messages of a new `leg`: that of `call`, or a new entry for a call that may begin with them."""
        began = self._latest.get(call) if call else None
        kept = self._calls[began.key] if began else _Kept()
        if began is None:
            self._strangers[kept] = None
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
            FULL["SIP messages of calls"] += 1
            self._drop(next(iter(held)))

    def _drop(self, kept: _Kept) -> None:
        for held in (self._strangers, self._ended, self._live):
            held.pop(kept, None)
        self.size -= kept.size
        for leg in kept.legs:
            if self._legs.get(leg) is kept:
                del self._legs[leg]
        for call in kept.calls:
            self._lose(call)

    def _lose(self, call: CallKey) -> None:
        del self._calls[call]
        if (latest := self._latest.get(call.call)) and latest.key == call:
            del self._latest[call.call]


def _begins_another(traced: Traced, head: bytes, before: _Kept) -> bool:
    """Whether a message begins another call than the one `before`, which is over and had the same Call-ID: an INVITE
    that is no retransmission."""
    invite = traced.direction == "in" and head.startswith(b"INVITE ")
    return invite and all(traced.data != one.data for one in before.messages)


def _sip_messages(kept: _Kept | None) -> SipMessages | None:
    return SipMessages(list(kept.messages), kept.left_out) if kept and kept.messages else None
