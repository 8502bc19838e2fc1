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
"""Sessions in memory. Beyond this number the least recently used session is dropped, and read again when needed."""


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
    """The time of the last synchronisation with the database."""
    claims: IdentityClaims | None = None
    """The claims of the identity provider; None for a local user."""
    tenant: str = ""
    """Tenant of the session's user; empty for none."""


class Sessions:
    """The sessions that are in use at one gateway; the database has all."""

    def __init__(self, idle: float, limit: float, token: Callable[[], str]) -> None:
        self._idle = idle
        self._limit = limit
        self._token = token
        self._all: OrderedDict[str, Session] = OrderedDict()
        self._over = BoundedTable[str, None]("ended sessions", MOST)
        """Digests of the tokens of sessions from which people have signed out, even if the database still has the
        sessions."""

    def open(
        self, name: str, role: Role, now: float, claims: IdentityClaims | None = None, tenant: str = ""
    ) -> tuple[Session, str]:
        """Begin a session; returns it, and the token for the cookie."""
        token = self._token()
        session = Session(name, role, self._token(), now, now, digest(token), now, claims, tenant)
        self.add(session)
        return session, token

    def add(self, session: Session) -> None:
        """Add a session that was read from the database."""
        self._all[session.token] = session
        while len(self._all) > MOST:
            FULL["sessions"] += 1
            self.end(next(iter(self._all.values())))

    def find(self, token: str, now: float, *, used: bool = True) -> Session | None:
        """The session of a token; None if it is over. `used`: the request counts as use of the session at `now`."""
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
        """End the session of `token`, because its user signs out."""
        self._all.pop(digest(token), None)
        self._over[digest(token)] = None

    def over(self, token: str) -> bool:
        """Whether the user has signed out of the session of this token."""
        return digest(token) in self._over

    def end(self, session: Session) -> None:
        """Forget a session that is over."""
        self._all.pop(session.token, None)


def digest(token: str) -> str:
    """Stored digest of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
