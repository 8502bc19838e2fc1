"""Users, their sessions, keys and the audit log in the database."""

import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from agent.pool import Pool
from sipgw.config.errors import OperatorError
from sipgw.records.store.calls import of_number
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from sipgw.web.principal import ROLES, SCOPES, Principal, Role
from sipgw.web.refusals import HourRefusals
from sipgw.web.sessions import IdentityClaims, Session
from sipgw.web.sign_outs import SignOuts
from sipgw.web.tables import ApiKey, AuditEntry, SessionRecord, User

log = structlog.get_logger()

ADMIN = "admin"
LEAST = 8
"""Least characters of a password."""
MOST = 200
KEPT = 100_000
"""Lines of the audit log, without refused sign-ins."""
REFUSED_KEPT = 10_000
"""Lines of refused sign-ins in the audit log."""
SIGNED_IN, REFUSED = "signed in", "was not let in"
SAID, TOLD, ENDED = "said", "told the agent", "ended"
WORDS = (SAID, TOLD, ENDED)
"""Actions on calls whose `detail` has words that a person has typed: see `sipgw.web.api`."""
TELLING = 7
"""Least digits of a number that is searched within sentences: shorter numbers may be extensions or anything else."""
_NAME = re.compile(r"[\w.@+-]{1,64}")
_KEY = re.compile(r"sipgw_([0-9a-f]{12})_([\w-]{43})")
_HASHER = PasswordHasher()
SIGN_IN = Pool("sign-in", workers=1, waiting=16)
"""A hash takes 64 MiB, so sign-ins are processed one after the other."""


class AccountError(OperatorError):
    """A user or key cannot be made; the message says why."""


@dataclass(frozen=True)
class Key:
    """A key for programs, without its secret."""

    id: str
    name: str
    scopes: frozenset[str]
    tenant: str = ""

    @property
    def who(self) -> str:
        """The unique name of the key, in the audit log and as the owner of placed calls."""
        return f"key:{self.name[:46]}:{self.id}" if self.id else f"key:{self.name}"


class Accounts:
    """Users, sessions, keys and audit entries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refusals = HourRefusals()
        self.sign_outs = SignOuts(store)

    async def users(self) -> dict[str, str]:
        """The role of each user, by name."""
        async with self._store.read() as session:
            found = await session.scalars(select(User).order_by(User.name))
            return {user.name: user.role + (f" of {user.tenant}" if user.tenant else "") for user in found}

    async def tenant(self, name: str) -> str | None:
        """The tenant of a user, empty for none; None for a user who is not there."""
        async with self._store.read() as session:
            return await session.scalar(select(User.tenant).where(User.name == name))

    async def tenant_of_sessions(self, name: str) -> str:
        """The tenant of the sessions of `name`, also of a person whom the identity provider vouched for. Without a
        session the tenant of the user; empty for none."""
        async with self._store.read() as session:
            found = await session.scalar(select(SessionRecord.tenant).where(SessionRecord.name == name).limit(1))
        return found if found is not None else await self.tenant(name) or ""

    async def set_user(self, name: str, role: Role | None, password: str, tenant: str | None = None) -> Role:
        """Make or change a user, which ends the user's sessions. Returns the role. Without a new `role` or `tenant` the
        old one stays.

        Raises `AccountError`.
        """
        if not _NAME.fullmatch(name):
            raise AccountError("a name has 1 to 64 letters, digits and . _ @ + -")
        if role is not None and role not in ROLES:
            raise AccountError(f"roles are {', '.join(ROLES)}")
        if not LEAST <= len(password) <= MOST:
            raise AccountError(f"a password has {LEAST} to {MOST} characters")
        hashed = await SIGN_IN.run(_HASHER.hash, password)
        async with self._store.write() as session:
            user = await session.get(User, name)
            given = role or _known_role(user.role if user else "admin" if name == ADMIN else "")
            if given is None:
                raise AccountError(f"{name!r} is new: say which role, {', '.join(ROLES)}")
            if tenant is None:
                tenant = user.tenant if user else ""
            await session.merge(User(name=name, role=given, password=hashed, tenant=tenant))
            await session.execute(delete(SessionRecord).where(SessionRecord.name == name))
        return given

    async def remove_user(self, name: str) -> None:
        """Remove a user, which ends the user's sessions. Raises `AccountError`."""
        async with self._store.write() as session:
            if (found := await session.get(User, name)) is None:
                raise AccountError(f"there is no user {name!r}")
            if await session.scalar(select(func.count()).select_from(User)) == 1:
                raise AccountError(f"{name!r} is the only user; without one, a dashboard on loopback is open to all")
            await session.delete(found)
            await session.execute(delete(SessionRecord).where(SessionRecord.name == name))

    async def sign_out(self, name: str) -> int:
        """End all sessions of `name`, at every gateway within a minute; returns how many."""
        async with self._store.write() as session:
            ended = await session.execute(delete(SessionRecord).where(SessionRecord.name == name))
            return int(getattr(ended, "rowcount", 0))

    async def check(self, name: str, password: str) -> Role | None:
        """The role of the user `name`, if `password` is right; else None."""
        async with self._store.read() as session:
            user = await session.get(User, name) if _NAME.fullmatch(name) else None
        right = await SIGN_IN.run(_matches, user.password if user else "", password[:MOST])
        return _known_role(user.role) if user and right else None

    async def expire(self, idle: float, limit: float) -> None:
        """Delete the sessions that have expired: unused for `idle` seconds, or older than `limit` seconds."""
        now = datetime.now(UTC).timestamp()
        async with self._store.write() as session:
            old = or_(SessionRecord.used < now - idle, SessionRecord.began < now - limit)
            await session.execute(delete(SessionRecord).where(old))

    async def session(self, token: str) -> Session | None:
        """The session whose token has the digest `token`; None if there is none."""
        async with self._store.read() as database:
            found = await database.scalar(select(SessionRecord).where(SessionRecord.token == token))
        role = _known_role(found.role) if found else None
        if found is None or role is None:
            return None
        claims = IdentityClaims(found.issuer, found.subject, tuple(found.groups)) if found.issuer else None
        return Session(
            found.name, role, found.csrf, found.began, found.used, found.token, claims=claims, tenant=found.tenant
        )

    async def begin(self, session: Session) -> None:
        """Keep a new session."""
        kept = {name: getattr(session, name) for name in ("csrf", "name", "role", "began", "used", "token", "tenant")}
        if (known := session.claims) is not None:
            kept |= {"issuer": known.issuer, "subject": known.subject, "groups": list(known.groups)}
        async with self._store.write() as database:
            database.add(SessionRecord(**kept))

    async def keep(self, session: Session) -> bool:
        """Store the time of a session's last use, unless another gateway has stored a later time. False if the session
        was ended elsewhere, for example by a new password."""
        used = case((SessionRecord.used < session.used, session.used), else_=SessionRecord.used)
        try:
            async with self._store.write() as database:
                mine = update(SessionRecord).where(SessionRecord.csrf == session.csrf).values(used=used)
                return bool(getattr(await database.execute(mine), "rowcount", 0))
        except SQLAlchemyError as error:
            log.warning("session not kept", cause=str(error).splitlines()[0])
            return True

    async def add_key(self, name: str, scopes: Collection[str], tenant: str = "") -> str:
        """Create a key and return it; it cannot be read later, because only a digest is stored. Raises
        `AccountError`."""
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise AccountError(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
        if not scopes or not _NAME.fullmatch(name):
            raise AccountError("a key has a name of letters, digits and . _ @ + -, and at least one scope")
        public, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        async with self._store.write() as session:
            made = {"scopes": sorted(scopes), "secret": _digest(secret), "made": datetime.now(UTC), "tenant": tenant}
            session.add(ApiKey(id=public, name=name, **made))
        return f"sipgw_{public}_{secret}"

    async def keys(self) -> list[Key]:
        """All keys."""
        async with self._store.read() as session:
            found = await session.scalars(select(ApiKey).order_by(ApiKey.made))
            return [Key(key.id, key.name, frozenset(key.scopes), key.tenant) for key in found]

    async def key(self, text: str) -> Key | None:
        """The key whose text is `text`; None if there is none."""
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        async with self._store.read() as session:
            found = await session.get(ApiKey, match[1])
        if found is None or not hmac.compare_digest(found.secret, _digest(match[2])):
            return None
        return Key(found.id, found.name, frozenset(found.scopes), found.tenant)

    async def revoke(self, key: str) -> str | None:
        """Revoke a key; returns its tenant, empty for none, or None if there is no such key."""
        async with self._store.write() as session:
            if (found := await session.get(ApiKey, key)) is None:
                return None
            await session.delete(found)
            return found.tenant

    async def note(
        self, who: Principal, tenant: str, action: str, target: str = "", detail: str = "", address: str = ""
    ) -> None:
        """Write into the audit log; if the database fails, the entry goes to the log.

        The entry belongs to the tenant of `who`. If `who` is the operator, it belongs to `tenant`: the tenant whose
        people, call or campaign the entry concerns, empty for none. A tenant sees no `detail`.
        """
        log.info("audit", who=who.name, action=action, target=target, address=address)
        deed = AuditEntry(
            at=datetime.now(UTC), who=who.name[:64], action=action[:64], target=target[:255], detail=detail[:500],
            address=address[:64], tenant=who.tenant or tenant, by_operator=not who.tenant,
        )  # fmt: skip
        try:
            async with self._store.write() as session:
                session.add(deed)
                await session.flush()
                if deed.id % 1000 == 0:
                    await _shorten(session, deed)
        except SQLAlchemyError as error:
            log.warning("audit not kept", cause=str(error).splitlines()[0])

    async def refused(self, who: str, address: str, detail: str = "") -> None:
        """Write a refused sign-in into the audit log; many refusals of one address are gathered in few lines."""
        more = self._refusals.line(address, datetime.now(UTC).timestamp())
        if more is None:
            log.info("audit", who=who, action=REFUSED, address=address)
        else:
            why = "; ".join(filter(None, (more, detail)))
            await self.note(Principal.named(who), "", REFUSED, detail=why, address=address)

    async def known_addresses(self, most: int) -> list[str]:
        """The addresses from which somebody has signed in, the latest last."""
        entry = AuditEntry
        latest = select(entry.address).where(entry.action == SIGNED_IN).group_by(entry.address)
        async with self._store.read() as session:
            return list(await session.scalars(latest.order_by(func.max(entry.id).desc()).limit(most)))[::-1]

    async def forget(self, numbers: Sequence[str]) -> None:
        """Mask these numbers in the audit log, also within written sentences. Mask the words that people have typed
        into calls of these numbers, too. The entries stay."""
        long = sorted((one for one in numbers if len(one) >= TELLING), key=len, reverse=True)
        within = re.compile(rf"(?<![\w+])(?:{'|'.join(map(re.escape, long)) or '(?!)'})(?!\w)")
        theirs = select(CallRecord.id).where(of_number(numbers))
        async with self._store.write() as session:
            words = AuditEntry.action.in_(WORDS), AuditEntry.target.in_(theirs), AuditEntry.detail != ""
            await session.execute(update(AuditEntry).where(*words).values(detail="forgotten"))
            for column in (AuditEntry.target, AuditEntry.detail):
                await session.execute(update(AuditEntry).where(column.in_(numbers)).values({column: "forgotten"}))
                having = or_(False, *(column.contains(one, autoescape=True) for one in long))
                for entry in await session.scalars(select(AuditEntry).where(having)):
                    masked = within.sub(lambda found: "x" * len(found[0]), getattr(entry, column.key))
                    setattr(entry, column.key, masked)

    async def empty(self) -> bool:
        """Whether there is no user yet."""
        async with self._store.read() as session:
            return not await session.scalar(select(func.count()).select_from(User))


async def audit_entries(store: Store, most: int = 200, before: int | None = None) -> list[AuditEntry]:
    """The `most` latest entries, newest first; with `before` only entries older than the entry of this number."""
    older = select(AuditEntry) if before is None else select(AuditEntry).where(AuditEntry.id < before)
    async with store.read() as session:
        return list(await session.scalars(older.order_by(AuditEntry.id.desc()).limit(most)))


async def _shorten(session: AsyncSession, deed: AuditEntry) -> None:
    """Delete the oldest lines beyond the limit among the lines of the tenant of `deed`, and among refused sign-ins. So
    the lines of one tenant, or of strangers, never push out those of others."""
    entry = AuditEntry
    its = entry.tenant == deed.tenant, entry.by_operator == deed.by_operator, entry.action != REFUSED
    for kind, most in (((entry.tenant == "", entry.action == REFUSED), REFUSED_KEPT), (its, KEPT)):
        last = await session.scalar(select(entry.id).where(*kind).order_by(entry.id.desc()).offset(most).limit(1))
        if last is not None:
            await session.execute(delete(entry).where(*kind, entry.id <= last))


def _known_role(name: str) -> Role | None:
    return next((role for role in ROLES if role == name), None)


@functools.cache
def _nobody() -> str:
    """A hash that is checked for unknown users, so that the answer takes as long as for known users."""
    return _HASHER.hash(secrets.token_hex(16))


def _matches(hashed: str, password: str) -> bool:
    nobody = _nobody()  # made for known users, too, so that every first sign-in takes as long
    try:
        return _HASHER.verify(hashed or nobody, password)
    except (VerificationError, InvalidHashError):
        return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
