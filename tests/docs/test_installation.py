"""What docs/installation.md says is so: the extras, the Pythons, the ports of the way round Docker Desktop."""

import re
import tomllib
from pathlib import Path

from sipgw.config.config import parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "installation.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOR_DEVELOPERS = {"test", "interop", "bench"}


def test_every_extra_is_listed() -> None:
    table = PAGE.partition("| extra |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(PROJECT["optional-dependencies"]) - FOR_DEVELOPERS


def test_the_pythons_are_those_of_the_package() -> None:
    first, after = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert f"Python 3.{first} to 3.{int(after) - 1}" in PAGE


def test_sizes_and_platforms_stand_beside_the_commands_that_print_them() -> None:
    for script in re.findall(r"\.ci/\w+\.py", PAGE):
        assert (ROOT / script).is_file()
    assert re.search(r"^sipgw\[local\] +\+ *\d+ MB$", PAGE, re.MULTILINE)
    assert len(re.findall(r"^\| (?:Linux|Alpine|macOS)[^|]+ \| 3\.", PAGE, re.MULTILINE)) >= 5


def test_the_ports_that_docker_publishes_are_those_of_the_configuration() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    config = parse(block, "installation.md", {})
    first, last = config.media.port_range
    assert f"-p {first}-{last}:{first}-{last}/udp" in PAGE
    assert f"two ports a call: {(last - first + 1) // 2} calls" in PAGE
    assert f"-p {config.sip.port}:{config.sip.port}/udp" in PAGE and config.sip.public_address
