"""CONTRIBUTING.md names the files to touch for a new provider, recipe, page, metric and fault, and no other is needed.

One of each, called ``example``, is added to a copy of the project; then the copy is run.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.waiting import HANG

ROOT = Path(__file__).parent.parent
COPIED = ("sipgw", "media", "agent", "tests", "docs", "README.md", "CONTRIBUTING.md", "pyproject.toml", ".env.example")
pytestmark = pytest.mark.slow


class Copy:
    """The project, and what was changed in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.touched: set[str] = set()
        self.root.mkdir()
        for name in COPIED:
            source, target = ROOT / name, self.root / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def write(self, path: str, text: str) -> None:
        """A new file."""
        assert not (self.root / path).exists()
        (self.root / path).write_text(text, encoding="utf-8")
        self.touched.add(path)

    def insert(self, path: str, before: str, text: str) -> None:
        """`text` before the one place that the pattern `before` fits; ``\\1`` in it is the pattern's first group."""
        old = (self.root / path).read_text(encoding="utf-8")
        fits = list(re.finditer(before, old, re.MULTILINE))
        assert len(fits) == 1, f"{path} has {len(fits)} of {before}"
        at = fits[0].start()
        (self.root / path).write_text(old[:at] + fits[0].expand(text) + old[at:], encoding="utf-8")
        self.touched.add(path)

    def run(self, *arguments: str, **environment: str) -> str:
        """All that a run of Python in the copy prints, whatever its exit status is."""
        told = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        told |= {"PYTHONPATH": str(self.root), **environment}
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=told,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        return ran.stdout + ran.stderr

    def passes(self, *tests: str) -> None:
        """These tests pass in the copy."""
        printed = self.run("-m", "pytest", "-p", "no:cacheprovider", *tests)
        assert re.search(r"^\d+ passed|^\.+ +\[100%\]$", printed, re.MULTILINE), printed
        assert "failed" not in printed and "error" not in printed.lower(), printed


PROVIDER = '''"""Example's voices."""

from dataclasses import dataclass

from agent.providers.http_tts import HttpTts
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.providers.provider import Provider


@dataclass(frozen=True)
class ExampleOptions(OpenAITtsOptions):
    """How to speak with it."""


TTS = Provider(
    "example",
    "tts",
    ExampleOptions,
    lambda options: HttpTts(OpenAISpeech(options)),
    variables={"EXAMPLE_API_KEY": "api_key"},
)
'''


def provider(copy: Copy) -> None:
    copy.write("agent/providers/example.py", PROVIDER)
    copy.insert("pyproject.toml", r"^polly = ", 'example = "agent.providers.example:TTS"\n')
    copy.write("docs/providers/example.md", "# Example\n")
    copy.run("docs/_site/provider_tables.py")
    (copy.root / "x.toml").write_text('[agent]\ntts = "example"\n', encoding="utf-8")
    printed = copy.run("-m", "sipgw", "check", "-c", "x.toml", EXAMPLE_API_KEY="key")
    assert re.search(r"tts example\n", printed) and "the configuration is valid" in printed, printed
    made = (
        "from sipgw.config.config import parse; from sipgw.agents.products import product; "
        "print(product(parse('', 'x', {}), 'tts', 'example'))"
    )
    assert copy.run("-c", made).startswith("example/"), "prices name it with its model"


def recipe(copy: Copy) -> None:
    text = '[[trunks]]\nname = "example"\nmode = "peer"\nnetworks = ["192.0.2.0/24"]\n'
    copy.write("sipgw/recipes/example.toml", text)
    copy.insert("docs/trunks.md", r"^\| `asterisk`", "| `example` | carrier | by address | no |\n")
    copy.insert("README.md", r", linphone$", ", example")
    assert "wrote" in copy.run("-m", "sipgw", "init", "example", "-o", "x.toml")
    printed = copy.run("-m", "sipgw", "check", "-c", "x.toml")
    assert "example" in printed and "the configuration is valid" in printed, printed
    copy.passes("tests/docs/test_trunk_docs.py::test_its_recipes_are_all_there_are")


PAGE = '''"""An example."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.principal import ViewerRole

router = APIRouter()


@router.get("/example")
async def example(request: Request, _who: ViewerRole) -> Response:
    """The page."""
    return page(request, "example.html", title="Example")
'''


def web_page(copy: Copy) -> None:
    copy.write("sipgw/web/example.py", PAGE)
    copy.write(
        "sipgw/web/templates/example.html", '{% extends "base.html" %}\n{% block main %}<p>One.</p>{% endblock %}\n'
    )
    copy.insert("sipgw/web/app.py", r"^    health,$", "    example,\n")
    copy.insert("sipgw/web/app.py", r'^    Page\("Phone"', '    Page("Example", "/example", example.router),\n')
    copy.passes("tests/web/test_pages.py", "-k", "idle_gateway and example")


def metric(copy: Copy) -> None:
    made = '        Gauge("sipgw_example", "An example.", registry=self.registry).set(7)\n'
    copy.insert("sipgw/telemetry/metrics.py", r"^        self\.registry\.register\(_Asked\(.*\)\)$", made)
    copy.insert("docs/metrics.md", r"^\| `process_\*`", "| `sipgw_example` | | an example |\n")
    read = "from sipgw.telemetry.metrics import Metrics; print(Metrics(lambda: ()).text().decode())"
    assert "\nsipgw_example 7.0\n" in copy.run("-c", read)
    copy.passes("tests/telemetry/test_metrics.py", "-k", "every_metric_is_on_its_page")


def fault(copy: Copy) -> None:
    line = '    "local.example": _warn("the port is {port}", "[sip] port = 5060"),\n'
    copy.insert("sipgw/tools/doctor/catalogue.py", r'^    "local\.sip-port": ', line)
    found = '    yield bad("local.example", HERE, "an example", port=sip.port)\n'
    copy.insert("sipgw/tools/doctor/machine.py", r"^    calls = sum\(trunk\.max_calls", found)
    copy.insert(
        "docs/doctor.md",
        r"^\| `local\.sip-port`",
        "| `local.example` | warn | the port is {port} | [sip] port = 5060 |\n",
    )
    (copy.root / "x.toml").write_text('[sip]\nhost = "127.0.0.1"\nport = 0\n', encoding="utf-8")
    printed = copy.run("-m", "sipgw", "doctor", "-c", "x.toml", "--no-providers")
    assert "local.example" in printed and "the port is 0" in printed, printed
    copy.passes("tests/tools/doctor/test_machine.py::test_the_page_lists_every_finding")


class Row(NamedTuple):
    """A row of the map."""

    begins: str
    add: Callable[[Copy], None]


ROWS = (
    Row("a provider", provider),
    Row("a trunk recipe", recipe),
    Row("a page of the dashboard", web_page),
    Row("a metric", metric),
    Row("a fault of the doctor", fault),
)


def table() -> dict[str, set[str]]:
    """The files of each row of CONTRIBUTING.md."""
    page = (
        (ROOT / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .partition("## Where do I add")[2]
        .partition("## Tests")[0]
    )
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| a ")]
    return {
        name.strip(): {file.replace("NAME", "example") for file in re.findall(r"`([^`]+)`", files)}
        for name, files in rows
    }


def test_each_row_is_tried() -> None:
    rows = table()
    assert len(rows) == len(ROWS)
    assert all(name.startswith(row.begins) for name, row in zip(rows, ROWS, strict=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.begins)
def test_adding_one_touches_the_files_of_its_row_and_works(tmp_path: Path, row: Row) -> None:
    (files,) = (files for name, files in table().items() if name.startswith(row.begins))
    copy = Copy(tmp_path)
    row.add(copy)
    assert copy.touched == files
