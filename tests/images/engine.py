"""podman, and images made from Debian's packages alone under the names that docker/ asks for, where no registry is."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = Path(sys.executable).parent / "podman-compose"
PROJECT = "sipgw-images"
MIRROR = "http://deb.debian.org/debian"
IMAGES = (
    ("sipgw:local", "Dockerfile", "local"),
    ("sipgw", "Dockerfile", ""),
    ("sipgw-kamailio", "Dockerfile.kamailio", ""),
    ("sipgw-asterisk", "Dockerfile.asterisk", ""),
)
"""Name, file, target."""

POSTGRES = """#!/bin/sh -e
# What of the official image's entry point compose.full.yaml relies on.
PATH=/usr/lib/postgresql/17/bin:$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --locale C.UTF-8
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl start --wait --options "-c listen_addresses= -c unix_socket_directories=/tmp"
  createdb --host /tmp --username "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl stop --wait
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
"""


class Base(NamedTuple):
    """An image of Debian's packages."""

    suite: str
    packages: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    """Commands after the installation; ``$1`` is the root, ``$POSTGRES`` a script."""
    changes: tuple[str, ...] = ()
    """Instructions of a Dockerfile."""


BASES = {
    "docker.io/library/python:3.13-slim": Base(
        "trixie",
        ("python3-venv", "python3-pip", "python3-dev", "ca-certificates"),
        ('ln -s ../../bin/python3 "$1/usr/local/bin/python"',),
    ),
    "docker.io/library/debian:bookworm-slim": Base("bookworm"),
    "docker.io/library/debian:forky-slim": Base("forky"),
    "docker.io/library/redis:7.2": Base("bookworm", ("redis-server",)),
    "docker.io/library/postgres:17": Base(
        "trixie",
        ("postgresql-17",),
        (
            'printf %s "$POSTGRES" >"$1/entry" && chmod 755 "$1/entry"',
            'chroot "$1" install --directory --owner postgres --mode 700 /var/lib/postgresql/data',
        ),
        ("ENV PGDATA=/var/lib/postgresql/data", "ENV PGHOST=127.0.0.1", "USER postgres", 'ENTRYPOINT ["/entry"]'),
    ),
    "docker.io/prom/prometheus:v3.5.0": Base(
        "trixie",
        ("prometheus",),
        ('install --directory --owner 65534 --mode 755 "$1/prometheus"',),
        ("WORKDIR /prometheus", "USER nobody", 'ENTRYPOINT ["prometheus", "--storage.tsdb.path=/prometheus"]'),
    ),
}
"""Grafana's alone has no stand-in: Debian has no Grafana."""


def missing() -> str:
    """What this machine lacks for all this, as a sentence; empty if nothing."""
    if os.geteuid() != 0:
        return "images are built and run as root here"
    lacking = [name for name in ("podman", "runc", "mmdebstrap", "unshare") if not shutil.which(name)]
    if lacking:
        return "apt-get install podman runc mmdebstrap util-linux"
    return "" if COMPOSE.exists() else "pip install podman-compose"


def surroundings() -> dict[str, str]:
    """The environment of podman: for machines without systemd, with cgroups of either kind, where root has limits."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = Path(tempfile.gettempdir()) / "sipgw-containers.conf"
    told.write_text(
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=8192:8192"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    return os.environ | {"CONTAINERS_CONF": str(told), "DISABLE_HC_SYSTEMD": "true"}


def podman(*words: str, check: bool = True, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """Run podman, which may take so many seconds."""
    command = ["podman", *words]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def compose(files: Sequence[Path], *words: str, variables: Path | None = None) -> str:
    """Run podman-compose; returns what it printed."""
    command = [str(COMPOSE), "--project-name", PROJECT, *(f"--file={file}" for file in files)]
    command += [f"--env-file={variables}"] if variables else []
    done = subprocess.run(
        [*command, *words], env=surroundings(), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{command} {words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def make_base(name: str) -> None:
    """Have an image: from its registry, or else made here."""
    if podman("image", "exists", name, check=False).returncode == 0:
        return
    if podman("pull", "--quiet", name, check=False).returncode == 0:
        return
    base = BASES[name]
    # A mirror that stands still is as good.
    command = ["mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"']
    command += [f"--include={','.join(base.packages)}"] if base.packages else []
    command += [f"--customize-hook={hook}" for hook in base.hooks]
    with tempfile.NamedTemporaryFile(suffix=".tar") as root:
        subprocess.run([*command, base.suite, root.name, MIRROR], env=os.environ | {"POSTGRES": POSTGRES}, check=True)
        podman("import", "--quiet", *(f"--change={change}" for change in base.changes), root.name, name)


def build(name: str, file: str, target: str) -> None:
    """Build an image of docker/, with the certificates of this machine, if its way to PyPI has some of its own."""
    command = ["build", "--isolation=chroot", "--format=docker", "--network=host"]
    command += ["--volume=/etc/ssl/certs:/etc/ssl/certs:ro"] + ([f"--target={target}"] if target else [])
    podman(*command, f"--file={DOCKER / file}", f"--tag={name}", str(ROOT), seconds=1800)
