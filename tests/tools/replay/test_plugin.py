"""A folder of bundles is a suite for pytest."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tools.replay.test_bundles import BUNDLES, bundle
from tests.waiting import HANG

ROOT = Path(__file__).parents[3]


def collected(folder: Path) -> subprocess.CompletedProcess[str]:
    alone = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "sipgw.tools.replay.plugin", "-p", "no:cacheprovider", "-v",
            str(folder),
        ],
        cwd=folder, env=alone, capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_bundles_are_collected_and_told_apart(tmp_path: Path) -> None:
    (tmp_path / "good.call.zip").write_bytes((BUNDLES / "plain.call.zip").read_bytes())
    one = bundle("plain")
    one.story.turns[1].said = "Something else."
    (tmp_path / "changed.call.zip").write_bytes(one.write())
    (tmp_path / "broken.call.zip").write_bytes(b"nothing")
    (tmp_path / "other.zip").write_bytes(b"nothing")
    done = collected(tmp_path)
    assert done.returncode == 1
    assert "1 passed" in done.stdout and "2 failed" in done.stdout, done.stdout + done.stderr
    assert "good.call.zip::good PASSED" in done.stdout
    assert "turn 2: said" in done.stdout and "was: Something else." in done.stdout
    assert "broken.call.zip: File is not a zip file" in done.stdout
    assert "Traceback" not in done.stdout


def test_it_is_installed_with_sipgw() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert entries["sipgw"] == "sipgw.tools.replay.plugin"
