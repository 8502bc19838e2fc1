"""The entrance: finds out who sends a request, by cookie or by key, and lets people in by password."""

import asyncio
import hmac
import secrets

from sipgw.networks import site
from sipgw.sip.buckets import Bucket, Buckets
from sipgw.web.accounts import ADMIN, Accounts
from sipgw.web.options import WebOptions
from sipgw.web.sessions import Sessions
from sipgw.web.who import ALL, NOBODY, Role, Who

TRIES = 5
"""Sign-ins at once from one address; then one every `PAUSE` seconds."""
PAUSE = 12.0
TRIES_OF_ALL = 30
"""From everywhere together; then one every two seconds. A hash costs 50 ms of a core."""


class TooManyTries(Exception):  # noqa: N818  a state, not a fault
    """Somebody has tried too often; they may try again later."""


class Entrance:
    """Knows who may come in."""

    def __init__(self, options: WebOptions, accounts: Accounts) -> None:
        self.accounts = accounts
        self.open = not options.needs_sign_in
        self.setup = ""
        """The token of the link with which the first password is set; empty if there is one."""
        self.sessions = Sessions(options.session_idle, options.session_limit, lambda: secrets.token_urlsafe(32))
        self._password = options.password
        self._here = Who("you", "admin", secrets.token_urlsafe(32), ALL, signed_in=False)
        self._tries = Buckets(1 / PAUSE, TRIES, secrets.token_bytes(32))
        self._tries_of_all = Bucket(0.5, TRIES_OF_ALL)

    async def prepare(self) -> None:
        """Look whether the first password has yet to be set."""
        if not self.open and not self._password and await self.accounts.empty():
            self.setup = secrets.token_urlsafe(24)

    async def who(self, cookie: str, authorization: str) -> tuple[Who, str]:
        """Who sends a request, and a new token for their cookie if it is time for one."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer":
            found = await self.accounts.key(key.strip())
            return (Who(f"key:{found.name}", "nobody", "", found.scopes) if found else NOBODY), ""
        if self.open:
            return self._here, ""
        session = self.sessions.find(cookie, _now()) if cookie else None
        if session is None:
            return NOBODY, ""
        return Who.signed(session[0].name, session[0].role, session[0].csrf), session[1]

    async def sign_in(self, name: str, password: str, address: str) -> str | None:
        """Returns the token for the cookie of who has that password, or None. Raises `TooManyTries`."""
        self._try(address)
        role: Role | None
        if self._password and name == ADMIN:
            role = "admin" if hmac.compare_digest(self._password.encode(), password.encode()) else None
        else:
            role = await self.accounts.check(name, password)
        await self.accounts.note(name, "signed in" if role else "was not let in", address=address)
        return self.sessions.open(name, role, _now()) if role else None

    async def set_up(self, token: str, password: str, address: str) -> str | None:
        """Set the first password, once; returns the token for the cookie, or None if `token` is not the right one.

        Raises `TooManyTries`, `sipgw.web.accounts.AccountError`.
        """
        self._try(address)
        if not self.setup or not hmac.compare_digest(self.setup.encode(), token.encode()):
            return None
        await self.accounts.set_user(ADMIN, "admin", password)
        self.setup = ""
        await self.accounts.note(ADMIN, "set the first password", address=address)
        return self.sessions.open(ADMIN, "admin", _now())

    def _try(self, address: str) -> None:
        try:
            who = site(address)
        except ValueError:
            who = address
        if not self._tries.take(who, _now()) or not self._tries_of_all.take(_now()):
            raise TooManyTries


def _now() -> float:
    return asyncio.get_running_loop().time()
