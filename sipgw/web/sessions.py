"""Sessions: an opaque token of 256 random bits in a cookie; only its hash is stored. Sans-IO.

The token needs no signature, because it has no meaning elsewhere and cannot be guessed. It does not change during the
session: a new token could be lost on its way to the browser, and the session with it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sipgw.bounds import FULL, BoundedTable
from sipgw.web.principal import Role

MOST = 1000
"""Sessions in memory; beyond it the least recently used one is read again when it is used."""


@dataclass(frozen=True)
class IdentityClaims:
    """The claims of an identity provider (OpenID Connect) about a user."""

    issuer: str
    subject: str
    groups: tuple[str, ...]
    """Groups of the user, also those without a role: the configuration may give them one later."""


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
    claims: IdentityClaims | None = None
    """None for a local user."""
    tenant: str = ""
    """Tenant of its user."""


class Sessions:
    """The sessions that are in use at one gateway; the database has all."""

    def __init__(self, idle: float, limit: float, token: Callable[[], str]) -> None:
        self._idle = idle
        self._limit = limit
        self._token = token
        self._all: OrderedDict[str, Session] = OrderedDict()
        self._over = BoundedTable[str, None]("ended sessions", MOST)
        """Tokens of sessions that people have ended, whatever the database has."""

    def open(
        self, name: str, role: Role, now: float, claims: IdentityClaims | None = None, tenant: str = ""
    ) -> tuple[Session, str]:
        """Begin a session; returns it, and the token for the cookie."""
        token = self._token()
        session = Session(name, role, self._token(), now, now, digest(token), now, claims, tenant)
        self.add(session)
        return session, token

    def add(self, session: Session) -> None:
        """Add one that the database has."""
        self._all[session.token] = session
        while len(self._all) > MOST:
            FULL["sessions"] += 1
            self.end(next(iter(self._all.values())))

    def find(self, token: str, now: float, *, used: bool = True) -> Session | None:
        """The session of a token, in use again from `now` on if it is `used`; None if it is over."""
        session = self._all.get(digest(token))
        if session is None:
            return None
        if now - session.used > self._idle or now - session.began > self._limit:
            self.end(session)
            return None
        if used:
            session.used = now
        self._all.move_to_end(session.token)
        return session

    def close(self, token: str) -> None:
        """Its user ends a session: its token counts no more."""
        self._all.pop(digest(token), None)
        self._over[digest(token)] = None

    def over(self, token: str) -> bool:
        """Whether its user has ended the session of this token."""
        return digest(token) in self._over

    def end(self, session: Session) -> None:
        """It counts no more."""
        self._all.pop(session.token, None)


def digest(token: str) -> str:
    """Stored digest of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
