#!/usr/bin/env python3
"""Prints for which platforms and Pythons each locked package has a wheel: what is missing has to be compiled there.

    .venv/bin/python .ci/platforms.py

uv lists the files of each package of requirements.lock, which the tags of a platform are compared with; nothing is
downloaded. That a package can be installed does not mean that it was run there.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Environment, Marker, default_environment
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
EXTRAS = ("", "local", "webrtc", "postgresql", "redis")


def _glibc(machine: str, minor: int) -> list[str]:
    old = ["manylinux2014", "manylinux2010", "manylinux1"]
    return [*(f"manylinux_2_{one}_{machine}" for one in range(minor, 4, -1)), *(f"{one}_{machine}" for one in old)]


PLATFORMS = {
    "Linux x86-64, glibc 2.34": (_glibc("x86_64", 34), "linux", "x86_64"),
    "Linux ARM, glibc 2.34": (_glibc("aarch64", 34), "linux", "aarch64"),
    "Alpine x86-64, musl 1.2": ([f"musllinux_1_{one}_x86_64" for one in (2, 1)], "linux", "x86_64"),
    "Alpine ARM, musl 1.2": ([f"musllinux_1_{one}_aarch64" for one in (2, 1)], "linux", "aarch64"),
    "macOS 14, ARM": (list(mac_platforms((14, 0), "arm64")), "darwin", "arm64"),
}
"""Tags of a platform, its ``sys_platform`` and its ``platform_machine``."""


def locked(extra: str) -> list[dict[str, object]]:
    """The packages of an installation with `extra`, with their files."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pylock.toml"
        subprocess.run(
            [
                Path(sys.executable).with_name("uv"), "pip", "compile", "pyproject.toml", "--universal", "--quiet",
                "--system-certs", "--python-version", "3.11", "--constraint", "requirements.lock",
                "--format", "pylock.toml", *(["--extra", extra] if extra else []), "--output-file", file,
            ],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        found: list[dict[str, object]] = tomllib.loads(file.read_text())["packages"]
        return found


def missing(packages: list[dict[str, object]], platform: str, python: tuple[int, int]) -> Iterator[str]:
    """The packages that have no wheel."""
    names, system, machine = PLATFORMS[platform]
    tags: set[Tag] = {
        *cpython_tags(python, platforms=names),
        *compatible_tags(python, f"cp{python[0]}{python[1]}", names),
    }
    version = ".".join(map(str, python))
    here: Environment = {
        **default_environment(), "sys_platform": system, "platform_machine": machine, "python_version": version,
        "python_full_version": f"{version}.0", "platform_system": {"darwin": "Darwin"}.get(system, "Linux"),
    }  # type: ignore[typeddict-item]  # fmt: skip
    for one in packages:
        if "marker" in one and not Marker(str(one["marker"])).evaluate(here):
            continue
        files = [wheel.get("name") or str(wheel["url"]).rpartition("/")[2] for wheel in one.get("wheels", ())]  # type: ignore[attr-defined]
        if not any(parse_wheel_filename(re.sub("%2B", "+", file))[3] & tags for file in files):
            yield str(one["name"])


def main() -> None:
    """The table, as Markdown."""
    base = locked("")
    known = {str(one["name"]) for one in base}
    packages = {extra: [one for one in locked(extra) if str(one["name"]) not in known] for extra in EXTRAS[1:]}
    print("| platform | Python | " + " | ".join(f"`[{extra}]`" if extra else "base" for extra in EXTRAS) + " |")
    print("|---" * (2 + len(EXTRAS)) + "|")
    for platform in PLATFORMS:
        rows: dict[tuple[str, ...], list[str]] = {}
        for python in PYTHONS:
            cells = tuple(", ".join(missing(some, platform, python)) or "all" for some in (base, *packages.values()))
            rows.setdefault(cells, []).append(f"{python[0]}.{python[1]}")
        for cells, pythons in rows.items():
            print(f"| {platform} | {', '.join(pythons)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
