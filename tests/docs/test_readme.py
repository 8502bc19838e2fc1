"""What the README and the page of features show works: configuration, agents, tool file, commands, links, picture."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from sipgw.agents.agents import Agents
from sipgw.cli.main import app
from sipgw.config.agent_files import load_agents
from sipgw.config.config import KEYS, parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FEATURES = (ROOT / "docs" / "features.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"no {language} block"
    return found


def test_the_readme_is_short() -> None:
    """Two commands, a call, a number, an agent; all else is behind its links."""
    assert len(README.splitlines()) <= 120


def test_its_picture_is_one_of_a_call() -> None:
    (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_the_configuration_the_agents_and_the_tool_file_are_valid(tmp_path: Path) -> None:
    config = parse("\n".join((*blocks("toml"), *blocks("toml", FEATURES))), "README", {})
    (repairs,) = blocks("markdown", FEATURES)
    (tmp_path / "repairs.md").write_text(repairs)
    assert config.routes[0].agent == "repairs"
    (tools,) = blocks("python")
    path = tmp_path / config.agent.tools
    path.write_text(tools)
    config = replace(config, agent=replace(config.agent, tools=str(path)))
    agents = Agents(config, load_agents(tmp_path, config, {})).all
    assert [one.name for one in agents["repairs"].tools] == ["find_book"]


def test_every_command_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line]
    seen = set()
    for command in commands:
        program, *arguments = shlex.split(command.split("&&")[-1])
        if program == "make":
            assert {word for word in arguments if "=" not in word} <= targets, command
            seen.add("make")
        elif program == ".venv/bin/sipgw":
            ran = CliRunner().invoke(app, [arguments[0], "--help"])
            assert ran.exit_code == 0, command
            for option in (word for word in arguments if word.startswith("--")):
                assert option in ran.output, command
            seen.add("sipgw")
        else:
            assert program in ("git", "cd", "cp"), command
    assert seen == {"make", "sipgw"}


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_environment_name_is_read_somewhere() -> None:
    names = set(re.findall(r"^#? ?([A-Z_]{6,})=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    recipes = "".join(path.read_text() for path in (ROOT / "sipgw" / "recipes").glob("*.toml"))
    assert names
    for name in names:
        assert name in KEYS or f"${{{name}}}" in recipes, name
