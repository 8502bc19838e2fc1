"""sipgw is built with pinned tools, by people who run it and in images."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
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


def test_the_wheels_of_a_release_are_built_with_pinned_tools() -> None:
    """By hash, from the archive, in which the lock file is; without isolation, as everywhere else."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert told["before-build"] == "pip install --require-hashes --requirement {package}/requirements-build.lock"
    assert "--no-isolation" in told["build-frontend"]["args"]


def test_a_list_of_contents_and_the_search_for_weaknesses_have_the_build_tools_too() -> None:
    audit = (ROOT / "Makefile").read_text().partition("\naudit:")[2].partition("\nformat:")[0]
    assert "--requirement requirements.lock --requirement requirements-build.lock" in audit
    assert "cat requirements.lock requirements-build.lock |" in audit


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_may_do_little(file: Path) -> None:
    text = file.read_text()
    for line in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line
    told = yaml.safe_load(text)
    assert told["permissions"] == {"contents": "read"}
    for name, job in told["jobs"].items():
        for step in (one for one in job["steps"] if one.get("uses", "").startswith("actions/checkout@")):
            assert step["with"]["persist-credentials"] is False, name
        if job.get("permissions", {}).get("contents") == "write":
            assert "id-token" not in job["permissions"], "who writes to the repository signs nothing"


def test_the_programs_that_a_workflow_installs_are_pinned_by_hash() -> None:
    """Of the locked tools, the part that the step takes out of the file."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert all("--require-hashes" in line for line in text.splitlines() if "pip install" in line)
    (take,) = re.findall(r"(sed -n .* requirements-test.lock)", text)
    taken = subprocess.run(["sh", "-c", take], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"uv==[\d.]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", taken)
