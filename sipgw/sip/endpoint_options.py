"""The options of the SIP endpoint."""

from dataclasses import dataclass, field

from sipgw.sip.session_timer import LONGEST, MIN_SE
from sipgw.sip.tls import RuleError, TlsOptions
from sipgw.sip.uri import UriError, is_address, parse_host_port


@dataclass(frozen=True)
class EndpointOptions:
    """The options of the SIP endpoint."""

    host: str = "0.0.0.0"
    """Local address to listen on: ``0.0.0.0`` for all of IPv4, ``::`` for all of IPv4 and IPv6, or one address."""
    port: int = 5060
    """UDP and TCP port; 0 lets the system choose."""
    tcp: bool = field(default=True, metadata={"fixed": True})
    """Whether to listen on TCP too."""
    dns: tuple[str, ...] = ()
    """DNS servers, each an address with or without a port; empty: those of the system."""
    tls: TlsOptions = field(default_factory=TlsOptions)
    public_address: str = ""
    """The IP address to which the other sides send. Only sides on the Internet are told a public address; all sides are
    told a private one. If it is empty, or not for this side, the side is told the address that the STUN server or a
    registrar sees. If that is not known, it is the local address on the way to the side."""
    stun_server: str = ""
    """Host, with or without a port, that reports our public address (RFC 5389), e.g. ``stun.example.com:3478``."""
    dscp: int = field(default=24, metadata={"fixed": True})
    """Mark on outgoing packets for routers that give signalling precedence (RFC 2474); 24 is CS3, 0 is none."""
    session_expires: float = 0.0
    """Seconds after which a call without a session refresh is over (RFC 4028), at least 90; 0 asks for no session
    timer, and accepts the one of the other side."""
    edge: str = ""
    """IP address of the proxy before this gateway, `docker/kamailio.cfg`. In a call from the proxy, the header
    ``X-Sipgw-Source`` tells the address from which the proxy got the call. That address decides which trunk the call
    belongs to, and which address of ours the caller is told. Only the proxy may send from this address. Empty: there is
    no proxy."""
    take_over: str = field(default="", metadata={"fixed": True})
    """Socket file at which an older gateway of this machine hands its sockets over; ``sipgw serve --take-over``."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise RuleError("must be from 0 to 65535", "port")
        if self.session_expires and not MIN_SE <= self.session_expires <= LONGEST:
            raise RuleError(f"must be 0 or from {MIN_SE} to {LONGEST} seconds", "session_expires")
        for name in ("host", "public_address", "edge"):
            value = getattr(self, name)
            if value and not is_address(value):
                raise RuleError(f"must be an IP address, not {value!r}", name)
        if self.tcp and self.tls.certificate and self.port == self.tls.port != 0:
            raise RuleError(
                f"TCP and TLS cannot both have port {self.port}; set [sip.tls] port", ("tls", "port"), "port"
            )
        for name, servers in (("stun_server", [self.stun_server] if self.stun_server else []), ("dns", self.dns)):
            for server in servers:
                try:
                    host, _ = parse_host_port(server)
                except UriError as error:
                    raise RuleError(str(error), name) from None
                if name == "dns" and not is_address(host):
                    raise RuleError(f"must be IP addresses, not {server!r}", name)
