"""Commands that write a file for a person: where it cannot be written, one line says so, without a traceback."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sipgw.cli.main import app
from sipgw.tools.demo import command as demo_command
from sipgw.tools.simulate import command as simulate_command
from sipgw.tools.simulate.verdict import CallVerdict
from tests.waiting import ran as outcome

FULL = "/dev/full"
"""Every write fails: no space is left."""


def ran(*arguments: str) -> Result:
    found = CliRunner().invoke(app, arguments)
    assert isinstance(found.exception, SystemExit), found.exception
    return found


@pytest.mark.parametrize(
    ("output", "why"), [(FULL, "No space left on device"), ("/nowhere/calls.json", "No such file or directory")]
)
def test_an_export_that_cannot_be_written_is_one_line(tmp_path: Path, output: str, why: str) -> None:
    config = tmp_path / "sipgw.toml"
    config.write_text(f'[store]\npath = "{tmp_path / "x.db"}"\n')
    (tmp_path / "x.db").touch()
    told = ran("records", "export", "-c", str(config), "-o", output)
    assert (told.exit_code, told.output) == (1, f"error: cannot write {output}: {why}\n")


@pytest.mark.parametrize("option", ["--json", "--wav"])
def test_the_demo_refuses_a_file_that_cannot_be_written_before_the_call(option: str) -> None:
    told = ran("demo", option, "nowhere/demo")
    assert told.exit_code == 2
    assert "nowhere/demo cannot be written" in " ".join(told.output.replace("│", " ").split())


@pytest.mark.parametrize("option", ["--json", "--wav"])
def test_the_demo_tells_that_the_disk_is_full(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    async def held(out: Any) -> Any:
        return SimpleNamespace(as_dict=dict, write_wav=lambda path: path.write_bytes(b"sound"), succeeded=True)

    monkeypatch.setattr(demo_command, "hold_demo", held)
    told = ran("demo", option, FULL)
    assert (told.exit_code, told.output) == (1, f"error: cannot write {FULL}: No space left on device\n")


LITTLE_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from sipgw.cli.main import main
main()
"""


@pytest.mark.parametrize("before", [None, "# mine\n"])
def test_a_configuration_that_does_not_fit_on_the_disk_leaves_the_folder_as_it_was(
    tmp_path: Path, before: str | None
) -> None:
    file = tmp_path / "sipgw.toml"
    if before is not None:
        file.write_text(before)
    told = outcome([sys.executable, "-c", LITTLE_ROOM, "init", "telnyx", "--yes"], tmp_path)
    assert (told.returncode, told.stderr) == (1, "sipgw.toml cannot be written: File too large\n")
    assert (file.read_text() if file.exists() else None) == before
    assert {one.name for one in tmp_path.iterdir()} <= {"sipgw.toml", "sipgw.toml.old"}


def test_a_full_disk_takes_no_verdict_of_a_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(*given: Any, **named: Any) -> tuple[CallVerdict, Any]:
        sound = SimpleNamespace(said=b"", agent_audio=SimpleNamespace(sound=b""))
        return CallVerdict(0.1, 0.2, (), (), 0, 1, 0, "the caller hung up"), sound

    monkeypatch.setattr(simulate_command, "simulate", play)
    told = ran("simulate", "--wav", FULL)
    assert told.exit_code == 2
    assert "nothing broken" in told.output
    assert told.output.endswith(f"error: cannot write {FULL}: No space left on device\n")
