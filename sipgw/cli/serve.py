"""``sipgw serve``: answer calls until a signal."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from sipgw.cli.banner import say_how_to_call
from sipgw.config.agent_files import load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.console import EXPECTED, ConfigFile, err, one_line_errors
from sipgw.gateway.drain import drain
from sipgw.gateway.garbage import when_quiet
from sipgw.gateway.gateway import Gateway
from sipgw.outbound.job_dialer import OutboundDialer
from sipgw.records.privacy.redaction import redactor_for
from sipgw.sip.handover import Offer
from sipgw.telemetry import log
from sipgw.web.server import Dashboard


def serve(
    config: ConfigFile = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take the place of the gateway that runs here; it ends with its last call."),
    ] = False,
) -> None:
    """Answer calls until Ctrl-C."""
    with one_line_errors():
        settings, agents = load_all(config)
        if take_over:
            settings = replace(settings, sip=replace(settings.sip, take_over=str(settings.store.handover)))
        log.configure(settings.log, redactor_for(settings.privacy, "logs"))
        asyncio.run(_serve(settings, agents, config))


async def _serve(settings: GatewayConfig, agents: dict[str, AgentConfig], file: Path | None) -> None:
    stop, hurry, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    err.print("starting ...")
    async with (
        Gateway(settings, agents=agents) as gateway,
        Dashboard(gateway, settings.web) as dashboard,
        OutboundDialer(gateway) as dialling,
        Offer(settings.store.handover, stop.set) as offer,
        when_quiet(lambda: gateway.calls),
    ):
        say_how_to_call(gateway, dashboard)
        async with asyncio.TaskGroup() as group:
            reloading = group.create_task(_reload(gateway, file, reload))
            await stop.wait()
            reloading.cancel()
        dialling.finish()
        if offer.link is not None:
            await dashboard.close()  # its port is wanted too
            gateway.endpoint.hand_over(offer.link)  # it gets new calls; running calls stay here
            err.print("the next gateway has taken over")
        limit = settings.drain.limit

        def say(calls: int) -> None:
            err.print(f"{calls} calls go on, for {limit:g} s at most; a second Ctrl-C or SIGTERM hangs up now")

        gateway.turn_away()
        left = await drain(gateway.registry, limit, hurry, say)
        err.print(f"stopping, {left} calls are hung up ..." if left else "stopping ...")
        await gateway.registry.stop_all()  # before all that may wait for the database


async def _reload(gateway: Gateway, file: Path | None, asked: asyncio.Event) -> None:
    """Reload the configuration at each request, and print the changes."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            found = await gateway.reload(*load_all(file))
        except EXPECTED as error:
            if gateway.config.log.format == "json":
                structlog.get_logger().error("not reloaded", cause=str(error))
            else:
                err.print(f"[red]not reloaded:[/] {escape(str(error))}", soft_wrap=True)
            continue
        except Exception:  # noqa: BLE001  the boundary: calls go on, whatever stands in a file
            structlog.get_logger().exception("not reloaded")
            continue
        if gateway.config.log.format == "json":
            changes = [str(change) for change in found]
            restart = [str(change) for change in found if change.needs_restart]
            structlog.get_logger().info("reloaded", changes=changes, after_restart=restart)
            continue
        for change in found:
            note = "  [yellow](after a restart)[/]" if change.needs_restart else ""
            err.print(f"  {escape(str(change))}{note}", soft_wrap=True)
        err.print(f"reloaded: {len(found)} changes" if found else "reloaded: nothing has changed")
