#!/usr/bin/env python3
"""Installs the files of a release into empty virtual environments outside the checkout, and runs them.

    .ci/try_wheel.py dist [--python python3.13] [--keep FOLDER]

The base install serves with keys of cloud providers. With the extras, the demo's conversation is held over SIP and RTP,
with the embedded models. The extension must load. This is done with the wheel, then with the source archive. With the
wheel, the command that the demo recommends, `uvx --from 'sipgw[local]' sipgw demo`, holds it as well.

Packages come from the index and the cache of uv, in the versions of requirements.lock. Sizes are those of the files in
site-packages, without compiled bytecode. It has no time limit: whoever runs it has one.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("local", "webrtc", "postgresql", "redis")
"""Those of requirements.lock."""
TAKEN = ("PATH", "HOME", "UV_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY")
"""Beginnings of the names of variables that the commands get."""
KEYS = {"DEEPGRAM_API_KEY": "none", "OPENAI_API_KEY": "none"}
PHONE = {"ANNA_PASSWORD": "not a real one"}
SERVED = """
[sip]
host = "127.0.0.1"
port = 0
[web]
port = 0
[agent]
stt = "deepgram"
llm = "openai"
tts = "deepgram"
"""
"""A configuration that needs no extra."""


def environment(**more: str) -> dict[str, str]:
    """The variables of a command, without anything of the checkout."""
    return {name: value for name, value in os.environ.items() if name.startswith(TAKEN) and name != "UV_PYTHON"} | more


def run(*command: object, folder: Path, **more: str) -> str:
    """What a command prints, with the variables `more`. Ends the script if it fails."""
    ran = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment(**more), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        print(*command, ran.stdout, ran.stderr, sep="\n")
        raise SystemExit(ran.returncode)
    return ran.stdout


def fitting(given: Path) -> list[Path]:
    """The file itself; of a folder, the source archive and the wheel that fits this machine."""
    if given.is_file():
        return [given.resolve()]
    tags = ("-none-any", f"-abi3-manylinux*{platform.machine()}", f"-abi3-linux_{platform.machine()}")
    wheels = sorted(one for tag in tags for one in given.glob(f"*{tag}.whl"))
    if not wheels:
        raise SystemExit(f"{given} has no wheel for {platform.machine()}")
    return [wheels[0].resolve(), *(one.resolve() for one in given.glob("*.tar.gz"))]


def megabytes(folder: Path) -> float:
    """The size of all files below, without bytecode."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc") / 1e6


def uv() -> str:
    """The program, beside this Python or in PATH."""
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"


LOCKED = ("--system-certs", "--constraints", ROOT / "requirements.lock")
"""Options of uv: whom it trusts, which versions it takes."""


class Installation:
    """A virtual environment in a folder of its own, with one file of a release."""

    def __init__(self, file: Path, python: str, folder: Path) -> None:
        self.file = file
        self.folder = folder
        self.venv = folder / "venv"
        folder.mkdir(parents=True, exist_ok=True)
        run(uv(), "venv", "--quiet", "--python", python, self.venv, folder=folder)

    def add(self, *extras: str) -> float:
        """Install the file with these extras. The size of everything that is installed, in MB."""
        wanted = f"{self.file}[{','.join(extras)}]" if extras else str(self.file)
        run(uv(), "pip", "install", "--quiet", *LOCKED, "--python", self.venv, wanted, folder=self.folder)
        (packages,) = self.venv.glob("lib/python*/site-packages")
        return megabytes(packages)

    def sipgw(self, *words: str, **more: str) -> str:
        """What the command prints."""
        return run(self.venv / "bin" / "sipgw", *words, folder=self.folder, **more).strip()

    def python(self, code: str) -> str:
        """What this code prints."""
        return run(self.venv / "bin" / "python", "-c", code, folder=self.folder).strip()


def inspect(installed: Installation) -> str:
    """Compare what was installed with the name of its file. Its version."""
    version = installed.sipgw("--version")
    if installed.file.name.removesuffix(".tar.gz").split("-")[1] != version:
        raise SystemExit(f"{installed.file.name} says that it is {version}")
    where = installed.python("import sipgw; print(sipgw.__file__)")
    if not Path(where).is_relative_to(installed.venv):
        raise SystemExit(f"the package was imported from {where}")
    if not installed.file.name.endswith("-none-any.whl"):
        installed.python("from media.fast import why_not; raise SystemExit(why_not() or 0)")
        print("the extension loads", flush=True)
    return version


def serve(installed: Installation) -> None:
    """Serve with keys of cloud providers until the gateway says that it lives."""
    (installed.folder / "sipgw.toml").write_text(SERVED)
    installed.sipgw("check", **KEYS)
    told = list[str]()
    with subprocess.Popen(
        [installed.venv / "bin" / "sipgw", "serve"], cwd=installed.folder, env=environment(**KEYS), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as gateway:  # fmt: skip
        try:
            for line in gateway.stdout or ():
                told.append(line)
                if page := re.search(r"browser: +http://(127\.0\.0\.1:\d+)/", line):
                    asked = HTTPConnection(page[1])
                    asked.request("GET", "/healthz")
                    print(f"sipgw serves with keys alone: /healthz answers {asked.getresponse().status}", flush=True)
                    return
        finally:
            gateway.terminate()
            gateway.wait()
    raise SystemExit(f"the base install does not serve:\n{''.join(told)}")


def hold(file: Path, what: str, demo: Callable[..., str]) -> None:
    """Hold the demo's conversation by a command, and say that `what` has held it."""
    with tempfile.TemporaryDirectory() as kept:
        wav, told = Path(kept) / "demo.wav", Path(kept) / "demo.json"
        print(demo("demo", "--wav", str(wav), "--json", str(told)))
        turns = json.loads(told.read_text())
        if not turns["succeeded"] or wav.stat().st_size < 100_000:
            raise SystemExit("the demo's conversation is not whole")
    version = file.name.removesuffix(".tar.gz").split("-")[1]
    print(f"sipgw {version}: {what} holds the demo's conversation, {len(turns['turns'])} turns", flush=True)


def converse(installed: Installation) -> None:
    """Write a configuration, check it, and hold the demo's conversation."""
    inspect(installed)
    installed.sipgw("init", "linphone", "-o", "phone.toml")
    print(installed.sipgw("check", "-c", "phone.toml", **PHONE))
    hold(installed.file, "the wheel" if installed.file.suffix == ".whl" else "the source archive", installed.sipgw)


def borrow(wheel: Path, python: str, folder: Path) -> None:
    """Hold the demo's conversation by uvx, without an installation.

    The folder of the wheel stands for the index, and the packages are already in the cache of uv.
    """
    wanted = f"sipgw[local]=={wheel.name.split('-')[1]}"
    command = (uv(), "tool", "run", "--quiet", *LOCKED, "--python", python, "--find-links", wheel.parent,
               "--refresh-package", "sipgw", "--from", wanted, "sipgw")  # fmt: skip
    hold(wheel, "uvx", lambda *words: run(*command, *words, folder=folder))


def examine(file: Path, python: str, folder: Path) -> None:
    """Serve with the base install, then converse with each extra on top; print the sizes."""
    installed = Installation(file, python, folder)
    before, taken = 0.0, list[str]()
    for extra in ("", *EXTRAS):
        taken += [extra] if extra else []
        now = installed.add(*taken)
        name, sign = (f"sipgw[{extra}]", "+") if extra else ("sipgw", " ")
        print(f"{name:<18} {sign}{now - before:4.0f} MB", flush=True)
        before = now
        if not extra:
            inspect(installed)
            serve(installed)
    print(f"{'together':<18}  {before:4.0f} MB", flush=True)
    converse(installed)
    if file.suffix == ".whl":
        borrow(file, python, folder)


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("file", type=Path, help="a wheel or source archive, or the folder with those of a release")
    asked.add_argument("--python", default=sys.executable, help="the Python of the environments")
    asked.add_argument("--keep", type=Path, help="a folder for the environments, which are kept")
    given = asked.parse_args()
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for file in fitting(given.file):
            kind = "wheel" if file.suffix == ".whl" else "archive"
            examine(file, given.python, folder.resolve() / kind)


if __name__ == "__main__":
    main()
