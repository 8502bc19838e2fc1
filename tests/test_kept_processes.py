"""Processes that are started again; with real gateways and Kamailio: tests/interop/test_workers.py."""

import asyncio
from pathlib import Path

import pytest

from sipgw.cli import kept
from sipgw.cli.kept import GatewayProcess
from sipgw.cluster.edge import EdgeError
from tests.waiting import within

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
