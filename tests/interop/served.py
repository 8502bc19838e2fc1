"""A gateway as a user runs it: ``sipgw serve`` in a process of its own, with a configuration file and a database."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.ports import free_ports, ports_of_sound
from tests.waiting import HANG

CONFIG = """\
[agent]
stt = "{stt}"
llm = "{llm}"
tts = "{tts}"
[sip]
host = "127.0.0.1"
port = {port}
[media]
bind_host = "127.0.0.1"
port_range = [{first}, {last}]
[store]
path = "{database}"
[log]
format = "json"
[admission]
delay_limit = 300.0
{more}
"""
"""Sound is late on a busy machine: no call is turned away for that."""

GATE = """
[gate]
extensions = ["caller"]
countries = ["US"]
[[gate.windows]]
hours = "00:00-24:00"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""
"""Calls at any hour: the tests do not ask what time it is in California."""


class Served:
    """A running gateway."""

    def __init__(self, process: subprocess.Popen[str], port: int, rtp_ports: range, database: Path, file: Path) -> None:
        self.file = file
        """Its configuration."""
        self.process = process
        self.port = port
        self.rtp_ports = rtp_ports
        self.log: list[str] = []
        self.killed = False
        self._database = database

    def kill(self) -> None:
        """As the kernel kills what takes too much memory."""
        self.killed = True
        self.process.kill()

    @contextlib.contextmanager
    def next(self, *options: str, module: str = "sipgw") -> Iterator["Served"]:
        """Another process with the same configuration."""
        with running(self.file, self.port, self.rtp_ports, self._database, *options, module=module) as gateway:
            yield gateway

    def calls(self, count: int, seconds: float = HANG) -> list[dict[str, Any]]:
        """The records of ended calls, once there are `count`."""
        until = time.monotonic() + seconds
        while True:
            with contextlib.closing(sqlite3.connect(self._database)) as database:
                database.row_factory = sqlite3.Row
                ended = "SELECT * FROM calls WHERE ended IS NOT NULL ORDER BY began"
                rows = [dict(row) for row in database.execute(ended)]
                for row in rows:
                    row["media"], row["turns"] = json.loads(row["media"]), _turns(database, row["id"])
            if len(rows) >= count:
                return rows
            assert time.monotonic() < until, f"{len(rows)} of {count} calls ended; log:\n" + "".join(self.log[-40:])
            time.sleep(0.1)

    def heard(self, words: str, times: int) -> bool:
        """Whether so many turns have ended of which a caller heard these words."""
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            told = database.execute("SELECT count(*) FROM turns WHERE heard LIKE ?", (f"%{words}%",))
            return int(told.fetchone()[0]) >= times


ALIVE: list[Served] = []
"""The gateways that run now."""


def _turns(database: sqlite3.Connection, call: str) -> list[dict[str, Any]]:
    turns = [dict(row) for row in database.execute("SELECT * FROM turns WHERE call = ? ORDER BY number", (call,))]
    tools = [dict(row) for row in database.execute("SELECT * FROM tool_calls WHERE call = ? ORDER BY id", (call,))]
    for run in tools:
        run["arguments"], run["result"] = json.loads(run["arguments"]), json.loads(run["result"])
    for turn in turns:
        turn["latency_ms"] = json.loads(turn["latency_ms"])
        turn["tools"] = [run for run in tools if run["turn"] == turn["number"]]
    return turns


@contextlib.contextmanager
def served(
    folder: Path,
    more: str = "",
    parts: str = "local",
    template: str = CONFIG,
    variables: Mapping[str, str] | None = None,
    module: str = "sipgw",
    inside: Sequence[str] = (),
) -> Iterator[Served]:
    """Run a gateway until the block ends; it must stop in good order.

    `variables` are put into its environment; `inside` is a command that runs it in some surroundings.
    """
    port = free_ports()
    database = folder / "gateway.db"
    sound = ports_of_sound()
    ports = {"port": port, "first": sound[0], "last": sound[-1]}
    file = folder / "gateway.toml"
    file.write_text(template.format(stt=parts, llm=parts, tts=parts, database=database, more=more, **ports))
    with running(file, port, sound, database, module=module, variables=variables, inside=inside) as gateway:
        yield gateway


@contextlib.contextmanager
def running(
    file: Path,
    port: int,
    rtp_ports: range,
    database: Path,
    *options: str,
    module: str = "sipgw",
    variables: Mapping[str, str] | None = None,
    inside: Sequence[str] = (),
) -> Iterator[Served]:
    """``sipgw serve`` with a configuration file; see `served`."""
    command = [*inside, sys.executable, "-m", module, "serve", "--config", str(file), *options]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment |= variables or {}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment | {"PYTHONUNBUFFERED": "1"},
    )
    gateway = Served(process, port, rtp_ports, database, file)
    ALIVE.append(gateway)
    ready = threading.Event()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            gateway.log.append(line)
            if "answers" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(HANG), "the gateway did not start:\n" + "".join(gateway.log)
        assert process.poll() is None, "the gateway ended:\n" + "".join(gateway.log)
        yield gateway
        if gateway.killed:
            return
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == 0, "".join(gateway.log)
    finally:
        ALIVE.remove(gateway)
        process.kill()
        process.wait()
        reader.join(5)
