"""The documentation: it builds without a warning, no link is broken, what it shows works, its commands run."""

import contextlib
import functools
import http.server
import itertools
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from agent.turn_taking.table import TABLE
from media.jitter import states
from media.rtp import source
from sipgw.agents.agents import OURS
from sipgw.cli.main import app
from sipgw.sip import failover_table, invite_dialog_table, offer_exchange_table
from sipgw.sip.transaction import CLIENT, INVITE_CLIENT, INVITE_SERVER, SERVER
from sipgw.tools.init.answers import RECIPES
from tests.interop.chromium import browsing
from tests.interop.served import GATE
from tests.waiting import HANG

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BIN = Path(sys.executable).parent
ALONE = tuple(
    f"sipgw {words}"
    for words in (
        "check -c", "dnc check +", "records export", "records forget +", "records purge", "support", "web users",
        "web key list", "campaign status", "replay tests/",
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, timeout=HANG, check=False,
        env={"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "data-prices") and value:
                self.targets.append(value)
            elif name in ("id", "name") and value:
                self.names.add(value)


@pytest.mark.slow
def test_no_link_of_the_site_is_broken(site: Path) -> None:
    pages = {path: Links(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            leads = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            leads = leads / "index.html" if leads.is_dir() else leads
            if not leads.exists() or (parts.fragment and leads in pages and parts.fragment not in pages[leads].names):
                broken.append(f"{path.relative_to(site)}: {target}")
    assert len(pages) > 40
    assert not broken, broken


@pytest.mark.slow
def test_every_page_can_be_found_by_search_and_by_navigation(site: Path) -> None:
    found = {one["location"] for one in json.loads((site / "search" / "search_index.json").read_text())["docs"]}
    front = Links((site / "index.html").read_text()).targets
    for path in PAGES:
        name = path.relative_to(DOCS).with_suffix("").as_posix()
        address = f"{name.removesuffix('README')}/".replace("//", "/")
        assert address in found and address in front, address


@pytest.mark.slow
def test_read_the_docs_builds_each_version() -> None:
    file = ROOT / ".readthedocs.yaml"
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.readthedocs", file]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)  # type: ignore[arg-type]
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = yaml.safe_load(file.read_text())
    assert (ROOT / told["mkdocs"]["configuration"]).is_file()
    wanted, here = told["python"]["install"]
    assert "mkdocs-material==" in (ROOT / wanted["requirements"]).read_text() and here["path"] == "."


@pytest.mark.slow
def test_every_option_and_every_command_is_on_its_page(site: Path) -> None:
    options = (site / "reference" / "configuration" / "index.html").read_text()
    for name in ("[agent]", "[[trunks]]", "[sip.tls]", "[media]", "[callbacks.retry]", "public_address", "refer_to"):
        assert f"<code>{name}</code>" in options, name
    assert "<code>password</code></td>\n<td>secret" in options
    commands = (site / "reference" / "commands" / "index.html").read_text()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert f"<code>sipgw {name}</code>" in commands, name


SIP_TABLES = (
    failover_table.INVITE_FAILOVER,
    failover_table.FAILOVER,
    failover_table.BRANCH,
    invite_dialog_table.CLIENT,
    invite_dialog_table.SERVER,
    offer_exchange_table.OFFERS,
)


@pytest.mark.slow
def test_every_transition_of_every_state_machine_is_drawn(site: Path) -> None:
    drawn = (site / "reference" / "machines" / "index.html").read_text()
    tables = [TABLE, source.TABLE, states.TABLE, INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER, *SIP_TABLES]
    for table in tables:
        for (state, event), (then, done) in table.items():  # type: ignore[attr-defined]
            cells = (state.value, event.value, then.value, ", ".join(one.value for one in done))
            assert "\n".join(f"<td>{cell}</td>" for cell in cells) in drawn
            assert re.search(rf"    {state.name} --&gt; {then.name}: .*{re.escape(event.value)}", drawn)


@pytest.mark.slow
def test_guides_show_the_recipe_as_it_is_written(site: Path) -> None:
    shown = {name for path in PAGES for name in re.findall(r"<!-- recipe: ([\w-]+) -->", path.read_text())}
    assert shown == set(RECIPES)
    assert "PLIVO_NETWORK" in (site / "guides" / "plivo" / "index.html").read_text()


def test_a_recipe_can_be_found_where_no_site_puts_it_in() -> None:
    """On GitHub the place of the recipe is an invisible comment."""
    for path in PAGES:
        lines = [line for line in path.read_text().splitlines() if line]
        for before, line in itertools.pairwise(lines):
            if recipe := re.fullmatch(r"<!-- recipe: ([\w-]+) -->", line):
                assert f"](../../sipgw/recipes/{recipe[1]}.toml)" in before, f"{path.name}: {line}"


def test_the_page_of_agents_names_the_tools_of_the_gateway() -> None:
    (told,) = re.findall(r"so your tools need other names: (.*?)\. An", (DOCS / "agents.md").read_text(), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", told)) == OURS


def commands() -> Iterator[tuple[str, str]]:
    for path in [ROOT / "README.md", *PAGES]:
        text = path.read_text()
        shown = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        inline = re.findall(r"`(sipgw [a-z][^`\n]*)`", text)
        fenced = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?(sipgw [a-z].*)$", shown, re.MULTILINE)
        for command in dict.fromkeys([*inline, *fenced]):
            yield str(path.relative_to(ROOT)), command.partition(" #")[0]


@functools.cache
def help_of(words: tuple[str, ...]) -> str | None:
    ran = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "250", "TERM": "dumb"})
    return ran.output if ran.exit_code == 0 else None


def test_every_command_that_is_written_anywhere_exists_with_its_options() -> None:
    wrong = []
    found = list(commands())
    for page, command in found:
        words = shlex.split(command.replace("…", "").split("|")[0])[1:]
        plain = tuple(word for word in words if not word.startswith("-"))
        shown = next((text for n in (3, 2, 1) if len(plain) >= n and (text := help_of(plain[:n]))), None)
        if shown is None:
            wrong.append(f"{page}: {command}")
            continue
        for option in (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)):
            if not re.search(rf"(?<!\S){re.escape(option)}\b", shown):
                wrong.append(f"{page}: {command}: {option}")
    assert len(found) > 60
    assert not wrong, wrong


@pytest.mark.slow
def test_what_needs_no_carrier_and_no_conversation_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guides' own commands are below; `demo`, `simulate`, `load`, `eval` and `serve` have tests that hear them."""
    monkeypatch.chdir(tmp_path)
    trunk = '[[trunks]]\nname = "pbx"\nmode = "peer"\nnetworks = ["10.0.0.0/8"]\ndomain = "10.0.0.5"\n'
    (tmp_path / "sipgw.toml").write_text(trunk + GATE + "[retention]\ncalls = 30\n")
    (tmp_path / "sipgw.telemetry.log").write_text("")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    ran = set()
    for command in dict.fromkeys(command.strip() for _, command in commands()):
        if command.startswith(ALONE):
            done = CliRunner().invoke(app, shlex.split(command)[1:], input="y\n", env={"COLUMNS": "200"})
            assert done.exit_code == 0, f"{command}: {done.output}"
            ran.add(next(one for one in ALONE if command.startswith(one)))
    assert ran == set(ALONE)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_the_steps_of_each_guide_lead_to_a_valid_configuration(recipe: str, tmp_path: Path) -> None:
    """What a reader does: init, its names into .env, check. Before that, check says what is missing."""

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "sipgw", *shlex.split(command)],
            cwd=tmp_path, capture_output=True, text=True, timeout=HANG, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    assert run(f"init {recipe}").returncode == 0
    text = (tmp_path / "sipgw.toml").read_text()
    before = run("check")
    assert before.returncode == 1
    assert "not set in the environment or in .env" in before.stdout + before.stderr
    examples = {"PUBLIC_ADDRESS": "203.0.113.7", "PLIVO_NETWORK": "198.51.100.0/28", "PBX_ADDRESS": "10.0.0.5"}
    names = set(re.findall(r"\$\{(\w+)\}", text))
    (tmp_path / ".env").write_text("".join(f"{name}={examples.get(name, 'acme-example')}\n" for name in names))
    after = run("check")
    assert after.returncode == 0, after.stdout + after.stderr
    assert f"trunk  {recipe.removesuffix('-secure')}: " in after.stdout or recipe == "linphone"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.programs("chromium")
def test_the_calculator_adds_up(site: Path) -> None:
    with serving(site) as address, browsing(None) as context:
        page = context.new_page()
        page.set_default_timeout(HANG * 1000)
        page.goto(f"{address}/cost-calculator/")
        page.locator("#all_month").filter(has_text="$").wait_for()
        page.select_option("[name=trunk]", "telnyx*")
        filled = {"stt_price": 0.0075, "tts_price": 0.05, "characters": 400, "in_price": 0.40, "out_price": 1.60,
                  "tokens_in": 6000, "tokens_out": 250, "minutes": 1000}  # fmt: skip
        for name, value in filled.items():
            page.fill(f"[name={name}]", str(value))
        line, stt, tts, llm = 0.0032, 0.0075, 0.05 * 0.4, (0.40 * 6000 + 1.60 * 250) / 1e6
        together = line + stt + tts + llm
        assert page.text_content("#all_minute") == f"${together:.4f}"
        assert page.text_content("#all_month") == f"${1000 * together:.2f}"
        assert page.text_content("#streams_month") == f"${1000 * (together - line + 0.0129):.2f}"
