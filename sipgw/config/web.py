"""Options of the dashboard and the REST interface."""

import ipaddress
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from annotated_types import Gt, Interval

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from sipgw.config.networks import is_loopback
from sipgw.config.oidc import OidcOptions

PORT = 8080


@dataclass(frozen=True)
class WebOptions:
    """The dashboard and the REST interface."""

    enabled: bool = True
    """Whether the gateway has a dashboard and a REST interface."""
    host: str = "127.0.0.1"
    """Address to listen on. On any address other than loopback people must sign in; once a password is stored, on
    loopback too."""
    port: Annotated[int, Interval(ge=0, le=65535)] = PORT
    """TCP port; if the default port is taken, the gateway takes the next free one of ten."""
    names: tuple[str, ...] = ()
    """Host names under which browsers reach the dashboard, besides ``localhost`` and addresses:
    ``["phone.example.com"]``. With a name here people must sign in, because a proxy of that name may admit anybody."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of the TLS proxies in front of the dashboard. Their ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are
    trusted."""
    password: str = field(default="", repr=False)
    """Password of the user ``admin``; with a password, people must sign in on loopback too. ``SIPGW_WEB_PASSWORD``
    fills it in."""
    session_idle: Annotated[float, Gt(0)] = 12 * 3600
    """Seconds without a request after which a user must sign in again."""
    session_limit: float = field(default=7 * 86400, metadata=FIXED)
    """Seconds after which a user must sign in again in any case."""
    oidc: OidcOptions = field(default_factory=OidcOptions)
    """Sign-in by an identity provider."""

    def __post_init__(self) -> None:
        if self.password and len(self.password) < 8:
            raise RuleError("must have at least 8 characters", "password")
        for proxy in self.proxies:
            try:
                ipaddress.ip_address(proxy)
            except ValueError:
                raise RuleError(f"{proxy!r} is no IP address", "proxies") from None
        if self.oidc.issuer and not self._serves(urlsplit(self.oidc.url).hostname or ""):
            why = "the host of the url of [web.oidc] must be in the names of [web], or requests for it are refused"
            raise RuleError(why, "names", ("oidc", "url"))

    def _serves(self, host: str) -> bool:
        try:
            return bool(ipaddress.ip_address(host))
        except ValueError:
            return host == "localhost" or host in {name.lower() for name in self.names}

    @property
    def needs_sign_in(self) -> bool:
        """Whether people must sign in even while no password is stored."""
        return bool(self.password or self.names or self.oidc.issuer) or not is_loopback(self.host)
