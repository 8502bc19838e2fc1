"""Kamailio in front of gateways, with docker/kamailio.cfg and its lists."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sipgw.sip.uri import Uri
from tests.interop.frozen import family, freeze, thaw
from tests.ports import free_ports
from tests.waiting import HANG

DOCKER = Path(__file__).parent.parent.parent / "docker"
SETTLED = 5.0
"""Seconds after which Kamailio has noticed whatever came before: `fr_timer` and `ds_ping_interval` are 2 s each."""


def swapped(text: str, *pairs: tuple[str, str]) -> str:
    """`text` with other ports and places; everything that is replaced must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


class Edge:
    """Kamailio in front of gateways at these `ports`.

    With an address `behind_nat` it listens there as the configuration says for NAT, with a `certificate` on TLS, too.
    """

    def __init__(
        self, folder: Path, ports: Sequence[int], *, behind_nat: str = "", certificate: Path | None = None
    ) -> None:
        self.port, self.tls_port = free_ports(), free_ports()
        self._options = ["-A", "WITH_TLS"] if certificate else []
        self.log = folder / "kamailio.log"
        lists = {name: folder / name for name in ("kamailio-address.list", "dispatcher.list")}
        pairs = [(f"127.0.0.1:{old} ", f"127.0.0.1:{new} ") for old, new in zip(("5070", "5072"), ports, strict=True)]
        lists["dispatcher.list"].write_text(swapped((DOCKER / "dispatcher.list").read_text(), *pairs))
        lists["kamailio-address.list"].write_text((DOCKER / "kamailio-address.list").read_text())
        text = (DOCKER / "kamailio.cfg").read_text()
        listen = "\n".join(f"listen={transport}:127.0.0.1:{self.port}" for transport in ("udp", "tcp"))
        if behind_nat:
            listen = "\n".join(re.findall(r"^# (listen=.*)$", text, re.MULTILINE))
            listen = swapped(listen, ("10.0.0.5", behind_nat), ("198.51.100.7", behind_nat), ("5060", str(self.port)))
        places = [(f"/etc/kamailio/{name}", str(path)) for name, path in lists.items()]
        if certificate:
            places += [(f"/etc/kamailio/{name}.pem", str(certificate)) for name in ("fullchain", "privkey")]
            places.append(("\ntls_port_no=5061\n", f"\nlisten=tls:127.0.0.1:{self.tls_port}\n"))
        self.config = folder / "kamailio.cfg"
        self.config.write_text(swapped(text, ("\nport=5060\n", f"\n{listen}\n"), *places))
        self._run = folder / "run"
        self._run.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [*self._options, "-DD", "-E", "-f", str(self.config), "-Y", str(self._run), "-m", "32", "-M", "8"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(["/usr/sbin/kamailio", *options], stdout=log, stderr=log)
        with socket.socket() as probe:
            until = time.monotonic() + HANG
            while probe.connect_ex(("127.0.0.1", self.port)):
                assert self._process.poll() is None and time.monotonic() < until, self.log.read_text()[-3000:]
                time.sleep(0.05)

    def stop(self) -> None:
        """All its processes end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(HANG)

    def kill(self) -> None:
        """As the kernel kills what takes too much memory."""
        assert self._process
        for one in [*family(self._process.pid)]:
            os.kill(one, signal.SIGKILL)
        self._process.wait(HANG)

    def freeze(self) -> None:
        """All its processes stand still."""
        freeze(self._process)

    def thaw(self) -> None:
        thaw(self._process)

    def gives_calls_to(self, *ports: int) -> None:
        """Wait until its log has not said for `SETTLED` that one of the gateways at `ports` gets no calls.

        A request that the gateway's last process left without an answer fails only after `fr_timer`, and then takes
        the calls away from the process that is there now.
        """
        until = time.monotonic() + HANG
        since = time.monotonic()
        while time.monotonic() < since + SETTLED:
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            last = dict(re.findall(r":(\d+) (gets .*)", self.log.read_text()))
            if any("gets no calls" in last.get(str(port), "") for port in ports):
                since = time.monotonic()
            time.sleep(0.1)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    @property
    def agent(self) -> Uri:
        return Uri("sip", "agent", "127.0.0.1", self.port)
