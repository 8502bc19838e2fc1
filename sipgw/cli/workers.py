"""``sipgw serve --workers``: the parent of several gateway processes behind Kamailio, which has the SIP port."""

import asyncio
import sys
from pathlib import Path

import structlog

from sipgw import __version__
from sipgw.cli.kept import Edge, GatewayProcess
from sipgw.cli.orders import RELOAD, listen_to_signals
from sipgw.cluster.edge import EdgeError
from sipgw.config.config import GatewayConfig
from sipgw.console import err, out, working
from sipgw.gateway.reached_at import reached_at
from sipgw.gateway.shares import check, edge
from sipgw.sip.transports import not_free

WORKERS_MAX = 64


async def run_workers(config: GatewayConfig, count: int) -> None:
    """Run `count` workers, and Kamailio in front of them, until a signal. Raises `ConfigError` and `EdgeError`."""
    check(config, count)
    plan = edge(config, count)
    folder = Path(f"{config.store.path}.edge")
    try:
        command = plan.command(folder)
    except OSError as error:
        raise EdgeError(f"cannot write {folder}: {error.strerror or error}") from None
    if why := not_free(plan.listening or (config.sip.host,), plan.port):
        raise EdgeError(why)
    # The same command again, so that its options apply to the workers too.
    ours = [sys.executable, *sys.orig_argv[1:]]
    stop, hurry, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    workers = [
        GatewayProcess(f"worker {number}", [*ours, "--worker", str(number)], reload.set)
        for number in range(1, count + 1)
    ]
    kamailio = Edge(command, ((*plan.listening, "127.0.0.1")[0], plan.port))
    listen_to_signals(stop, hurry, reload)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(worker.run()) for worker in workers]
        passing = [group.create_task(one) for one in (_reload(reload, workers), _end(stop, hurry, workers, kamailio))]
        with working(f"starting {count} workers"):
            for worker in workers:
                await worker.ready.wait()
        before = group.create_task(kamailio.run())
        await kamailio.ready.wait()
        if not stop.is_set():
            _say(config, count)
        await asyncio.wait(running)
        kamailio.end()  # last, because it passes the messages of running calls on
        await before
        for task in passing:
            task.cancel()


async def _reload(reload: asyncio.Event, workers: list[GatewayProcess]) -> None:
    while True:
        await reload.wait()
        reload.clear()
        for worker in workers:
            worker.tell(RELOAD)


async def _end(stop: asyncio.Event, hurry: asyncio.Event, workers: list[GatewayProcess], kamailio: Edge) -> None:
    for asked in (stop, hurry):
        await asked.wait()
        if not kamailio.ready.is_set():  # it may never become ready; no call came through it
            kamailio.end()
        for worker in workers:
            worker.end()


def _say(config: GatewayConfig, count: int) -> None:
    host, port = reached_at(config.sip), config.sip.port
    if config.log.format == "json":
        structlog.get_logger().info("gateway answers", version=__version__, host=host, port=port, workers=count)
        return
    out.print(f"[bold green]sipgw {__version__} answers[/]  {count} workers behind Kamailio at {host} port {port}")
    err.print("stop with Ctrl-C", soft_wrap=True)
