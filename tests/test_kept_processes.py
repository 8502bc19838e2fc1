"""Processes that are started again; with real gateways and Kamailio: tests/interop/test_workers.py."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.cli import kept, workers
from sipgw.cli.kept import GatewayProcess
from sipgw.cluster.edge import EdgeError, EdgePlan
from sipgw.config.config import GatewayConfig
from tests.ports import free_ports
from tests.waiting import until, within

ONCE = '#!/bin/sh\nprintf r >&0\nrm "$0"\nread -r line\n'
"""A worker that is ready, ends at a line, and cannot be started a second time."""


def program(path: Path, text: str) -> list[str]:
    """A program with `text`, which is there as a whole from one moment to the next."""
    made = path.with_suffix(".new")
    made.write_text(text)
    made.chmod(0o755)
    made.rename(path)
    return [str(path)]


class Watched(GatewayProcess):
    """Its ends can be waited for."""

    def __init__(self, command: list[str]) -> None:
        super().__init__("worker 1", command, lambda: None)
        self.ends: asyncio.Queue[str] = asyncio.Queue()

    async def _tried(self) -> str:
        status = await super()._tried()
        self.ends.put_nowait(status)
        return status


def test_a_restart_that_the_machine_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        worker = Watched(program(tmp_path / "worker", ONCE))
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run())
            await within(worker.ready.wait())
            worker.tell(b"\n")
            assert await within(worker.ends.get()) == "exit status 0"
            assert await within(worker.ends.get()) == "No such file or directory"
            program(tmp_path / "worker", "#!/bin/sh\n")
            while await within(worker.ends.get()) != "exit status 0":
                pass
            worker.end()

    monkeypatch.setattr(kept, "PAUSE", 0.01)
    asyncio.run(scenario())


def test_a_program_that_cannot_be_started_at_all_is_an_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        await within(Watched([str(tmp_path / "none")]).run())

    with pytest.raises(EdgeError, match=r"worker 1 did not start \(No such file or directory\)"):
        asyncio.run(scenario())


def test_a_kamailio_that_never_listens_ends_at_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    silent = program(tmp_path / "silent", f"#!/bin/sh\ntouch {started}\nexec sleep 1000\n")
    worker = program(tmp_path / "worker", "#!/bin/sh\nprintf r >&0\nexec head -c 1\n")

    async def scenario() -> None:
        port = free_ports()
        plan = EdgePlan(port, (), "", (), ())
        monkeypatch.setattr(EdgePlan, "command", lambda *_: silent)
        monkeypatch.setattr(workers, "check", lambda *_: None)
        monkeypatch.setattr(workers, "edge", lambda *_: plan)
        monkeypatch.setattr(workers, "listen_to_signals", lambda stop, *_: stops.append(stop))
        monkeypatch.setattr(workers, "GatewayProcess", lambda name, _, reload: GatewayProcess(name, worker, reload))
        config = replace(GatewayConfig(), store=replace(GatewayConfig().store, path=str(tmp_path / "sipgw.db")))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(workers.run_workers(config, 2))
            await until(started.exists)
            stops[0].set()
            await within(running)

    stops: list[asyncio.Event] = []
    asyncio.run(scenario())
