"""The guides for PBXs: what is to be pasted can be pasted, and is what the recipe's comment says."""

import re
import textwrap
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
RECIPES = ROOT / "sipgw" / "recipes"


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a guide, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", (GUIDES / name).read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in found]


def comment(name: str) -> list[str]:
    """The lines of a recipe's comment that are to be pasted somewhere."""
    text = (RECIPES / name).read_text()
    return [line[4:] for line in text.splitlines() if line.startswith("#   ")]


def without_blank(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def sections(text: str) -> list[dict[str, str]]:
    """What Asterisk reads: one section a head, one option a line."""
    found: list[dict[str, str]] = []
    for line in without_blank(text):
        if head := re.fullmatch(r"\[([\w-]+)\]", line):
            found.append({"name": head[1]})
        else:
            key, _, value = line.partition(" = ")
            found[-1][key] = value
    return found


@pytest.mark.faults("G10", "G3")
def test_asterisk_blocks_can_be_pasted_and_are_those_of_the_recipe() -> None:
    pjsip, extension, *_ = blocks("asterisk.md", "ini")
    endpoint, auth, aor = sections(pjsip)
    assert (endpoint["type"], auth["type"], aor["type"]) == ("endpoint", "auth", "aor")
    assert (endpoint["auth"], endpoint["aors"]) == (auth["name"], aor["name"])
    assert endpoint["moh_passthrough"] == endpoint["send_pai"] == "yes"
    assert "callerid" in endpoint
    assert comment("asterisk.toml")[:-1] == [*without_blank(pjsip), *without_blank(extension)]


@pytest.mark.faults("G10")
def test_the_compose_file_has_the_same_endpoint() -> None:
    pjsip, *_ = blocks("asterisk.md", "ini")
    composed = (ROOT / "docker" / "compose.asterisk.yaml").read_text()
    for line in without_blank(pjsip):
        assert f"      {line}\n" in composed or line == "password = ..."


def as_freeswitch_reads(lines: list[str]) -> str:
    """`switch_xml` leaves out every line that contains ``<include>`` or ``</include>``."""
    return "\n".join(line for line in lines if "<include>" not in line and "</include>" not in line)


@pytest.mark.faults("G2", "G10")
def test_freeswitch_finds_the_user_where_the_guide_and_the_recipe_put_it() -> None:
    user, dialplan = blocks("freeswitch.md", "xml")
    lines = comment("freeswitch.toml")
    assert lines[: len(without_blank(user))] == without_blank(user)
    assert set(without_blank(dialplan)) <= set(lines)
    read = ET.fromstring(as_freeswitch_reads(user.splitlines()))  # noqa: S314 -- our own page
    assert (read.tag, read.get("id")) == ("user", "agent")
    assert read.find("params/param[@name='password']") is not None


@pytest.mark.faults("G10")
@pytest.mark.parametrize("recipe", ["asterisk", "freepbx", "freeswitch", "3cx", "kamailio"])
def test_a_recipe_is_valid_below_any_table(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the tutorial says: appended to a file that ends inside ``[agent]``; also with the optional lines used."""
    written = tmp_path / "trunk.toml"
    assert CliRunner().invoke(app, ["init", recipe, "-o", str(written)]).exit_code == 0
    used = re.sub(r"^# (?=[\w.]+ = |\[\w+\]$)", "", written.read_text(), flags=re.MULTILINE)
    file = tmp_path / "sipgw.toml"
    file.write_text('[agent]\nbusiness = "Harbour Books"\n' + used)
    values = {"PBX_ADDRESS": "10.0.0.5", "SIP_DOMAIN": "example.com", "SIP_PROXY": "10.0.0.6"}
    values |= {"PBX_USER": "agent", "PBX_AUTH_ID": "agent", "PBX_PASSWORD": "a password"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    checked = CliRunner().invoke(app, ["check", "-c", str(file)])
    assert checked.exit_code == 0, checked.output


TRIED = {
    "asterisk.md": {
        name[0].upper(): f"test_asterisk_{name}.py"
        for name in ("branch", "calls", "endpoints", "ice", "oddities", "restart", "transfers")
    }
    | {"M": "test_asterisk_emergency.py", "V": "test_asterisk_ipv6.py"},
    "kamailio.md": {"": "test_kamailio_calls.py"}
    | {name[0].upper(): f"test_kamailio_{name}.py" for name in ("dual_stack", "restart", "secure")},
}
"""The files of the tests in a guide's table of what was tried, by how it calls them."""


@pytest.mark.parametrize("guide", TRIED)
def test_the_table_of_what_was_tried_has_all_tests_and_no_other(guide: str) -> None:
    there = {
        letter: set(
            re.findall(r"^(?:async )?def test_(\w+)", (ROOT / "tests/interop" / file).read_text(), re.MULTILINE)
        )
        for letter, file in TRIED[guide].items()
    }
    named: dict[str, set[str]] = {letter: set() for letter in there}
    for row in (GUIDES / guide).read_text().partition("| test |")[2].splitlines()[2:]:
        letter = ""
        for told, name in re.findall(r"(?:\b([BCDEIMORSTV]) )?`(\w+…?)`", row.rsplit("|", 2)[1]):
            letter = told or letter
            meant = {one for one in there[letter] if one == name or (name[-1] == "…" and one.startswith(name[:-1]))}
            assert meant, f"{guide} names {name}, which is no test"
            named[letter] |= meant
    assert named == there
