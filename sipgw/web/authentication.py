"""Authentication: identifies the sender of a request by cookie or API key, and signs people in by password."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from sipgw.bounds import FULL
from sipgw.config.tenants import TenantOptions
from sipgw.config.web import WebOptions
from sipgw.web.accounts import ADMIN, SIGN_IN, SIGNED_IN, Accounts, Key
from sipgw.web.group_access import Access, GroupAccess
from sipgw.web.principal import ALL, NOBODY, Principal, Role
from sipgw.web.sessions import IdentityClaims, Session, Sessions, digest
from sipgw.web.throttle import KNOWN, SignInThrottle

STRANGERS_WAIT = 8
"""Checks of passwords in progress from which on only known addresses may sign in. A hash costs 50 ms of a core."""
KEEP_EVERY = 60.0
"""Seconds after which the use of a session is stored, and its end at another gateway is noticed."""


LOOK_EVERY = 1.0
"""Seconds after which a dashboard without sign-in checks again whether a password is stored."""
KEY_KNOWN = 600.0
"""Seconds for which a key stays valid after its last check while the database does not answer."""
KEYS_KNOWN = 100
"""Number of remembered keys; beyond it the least recently used key is forgotten."""
COMMANDS = frozenset(("calls:place", "calls:read", "calls:control"))
"""Scopes of commands on this machine with their key."""
BY_PROVIDER = "oidc:"
"""Beginning of the names of people whom the identity provider vouches for; no local user has such a name."""


class Authentication:
    """Authenticates requests and signs users in and out."""

    def __init__(self, options: WebOptions, accounts: Accounts, tenants: Sequence[TenantOptions] = ()) -> None:
        self.accounts = accounts
        self.groups = GroupAccess(options.oidc, tenants)
        self._open = False
        self._looked = 0.0
        """The time of the last check whether a password is stored, while no sign-in is needed."""
        self.setup = ""
        """The token of the link with which the first password is set; empty if there is one."""
        self.local = ""
        """The key of commands on this machine, see `sipgw.web.local_key`; empty: there is none."""
        self.sessions = Sessions(options.session_idle, options.session_limit, lambda: secrets.token_urlsafe(32))
        self._options = options
        self._here = Principal("you", "admin", secrets.token_urlsafe(32), ALL, signed_in=False)
        self._known: dict[str, tuple[Key, float]] = {}
        """Keys and the times of their last successful check, for use while the database does not answer."""
        self.passwords = SignInThrottle(lambda: SIGN_IN.queued >= STRANGERS_WAIT)
        self.by_provider = SignInThrottle()

    async def prepare(self) -> None:
        """Store the configured password, check whether the first password is still to be set, and load the sessions."""
        options, accounts = self._options, self.accounts
        await accounts.sign_outs.take_up()
        self._open, self._looked = not options.needs_sign_in and await accounts.empty(), _now()
        if self._open:
            return
        if options.password:
            if await accounts.check(ADMIN, options.password) != "admin":
                await accounts.set_user(ADMIN, "admin", options.password)
        elif await accounts.empty():
            self.setup = secrets.token_urlsafe(24)
        await accounts.expire(options.session_idle, options.session_limit)
        known = await accounts.known_addresses(KNOWN)
        self.passwords.know(known)
        self.by_provider.know(known)

    async def is_open(self) -> bool:
        """Whether no sign-in is needed: the configuration does not require it, and no password is stored.

        ``sipgw web password`` may store one at any time; from then on sign-in is required. Raises `SQLAlchemyError`:
        without the database nobody is let in.
        """
        if self._open and _now() - self._looked >= LOOK_EVERY:
            self._open = await self.accounts.empty()
            self._looked = _now()
        return self._open

    def secure(self, *, local: bool) -> bool:
        """Whether browsers reach us by https: if the URL for the identity provider is https, and the browser is not on
        this machine (`local`)."""
        return not local and self._options.oidc.url.startswith("https:")

    async def who(self, cookie: str, authorization: str, *, used: bool = True) -> Principal:
        """The sender of a request. `used`: the request counts as use of the session, because a person acts. Raises
        `SQLAlchemyError`."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer":
            found = await self._key(key.strip())
            return Principal(found.who, "nobody", "", found.scopes, tenant=found.tenant) if found else NOBODY
        if await self.is_open():
            return self._here
        session = await self._session(cookie, _today(), used=used) if cookie else None
        access = self._access(session) if session else None
        return (
            Principal.signed(session.name, access.role, session.csrf, access.tenant) if session and access else NOBODY
        )

    async def _session(self, cookie: str, now: float, *, used: bool) -> Session | None:
        """The session of a cookie. One that began at another gateway, or before a restart, is in the database."""
        session = self.sessions.find(cookie, now, used=used)
        if session is None and (kept := await self.accounts.session(digest(cookie))) and not self._left(cookie):
            self.sessions.add(kept)
            session = self.sessions.find(cookie, now, used=used)
        if session is not None and now - session.kept >= KEEP_EVERY:
            session.kept = now
            if not await self.accounts.keep(session):
                self.sessions.end(session)
                return None
        return session

    def _left(self, cookie: str) -> bool:
        """Whether the user has signed out of the session of this cookie, even if the database still has it."""
        return self.sessions.over(cookie) or digest(cookie) in self.accounts.sign_outs

    def _access(self, session: Session) -> Access | None:
        """The present access of a session. For a person whom the identity provider vouched for, the present
        configuration decides."""
        if session.claims is None:
            return Access(session.role, session.tenant)
        oidc, age = self._options.oidc, _today() - session.began
        same = session.claims.issuer == oidc.issuer and age <= oidc.session_limit
        return self.groups.of(frozenset(session.claims.groups)) if same else None

    async def _key(self, text: str) -> Key | None:
        """The API key with this secret, or None. Known keys work also while the database does not answer."""
        if self.local and hmac.compare_digest(text.encode(), self.local.encode()):
            return Key("", "command-line", COMMANDS)
        name, now = hashlib.sha256(text.encode()).hexdigest(), time.monotonic()
        known = self._known.get(name)
        try:
            found = await self.accounts.key(text)
        except SQLAlchemyError:
            if known is None or now - known[1] > KEY_KNOWN:
                raise
            return known[0]
        self._known.pop(name, None)
        if found is not None:
            if len(self._known) >= KEYS_KNOWN:
                FULL["keys that were good"] += 1
                del self._known[next(iter(self._known))]
            self._known[name] = found, now
        return found

    async def sign_in(self, name: str, password: str, address: str) -> str | None:
        """Return the cookie token of the user with that password, or None. Raises `TooManyAttempts`."""
        self.passwords.take(address, _now())
        role = await self.accounts.check(name, password)
        tenant = await self.accounts.tenant(name) if role else None
        if role is None or tenant is None:
            await self.accounts.refused(name, address)
            return None
        self.passwords.succeeded(address, _now())
        await self.accounts.note(Principal.named(name, tenant), tenant, SIGNED_IN, address=address)
        return await self.enter(name, role, tenant=tenant)

    async def sign_out(self, cookie: str) -> None:
        """End a session. Raises `SQLAlchemyError`; then the session is over at this gateway, also after a restart, and
        at others as soon as the database answers."""
        self.sessions.close(cookie)
        await self.accounts.sign_outs.end(digest(cookie))

    async def expects_setup(self) -> bool:
        """Whether the first password is still to be set: another gateway or ``sipgw web password`` may have set it.
        Raises `SQLAlchemyError`."""
        if self.setup and not await self.accounts.empty():
            self.setup = ""
        return bool(self.setup)

    async def set_up(self, token: str, password: str, address: str) -> str | None:
        """Set the first password, once; returns the token for the cookie, or None if `token` is not the right one.

        Raises `TooManyAttempts`, `sipgw.web.accounts.AccountError`.
        """
        self.passwords.take(address, _now())
        if not self.setup or not hmac.compare_digest(self.setup.encode(), token.encode()):
            return None
        await self.accounts.set_user(ADMIN, "admin", password)
        self.setup = ""
        self.passwords.succeeded(address, _now())
        await self.accounts.note(Principal.named(ADMIN), "", "set the first password", address=address)
        return await self.enter(ADMIN, "admin")

    async def enter(self, name: str, role: Role, claims: IdentityClaims | None = None, tenant: str = "") -> str:
        """Begin a session of a person whose identity `name` is proven; returns the token for the cookie."""
        session, token = self.sessions.open(name, role, _today(), claims, tenant)
        await self.accounts.begin(session)
        return token


def _now() -> float:
    return asyncio.get_running_loop().time()


def _today() -> float:
    """The time in seconds since 1970, because sessions outlive the gateway."""
    return datetime.now(UTC).timestamp()
