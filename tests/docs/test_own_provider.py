"""The example package of docs/providers/own.md is built, installed beside sipgw, and passes the conformance kit."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sipgw.tools.conformance.checks import CHECKS
from sipgw.tools.conformance.embedded import SpokenSample
from tests.waiting import HANG

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers" / "own.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))


def run(folder: Path, *arguments: str, **environment: str) -> str:
    told = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")} | environment
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=told,
        capture_output=True,
        text=True,
        timeout=2 * HANG,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def test_the_example_is_short_and_the_page_names_every_check() -> None:
    package = [FILES[name] for name in ("pyproject.toml", "sipgw_acme.py", "conftest.py")]
    assert sum(text.count("\n") for text in package) <= 80
    told = " ".join(re.findall(r"^\| ([a-z].*?) \|", PAGE, re.MULTILINE))
    for name in CHECKS:
        start, _, fault = name.partition("bears a connection that is ")
        assert (fault or start) in told, name


def test_the_hook_that_the_page_shows_for_speech_gives_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "forward.ulaw").write_bytes(b"\xff" * 8000)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own page
    assert names["pytest_sipgw_provider_speech"](None) == {"en": SpokenSample(b"\xff" * 8000, "go forward ten meters")}


@pytest.mark.slow
def test_the_example_package_is_installed_and_conforms(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="pip install -e '.[test]'")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("pyproject.toml", "sipgw_acme.py"):
        (source / name).write_text(FILES[name], encoding="utf-8")
    pip = (
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
    )
    run(source, *pip, ".", PIP_DISABLE_PIP_VERSION_CHECK="1")
    user = tmp_path / "user"
    user.mkdir()
    for name in ("conftest.py", "sipgw.toml"):
        (user / name).write_text(FILES[name], encoding="utf-8")
    path = f"{target}:{ROOT}"
    checked = run(user, "-m", "sipgw", "check", PYTHONPATH=path, ACME_API_KEY="k")
    assert "tts acme" in checked and "the configuration is valid" in checked
    kit = ("-m", "pytest", "-p", "sipgw.tools.conformance.plugin", "-p", "no:schemathesis", "-p", "no:cacheprovider")
    printed = run(user, *kit, "--sipgw-provider", "acme", PYTHONPATH=path)
    assert f"{len(CHECKS)} passed" in printed
