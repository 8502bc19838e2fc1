"""A PostgreSQL server in a process of its own, in a folder of its own, as Debian packages it."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.served import free_port


def programs() -> Path | None:
    """Folder of the server's programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(there).parent if (there := shutil.which("initdb")) else None


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
        until = time.monotonic() + 30
        while b"ready to accept connections" not in self._log.read_bytes():
            assert self._process.poll() is None and time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """As if the machine was switched off."""
        assert self._process
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        self._log.write_bytes(b"")


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[Server]:
    """Run a server until the block ends."""
    there = programs()
    assert there
    # The server refuses to be root; its own user must be able to reach the folder.
    home = folder / "postgresql"
    home.mkdir()
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if user:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
        for parent in (folder, *folder.parents[:2]):
            parent.chmod(parent.stat().st_mode | 0o011)
    subprocess.run(
        [*user, there / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    port = free_port()
    options = ["-c", f"unix_socket_directories={home}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    setpriv = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"] if user else []
    command = [*setpriv, str(there / "postgres"), "-D", str(home / "data"), "-p", str(port), *options]
    server = Server(home, port, command)
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()


with_postgresql = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the tests of one module."""
    with postgresql(tmp_path_factory.mktemp("server")) as running:
        yield running
