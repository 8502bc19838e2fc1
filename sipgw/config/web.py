"""Options of the dashboard and the REST interface."""

import ipaddress
from dataclasses import dataclass, field

PORT = 8080


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class WebOptions:
    """The dashboard and the REST interface."""

    enabled: bool = True
    """Whether there is a dashboard at all."""
    host: str = "127.0.0.1"
    """Address to listen on. On any other than loopback people must sign in. Once a password is stored, everywhere."""
    port: int = PORT
    """TCP port; if the default is taken, the next free one of ten is used."""
    names: tuple[str, ...] = ()
    """Host names under which browsers reach it, besides ``localhost`` and addresses: ``["phone.example.com"]``. With
    one, people must sign in: whatever leads there may lead from anywhere."""
    password: str = field(default="", repr=False)
    """Password of the user ``admin``; with one, people sign in on loopback too. Filled in by ``SIPGW_WEB_PASSWORD``."""
    session_idle: float = 12 * 3600
    """Seconds without a request after which somebody who signed in must do so again."""
    session_limit: float = 7 * 86400
    """Seconds after which they must in any case."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be between 0 and 65535")
        if self.password and len(self.password) < 8:
            raise ValueError("password must have at least 8 characters")
        if self.session_idle <= 0 or self.session_limit <= 0:
            raise ValueError("session_idle and session_limit must be more than 0")

    @property
    def needs_sign_in(self) -> bool:
        """Whether people must sign in even while no password is stored."""
        return bool(self.password or self.names) or not is_loopback(self.host)
