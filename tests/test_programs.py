"""Tests say which programs of others they run, and are skipped where these are missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop import spaces
from tests.programs import PROGRAMS, Program, Watch, lacking, path

TESTS = Path(__file__).parent
ROOT = TESTS.parent


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that no machine has."""
    monkeypatch.setitem(PROGRAMS, "nothing", Program("sudo apt-get install -y nothing", ("no-such-program",)))
    monkeypatch.setitem(PROGRAMS, "no package", Program("pip install nothing", modules=("no_such_module",)))


@pytest.mark.usefixtures("nothing")
def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    assert lacking(["nothing", "no package"]) == "pip install nothing; sudo apt-get install -y nothing"
    assert lacking(["no package"], packages=False) == ""


@pytest.mark.slow
def test_a_machine_without_the_program_skips_its_test_and_ci_fails_there(tmp_path: Path) -> None:
    """A run of pytest of its own, with our conftest, in which every program of the table is missing."""
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import *\nfrom tests import programs\nprograms._missing = lambda name: True\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.programs('sipp')\ndef test_it(): pass\n"
        "@pytest.mark.programs('asterisk')\ndef test_pbx(): pass\n"
        "@pytest.mark.programs('pjsua2')\ndef test_package(): pass\ndef test_free(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-p", "no:cacheprovider", "-rs", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    here = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert "1 passed, 3 skipped" in here.stdout, here.stdout + here.stderr
    assert "sudo apt-get install -y sip-tester" in here.stdout
    strict = [*command, "--all-programs"]
    there = subprocess.run(strict, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert "1 passed, 1 skipped" in there.stdout and "2 errors" in there.stdout, there.stdout + there.stderr


class Item:
    """A test with the mark `programs`."""

    nodeid = "tests/test_x.py::test_x"

    def __init__(self, *names: str) -> None:
        self._names = names

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [getattr(pytest.mark, name)(*self._names).mark]


def test_a_test_starts_only_the_programs_that_it_names() -> None:
    watch = Watch()
    start = (["sipp", "-sn", "uac"], "/usr/bin/sipp")
    watch.starts(*start)
    watch.runs(Item("sipp"))  # type: ignore[arg-type]
    watch.starts(*start)
    watch.runs(Item("sox"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r'mark it with @pytest\.mark\.programs\("sipp"\)'):
        watch.starts(*start)


def test_the_watch_is_there() -> None:
    """This test names nothing, and may start nothing of the table, wherever it is."""
    with pytest.raises(RuntimeError, match="mark it with"):
        subprocess.run(["/nowhere/sipp"], check=False)


def test_a_program_that_the_table_does_not_know_is_an_error() -> None:
    with pytest.raises(pytest.UsageError, match=r"test_x: tests/programs.py knows no sip-p"):
        Watch().runs(Item("sip-p"))  # type: ignore[arg-type]


def test_ci_installs_every_package_of_the_table() -> None:
    wanted = {
        package
        for program in PROGRAMS.values()
        if "apt-get" in program.install
        for package in program.install.split()[4:]
    }
    (line,) = re.findall(r"apt-get install [^\n]*\\\n((?:.*\\\n)*.*)", (ROOT / ".ci" / "run").read_text())
    assert wanted <= set(line.replace("\\", " ").split())


def test_no_test_looks_for_a_program_by_itself() -> None:
    """tests/images runs only by `make images`, as root."""
    own = {TESTS / "programs.py", Path(__file__)}
    files = [one for one in TESTS.rglob("*.py") if one not in own and TESTS / "images" not in one.parents]
    assert [str(one) for one in files if "shutil.which" in one.read_text(encoding="utf-8")] == []


def test_programs_are_found_where_debian_puts_them() -> None:
    assert path("sh")
    assert path("no-such-program") is None


@pytest.mark.parametrize(("ci", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)])
def test_a_machine_without_network_namespaces_skips_and_ci_fails_there(
    monkeypatch: pytest.MonkeyPatch, ci: bool, outcome: type[BaseException]
) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "unshare failed: Operation not permitted")
    monkeypatch.setattr(spaces, "ran", lambda command: refused)
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", "true")
    with pytest.raises(outcome, match="no rights for network namespaces: unshare failed"):
        spaces.need_rights()
