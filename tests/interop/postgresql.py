"""A PostgreSQL server in a process of its own, in a folder of its own, as Debian packages it."""

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.frozen import freeze, thaw
from tests.ports import free_ports
from tests.programs import path
from tests.waiting import HANG


class Server:
    """A running server."""

    def __init__(self, folder: Path, port: int, command: list[str]) -> None:
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._command = command
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + HANG
        while b"ready to accept connections" not in self._log.read_bytes():
            assert self._process.poll() is None and time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """As if the machine was switched off."""
        assert self._process
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(HANG)
        self._log.write_bytes(b"")

    def cpu(self) -> float:
        """Seconds of CPU that the processes of its connections have used."""
        assert self._process
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return sum(int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) for child in children) / 1e9

    def freeze(self) -> None:
        """As if the network to it were cut: nothing is refused, nothing is answered."""
        freeze(self._process)

    def thaw(self) -> None:
        thaw(self._process)


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """Run a server until the block ends."""
    # The server refuses to be root, and its own user cannot reach the folders of pytest.
    with tempfile.TemporaryDirectory() as folder:
        server = _prepared(Path(folder))
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):
                server.stop()


def _prepared(home: Path) -> Server:
    initdb = path("initdb")
    assert initdb
    there = initdb.parent
    user = []
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
        user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    subprocess.run(
        [*user, there / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    port = free_ports()
    options = ["-c", f"unix_socket_directories={home}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    return Server(home, port, [*user, str(there / "postgres"), "-D", str(home / "data"), "-p", str(port), *options])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for the tests of one module."""
    with postgresql() as running:
        yield running
