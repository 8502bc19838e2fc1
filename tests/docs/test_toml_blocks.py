"""Every block of TOML on every page can be pasted: its title names the file, and the reader of that file accepts it.

Without a title it belongs into `sipgw.toml`.
"""

import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sipgw.cli.knowledge import QuestionsError, QuestionsFile
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.files import read_as
from sipgw.tools.evaluation.eval_set import read_set
from sipgw.tools.simulate.scenario import read as read_scenario

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECRET = "a value of some length, 0123456789"
ANNA = '\n[[accounts]]\nuser = "anna"\npassword = "${ANNA_PASSWORD}"\n'
INSTALLED = {"docs/providers/own.md"}
"""Pages whose `sipgw.toml` needs a package of the page: `test_own_provider` installs it and runs `sipgw check`."""


class Block(NamedTuple):
    """A block of TOML."""

    page: str
    line: int
    title: str
    text: str


def blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in re.finditer(r'^( *)```toml(?: title="([^"\n]*)")?\n(.*?)^\1```', text, re.MULTILINE | re.DOTALL):
        line = text[: found.start()].count("\n") + 1
        yield Block(str(path.relative_to(ROOT)), line, found[2] or "sipgw.toml", textwrap.dedent(found[3]))


def written(text: str, path: Path) -> Path:
    path.write_text(text)
    return path


def configuration(text: str, path: Path) -> None:
    account = ANNA if "sip:anna" in text and "[[accounts]]" not in text else ""
    parse(text + account, path.name, dict.fromkeys(re.findall(r"\$\{(\w+)\}", text + account), SECRET))


READERS: dict[str, Callable[[str, Path], object]] = {
    "sipgw.toml": configuration,
    "agents/": lambda text, path: parse_agent(text, path, GatewayConfig(), {}),
    "pyproject.toml": lambda text, _: tomllib.loads(text),
    "questions.toml": lambda text, path: read_as(QuestionsFile, written(text, path), QuestionsError),
    "scenario.toml": lambda text, path: read_scenario(written(text, path)),
    "set.toml": lambda text, path: read_set(written(text, path)),
}
"""By the title, or the folder in it."""
BLOCKS = [block for path in PAGES for block in blocks(path)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda one: f"{one.page}:{one.line}")
def test_it_can_be_pasted(block: Block, tmp_path: Path) -> None:
    if block.page in INSTALLED and block.title == "sipgw.toml":
        tomllib.loads(block.text)
        return
    reader = READERS[f"{block.title.partition('/')[0]}/" if "/" in block.title else block.title]
    reader(block.text, tmp_path / Path(block.title).name)


def test_no_block_is_overlooked() -> None:
    shown = sum(len(re.findall(r"^ *```toml", path.read_text(), re.MULTILINE)) for path in PAGES)
    assert len(BLOCKS) == shown > 70
