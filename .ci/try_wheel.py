#!/usr/bin/env python3
"""Installs a wheel into an empty virtual environment outside the checkout, prints how large it is, and holds the
demo's conversation with it: over SIP and RTP, with the embedded models.

    .ci/try_wheel.py dist [--python python3.13] [--keep FOLDER]

Packages come from the index and the cache of uv, in the versions of requirements.lock. Sizes are those of the files in
site-packages, without compiled bytecode.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("local", "webrtc", "postgresql", "redis")
"""Those of requirements.lock."""


def run(*command: object, folder: Path) -> str:
    """What a command prints, without anything of the checkout in its environment. Ends the script if it fails."""
    taken = ("PATH", "HOME", "UV_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.startswith(taken) and name != "UV_PYTHON"}
    ran = subprocess.run(list(map(str, command)), cwd=folder, env=kept, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(*command, ran.stdout, ran.stderr, sep="\n")
        raise SystemExit(ran.returncode)
    return ran.stdout


def fitting(given: Path, python: str) -> Path:
    """The wheel itself, or that of a folder which fits this Python and machine."""
    if given.suffix == ".whl":
        return given.resolve()
    tag = run(python, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])", folder=ROOT).strip()
    found = [
        one
        for one in sorted(given.glob("*.whl"))
        if one.stem.endswith("-none-any") or (f"-{tag}-" in one.name and platform.machine() in one.name)
    ]
    if not found:
        raise SystemExit(f"{given} has no wheel for {tag} on {platform.machine()}")
    return found[0].resolve()


def megabytes(folder: Path) -> float:
    """The size of all files below, without bytecode."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc") / 1e6


def sizes(wheel: Path, python: str, folder: Path) -> Path:
    """Install the wheel, then each extra on top, and print the sizes. The environment with all of them."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
    venv = folder / "venv"
    run(uv, "venv", "--quiet", "--python", python, venv, folder=folder)
    (packages,) = venv.glob("lib/python*/site-packages")
    before, taken = 0.0, list[str]()
    for extra in ("", *EXTRAS):
        taken += [extra] if extra else []
        wanted = f"{wheel}[{','.join(taken)}]" if taken else str(wheel)
        run(
            uv, "pip", "install", "--quiet", "--system-certs", "--python", venv,
            "--constraint", ROOT / "requirements.lock", wanted, folder=folder,
        )  # fmt: skip
        now = megabytes(packages)
        print(
            f"{f'sipgw[{extra}]' if extra else 'sipgw':<18} {'+' if extra else ' '}{now - before:4.0f} MB", flush=True
        )
        before = now
    print(f"{'together':<18}  {before:4.0f} MB", flush=True)
    return venv


def converse(venv: Path, wheel: Path, folder: Path) -> None:
    """Try the installed command."""
    sipgw = venv / "bin" / "sipgw"
    version = run(sipgw, "--version", folder=folder).strip()
    if wheel.name.split("-")[1] != version:
        raise SystemExit(f"{wheel.name} says that it is {version}")
    where = run(venv / "bin" / "python", "-c", "import sipgw; print(sipgw.__file__)", folder=folder).strip()
    if not Path(where).is_relative_to(venv):
        raise SystemExit(f"the package was imported from {where}")
    if not wheel.stem.endswith("-none-any"):  # the demo below has the packet path in C then
        run(
            venv / "bin" / "python", "-c", "from media.fast import why_not; raise SystemExit(why_not() or 0)",
            folder=folder,
        )  # fmt: skip
    run(sipgw, "init", "linphone", "-o", "phone.toml", folder=folder)
    print(run(sipgw, "check", folder=folder).strip())
    print(run(sipgw, "demo", "--wav", "demo.wav", "--json", "demo.json", folder=folder).strip())
    turns = json.loads((folder / "demo.json").read_text())
    if not turns["succeeded"] or (folder / "demo.wav").stat().st_size < 100_000:
        raise SystemExit("the demo's conversation is not whole")
    print(f"sipgw {version}: the wheel holds the demo's conversation, {len(turns['turns'])} turns")


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("wheel", type=Path, help="a wheel, or the folder with those of a release")
    asked.add_argument("--python", default=sys.executable, help="the Python of the environment")
    asked.add_argument("--keep", type=Path, help="a folder for the environment, which is kept")
    given = asked.parse_args()
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        wheel = fitting(given.wheel, given.python)
        converse(sizes(wheel, given.python, folder.resolve()), wheel, folder.resolve())


if __name__ == "__main__":
    main()
