"""The image with more extras that docs/operations.md shows: its command installs where the gateway is."""

import os
import re
import shlex
import venv
import zipfile
from pathlib import Path

import pytest

from tests.waiting import ran

ROOT = Path(__file__).parents[2]
PLACE = "/opt/sipgw"
"""The environment of the gateway in the image."""


def page() -> str:
    """The Dockerfile of the page."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (found,) = re.findall(r"^```dockerfile\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(found)


def variables() -> dict[str, str]:
    """What the stage `base`, and so each image of a release, sets."""
    text = (ROOT / "docker" / "Dockerfile").read_text()
    (stage,) = re.findall(r"^FROM \S+ AS base\n(.*?)^FROM", text, re.MULTILINE | re.DOTALL)
    words = [word for line in re.findall(r"^ENV (.+)$", stage, re.MULTILINE) for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


def wheel(folder: Path, name: str, *headers: str) -> None:
    """A wheel without a module."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *headers, ""]
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl", "w") as made:
        made.writestr(f"{info}/METADATA", "\n".join(lines))
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")


@pytest.mark.slow
def test_its_command_adds_the_extras_to_the_gateway_that_is_there(tmp_path: Path) -> None:
    """The image's own Python has pip; the environment of the gateway has none. `sipgw` is not installed again."""
    place, outer = tmp_path / "opt", tmp_path / "outer"
    venv.create(place, with_pip=False)
    venv.create(outer, with_pip=True)
    (install,) = re.findall(r"^RUN (pip install .+)$", page(), re.MULTILINE)
    (extras,) = re.findall(r"sipgw\[([\w,]+)\]", install)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    needs = [f'Requires-Dist: of-{one}; extra == "{one}"' for one in extras.split(",")]
    wheel(wheels, "sipgw", *(f"Provides-Extra: {one}" for one in extras.split(",")), *needs)
    for one in extras.split(","):
        wheel(wheels, f"of-{one}")
    told = {name: value.replace(PLACE, str(place)) for name, value in variables().items()}
    told["PATH"] = told["PATH"].replace("$PATH", f"{outer / 'bin'}:{os.environ['PATH']}")
    told |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "HOME": str(tmp_path)}

    first = ran([outer / "bin" / "pip", "--python", place / "bin" / "python", "install", "sipgw"], tmp_path, told)
    assert first.returncode == 0, first.stderr
    (wheels / "sipgw-1.0-py3-none-any.whl").unlink()
    added = ran(["sh", "-c", install], tmp_path, told)
    assert added.returncode == 0, added.stderr
    (packages,) = place.glob("lib/python*/site-packages")
    names = {folder.name.removesuffix("-1.0.dist-info") for folder in packages.glob("*.dist-info")}
    assert names == {"sipgw", *(f"of_{one}" for one in extras.split(","))}
