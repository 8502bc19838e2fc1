"""A Redis server in a process of its own, as Debian packages it; it can be killed and cut off."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.interop.frozen import freeze, thaw
from tests.ports import free_ports
from tests.waiting import HANG


class Server:
    """It keeps nothing on disk: started anew, it has forgotten everything."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # type: ignore[arg-type]
        until = time.monotonic() + HANG
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            assert self._process.poll() is None and time.monotonic() < until
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait(HANG)

    def freeze(self) -> None:
        """As if the network to it were cut: nothing is refused, nothing is answered."""
        freeze(self._process)

    def thaw(self) -> None:
        thaw(self._process)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
