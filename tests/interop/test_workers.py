"""``sipgw serve --workers 2``: two gateway processes behind the one port of Debian's Kamailio; SIPp calls."""

import contextlib
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import redis as memory
from tests.interop.frozen import children, family
from tests.interop.postgresql import Server, server  # noqa: F401  a fixture
from tests.interop.served import Served, running
from tests.interop.sipp_load import load
from tests.ports import free_ports
from tests.waiting import HANG, ran

pytestmark = pytest.mark.programs("kamailio", "sipp", "redis", "postgresql")

CONFIG = """\
[sip]
host = "127.0.0.1"
port = {port}
[media]
bind_host = "127.0.0.1"
port_range = [{first}, {last}]
[web]
port = {web}
[store]
url = "${{DATABASE_URL}}"
path = "{folder}/sipgw.db"
[cluster]
redis = "${{REDIS_URL}}"
name = "box"
[log]
format = "json"
[admission]
delay_limit = 300.0
[agent]
stt = "local"
llm = "local"
tts = "local"
greeting = "Hello."
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["127.0.0.1/32"]
"""

KAMAILIO = " -DD "
"""Stands in its command and in no other."""


class Box:
    """A machine with two workers."""

    def __init__(self, parent: Served, web: int) -> None:
        self.parent = parent
        self._web = web

    @property
    def port(self) -> int:
        return self.parent.port

    def calls(self) -> dict[str, set[str]]:
        """The Call-IDs of the running calls of each worker, as the first worker tells them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._web}/api/v1/cluster", timeout=HANG) as answer:
            told = json.load(answer)
        return {one["name"]: {call["id"] for call in one["calls"]} for one in told["gateways"]}

    def both_have_calls(self, count: int) -> dict[str, set[str]]:
        """The calls, once there are `count`; both workers have some, and none is at both."""
        found: dict[str, set[str]] = {}

        def there() -> bool:
            nonlocal found
            try:
                found = self.calls()
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return False  # on a busy machine Redis answers too late now and then
            return sum(map(len, found.values())) == count

        until(there)
        assert found.keys() == {"box-1", "box-2"} and all(found.values()), "calls are not spread"
        return found

    def process(self, words: str) -> int:
        """The process of the parent whose command has these words, once it is there."""
        found: list[int] = []

        def there() -> bool:
            found[:] = [one for one in children(self.parent.process.pid) if words in command(one)]
            return bool(found)

        until(there)
        return found[0]

    def said(self, words: str, times: int = 1) -> None:
        until(lambda: sum(bool(re.search(words, line)) for line in list(self.parent.log)) >= times)


def command(process: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    return ""


def until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.fixture
def box(tmp_path: Path, server: Server) -> Iterator[Box]:  # noqa: F811
    with memory.redis(tmp_path) as redis:
        port, web = free_ports(14), free_ports()
        places: dict[str, Any] = {"port": port, "web": web, "first": 44000, "last": 45999}
        file = tmp_path / "sipgw.toml"
        file.write_text(CONFIG.format(folder=tmp_path, **places))
        variables = {"DATABASE_URL": server.url, "REDIS_URL": redis.url}
        many = "--workers", "2"
        with running(
            file, port, range(44000, 46000), tmp_path, *many, module="tests.interop.parrot", variables=variables
        ) as parent:
            yield Box(parent, web)


def test_calls_are_spread_and_all_messages_of_a_call_reach_its_worker(box: Box, tmp_path: Path) -> None:
    with load(tmp_path / "sipp", box.port, 24, 12, 5) as callers:
        box.both_have_calls(24)
        counts = callers.counts()
    assert (counts.good, counts.bad) == (24, 0), counts.log
    until(lambda: not any(box.calls().values()))  # a BYE at the other worker would have left the call where it was


def test_who_is_killed_loses_its_own_calls_alone_and_is_there_again(box: Box, tmp_path: Path) -> None:
    with load(tmp_path / "sipp", box.port, 24, 12, 6, patience=12) as callers:
        calls = box.both_have_calls(24)
        killed = box.process("--worker 2")
        os.kill(killed, signal.SIGKILL)
        counts = callers.counts()
    assert counts.well == calls["box-1"], "those of the other worker go on to their end, and no more"
    box.said("worker 2.*process ended, it is started again")
    box.said("box-2.*worker is ready", times=2)
    assert box.process("--worker 2") != killed
    with load(tmp_path / "again", box.port, 24, 12, 5) as callers:
        assert callers.counts().bad == 0


def test_calls_survive_kamailio_and_it_is_started_again(box: Box, tmp_path: Path) -> None:
    with load(tmp_path / "sipp", box.port, 12, 12, 6) as callers:
        box.both_have_calls(12)
        before = box.process(KAMAILIO)
        os.kill(before, signal.SIGKILL)  # the processes that it has started still have the port
        box.said("Kamailio.*process ended, it is started again")
        until(lambda: box.process(KAMAILIO) != before)
        counts = callers.counts()
    assert (counts.good, counts.bad) == (12, 0), counts.log
    with load(tmp_path / "again", box.port, 12, 12, 1) as callers:
        assert callers.counts().bad == 0


def test_a_drain_loses_no_call_and_ends_everything(box: Box, tmp_path: Path) -> None:
    processes = list(family(box.parent.process.pid))
    with load(tmp_path / "sipp", box.port, 24, 12, 6) as callers:
        box.both_have_calls(24)
        for one in processes:  # as some service managers do
            if KAMAILIO not in command(one):
                os.kill(one, signal.SIGTERM)
        box.said("calls go on", times=2)
        counts = callers.counts()
    assert (counts.good, counts.bad) == (24, 0), counts.log
    assert box.parent.process.wait(HANG) == 0
    assert not [one for one in processes if "serve" in command(one) or KAMAILIO in command(one)]


def test_a_reload_is_for_all(box: Box) -> None:
    box.parent.process.send_signal(signal.SIGHUP)
    box.said('"reloaded"', times=2)


def test_nothing_is_left_of_a_parent_that_was_killed(box: Box) -> None:
    processes = list(family(box.parent.process.pid))
    box.parent.kill()
    until(lambda: not [one for one in processes if "serve" in command(one) or KAMAILIO in command(one)])


def test_a_worker_that_cannot_start_ends_all_with_its_cause(tmp_path: Path) -> None:
    file, port = tmp_path / "sipgw.toml", free_ports(14)
    file.write_text(CONFIG.format(folder=tmp_path, port=port, web=free_ports(), first=44000, last=45999))
    nobody = {"DATABASE_URL": "postgresql://sipgw@127.0.0.1:1/sipgw", "REDIS_URL": "redis://127.0.0.1:1/0"}
    serve = [sys.executable, "-m", "sipgw", "serve", "-c", str(file), "--workers", "2"]
    ended = ran(serve, tmp_path, os.environ | nobody)
    assert ended.returncode == 1
    assert "cannot open the database" in ended.stderr and "did not start" in ended.stderr
