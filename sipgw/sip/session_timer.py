"""Session timers (RFC 4028): a call without a session refresh in time has lost its other side, and ends."""

from collections.abc import Callable
from dataclasses import dataclass

from sipgw.sip.checks import Refusal
from sipgw.sip.fields import FieldError, param, parse_params, split
from sipgw.sip.message import Message, Request, Response
from sipgw.sip.timers import Timer, Timers

MIN_SE = 90
"""The shortest interval that we accept, seconds (RFC 4028 §5)."""
LONGEST = 86_400
"""The longest Min-SE, seconds, that we accept."""
MAX_RAISED = 5
"""How often a session's interval is raised because of a 422: each proxy on the path may ask for its own."""
RETRY = 10.0
"""Seconds until a refused refresh is tried again."""

Action = Callable[[float], None]


@dataclass(frozen=True)
class SessionExpires:
    """The value of a Session-Expires header."""

    seconds: int
    refresher: str = ""
    """``uac``, ``uas``, or empty: not decided yet. The roles are those of the request, not of the INVITE."""

    @classmethod
    def of(cls, message: Message) -> "SessionExpires | None":
        """The header of `message`; None if it is absent or broken (RFC 3261 §8.2: an unneeded header is ignored)."""
        try:
            head, *pieces = split(message.headers.get("session-expires") or "", ";")
            refresher = (param(parse_params(pieces), "refresher") or "").lower()
        except FieldError:
            return None
        seconds = _delta(head)
        return cls(seconds, refresher if refresher in ("uac", "uas") else "") if seconds else None

    def __str__(self) -> str:
        return f"{self.seconds};refresher={self.refresher}" if self.refresher else str(self.seconds)


def min_se(message: Message) -> int:
    """The Min-SE of `message` in seconds; 0 if it is absent, broken or above `LONGEST`."""
    seconds = _delta((message.headers.get("min-se") or "").partition(";")[0].strip())
    return seconds if seconds <= LONGEST else 0


def too_short(request: Request) -> Refusal | None:
    """422 if `request` asks for an interval below ours (§9); only a client that supports timers can correct it."""
    expires = SessionExpires.of(request)
    if request.method not in ("INVITE", "UPDATE") or expires is None or expires.seconds >= MIN_SE:
        return None
    return Refusal(422, headers=(("Min-SE", str(MIN_SE)),)) if "timer" in request.supported else None


class SessionTimer:
    """The timer of one session: its refresher, and its end.

    `refresh` is called at half the interval if we are the refresher, `expire` when the interval is nearly over (§10).
    """

    def __init__(self, timers: Timers, wanted: int, refresh: Action, expire: Action) -> None:
        self.interval = 0
        """Seconds; 0 while there is no session timer."""
        self.refreshing = False
        """Whether we are the refresher."""
        self._timers = timers
        self._wanted = wanted
        self._minimum = 0
        self._raised = 0
        self._refresh = refresh
        self._expire = expire
        self._running: list[Timer] = []

    def asked(self) -> tuple[tuple[str, str], ...]:
        """The timer headers of our INVITE or UPDATE (§7.1, §7.4)."""
        seconds = self._seconds
        if not seconds:
            return ()
        role = ("uac" if self.refreshing else "uas") if self.interval else ""
        minimum = (("Min-SE", str(self._minimum)),) if self._minimum else ()
        return (("Session-Expires", str(SessionExpires(seconds, role))), *minimum)

    @property
    def _seconds(self) -> int:
        return max(self.interval or self._wanted, self._minimum)

    def told_minimum(self, response: Response) -> bool:
        """Take the Min-SE of a 422; returns whether our request is to be sent again (§7.3)."""
        told = min_se(response)
        if told <= self._seconds or self._raised >= MAX_RAISED:
            return False
        self._minimum = told
        self._raised += 1
        return True

    def answered(self, response: Response, now: float) -> None:
        """Take a 2xx to our request, in which the other side has decided about the timer (§7.2)."""
        expires = SessionExpires.of(response)
        if expires is None:
            self.stop()
        else:
            self._start(expires.seconds, expires.refresher != "uas", now)

    def granted(self, request: Request, now: float) -> tuple[tuple[str, str], ...]:
        """Decide for a request that gets its 2xx now, and return the timer headers of the 2xx (§9, table 2)."""
        expires, knows = SessionExpires.of(request), "timer" in request.supported
        refresher = "uas"
        if expires is not None and expires.seconds >= MIN_SE:
            seconds = expires.seconds
            if knows:
                refresher = expires.refresher or "uac"
        elif knows and (self.interval or self._wanted):
            seconds = max(self.interval or self._wanted, min_se(request), MIN_SE)
            if self.interval and not self.refreshing:
                refresher = "uac"
        else:
            self.stop()
            return ()
        self._start(seconds, refresher == "uas", now)
        require = (("Require", "timer"),) if refresher == "uac" else ()
        return (("Session-Expires", str(SessionExpires(seconds, refresher))), *require)

    def again(self, now: float) -> None:
        """Try a refresh again after `RETRY`, because one has failed. The end of the interval stays the same."""
        if self.interval and self.refreshing:
            self._running.append(self._timers.at(now + RETRY, self._refresh))

    def stop(self) -> None:
        """Stop the session timer."""
        self.interval = 0
        for timer in self._running:
            timer.cancel()
        self._running.clear()

    def _start(self, seconds: int, refreshing: bool, now: float) -> None:
        self.stop()
        self.interval = seconds = max(seconds, MIN_SE)  # so that too short an interval does not make us send too often
        self.refreshing = refreshing
        if refreshing:
            self._running.append(self._timers.at(now + seconds / 2, self._refresh))
        self._running.append(self._timers.at(now + seconds - min(32, seconds / 3), self._expire))


def _delta(text: str) -> int:
    """Delta-seconds; 0 for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
