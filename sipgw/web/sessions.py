"""Sessions: an opaque token of 256 random bits in a cookie; only its hash is stored. Sans-IO.

The token needs no signature, because it has no meaning elsewhere and cannot be guessed. It does not change during the
session: a new token could be lost on its way to the browser, and the session with it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sipgw.bounds import FULL
from sipgw.web.principal import Role

MOST = 1000
"""Maximum number of sessions; beyond it the least recently used one ends."""


@dataclass
class Session:
    """The session of a user. Times are in seconds since 1970, because a session outlives the gateway."""

    name: str
    role: Role
    csrf: str
    began: float
    used: float
    token: str
    """Hash of the token that is in the cookie."""
    kept: float = 0.0
    """The last synchronisation with the database."""


class Sessions:
    """All sessions of one gateway."""

    def __init__(self, idle: float, limit: float, token: Callable[[], str]) -> None:
        self._idle = idle
        self._limit = limit
        self._token = token
        self._all: OrderedDict[str, Session] = OrderedDict()

    def open(self, name: str, role: Role, now: float) -> tuple[Session, str]:
        """Begin a session; returns it, and the token for the cookie."""
        token = self._token()
        session = Session(name, role, self._token(), now, now, _hash(token), kept=now)
        self.restore([session])
        return session, token

    def restore(self, sessions: Iterable[Session]) -> None:
        """Restore sessions, the least recently used first."""
        for session in sessions:
            self._all[session.token] = session
        while len(self._all) > MOST:
            FULL["sessions"] += 1
            self.end(next(iter(self._all.values())))

    def find(self, token: str, now: float) -> Session | None:
        """The session of a token, in use again from `now` on; None if it is over."""
        session = self._all.get(_hash(token))
        if session is None:
            return None
        if now - session.used > self._idle or now - session.began > self._limit:
            self.end(session)
            return None
        session.used = now
        self._all.move_to_end(session.token)
        return session

    def close(self, token: str) -> Session | None:
        """End a session; returns it."""
        if session := self._all.get(_hash(token)):
            self.end(session)
        return session

    def end(self, session: Session) -> None:
        """It counts no more."""
        self._all.pop(session.token, None)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
