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
"""Seconds for which a password made from `BrowserOptions.turn_secret` is valid: longer than a call."""
_TURN = re.compile(r"turns?:[A-Za-z0-9.:\[\]-]+(\?transport=(udp|tcp))?")


@dataclass(frozen=True)
class BrowserOptions:
    """Calls from the page ``/phone``, and operators who speak from a page."""

    max_calls: Annotated[int, Interval(ge=0, le=1000)] = 10
    """Maximum calls at the same time, operators included; further calls are refused. 0 turns the page and operators'
    speech off."""
    port_range: tuple[int, int] | None = None
    """First and last UDP port for browsers. Each call uses one port for each interface. Not set: any free ports."""
    addresses: tuple[str, ...] = ()
    """Addresses under which browsers reach these ports, besides the addresses of this machine's interfaces: the public
    address, where a NAT or a container forwards the ports unchanged."""
    stun: str = ""
    """A STUN server that tells our public address: ``stun.example.com:3478``. Use it behind a NAT that lets packets of
    unknown senders in, or if the address for `addresses` changes."""
    turn: tuple[str, ...] = ()
    """TURN servers for browsers that have no other way, for example where UDP is blocked:
    ``turns:turn.example.com:443?transport=tcp``. The page gets them with a user and a password."""
    turn_user: str = ""
    """User name at the TURN servers."""
    turn_password: str = field(default="", repr=False)
    """Password of `turn_user`, by reference: ``"${TURN_PASSWORD}"``. Every operator's browser learns it. Not with
    ``[embed]``."""
    turn_secret: str = field(default="", repr=False)
    """The secret that the TURN server shares with the gateway, by reference (coturn: ``static-auth-secret``). With it
    each call gets a password of its own, which is valid for 12 hours, or for the length of a visitor's call.
    `turn_user` and `turn_password` are then not needed."""

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
        """The options that the process for browsers needs."""
        return Network(self.port_range, self.addresses, self.stun)

    def ice_servers(self, who: str, now: float, life: float = TURN_LIFE) -> list[dict[str, Any]]:
        """The ICE servers for the browser of `who` at `now`, seconds since 1970: RTCIceServer of W3C's WebRTC.

        With `turn_secret` the password is made as draft-uberti-behave-turn-rest says, which coturn and others support.
        It is valid for `life` seconds.
        """
        user, password = self.turn_user, self.turn_password
        if self.turn_secret:
            user = f"{int(now + life)}:{who or 'sipgw'}"
            password = base64.b64encode(hmac.digest(self.turn_secret.encode(), user.encode(), "sha1")).decode()
        return [{"urls": list(self.turn), "username": user, "credential": password}] if self.turn else []
