"""`sipgw serve` obeys a signal while it starts."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sipgw.cli.serve import _serve
from sipgw.config.agent_files import load_all
from tests.waiting import within


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_start_that_waits(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()

    async def scenario() -> None:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as database, asyncio.TaskGroup() as group:
            port = database.sockets[0].getsockname()[1]
            monkeypatch.setenv("DATABASE", f"postgresql://sipgw@127.0.0.1:{port}/sipgw")
            Path("sipgw.toml").write_text('[store]\nurl = "${DATABASE}"\n')
            starting = group.create_task(_serve(*load_all(None), lambda: load_all(None), None))
            await within(asked.wait())
            os.kill(os.getpid(), number)
            await within(starting)

    asyncio.run(scenario())
    assert "stopping ..." in capsys.readouterr().err
