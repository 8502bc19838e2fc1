"""Tables of users, sessions, API keys and audit entries."""

from datetime import datetime

from sqlalchemy import JSON, Float, Index, String, true
from sqlalchemy.orm import Mapped, mapped_column

from sipgw.records.store.tables import TENANT, Base, UtcDateTime


class User(Base):
    """A user who signs in."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(String(200))
    """Argon2id hash of the password."""
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant whose calls the user sees; empty: all."""


class SessionRecord(Base):
    """A session; see `sipgw.web.sessions.Session`. Times are in seconds since 1970."""

    __tablename__ = "sessions"
    csrf: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The CSRF token of the session. It does not change during the session, and is useless without the cookie."""
    name: Mapped[str] = mapped_column(String(64), index=True)
    role: Mapped[str] = mapped_column(String(16))
    began: Mapped[float] = mapped_column(Float)
    used: Mapped[float] = mapped_column(Float)
    token: Mapped[str] = mapped_column(String(64), index=True)
    issuer: Mapped[str] = mapped_column(String(2048), default="")
    subject: Mapped[str] = mapped_column(String(255), default="")
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Groups that an identity provider has vouched for; empty for local users."""
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant of the session's user; empty for none."""


class ApiKey(Base):
    """A key for programs."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """The public part of the key."""
    name: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the secret part, which has 256 random bits, so a slow hash gains nothing."""
    made: Mapped[datetime] = mapped_column(UtcDateTime)
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant whose calls the key may reach; empty: all calls."""


class AuditEntry(Base):
    """An entry of the audit log."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(255))
    detail: Mapped[str] = mapped_column(String(500))
    address: Mapped[str] = mapped_column(String(64))
    """Client address of the request."""
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant whose people acted, or whose call or campaign was acted on; empty: the installation itself."""
    by_operator: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether the actor belongs to no tenant."""
    __table_args__ = (Index("audit_by_tenant", "tenant", "id"),)


class PlacedCall(Base):
    """A call that was requested with an Idempotency-Key."""

    __tablename__ = "placed"
    who: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    call: Mapped[str] = mapped_column(String(255), default="")
    at: Mapped[float] = mapped_column(Float, index=True)
    """In seconds since 1970."""


class Visit(Base):
    """A call of a visitor of a web site, kept for a day to be counted."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(String(64))
    """IP address of the visitor, or its /64."""
    at: Mapped[float] = mapped_column(Float, index=True)
    """In seconds since 1970."""
