"""The Compose files, run by podman-compose, with what it does not know (configs) written to files."""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.images.engine import DOCKER, PROJECT, compose, podman

IMAGES = {"kamailio": "sipgw-kamailio", "asterisk": "sipgw-asterisk"}
"""Of services that we build; all others are gateways, with models, for there are no keys here."""
PATIENCE = 90.0


class Composed:
    """Services that run."""

    def __init__(self, file: Path, variables: Path) -> None:
        self._file = file
        self._variables = variables

    def up(self, *services: str) -> None:
        """Start services, and wait until those with a health check are well."""
        compose([self._file], "up", "--detach", "--no-build", *services, variables=self._variables)
        told = yaml.safe_load(self._file.read_text())["services"]
        for service in services or told:
            if self.inspected(service)["Config"].get("Healthcheck"):
                self.until_healthy(service)

    def stop(self, service: str) -> None:
        """As ``docker compose stop``, which waits for `stop_grace_period`."""
        compose([self._file], "stop", service, variables=self._variables)

    def down(self) -> None:
        """End everything, and forget what was kept."""
        compose([self._file], "down", "--volumes", variables=self._variables)

    def healthy(self, service: str) -> bool:
        """What the health check says now."""
        return podman("healthcheck", "run", container(service), check=False).returncode == 0

    def until_healthy(self, service: str) -> None:
        """Wait for its health check."""
        until = time.monotonic() + PATIENCE
        while not self.healthy(service):
            assert time.monotonic() < until and self.inspected(service)["State"]["Running"], self.log(service)
            time.sleep(0.5)

    def inspected(self, service: str) -> dict[str, Any]:
        """What podman knows of a container."""
        (told,) = json.loads(podman("inspect", container(service)).stdout)
        assert isinstance(told, dict)
        return told

    def log(self, service: str) -> str:
        """What it printed."""
        done = podman("logs", container(service))
        return done.stdout + done.stderr

    def inside(self, service: str, *command: str) -> str:
        """What a command prints that runs in a container."""
        return podman("exec", container(service), *command).stdout


def container(service: str) -> str:
    """The name of its container."""
    return f"{PROJECT}_{service}_1"


def volume(name: str) -> Path:
    """Where a volume is on this machine."""
    return Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_{name}").stdout.strip())


def _with_files(file: Path, variables: Mapping[str, str]) -> None:
    told = yaml.safe_load(file.read_text())
    for name, config in told.pop("configs", {}).items():
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: variables[found[1]], config["content"])
        (file.parent / name).write_text(text)
    for service in told["services"].values():
        for one in service.pop("configs", ()):
            service["volumes"].append(f"./{one['source']}:{one['target']}:ro")
    file.write_text(yaml.safe_dump(told))


@contextlib.contextmanager
def composed(
    folder: Path,
    name: str,
    variables: Mapping[str, str] | None = None,
    services: Sequence[str] = (),
    images: Mapping[str, str] = IMAGES,
) -> Iterator[Composed]:
    """Run services of a Compose file, or all of them, until the block ends; `variables` are the .env beside docker/."""
    shutil.copytree(DOCKER, folder / "docker")
    file, given = folder / "docker" / name, folder / ".env"
    given.write_text("".join(f"{key}={value}\n" for key, value in (variables or {}).items()))
    for service, told in yaml.safe_load(file.read_text())["services"].items():
        if "build" in told:
            podman("tag", images.get(service, "sipgw:local"), f"localhost/{PROJECT}_{service}")
    _with_files(file, variables or {})
    running = Composed(file, given)
    try:
        running.up(*services)
        yield running
    finally:
        running.down()
