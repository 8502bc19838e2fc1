"""Trunks: who may send calls here, and where the gateway registers."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from sipgw.networks import PRIVATE_NETWORKS, Networks, check_networks
from sipgw.sip.digest import Credentials
from sipgw.sip.uri import Uri


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
    proof: Literal["network", "digest"] = "network"
    """What its calls must prove. `network`: that they come from `networks` (carriers). `digest`: also an account with
    this trunk's name (PBXs and phones); without `networks`, from the account's own."""
    expires: float = 3600
    """Seconds asked for a registration."""
    max_calls: int = 100
    """Calls at the same time; one more is answered 503, on which carriers try their next destination."""
    trust_identity: bool = True
    """Whether the caller's number is taken from P-Asserted-Identity and Remote-Party-ID. Set it to false for
    softphones, whose users can write anything there."""
    transfer_to: str = ""
    """SIP or tel URI of the person that callers are transferred to; empty: no transfers."""

    def __post_init__(self) -> None:
        check_networks(self.networks)
        if self.mode == "register" and not (self.registrar and self.user):
            raise ValueError(f"trunk {self.name!r} registers, so it needs 'registrar' and 'user'")
        if self.mode == "peer" and not self.networks and self.proof == "network":
            raise ValueError(
                f"trunk {self.name!r} is a peer, so it needs 'networks': the addresses its calls come from"
            )
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
        """Where callers are transferred to, or None."""
        return _uri(self.transfer_to)

    @property
    def credentials(self) -> Credentials | None:
        """For answering digest challenges."""
        return Credentials(self.user, self.password) if self.user else None


LOCAL_TRUNK = TrunkOptions(name="local", mode="peer", networks=PRIVATE_NETWORKS)
"""The trunk of a gateway without configuration: softphones and PBXs on loopback and private networks."""


class Trunks:
    """All trunks of a gateway, looked up by the address a request comes from."""

    def __init__(self, trunks: tuple[TrunkOptions, ...]) -> None:
        self.all = trunks
        self._networks = Networks[TrunkOptions]()
        for trunk in self.all:
            for network in trunk.networks:
                self.allow(trunk, network)

    def allow(self, trunk: TrunkOptions, network: str) -> None:
        """Let calls from `network` (an address or CIDR network) in through `trunk`."""
        self._networks.add(network, trunk)

    def match(self, host: str) -> TrunkOptions | None:
        """The trunk that a request from `host` (an IP address) belongs to, or None for a stranger."""
        return self._networks.match(host)

    def named(self, name: str) -> TrunkOptions | None:
        """The trunk of this name, or None."""
        return next((trunk for trunk in self.all if trunk.name == name), None)
