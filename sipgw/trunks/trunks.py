"""The trunks of a gateway, and the trunk of a source address."""

from collections.abc import Collection

from sipgw.config.networks import PRIVATE_NETWORKS, Networks
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import is_private
from sipgw.sip.uri import is_address

LOCAL_TRUNK = TrunkOptions(name="local", mode="peer", networks=PRIVATE_NETWORKS)
"""The trunk of a gateway without configuration: softphones and PBXs on loopback and private networks."""
KEPT = 24 * 3600.0
"""Seconds for which calls from an address of a registrar are admitted after its name has last led there. The DNS may
tell only some of the addresses at a time."""


class Trunks:
    """All trunks of a gateway, looked up by the address a request comes from."""

    def __init__(self, trunks: tuple[TrunkOptions, ...]) -> None:
        self.all = trunks
        self._networks = Networks[TrunkOptions]()
        self._led: dict[tuple[str, str], float] = {}
        """When the name of a trunk's registrar led to an address last, by the trunk's name and the address."""
        for trunk in self.all:
            for network in trunk.networks:
                self.allow(trunk, network)

    def allow(self, trunk: TrunkOptions, network: str) -> None:
        """Admit calls from `network` (an address or CIDR network) through `trunk`."""
        self._networks.add(network, trunk)

    def found(self, trunk: TrunkOptions, hosts: Collection[str], now: float) -> None:
        """Admit calls from `hosts`, the addresses to which the name of the registrar of `trunk` leads; from its earlier
        addresses no longer than `KEPT`. `now` is in seconds. Without an address nothing changes, because the DNS may be
        down.
        """
        for host in hosts:
            if self._networks.add(host, trunk) or (trunk.name, host) in self._led:  # else it is in its `networks`
                self._led[trunk.name, host] = now
        past = [key for key, at in self._led.items() if hosts and key[0] == trunk.name and now - at > KEPT]
        for key in past:
            del self._led[key]
            self._networks.remove(key[1], trunk)

    def match(self, host: str, user: str = "") -> TrunkOptions | None:
        """The trunk that a request from `host` (an IP address) to `user` belongs to, or None for a stranger.

        If several trunks are registered at one PBX, it is the trunk of the user who was called, or else the first.
        """
        found = self._networks.every(host)
        return next((trunk for trunk in found if user and trunk.user == user), found[0] if found else None)

    def serve(self, host: str, but: str = "") -> bool:
        """Whether `host`, a name or an IP address, is a server of a trunk, as far as that is known. The trunk named
        `but` does not count. In a private network any address may be that of a phone, unless a trunk names it.
        """
        others = [one for one in self.all if one.name != but]
        uris = (uri for one in others for uri in (one.domain_uri, one.registrar_uri, one.proxy_uri) if uri is not None)
        names = {uri.host.lower() for uri in uris if uri.host}
        if not is_address(host):
            return any(host.lower() == name or host.lower().endswith(f".{name}") for name in names)
        network = self._networks.narrowest(host)
        known = network is not None and (network.num_addresses == 1 or not is_private(host))
        there = (one for one in self._networks.every(host) if one.name != but and one.proof == "network")
        return host in names or (known and any(there))

    def beside(self, trunk: TrunkOptions, host: str) -> tuple[TrunkOptions, ...]:
        """`trunk`, and those at the same PBX whose requests come from `host` without further proof."""
        found = self._networks.every(host) if trunk.proof == "network" else ()
        return (trunk, *(one for one in found if one.proof == "network" and one is not trunk))

    def named(self, name: str) -> TrunkOptions | None:
        """The trunk of this name, or None."""
        return next((trunk for trunk in self.all if trunk.name == name), None)
