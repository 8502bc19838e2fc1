"""The address at which phones reach this gateway, for its banner and its home page."""

import contextlib
import socket
from ipaddress import ip_address, ip_network

from sipgw.config.config import GatewayConfig
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.uri import format_host_port


def dialled(config: GatewayConfig, port: int, agent: str = "agent") -> str:
    """The SIP address that a softphone dials, as ``sip:agent@192.0.2.7``; empty if phones may not call directly. `port`
    is the port on which we listen."""
    host = reached_at(config.sip)
    if not phones_may_call(config, host):
        return ""
    return f"sip:{agent}@{format_host_port(host, None if port == 5060 else port)}"


def phones_may_call(config: GatewayConfig, address: str) -> bool:
    """Whether a softphone near the gateway's `address` may call it: with a password, or by its network."""
    if config.accounts or not config.trunks:
        return True
    try:
        here = ip_address(address)
    except ValueError:
        return False  # a host name: the networks say nothing about it
    networks = [ip_network(one) for trunk in config.trunks for one in trunk.networks]
    return any(here in network and network.num_addresses > 1 for network in networks)


def reached_at(options: EndpointOptions) -> str:
    """The address for phones: the public address, the one that we listen on, or that of this machine."""
    listening = "" if options.host in ("", "0.0.0.0", "::") else options.host
    return options.public_address or listening or _own_address()


def _own_address() -> str:
    """The address of the interface with the default route."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"
