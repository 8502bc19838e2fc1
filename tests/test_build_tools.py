"""sipgw is built with pinned tools, by people who run it and in images."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def test_images_and_make_install_build_with_pinned_tools() -> None:
    """Without isolation, in which pip would fetch the newest ones; the tests and a release build with the same."""
    locked, tested = (
        set(re.findall(r"^[\w.-]+==[\w.]+", (ROOT / f"requirements{name}.lock").read_text(), re.MULTILINE))
        for name in ("-build", "-test")
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    versions = dict(one.split("==") for one in locked)
    for one in map(Requirement, wanted):
        assert one.specifier.contains(versions[one.name]), f"{one}: run `make lock`"
    assert locked <= tested
    makefile, dockerfile = (ROOT / "Makefile").read_text(), (ROOT / "docker" / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock -r requirements-build.lock" in makefile
    for building in ("pip --python /opt/build/bin/python wheel", "$(PIP) --no-deps"):
        (command,) = (line for line in (dockerfile + makefile).splitlines() if building in line)
        assert " --no-build-isolation " in command
