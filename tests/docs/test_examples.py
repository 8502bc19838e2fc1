"""The examples: their configurations are valid, and `sipgw eval` judges their dialogues with a scripted model."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.tools.evaluation.eval_set import EvalError, acted, read_set

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir())
PAGE = (EXAMPLES.parent / "examples.md").read_text()


@pytest.fixture
def copied(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, as the page says, in which the command is run."""
    folder = tmp_path / str(request.param)
    shutil.copytree(EXAMPLES / folder.name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    return folder


def test_the_page_names_every_example_and_every_file() -> None:
    assert re.findall(r"^\| \[([\w-]+)\]", PAGE, re.MULTILINE) == ["restaurant", "clinic", "parcel-desk", "reminder"]
    assert set(NAMES) == {"restaurant", "clinic", "parcel-desk", "reminder"}
    for name in NAMES:
        for file in re.findall(r"^\| `(\w+\.\w+)`", PAGE, re.MULTILINE):
            assert (EXAMPLES / name / file).is_file(), f"{name}/{file}"


@pytest.mark.parametrize("copied", NAMES, indirect=True)
def test_an_example_is_valid_and_has_three_dialogues_or_more(copied: Path) -> None:
    ran = CliRunner().invoke(app, ["check"], env={"COLUMNS": "300"})
    assert ran.exit_code == 0, ran.output
    assert "tools of its own" in ran.output
    assert len(acted(read_set(copied / "dialogues.toml"), scripted=True).calls) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("copied", NAMES, indirect=True)
def test_the_dialogues_of_an_example_are_as_expected(copied: Path) -> None:
    """Over SIP and RTP; the model is played by the replies of the set."""
    ran = CliRunner().invoke(app, ["eval", "dialogues.toml", "--scripted", "--at-once", "8", "--json"])
    (found,) = json.loads(ran.stdout)["contestants"]
    assert ran.exit_code == 0, [(one["scenario"], one["faults"]) for one in found["calls"]]


@pytest.mark.slow
@pytest.mark.parametrize("copied", ["restaurant"], indirect=True)
def test_an_agent_that_does_otherwise_is_found_out(copied: Path) -> None:
    """It answers without its tools, and talks to groups itself."""
    file = copied / "dialogues.toml"
    head, *calls = file.read_text().split("\n[[calls]]")
    kept = [one for one in calls if "vegan" in one or "a group is put through" in one]
    text = "\n[[calls]]".join([head, *kept]).replace('calls = "menu"', 'says = "All of it, json."')
    other = 'says = "You are welcome. Until Saturday.", calls = "hang_up"'
    file.write_text(text.replace('says = "One moment, I will ask the owner.", calls = "transfer_to_human"', other))
    ran = CliRunner().invoke(app, ["eval", "dialogues.toml", "--scripted", "--at-once", "8", "--json"])
    assert ran.exit_code == 1, ran.output
    (found,) = json.loads(ran.stdout)["contestants"]
    faults = {one["scenario"]: set(one["faults"]) for one in found["calls"]}
    assert {"menu was not called", "the agent said 'json'"} <= faults["what is vegan"]
    assert faults["a group is put through"] == {"the caller was not handed over"}


def test_a_call_without_replies_is_not_scripted(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text('[[calls]]\nname = "x"\nsteps = [{hang_up = true}]\n')
    wanted = read_set(tmp_path / "set.toml")
    assert acted(wanted, scripted=False) == wanted
    with pytest.raises(EvalError, match="there are none of 'x'"):
        acted(wanted, scripted=True)
