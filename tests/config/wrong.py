"""Wrong configurations from tables, and what is told of each.

In a row the wrong line ends with ``#!``, the key and the beginning of the problem. Rows stand apart by an empty line
above a key, a table or one of these lines:

- ``== agents/x.toml`` begins another file; before it is ``sipgw.toml``;
- ``#% module.function`` names a check of the machine that finds nothing in this row, such as an installed package.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sipgw.records.artifacts.wav import write_mono
from tests.config import agent_rows, gateway_rows, trunk_rows

VARIABLES = {
    "SECRET": "long enough for all",
    "SHORT": "x",
    "URL": "http://x",
    "DATABASE": "postgresql://ann:word@db/calls",
    "PORTLESS": "postgresql://ann:word@db:x/calls",
    "REDIS": "redis://x",
}
TOOLS = '''
from agent.tools import tool

@tool(side_effect=False)
def find(number: str) -> str:
    """Finds."""
    return ""

@tool(side_effect=True)
def book(number: str) -> str:
    """Books."""
    return ""
'''
TAKEN = TOOLS.replace("def find", "def hang_up")
LONG = {
    "@trunk": '[[trunks]]\nname = "a"\nmode = "peer"\nnetworks = ["10.0.0.1"]',
    "@terms": ", ".join(f'"{at:049}"' for at in range(26)),
    '"@hundred"': ", ".join(f'"w{at}"' for at in range(101)),
    "@sixty": "x" * 60,
}
"""Words of the tables, and the text that each stands for."""


class Row(NamedTuple):
    """A wrong configuration."""

    files: dict[str, str]
    told: str
    """The beginning of the line that is told: ``FILE:LINE: KEY: PROBLEM``."""
    missing: tuple[str, ...] = ()
    """The functions that find nothing."""


def row(text: str) -> Row:
    """The row that `text` stands for."""
    missing = tuple(re.findall(r"^#% (.*)\n", text, re.MULTILINE))
    text = re.sub(r"^#% .*\n", "", text, flags=re.MULTILINE)
    for word, meant in LONG.items():
        text = text.replace(word, meant)
    first, *others = re.split(r"^== (.*)\n", f"# A comment.\n{text}\n", flags=re.MULTILINE)
    named = {"sipgw.toml": first, **dict(zip(others[::2], others[1::2], strict=True))}
    files, told = {}, []
    for name, content in named.items():
        lines = content.splitlines()
        told += [f"{name}:{at}: {line.partition('  #! ')[2]}" for at, line in enumerate(lines, 1) if "  #! " in line]
        files[name] = "\n".join(line.partition("  #! ")[0] for line in lines) + "\n"
    assert len(told) == 1, text
    return Row(files, told[0], missing)


def rows(*tables: str) -> list[Row]:
    """The rows of tables."""
    return [row(one.strip("\n")) for text in tables for one in re.split(r"\n\n(?=[\[#@=]|[\w.]+ = )", text.strip("\n"))]


CONFIGURATIONS = rows(gateway_rows.ROWS, trunk_rows.ROWS, agent_rows.ROWS)


def write(wrong: Row, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the working directory, with the files of a row."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    for name in wrong.missing:
        nothing = "gone" if name.endswith("why_not") else None
        monkeypatch.setattr(name, lambda *_, nothing=nothing: nothing)
    (folder / "agents").mkdir()
    for name, samples in (("silent.wav", 16000), ("short.wav", 80)):
        write_mono(folder / name, b"\xff" * samples)
    key = ec.generate_private_key(ec.SECP384R1())
    (folder / "p384.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for name, text in (("tools.py", TOOLS), ("taken.py", TAKEN), *wrong.files.items()):
        (folder / name).write_text(text)
