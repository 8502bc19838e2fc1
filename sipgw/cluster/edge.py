"""The edge in front of several gateways of this machine: Kamailio with `kamailio.cfg`, and the lists that it reads."""

import os
import shutil
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from sipgw.config.errors import OperatorError

CONFIG = Path(__file__).with_name("kamailio.cfg")
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
LOOPBACK = "127.0.0.1"


class EdgeError(OperatorError):
    """Kamailio cannot be run."""


class EdgePlan(NamedTuple):
    """Where Kamailio listens, whom it lets call, and the gateways behind it."""

    port: int
    """The SIP port for UDP and TCP."""
    listening: tuple[str, ...]
    """The addresses on which Kamailio listens; empty: all of this machine."""
    public_address: str
    """The address that Kamailio announces; empty: the address on which it listens."""
    gateways: tuple[tuple[str, int], ...]
    networks: tuple[str, ...]
    """The networks that may call; other senders get no answer."""
    tls_port: int = 0
    """The SIP port for TLS; 0: no TLS."""
    certificate: str = ""
    key: str = ""

    def write(self, folder: Path) -> Path:
        """Write the configuration and the lists; returns the file of the configuration. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        networks = [ip_network(one) for one in dict.fromkeys(self.networks)]
        allowed = [f"1 {one.network_address} {one.prefixlen} 0 trunk" for one in networks]
        groups = [f"{group} sip:{host}:{port} {flags} 0" for host, port in self.gateways for group, flags in _GROUPS]
        lists = {"kamailio-address.list": allowed, "dispatcher.list": groups}
        for name, lines in lists.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines))
        places = [(f"/etc/kamailio/{name}", str((folder / name).resolve())) for name in lists]
        if self.tls_port:
            places += [("/etc/kamailio/fullchain.pem", str(Path(self.certificate).resolve()))]
            places += [("/etc/kamailio/privkey.pem", str(Path(self.key).resolve()))]
            places += [("\ntls_port_no=5061\n", f"\n{self._listen(self.tls_port, 'tls')}\n")]
        file = folder / "kamailio.cfg"
        file.write_text(_replaced(CONFIG.read_text(), ("\nport=5060\n", f"\n{self._listen(self.port)}\n"), *places))
        return file

    def command(self, folder: Path) -> list[str]:
        """The command that runs Kamailio until it gets a signal, or its parent has ended. Raises `EdgeError`."""
        program = shutil.which("kamailio", path=PLACES)
        packages = "kamailio kamailio-tls-modules" if self.tls_port else "kamailio"
        if program is None:
            raise EdgeError(f"--workers needs Kamailio before the workers: sudo apt-get install -y {packages}")
        with_parent = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        tls = ["-A", "WITH_TLS"] if self.tls_port else []
        file = self.write(folder)
        return [*with_parent, program, *tls, "-DD", "-E", "-f", str(file), "-Y", str(folder)]

    def _listen(self, port: int, *transports: str) -> str:
        if not self.listening:
            return f"tls_port_no={port}" if transports else f"port={port}"
        told = f" advertise {self.public_address}:{port}" if self.public_address else ""
        places = dict.fromkeys((*((host, told) for host in self.listening), *(((LOOPBACK, ""),) if told else ())))
        lines = [
            f"listen={transport}:{host}:{port}{told}"
            for host, told in places
            for transport in transports or ("udp", "tcp")
        ]
        return "\n".join(lines)


_GROUPS = ((1, 8), (2, 0))
"""The groups of docker/dispatcher.list, with their flags."""


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"{CONFIG} has no {old.strip()!r}")
        text = text.replace(old, new)
    return text
