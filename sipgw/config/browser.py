"""Options of the browser phone."""

import base64
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Interval

from agent.rules.rule_error import RuleError
from media.browsers.transport import Network

TURN_LIFE = 12 * 3600
"""Seconds for which what `BrowserOptions.turn_secret` makes is good: longer than a call."""
_TURN = re.compile(r"turns?:[A-Za-z0-9.:\[\]-]+(\?transport=(udp|tcp))?")


@dataclass(frozen=True)
class BrowserOptions:
    """Calls from the page ``/phone``, and operators who speak from a page."""

    max_calls: Annotated[int, Interval(ge=0, le=1000)] = 10
    """Calls at the same time, operators included; one more is refused. 0 turns both off."""
    port_range: tuple[int, int] | None = None
    """First and last UDP port for browsers, one for each interface of each call; none: any that the system has free."""
    addresses: tuple[str, ...] = ()
    """Addresses under which browsers reach those ports besides those of this machine's interfaces: the public one where
    a NAT or a container hands the ports on, as they are."""
    stun: str = ""
    """A STUN server that tells our public address: ``stun.example.com:3478``. Behind a NAT that lets in whom we have
    not sent to, or for what `addresses` cannot say because it changes."""
    turn: tuple[str, ...] = ()
    """TURN servers that browsers call through when they have no other way, as where UDP is blocked:
    ``turns:turn.example.com:443?transport=tcp``. Their page gets them with a user and a password."""
    turn_user: str = ""
    """User name at those servers."""
    turn_password: str = field(default="", repr=False)
    """Its password, by reference: ``"${TURN_PASSWORD}"``; every operator's browser learns it. Not with ``[embed]``."""
    turn_secret: str = field(default="", repr=False)
    """The secret that the TURN server shares with the gateway, by reference (coturn: ``static-auth-secret``). With it
    each call gets a password of its own, for 12 hours, or for the call if it is a visitor's. `turn_user` and
    `turn_password` are then not needed."""

    def __post_init__(self) -> None:
        if self.port_range and not 1024 <= self.port_range[0] < self.port_range[1] <= 65535:
            raise RuleError("must be two ports between 1024 and 65535, the lower first", "port_range")
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise RuleError(f"{address!r} is no IP address", "addresses") from None
        host, _, port = self.stun.partition(":")
        if self.stun and not (host and (not port or (port.isascii() and port.isdigit()))):
            raise RuleError("must be a name or an IPv4 address, and a port: stun.example.com:3478", "stun")
        for server in self.turn:
            if not _TURN.fullmatch(server):
                raise RuleError("one is not like turn:turn.example.com:3478", "turn")
        if bool(self.turn) != (bool(self.turn_secret) or bool(self.turn_user and self.turn_password)):
            why = "turn needs turn_secret, or turn_user and turn_password; and they need turn"
            raise RuleError(why, "turn", "turn_secret", "turn_user", "turn_password")

    @property
    def network(self) -> Network:
        """The part of it that the process for browsers needs."""
        return Network(self.port_range, self.addresses, self.stun)

    def ice_servers(self, who: str, now: float, life: float = TURN_LIFE) -> list[dict[str, Any]]:
        """The ICE servers for the browser of `who` at `now`, seconds since 1970: RTCIceServer of W3C's WebRTC.

        A password of our own making is good for `life` seconds, and is that of draft-uberti-behave-turn-rest, which
        coturn and others know.
        """
        user, password = self.turn_user, self.turn_password
        if self.turn_secret:
            user = f"{int(now + life)}:{who or 'sipgw'}"
            password = base64.b64encode(hmac.digest(self.turn_secret.encode(), user.encode(), "sha1")).decode()
        return [{"urls": list(self.turn), "username": user, "credential": password}] if self.turn else []
