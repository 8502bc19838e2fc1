"""``sipgw serve``: answer calls until a signal."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import structlog
import typer
from rich.markup import escape

from agent.lookups import run_main
from agent.pool import Pool
from sipgw.agents.prompt_files import PromptFiles
from sipgw.cli.banner import say_how_to_call, say_ready
from sipgw.cli.orders import ParentLink, listen_to_signals
from sipgw.cli.workers import WORKERS_MAX, run_workers
from sipgw.config.agent_files import load_all
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.options import DEFAULT_FILE
from sipgw.console import EXPECTED, ConfigFile, err, one_line_errors, working
from sipgw.gateway.drain import drain
from sipgw.gateway.garbage import when_quiet
from sipgw.gateway.gateway import Gateway
from sipgw.gateway.reload import OptionChange
from sipgw.gateway.shares import share
from sipgw.outbound.job_dialer import OutboundDialer
from sipgw.records.privacy.redaction import redactor_for
from sipgw.sip.boundaries import bounded
from sipgw.sip.endpoint import EndpointError
from sipgw.sip.handover import Offer
from sipgw.sip.transports import BOTH, TLS_PORT, listening_hosts, not_free
from sipgw.telemetry import log
from sipgw.uncollected import uncollected
from sipgw.web.local_key import key_file
from sipgw.web.server import Dashboard, WebError, listen

READING = Pool("the configuration", workers=1, waiting=1)
Load = Callable[[], tuple[GatewayConfig, Mapping[str, AgentConfig]]]
"""Reads the configuration, and those of the agents beside it. Raises `ConfigError`."""


class Share(NamedTuple):
    """Number of this worker among the workers of `run_workers`: `number` from 1, `of` how many."""

    number: int
    of: int


def serve(
    config: ConfigFile = None,
    host: Annotated[str, typer.Option(help="Address to listen on for SIP, instead of [sip] host.")] = "",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of SIP, instead of [sip] port; 0: any free port.")
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Take over from the gateway that runs here; the old one ends after its last call."
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(min=1, max=WORKERS_MAX, help="Gateway processes behind Kamailio, which has the SIP port then."),
    ] = 1,
    worker: Annotated[int, typer.Option(min=0, max=WORKERS_MAX, hidden=True)] = 0,
) -> None:
    """Answer calls until Ctrl-C."""
    own = Share(worker, workers) if worker else None
    file = config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)  # a reload fails if the file is gone then

    def read() -> tuple[GatewayConfig, Mapping[str, AgentConfig]]:
        settings, agents = load_all(file)
        own_port = settings.sip.port if port is None else port
        try:
            sip = replace(settings.sip, host=host or settings.sip.host, port=own_port)
        except ValueError as error:
            raise ConfigError(f"--host or --port: sip.{error}") from None
        settings = replace(settings, sip=sip)
        return share(settings, agents, own.number, own.of) if own else (settings, agents)

    with one_line_errors():
        settings, agents = read()
        if take_over:
            settings = replace(settings, sip=replace(settings.sip, take_over=str(settings.store.handover)))
        log.configure(settings.log, redactor_for(settings.privacy, "logs"))
        if workers > 1 and own is None:
            run_main(run_workers(settings, workers))
        else:
            if not settings.sip.take_over:  # otherwise the running gateway has the ports
                _check_ports(settings)
            run_main(_serve(settings, agents, read, config, own))


async def _serve(
    settings: GatewayConfig, agents: Mapping[str, AgentConfig], read: Load, config: Path | None,
    own: Share | None = None,
) -> None:  # fmt: skip
    stop, hurry, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    link = ParentLink(stop, hurry, reload) if own else None
    if link is None:
        listen_to_signals(stop, hurry, reload)
    async with contextlib.AsyncExitStack() as stack:
        with working("starting"), uncollected():  # providers and the dashboard import their packages here
            async with _until(stop):
                gateway = await stack.enter_async_context(Gateway(settings, agents=agents))
                commands = key_file(settings.store.path)
                reloading = Reloading(gateway, read, link)
                prompts = PromptFiles(config, reloading.everywhere)
                dashboard = await stack.enter_async_context(Dashboard(gateway, settings.web, commands, prompts))
                dialling = await stack.enter_async_context(OutboundDialer(gateway))
        if stop.is_set():
            return
        offer = await stack.enter_async_context(Offer(settings.store.handover, stop.set))
        await stack.enter_async_context(when_quiet(lambda: gateway.calls))
        if link is None:
            say_how_to_call(gateway, dashboard)
        else:
            say_ready(gateway, dashboard)
            link.ready()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_reload(reloading, reload))
            await stop.wait()
            waiting.cancel()
        dialling.finish()
        if offer.link is not None:
            await dashboard.close()  # the next gateway needs its port
            if offer.link.gone:  # a signal has ended its start
                err.print("the next gateway is gone")
            else:
                gateway.endpoint.hand_over(offer.link)  # the next gateway gets new calls; running calls stay here
                err.print("the next gateway has taken over")
        limit = settings.drain.limit

        def say(calls: int) -> None:
            err.print(f"{calls} calls go on, for {limit:g} s at most; a second Ctrl-C or SIGTERM hangs up now")

        gateway.turn_away()
        left = await drain(gateway.registry, limit, hurry, say)
        err.print(f"stopping, {left} calls are hung up ..." if left else "stopping ...")
        await gateway.registry.stop_all()  # before the steps that may wait for the database


@contextlib.asynccontextmanager
async def _until(stop: asyncio.Event) -> AsyncIterator[None]:
    """Cancel the block when `stop` is set. The code after the block goes on."""

    async def end() -> None:
        await stop.wait()
        err.print("stopping ...")
        limit.reschedule(0)

    try:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            ending = group.create_task(bounded(end(), None, "the start does not end"))
            yield
            ending.cancel()
    except TimeoutError:
        if not limit.expired():
            raise


def _check_ports(settings: GatewayConfig) -> None:
    """Try the ports before the models are loaded, which takes long. Raises a group with an error for each port that is
    not free.
    """
    sip, wrong = settings.sip, list[Exception]()
    hosts = listening_hosts(sip.host)
    why = [not_free(hosts, sip.port, BOTH if sip.tcp else BOTH[:1])]
    if sip.tls.certificate:
        why.append(not_free(hosts, sip.tls.port, BOTH[1:], TLS_PORT))
    wrong += [EndpointError(one) for one in why if one]
    if settings.web.enabled:
        try:
            listen(settings.web).close()
        except WebError as error:
            wrong.append(error)
    if wrong:
        raise ExceptionGroup("the ports", wrong)


class Reloading:
    """Reloads the files of a running gateway, one reload at a time."""

    def __init__(self, gateway: Gateway, read: Load, link: ParentLink | None = None) -> None:
        self.gateway = gateway
        self._read = read
        self._link = link
        self._lock = asyncio.Lock()

    async def take(self) -> list[OptionChange]:
        """Reload the files in this process. Returns the changed options. Raises what `Gateway.reload` raises."""
        async with self._lock:
            # The tools are imported here, in the thread that runs them: objects that they open, such as a SQLite file,
            # may be bound to that thread.
            return await self.gateway.reload(*await READING.run(self._read))

    async def everywhere(self) -> None:
        """Reload the files in this process, and let all other workers reload them."""
        await self.take()
        if self._link is not None:
            self._link.pass_on()


async def _reload(reloading: Reloading, asked: asyncio.Event) -> None:
    """Reload the configuration at each request, and print the changes."""
    gateway = reloading.gateway
    while True:
        await asked.wait()
        asked.clear()
        try:
            found = await reloading.take()
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
