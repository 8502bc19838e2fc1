"""The tools that developers and CI run are the same, and their files are valid."""

import os
import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from hypothesis import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.programs import path
from tests.waiting import ran

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
BIN = Path(sys.executable).parent
FORMS = sorted(one for one in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if one.name != "config.yml")
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
VALID = [
    *(("vendor.github-workflows", one) for one in WORKFLOWS),
    *(("custom.github-workflows-require-timeout", one) for one in WORKFLOWS),
    ("vendor.dependabot", GITHUB / "dependabot.yml"),
    ("vendor.github-issue-config", GITHUB / "ISSUE_TEMPLATE" / "config.yml"),
    *(("vendor.github-issue-forms", form) for form in FORMS),
]


LOOSENED = 141
"""Codes of mypy that the first lines of test files switch off, all files together. The number may only shrink."""


def makefile(target: str) -> str:
    """The commands of a target."""
    (commands,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(commands)


def planned(file: Path) -> str:
    """What make complains of in a Makefile as it plans all targets; it runs nothing: `true` stands for the shell, even
    for lines with $(MAKE), which --dry-run alone would run."""
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) == 1 and "check" in targets[0].split()
    command = ["make", "--dry-run", f"SHELL={path('true')}", "--file", file, *targets[0].split()]
    done = ran(command, ROOT, {name: value for name, value in os.environ.items() if "MAKE" not in name})
    return done.stderr.strip() or f"exit status {done.returncode}" * bool(done.returncode)


def test_make_can_plan_every_target() -> None:
    complaint = planned(ROOT / "Makefile")
    assert not complaint, f"make cannot use the Makefile: {complaint}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("        $(BIN)/sipgw serve", "missing separator"),
        ("check: tests/none", "No rule to make target 'tests/none'"),
    ],
)
def test_a_makefile_that_make_refuses_is_seen(line: str, complaint: str, tmp_path: Path) -> None:
    broken = tmp_path / "Makefile"
    broken.write_text(f"{(ROOT / 'Makefile').read_text()}\n{line}\n")
    assert complaint in planned(broken)


@pytest.mark.parametrize(("schema", "file"), VALID, ids=lambda one: one.name if isinstance(one, Path) else one)
def test_github_takes_its_files(schema: str, file: Path) -> None:
    """The schemas come with check-jsonschema; nothing is fetched."""
    checked = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, str(file)])
    assert checked.exit_code == 0, checked.output


def test_a_file_that_github_refuses_is_seen(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text("on: push\njobs: {all: {runs-on: ubuntu-24.04, step: []}}\n")
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        checked = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, str(tmp_path / "ci.yml")])
        assert checked.exit_code == 1


def test_ci_runs_our_script_and_our_targets() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    for command in (one for one in commands if one.startswith("make ")):
        assert makefile(command.split()[1]) or command == "make check"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    first, last = (int(one) for one in re.findall(r"3\.(\d+)", project["requires-python"]))
    assert jobs["check"]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(first, last)]


def test_what_takes_long_or_depends_on_others_is_tried_each_week_by_our_scripts() -> None:
    weekly = yaml.safe_load((GITHUB / "workflows" / "weekly.yml").read_text())
    assert weekly[True]["schedule"], "True: YAML's word for on"
    commands = {step["run"] for job in weekly["jobs"].values() for step in job["steps"] if "run" in step}
    ours = {one for one in commands if one.startswith(".ci/")}
    assert ours == {".ci/links.py", ".ci/images"}
    assert "make search-turns MINUTES=30" in commands and makefile("search-turns")
    assert (ROOT / ".ci" / "images").read_text().endswith("\nmake images\n") and makefile("images")
    assert all(os.access(ROOT / one, os.X_OK) for one in ours)


def test_a_release_is_made_by_our_scripts_and_targets() -> None:
    """What else its steps run is a line of the shell around them: nobody can try that here."""
    release = yaml.safe_load((GITHUB / "workflows" / "release.yml").read_text())
    commands = [step["run"] for job in release["jobs"].values() for step in job["steps"] if "run" in step]
    ours = {one.split()[0] if one.startswith(".ci/") else one for one in commands if one.startswith((".ci/", "make "))}
    assert ours == {"make wheel", "make audit", ".ci/changelog.py", ".ci/try_wheel.py"}
    for command in ours:
        assert os.access(ROOT / command, os.X_OK) if command.startswith(".ci/") else makefile(command.split()[1])
    for command in set(commands) - ours:
        assert "\n" not in command and len(command) < 130, "a script of .ci, which a test can run"
    jobs = release["jobs"]
    assert all("write" not in str(jobs[one].get("permissions", "")) for one in ("source", "wheels", "try"))
    assert jobs["publish"]["environment"] == "pypi" and "secrets." not in str(release)


def test_a_release_that_failed_half_way_can_be_run_again_and_has_three_numbers() -> None:
    """The image, the chart and the archive of a release candidate would have three different names."""
    release = yaml.safe_load((GITHUB / "workflows" / "release.yml").read_text())
    assert release[True]["push"]["tags"] == ["v[0-9]+.[0-9]+.[0-9]+"], "True: YAML's word for on"
    for name, job in release["jobs"].items():
        for step in [job, *job["steps"]]:
            assert "ref_type" not in str(step.get("if", "")), f"{name}: by hand a tag of any form could be published"
    (upload,) = (one for one in release["jobs"]["publish"]["steps"] if "pypi-publish" in one.get("uses", ""))
    assert upload["with"]["skip-existing"] is True


def test_what_is_published_is_signed_and_lists_its_contents() -> None:
    """By sigstore, with the identity of the workflow: images, wheels and source archive."""
    jobs = yaml.safe_load((GITHUB / "workflows" / "release.yml").read_text())["jobs"]
    used = {
        (name, step["uses"].partition("@")[0]): step.get("with", {})
        for name, job in jobs.items()
        for step in job["steps"]
        if "uses" in step
    }
    for name in ("images", "publish"):
        assert {"id-token": "write", "attestations": "write"}.items() <= jobs[name]["permissions"].items()
        assert ("subject-path" in used[name, "actions/attest-build-provenance"]) is (name == "publish")
    build = used["images", "docker/build-push-action"]
    assert build["sbom"] is True and build["provenance"] == "mode=max"
    assert set(build["platforms"].split(",")) == {"linux/amd64", "linux/arm64"}
    assert used["publish", "actions/attest-sbom"] == {"subject-path": "dist/*", "sbom-path": "release/sbom.json"}
    (announced,) = (step["run"] for step in jobs["announce"]["steps"] if "run" in step)
    assert "--notes-file release/notes.md" in announced and announced.endswith(" dist/* release/sbom.json")


def test_a_bug_comes_with_what_the_gateway_says_of_itself() -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text())
    wanted = {one["id"]: one for one in form["body"] if one.get("validations", {}).get("required")}
    assert "sipgw doctor" in wanted["doctor"]["attributes"]["description"]
    assert "sipgw support" in wanted["support"]["attributes"]["description"]


def test_owners_own_something() -> None:
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines() if not line.startswith("#")]
    assert all(len(line) > 1 and all(owner.startswith("@") for owner in line[1:]) for line in lines)
    assert all((ROOT / path.strip("/")).is_dir() for path, *_ in lines if path != "*")


def test_hooks_run_the_tools_of_make_lint_out_of_the_environment_with_the_locked_versions() -> None:
    """Local hooks have no versions of their own; the environment is made from the lock file."""
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    hooks = {hook["entry"] for hook in repo["hooks"]}
    assert all(hook["language"] == "system" for hook in repo["hooks"])

    def tool(command: str) -> str:
        return " ".join(word for word in command.split() if not word.startswith("-") and word != ".")

    assert {tool(hook) for hook in hooks} == {
        tool(line.replace("$(BIN)", ".venv/bin")) for line in makefile("lint").strip().splitlines()
    }
    locked = (ROOT / "requirements-test.lock").read_text()
    assert all(re.search(rf"^{name}==", locked, re.MULTILINE) for name in ("ruff", "mypy", "import-linter"))


def test_only_first_lines_of_tests_loosen_mypy_and_fewer_of_them_each_time() -> None:
    """A file that breaks one code is held to all others."""
    lines = {path: path.read_text().partition("\n")[0] for path in sorted((ROOT / "tests").rglob("*.py"))}
    named = [re.fullmatch(r'# mypy: disable-error-code="([a-z, -]+)"', line) for line in lines.values()]
    codes = [code for one in named if one for code in one[1].split(", ")]
    assert len(codes) <= LOOSENED
    assert sum("# mypy:" in path.read_text() for path in lines) == sum(map(bool, named)) + 1, "this file speaks of them"
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert not [one for one in options["overrides"] if {"disable_error_code", "ignore_errors"} & one.keys()]


def test_only_a_slow_test_has_a_number_of_examples_of_its_own() -> None:
    """It would overrule the few examples of `make check`; the others multiply those of `settings()`."""
    profile = re.findall(r"--hypothesis-profile (\w+)", makefile("fast"))
    assert [settings.get_profile(one).max_examples for one in profile] == [20]
    fixed = re.compile(r"(.*)\n *@settings\((?:.*, )?max_examples=\d+[,)]")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    texts = {path.name: text for path in files if "@settings(" in (text := path.read_text())}
    found = [(name, before) for name, text in texts.items() for before in fixed.findall(text)]
    assert found, "those of slow tests"
    assert [one for one in found if one[1] != "@pytest.mark.slow"] == []


@pytest.mark.slow
def test_two_collections_have_the_same_ids(request: pytest.FixtureRequest) -> None:
    """`pytest --lf` and pytest-xdist need that: no address, no set and no chance in an id.

    The tests of this run have the ids that a process with other hashes gives them.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only"]
    printed = ran(command, ROOT, os.environ | {"PYTHONHASHSEED": "1", "COLUMNS": "200"}).stdout.splitlines()
    found = {line for line in printed if "::" in line}
    assert len(found) > 5000
    assert {one.nodeid for one in request.session.items} - found == set()
    assert [one for one in found if str(ROOT) in one or re.search(r"0x[0-9a-f]{8}", one)] == []


def test_what_failed_last_is_run_again_first(tmp_path: Path) -> None:
    """With the options of pyproject.toml, `pytest --lf` runs the test that failed alone."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): assert False\n")
    command = [sys.executable, "-m", "pytest", "test_it.py"]
    assert "1 failed, 1 passed" in ran(command, tmp_path).stdout
    assert "1 failed, 1 deselected" in ran([*command, "--lf"], tmp_path).stdout


def test_what_is_locked_is_locked_with_the_extras_that_others_ask_for() -> None:
    """An older pip takes the newest version for ``google-auth[requests]`` where only ``google-auth`` is locked, and
    then misses its hash: the day after a release of it nobody could install anything.
    """
    locks = "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-test.lock"))
    locked = {(canonicalize_name(name), extra)
              for name, extras in re.findall(r"^([\w.-]+)\[([\w,.-]+)\]==", locks, re.MULTILINE)
              for extra in extras.split(",")}  # fmt: skip
    names = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)(?:\[|==)", locks, re.MULTILINE)}
    asked = {
        (canonicalize_name(wanted.name), extra)
        for installed in distributions()
        if canonicalize_name(installed.name) in names
        for wanted in map(Requirement, installed.requires or ())
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        for extra in wanted.extras
    }
    assert ("google-auth", "requests") in asked
    assert asked <= locked
