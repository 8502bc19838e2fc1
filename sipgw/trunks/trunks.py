"""Trunks: who may send calls here, and where the gateway registers."""

from sipgw.config.networks import PRIVATE_NETWORKS, Networks
from sipgw.config.trunks import TrunkOptions

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
