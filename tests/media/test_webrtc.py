# mypy: disable-error-code="attr-defined,union-attr"
"""The way to a browser that does not come, and a STUN server whose name is not answered."""

import asyncio
import json
import os
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from media.browsers import webrtc
from media.browsers.transport import HUNG_UP, SILENT, Browsers, Network, PathFailed
from media.process.heartbeat import LATE
from tests.waiting import HANG, until

PRINT = (("sha-256", ":".join(["AB"] * 32)),)


def test_a_browser_that_does_not_come_is_waited_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(webrtc, "LIMIT", 0.2)

    async def scenario():
        path = webrtc.BrowserPath(webrtc.Network())
        told = await path.gather()
        assert told.candidates
        with pytest.raises(PathFailed, match="did not connect within 0 s: no way was found"):
            await path.connect("user", "p" * 22, PRINT)
        await path.close()
        await path.close()

    asyncio.run(scenario())


def test_a_call_that_is_hung_up_before_the_browser_comes():
    async def scenario():
        path = webrtc.BrowserPath(webrtc.Network())
        await path.gather()
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(refused(path))
            await asyncio.sleep(0)
            await path.close()
        return connecting.result()

    async def refused(path):
        with pytest.raises(PathFailed) as failed:
            await path.connect("user", "p" * 22, PRINT)
        return str(failed.value)

    assert asyncio.run(scenario()) == HUNG_UP


def hang(name):
    """Stand for a name server that never answers."""
    print(name, flush=True)
    threading.Event().wait()


async def stay(path):
    """Stand for a path that never closes."""
    await asyncio.get_running_loop().create_future()


def test_the_process_ends_though_the_name_of_its_stun_server_is_still_looked_up():
    """`aioice` looks it up in a thread, for which Python would wait."""
    ours, theirs = socket.socketpair()
    started = asyncio.run(asked(ours, theirs))
    assert started == (b"stun.nobody.internal\n", 0)


@pytest.mark.slow
def test_the_process_ends_though_a_path_does_not_close():
    """It ignores SIGTERM, so it would stay for ever once the gateway was killed."""
    ours, theirs = socket.socketpair()
    started = asyncio.run(asked(ours, theirs, "stays"))
    assert started == (b"stun.nobody.internal\n", 0)


def test_a_process_that_hangs_takes_no_new_call_and_is_replaced():
    async def scenario():
        browsers = Browsers()
        silent = await browsers.open()
        await silent.gather()
        os.kill(browsers._process.pid, signal.SIGSTOP)
        await until(lambda: browsers._heartbeat.silent >= LATE)
        with pytest.raises(PathFailed, match=SILENT):
            await browsers.open()
        async with asyncio.timeout(HANG):
            cause = await silent.gone()
        other = await browsers.open()
        assert (await other.gather()).candidates
        for transport in (silent, other):
            await transport.close()
        return cause

    assert asyncio.run(scenario()) == "the process for browsers ended"


async def asked(ours, theirs, *how):
    """A process that is asked for ports, and whose pipe is closed during the look-up: the name, and how it ended."""
    network = json.dumps(Network(stun="stun.nobody.internal:3478"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(theirs.fileno()), network, *how, pass_fds=[theirs.fileno()],
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    theirs.close()
    try:
        async with asyncio.timeout(HANG):
            ours.sendall(json.dumps({"transport": 1, "do": "gather", "with": []}).encode() + b"\n")
            assert process.stdout is not None
            name = await process.stdout.readline()
            ours.close()
            return name, await process.wait()
    finally:
        if process.returncode is None:
            process.kill()


if __name__ == "__main__":
    socket.gethostbyname = hang
    if sys.argv[3:]:
        pytest.MonkeyPatch().setattr(webrtc.BrowserPath, "close", stay)
    runpy.run_module("media.browsers.worker", run_name="__main__")
