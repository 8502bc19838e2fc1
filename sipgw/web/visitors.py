"""Calls of visitors of web sites, with their limits for browsers and programs."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sipgw.bounds import FULL
from sipgw.calls.browser_phone import VISITOR, BrowserPhone, PendingCall
from sipgw.config.embed import EmbedOptions
from sipgw.config.networks import site
from sipgw.policy.inbound.limits import Caller
from sipgw.sip.buckets import Buckets
from sipgw.web.visits import HOUR, Visits

SESSIONS = 50
"""Visitors who are about to call; beyond this number the oldest visitor has to begin again."""
SESSION_LIFE = 60.0
"""Seconds within which the call must follow."""


class TooManyCalls(Exception):  # noqa: N818  a state, not a fault
    """The limits of ``[embed]`` allow no more calls now."""


class NoSession(Exception):  # noqa: N818  a state, not a fault
    """The key belongs to no visitor who is about to call."""


@dataclass
class VisitorSession:
    """A visitor who has opened a session: about to call, then in a call."""

    host: str
    ends: float
    """The time on the event loop's clock until which the call must be placed."""
    placing: bool = False
    call: str = ""
    """The identity of the call; empty until the call is placed."""
    followed: bool = False


class Visitors:
    """The sessions of all visitors, each by a key that only its page has."""

    def __init__(
        self, options: EmbedOptions, phone: BrowserPhone, visits: Visits, stop: Callable[[str, str], None]
    ) -> None:
        self.options = options
        self.phone = phone
        self._visits = visits
        self._stop = stop
        """Ends a call, see `sipgw.web.state.GatewayView.stop`."""
        self._sessions: dict[str, VisitorSession] = {}
        self._opened = Buckets(options.calls_per_hour / HOUR, options.calls_per_hour, secrets.token_bytes(32))
        """Limits the sessions of each address, because each session gives away credentials of TURN servers."""

    def open(self, host: str) -> str:
        """Open the session of a visitor at `host` who is about to call; returns its key. Raises `TooManyCalls`."""
        now = self._now()
        self._forget(now)
        mine = [key for key, one in self._sessions.items() if site(one.host) == site(host)]
        waiting = [key for key in mine if not self._sessions[key].placing]
        if len(mine) - len(waiting) >= self.options.at_once_per_visitor or not self._opened.take(site(host), now):
            raise _too_many()
        if len(mine) >= self.options.at_once_per_visitor:
            del self._sessions[waiting[0]]  # the visitor has loaded the page again
        elif len(others := [key for key, one in self._sessions.items() if not one.placing]) >= SESSIONS:
            FULL["calls of visitors"] += 1
            del self._sessions[others[0]]
        key = secrets.token_urlsafe(24)
        self._sessions[key] = VisitorSession(host, now + SESSION_LIFE)
        return key

    async def place(self, offer: str, key: str) -> PendingCall:
        """Let the agent take the call of the session `key`, once.

        Raises `NoSession`, `TooManyCalls`, `NotAcceptable`, `CallUnavailable` or `SQLAlchemyError`.
        """
        self._forget(self._now())
        session = self._sessions.get(key)
        if session is None or session.placing:
            raise NoSession
        if sum(one.placing for one in self._sessions.values()) >= self.options.max_calls:
            raise _too_many()
        session.placing, counted = True, 0
        try:
            if not (counted := await self._visits.claim(site(session.host))):
                raise _too_many()
            caller = Caller("", self.options.agent, session.host)
            placed = await self.phone.place(offer, self.options.agent, key, VISITOR, caller)
        except BaseException:
            del self._sessions[key]
            if counted:
                await self._visits.give_back(counted)
            raise
        session.call = placed.call
        asyncio.get_running_loop().call_later(self.options.max_duration, self._overtime, key)
        return placed

    def session(self, call: str, key: str) -> VisitorSession | None:
        """The session of the running `call`, if `key` is its key; else None."""
        found = self._sessions.get(key)
        return found if found and found.call and found.call == call and self.phone.owned(call, key) else None

    def _overtime(self, key: str) -> None:
        session = self._sessions.get(key)
        if session and self.phone.owned(session.call, key):
            self._stop(session.call, f"a visitor's call lasts {self.options.max_duration:g} s, [embed] max_duration")

    def _forget(self, now: float) -> None:
        """Forget visitors who did not call in time, and those whose call is over."""
        for key, one in list(self._sessions.items()):
            over = not self.phone.owned(one.call, key) if one.call else not one.placing and now >= one.ends
            if over:
                del self._sessions[key]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _too_many() -> TooManyCalls:
    FULL["calls of visitors"] += 1
    return TooManyCalls()
