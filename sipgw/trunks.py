"""Trunks: who may send calls here, and where the gateway registers."""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from sipgw.sip.digest import Credentials
from sipgw.sip.sdes import Policy
from sipgw.sip.uri import Uri

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
"""Loopback and private networks (RFC 1918, RFC 4193, RFC 4291): the only callers of a gateway without configuration."""


_NUMBER = re.compile(r"(?:tel:)?(\+?[0-9][0-9 ().-]*)")


def _uri(text: str) -> Uri | None:
    if not text:
        return None
    scheme = text.partition(":")[0].lower()
    return Uri.parse(text if scheme in ("sip", "sips", "tel") else f"sip:{text}")


@dataclass(frozen=True)
class TrunkOptions:
    """One carrier, PBX or network of softphones."""

    name: str
    """Stands in logs and records."""
    mode: Literal["register", "peer"]
    """`register`: the gateway registers there (Telnyx, a PBX). `peer`: the other side sends INVITEs to our fixed
    address (Twilio, Plivo, a PBX trunk, softphones)."""
    registrar: str = ""
    """`register` only: host or SIP URI, e.g. ``sip.telnyx.com`` or ``sip:10.0.0.5:5080``."""
    user: str = ""
    """User name for digest authentication; with `register` also the user part of our address."""
    password: str = field(default="", repr=False)
    """Password for digest authentication, by reference: ``"${TELNYX_PASSWORD}"``."""
    outbound_proxy: str = ""
    """SIP URI to send REGISTER to when it is not the registrar itself."""
    networks: tuple[str, ...] = ()
    """Networks that its calls come from. A registered trunk's registrar addresses are added by themselves."""
    expires: float = 3600
    """Seconds asked for a registration."""
    max_calls: int = 100
    """Calls at the same time; one more is answered 503, on which carriers try their next destination."""
    srtp: Policy = "optional"
    """Encrypted sound, with keys in the session description (SDES; use TLS, or everybody on the way can read them).
    `required`: calls without it are answered 488. `optional`: whatever the other side does, plain or encrypted. `off`:
    never; a call that wants it is answered 488."""
    trust_identity: bool = True
    """Whether the caller's number is taken from P-Asserted-Identity and Remote-Party-ID. Set it to false for
    softphones, whose users can write anything there."""
    transfer_to: str = ""
    """SIP or tel URI, or number (``"+14155550123"``), of the person that callers are transferred to; empty: no
    transfers."""
    refer_to: str = ""
    """How this carrier wants numbers in a transfer, e.g. Telnyx ``"sip:{e164}@sip.telnyx.com"``, Twilio
    ``"sip:{e164}@NAME.pstn.twilio.com"``, Plivo ``"sip:{e164}@TRUNK.zt.plivo.com"``; ``{e164}`` has its +, ``{digits}``
    has not. Empty: at the registrar, or a tel URI."""
    attended_transfer: bool = False
    """Whether the person is called first, and connected with the caller after answering. PBXs only: carriers connect
    blindly."""
    await_bye: float = 0
    """How long to wait for the other side's BYE after a transfer, at most 30 s; then the gateway hangs up. Plivo hangs
    up by itself, Twilio waits for us."""
    accept_refer: bool = False
    """Whether this side may send the agent to somebody else in a call (REFER). It costs calls: for your own PBX."""

    def __post_init__(self) -> None:
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"networks: {error}") from None
        if self.mode == "register" and not (self.registrar and self.user):
            raise ValueError(f"trunk {self.name!r} registers, so it needs 'registrar' and 'user'")
        if self.mode == "peer" and not self.networks:
            raise ValueError(
                f"trunk {self.name!r} is a peer, so it needs 'networks': the addresses its calls come from"
            )
        if not 0 <= self.await_bye <= 30:
            raise ValueError("await_bye must be from 0 to 30 s")
        for uri in (self.registrar_uri, self.proxy_uri, self.transfer_uri):
            if uri is not None and uri.scheme not in ("sip", "sips", "tel"):
                raise ValueError(f"{uri} is not a SIP address")

    @cached_property
    def registrar_uri(self) -> Uri | None:
        """Where to register, or None for a peer."""
        return _uri(self.registrar)

    @cached_property
    def proxy_uri(self) -> Uri | None:
        """Where REGISTER is sent, or None for the registrar itself."""
        return _uri(self.outbound_proxy)

    @cached_property
    def transfer_uri(self) -> Uri | None:
        """Where callers are transferred to, or None. Raises `ValueError` for a number that `refer_to` cannot take."""
        number = _NUMBER.fullmatch(self.transfer_to)
        if number is None:
            return _uri(self.transfer_to)
        digits = re.sub("[^0-9]", "", number[1])
        e164 = f"+{digits}" if number[1].startswith("+") else ""
        server = self.registrar_uri
        template = self.refer_to or (f"sip:{{number}}@{server.host}" if server else "tel:{number}")
        if "{e164}" in template and not e164:
            raise ValueError(f"transfer_to: {self.transfer_to!r} needs + and its country code for refer_to")
        for name, value in (("e164", e164), ("digits", digits), ("number", e164 or digits)):
            template = template.replace(f"{{{name}}}", value)
        if "{" in template:
            raise ValueError(f"refer_to: {self.refer_to!r} has a placeholder that is none of {{e164}}, {{digits}}")
        return Uri.parse(template)

    @property
    def credentials(self) -> Credentials | None:
        """For answering digest challenges."""
        return Credentials(self.user, self.password) if self.user else None


LOCAL_TRUNK = TrunkOptions(name="local", mode="peer", networks=PRIVATE_NETWORKS)
"""The trunk of a gateway without configuration: softphones and PBXs on loopback and private networks."""


class Trunks:
    """All trunks of a gateway, looked up by the address a request comes from."""

    def __init__(self, trunks: tuple[TrunkOptions, ...]) -> None:
        self.all = trunks or (LOCAL_TRUNK,)
        self._networks: list[tuple[Network, TrunkOptions]] = []
        for trunk in self.all:
            for network in trunk.networks:
                self.allow(trunk, network)

    def allow(self, trunk: TrunkOptions, network: str) -> None:
        """Let calls from `network` (an address or CIDR network) in through `trunk`."""
        entry = (ipaddress.ip_network(network), trunk)
        if entry not in self._networks:
            self._networks.append(entry)
            # The narrowest network decides, so that a PBX inside a softphone network keeps its own trunk.
            self._networks.sort(key=lambda entry: -entry[0].prefixlen)

    def match(self, host: str) -> TrunkOptions | None:
        """The trunk that a request from `host` (an IP address) belongs to, or None for a stranger."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if address.version == 6 and address.ipv4_mapped:  # what a dual-stack socket reports for an IPv4 peer
            address = address.ipv4_mapped
        return next((trunk for network, trunk in self._networks if address in network), None)
