"""The output of ``sipgw serve`` at the start: the address for calls, the dashboard, and warnings."""

import structlog
from rich.markup import escape

from sipgw import __version__
from sipgw.calls.browser_phone import missing
from sipgw.config.agent_files import DEFAULT
from sipgw.console import err, out
from sipgw.gateway.gateway import Gateway
from sipgw.gateway.reached_at import dialled, reached_at
from sipgw.program import command
from sipgw.web.server import Dashboard


def say_how_to_call(gateway: Gateway, dashboard: Dashboard) -> None:
    """Print the address for calls, the dashboard and warnings for a person; with JSON logs, log them as one event."""
    parts = str(gateway.agents.all[DEFAULT].choice)
    if gateway.config.log.format == "json":  # a program reads each line
        structlog.get_logger().info(
            "gateway answers", version=__version__, host=reached_at(gateway.config.sip), port=gateway.endpoint.port,
            parts=parts, notes=list(gateway.agents.notes), dashboard=dashboard.url,
        )  # fmt: skip
        if dashboard.setup_url:  # no log may hold this secret
            err.print(f"set the dashboard's first password, once: {dashboard.setup_url}", soft_wrap=True)
        return
    out.print(f"[bold green]sipgw {__version__} answers[/]  {parts}")
    for note in gateway.agents.notes:
        out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)
    _say_where(gateway)
    out.print(
        f"  no phone? a call with a gateway of its own:  [bold]{command()} demo[/]   (in another terminal)",
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


def say_ready(gateway: Gateway, dashboard: Dashboard) -> None:
    """Log that a worker of ``sipgw serve --workers`` takes calls."""
    config = gateway.config
    structlog.get_logger().info(
        "worker is ready", name=config.cluster.called, port=gateway.endpoint.port, dashboard=dashboard.url
    )
    if dashboard.setup_url:
        err.print(f"set the dashboard's first password, once: {dashboard.setup_url}", soft_wrap=True)


def _say_where(gateway: Gateway) -> None:
    config, port = gateway.config, gateway.endpoint.port
    if not (address := dialled(config, port)):
        names = ", ".join(trunk.name for trunk in config.trunks)
        out.print(f"  calls come through {escape(names)}; phones cannot call port {port} directly", soft_wrap=True)
        return
    out.print(f"  call it from Linphone or another softphone:  [bold]{address}[/]")
    for name in gateway.agents.all.keys() - {DEFAULT}:
        out.print(f"  another agent:                               [bold]{dialled(config, port, name)}[/]")
