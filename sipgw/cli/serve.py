"""``sipgw serve``: answer calls until a signal."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from sipgw.cli.banner import say_how_to_call
from sipgw.config.agent_files import load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.console import EXPECTED, ConfigFile, err, one_line_errors, working
from sipgw.gateway.drain import drain
from sipgw.gateway.garbage import when_quiet
from sipgw.gateway.gateway import Gateway
from sipgw.outbound.job_dialer import OutboundDialer
from sipgw.records.privacy.redaction import redactor_for
from sipgw.sip.handover import Offer
from sipgw.telemetry import log
from sipgw.web.local_key import key_file
from sipgw.web.server import Dashboard

Load = Callable[[], tuple[GatewayConfig, Mapping[str, AgentConfig]]]
"""Reads the configuration, and those of the agents beside it. Raises `ConfigError`."""


def serve(
    config: ConfigFile = None,
    host: Annotated[str, typer.Option(help="Address to listen on for SIP, in the place of [sip] host.")] = "",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of SIP, in the place of [sip] port; 0: any that is free.")
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take the place of the gateway that runs here; it ends with its last call."),
    ] = False,
) -> None:
    """Answer calls until Ctrl-C."""

    def read() -> tuple[GatewayConfig, Mapping[str, AgentConfig]]:
        settings, agents = load_all(config)
        sip = replace(settings.sip, host=host or settings.sip.host, port=settings.sip.port if port is None else port)
        return replace(settings, sip=sip), agents

    with one_line_errors():
        settings, agents = read()
        if take_over:
            settings = replace(settings, sip=replace(settings.sip, take_over=str(settings.store.handover)))
        log.configure(settings.log, redactor_for(settings.privacy, "logs"))
        asyncio.run(_serve(settings, agents, read))


async def _serve(settings: GatewayConfig, agents: Mapping[str, AgentConfig], read: Load) -> None:
    stop, hurry, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    async with contextlib.AsyncExitStack() as stack:
        with working("starting"):
            gateway = await stack.enter_async_context(Gateway(settings, agents=agents))
            commands = key_file(settings.store.path)
            dashboard = await stack.enter_async_context(Dashboard(gateway, settings.web, commands))
            dialling = await stack.enter_async_context(OutboundDialer(gateway))
            offer = await stack.enter_async_context(Offer(settings.store.handover, stop.set))
            await stack.enter_async_context(when_quiet(lambda: gateway.calls))
        say_how_to_call(gateway, dashboard)
        async with asyncio.TaskGroup() as group:
            reloading = group.create_task(_reload(gateway, read, reload))
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


async def _reload(gateway: Gateway, read: Load, asked: asyncio.Event) -> None:
    """Reload the configuration at each request, and print the changes."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            found = await gateway.reload(*read())
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
