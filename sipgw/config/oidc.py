"""Options of the sign-in by an identity provider (OpenID Connect Core 1.0)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from annotated_types import MaxLen

from agent.providers.extra import FIXED
from agent.rules.rule_error import Keys, RuleError
from sipgw.config.networks import is_loopback

LONGEST_URL = 2048
Role = Literal["viewer", "operator", "admin"]
"""The roles, from the fewest rights to the most."""


def unusable(url: str) -> str:
    """Why the address of an identity provider, or an address to which it sends browsers, is not used; empty if it is
    used."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "it is no URL"
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "it is too long, or has characters that URLs do not have"
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host))):
        return "it must begin with https:// and a host (http:// only for this machine)"
    return "it has a user or a fragment" if parts.username is not None or "#" in url else ""


@dataclass(frozen=True)
class OidcOptions:
    """Sign-in to the dashboard by an identity provider (OpenID Connect); local users stay."""

    issuer: str = ""
    """The provider, exactly as its discovery document names it: ``https://login.example.com/realms/office``. Empty:
    people sign in with local passwords only."""
    client_id: str = ""
    """The client that the provider has for this dashboard."""
    client_secret: str = field(default="", repr=False)
    """The secret of the client, ``"${OIDC_SECRET}"``; empty for a public client, which only PKCE protects."""
    url: str = ""
    """Address of the dashboard in browsers, ``https://phone.example.com``. The provider must know the redirect URI
    ``URL/sign-in/oidc/callback``."""
    label: str = field(default="single sign-on", metadata=FIXED)
    """The text of the button after *Sign in with*."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """The scopes of the request; ``openid`` must be one of them."""
    name_claim: Annotated[str, MaxLen(100)] = "preferred_username"
    """The claim of the ID token that pages and the audit log show as the name of a user; without it `sub`."""
    groups_claim: Annotated[str, MaxLen(100)] = "groups"
    """The claim that holds the groups of a user: a list or one text. ``email`` counts only with `email_verified`."""
    viewers: tuple[str, ...] = ()
    """Groups whose members may look at calls. A user in no group of the three lists, nor of a tenant, cannot sign
    in."""
    operators: tuple[str, ...] = ()
    """Groups whose members may also act on calls."""
    admins: tuple[str, ...] = ()
    """Groups whose members may also see the configuration and the audit log. The highest role of a user counts."""

    session_limit: float = field(default=8 * 3600, metadata=FIXED)
    """Seconds after which a user must sign in again, and gets the groups of that time."""

    def __post_init__(self) -> None:
        if not self.issuer:
            return
        if reason := unusable(self.issuer) or ("it has a query" if "?" in self.issuer else ""):
            raise RuleError(reason, "issuer")
        if not self.client_id:
            raise RuleError(
                "client_id is missing: the provider shows it beside its client for this dashboard",
                "client_id",
                "issuer",
            )
        if reason := unusable(self.url) or ("it has a path" if urlsplit(self.url).path.strip("/") else ""):
            raise RuleError(f"{reason}; write the address of the dashboard, like https://phone.example.com", "url")
        if "?" in self.url:
            raise RuleError("it has a query", "url")
        if "openid" not in self.scopes:
            raise RuleError('must contain "openid"', "scopes")
        for name in ("name_claim", "groups_claim"):
            if not getattr(self, name):
                raise RuleError("a claim has no name", name)

    @property
    def groups(self) -> dict[str, Role]:
        """The role of each group."""
        lists: tuple[tuple[Role, tuple[str, ...]], ...] = (
            ("viewer", self.viewers), ("operator", self.operators), ("admin", self.admins),
        )  # fmt: skip
        return {group: role for role, listed in lists for group in listed}

    @property
    def redirect_uri(self) -> str:
        """The address to which the provider sends browsers back."""
        return f"{self.url.rstrip('/')}/sign-in/oidc/callback"


def role_in(known: Mapping[str, Role], groups: frozenset[str]) -> Role | None:
    """The highest role that `known` gives to one of `groups`; None if `known` has none of them."""
    held = {known[one] for one in groups if one in known}
    return next((role for role in reversed(get_args(Role)) if role in held), None)


def check_groups(oidc: OidcOptions, tenants: Sequence[tuple[str, Mapping[str, Role]]]) -> None:
    """Check the groups of the operator and of all tenants: each has a name and stands in one place. Raises
    `RuleError`."""
    seen = dict[str, str]()
    places: list[tuple[Keys, str, Collection[str]]] = [
        *((("web", "oidc", name), "[web.oidc]", getattr(oidc, name)) for name in ("viewers", "operators", "admins")),
        *((("tenants", at, "groups"), f"[[tenants]] {name!r}", one) for at, (name, one) in enumerate(tenants)),
    ]
    for key, place, groups in places:
        for group in groups:
            if not group:
                raise RuleError(f"{place}: a group has no name", key)
            if (before := seen.setdefault(group, place)) != place:
                why = f"the group {group!r} is in {before} and in {place}: its members could not sign in"
                raise RuleError(why, key)
    if oidc.issuer and not seen:
        raise RuleError("nobody could sign in: name a group in viewers, operators or admins", ("web", "oidc", "issuer"))
