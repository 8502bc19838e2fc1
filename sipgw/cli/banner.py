"""The output of ``sipgw serve`` at the start: the address for calls, the dashboard, and warnings."""

import contextlib
import shutil
import socket
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import structlog
from rich.markup import escape

from sipgw import __version__
from sipgw.calls.browser_phone import missing
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import GatewayConfig
from sipgw.console import err, out
from sipgw.gateway.gateway import Gateway
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.uri import format_host_port
from sipgw.web.server import Dashboard


def say_how_to_call(gateway: Gateway, dashboard: Dashboard) -> None:
    """Print it for a person, or log it as one event where logs are JSON."""
    parts = str(gateway.agents.all[DEFAULT].choice)
    if gateway.config.log.format == "json":  # each line is read by a machine
        structlog.get_logger().info(
            "gateway answers", version=__version__, host=_reached_at(gateway.config.sip), port=gateway.endpoint.port,
            parts=parts, notes=list(gateway.agents.notes), dashboard=dashboard.url,
        )  # fmt: skip
        if dashboard.setup_url:  # a secret that no log may hold
            err.print(f"set the dashboard's first password, once: {dashboard.setup_url}", soft_wrap=True)
        return
    out.print(f"[bold green]sipgw {__version__} answers[/]  {parts}")
    for note in gateway.agents.notes:
        out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)
    _say_where(gateway)
    out.print(
        f"  no phone? a call with a gateway of its own:  [bold]{_command()} demo[/]   (in another terminal)",
        soft_wrap=True,
    )
    if dashboard.setup_url:
        out.print(f"  set the dashboard's first password, once:    [bold]{dashboard.setup_url}[/]", soft_wrap=True)
    elif dashboard.url:
        out.print(f"  see it in the browser:                       [bold]{dashboard.url}[/]")
        if not missing(gateway.config.browser):
            out.print(f"  call it from the browser:                    [bold]{dashboard.url}phone[/]")
    for name, registration in gateway.watch.registrations.items():
        out.print(f"  registering trunk {name}: {registration.options.registrar}")
    out.print("  stop with Ctrl-C", soft_wrap=True)


def _say_where(gateway: Gateway) -> None:
    port, host = gateway.endpoint.port, _reached_at(gateway.config.sip)
    if not phones_may_call(gateway.config, host):
        names = ", ".join(trunk.name for trunk in gateway.config.trunks)
        out.print(f"  calls come through {escape(names)}; phones cannot call port {port} directly", soft_wrap=True)
        return
    address = format_host_port(host, None if port == 5060 else port)
    out.print(f"  call it from Linphone or another softphone:  [bold]sip:agent@{address}[/]")
    for name in gateway.agents.all.keys() - {DEFAULT}:
        out.print(f"  another agent:                               [bold]sip:{name}@{address}[/]")


def phones_may_call(config: GatewayConfig, address: str) -> bool:
    """Whether a softphone near `address`, where the gateway is, may call it: with a password, or by its network."""
    if config.accounts or not config.trunks:
        return True
    try:
        here = ip_address(address)
    except ValueError:
        return False  # a name: who may call by it is not known
    networks = [ip_network(one) for trunk in config.trunks for one in trunk.networks]
    return any(here in network and network.num_addresses > 1 for network in networks)


def _reached_at(options: EndpointOptions) -> str:
    """The address for phones: the public address, the one that we listen on, or that of this machine."""
    listening = "" if options.host in ("", "0.0.0.0", "::") else options.host
    return options.public_address or listening or _own_address()


def _command() -> str:
    """The command of this program here; ``make run`` puts nothing on the PATH."""
    beside = Path(sys.executable).with_name("sipgw")
    if shutil.which("sipgw") or not beside.exists():
        return "sipgw"
    with contextlib.suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)


def _own_address() -> str:
    """The address of the interface that leads outside."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"
