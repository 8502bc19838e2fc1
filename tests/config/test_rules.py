"""Each rule of the configuration tells file, line and key, and every place that tells a fault tells the same line."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.extra import ProviderOptions
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_realtime import OpenAIRealtimeOptions
from agent.providers.provider import Provider
from agent.providers.tts_session import SpeakOptions
from agent.providers.voice_agent_session import VoiceAgentOptions
from agent.rules.rule_error import RuleError
from media.process import engine
from sipgw.agents.providers import choose
from sipgw.cli.check import verified
from sipgw.cli.main import app
from sipgw.config.config import environment, parse
from sipgw.config.errors import ConfigError
from sipgw.config.registry import provider
from sipgw.config.show import effective
from sipgw.sip import tls
from sipgw.tools.evaluation.eval_set import EvalError, read_set
from sipgw.tools.simulate.scenario import ScenarioError, read
from tests.config import gateway_rows, trunk_rows
from tests.config.tool_rows import SCENARIOS, SETS
from tests.config.wrong import CONFIGURATIONS, Row, rows, write
from tests.source import ROOT, files, nodes

FILE = Path("sipgw.toml")
READERS: list[tuple[Callable[[Path], object], type[Exception], Row]] = [
    *((verified, ConfigError, one) for one in CONFIGURATIONS),
    *((read, ScenarioError, one) for one in rows(SCENARIOS)),
    *((read_set, EvalError, one) for one in rows(SETS)),
]
CONSTANTS: list[tuple[Callable[[], object], str]] = [
    (partial(DeepgramOptions, chunk=2.0), "chunk: must be between 20ms and 1s"),
    (partial(AssemblyAIOptions, chunk=0.02), "chunk: must be between 50ms and 1s"),
    (partial(AssemblyAIOptions, keyterms=("a",) * 101), "keyterms: at most 100 terms of at most 50 characters"),
    (partial(VoiceAgentOptions, keyterms=("a",) * 101), "keyterms: must be at most 100"),
    (partial(DeepgramOptions, attempts=0), "attempts: must be at least 1"),
    (partial(DeepgramOptions, silence_after=0.0), "silence_after: must be between 100ms and 1h"),
    (partial(OpenAIOptions, retries=2), "retries: must be 0 or 1"),
    (partial(OpenAIOptions, gap_limit=0.0), "gap_limit: must be above 0 and up to "),
    (partial(OpenAIRealtimeOptions, chunk=2.0), "chunk: must be between 20ms and 1s"),
    (partial(OpenAIRealtimeOptions, close_limit=0.0), "close_limit: must be positive"),
    (partial(SpeakOptions, gap_limit=0.0), "gap_limit: must be positive"),
]
"""Rules of what no file can set."""
ELSEWHERE = {
    "agent/rules/rule_error.py": "the mechanism itself",
    "sipgw/config/agent_files.py": "options of another package at a reload: tests/test_scope.py",
    "sipgw/gateway/gateway.py": "a folder that a start makes: tests/test_reload.py",
}
"""Files whose places no row reaches."""


@dataclass(frozen=True)
class OthersOptions(ProviderOptions):
    """Options of a package of others, which knows no `RuleError`."""

    api_key: str = "x"
    keyterms: tuple[str, ...] = ()
    voice_id: str = ""

    def __post_init__(self) -> None:
        if self.keyterms or self.voice_id:
            raise ValueError("the weather is bad")


def of_others(part: str, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is told of a configuration with a provider of others for `part`."""
    other = Provider("deepgram", part, OthersOptions, OthersOptions)  # type: ignore[arg-type]

    def known(of: str, name: str) -> Provider:
        return other if (of, name) == (part, "deepgram") else provider(of, name)

    for module in ("providers", "languages"):
        monkeypatch.setattr(f"sipgw.agents.{module}.provider", known)
    config = parse(text, str(FILE), {})
    tables = {"deepgram": OthersOptions()}
    with pytest.raises(ConfigError) as refused, pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(config), "table", lambda one, section: tables.get(section) or getattr(one, section))
        choose(config)
    return str(refused.value)


def told(reader: Callable[[Path], object], error: type[Exception], wrong: Row, folder: Path) -> list[str]:
    """The lines that are told of a row."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(error) as refused:
        write(wrong, folder, patch)
        reader(FILE)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(("reader", "error", "wrong"), READERS, ids=lambda one: getattr(one, "told", "")[:90])
def test_a_rule_tells_file_line_and_key(
    reader: Callable[[Path], object], error: type[Exception], wrong: Row, tmp_path: Path
) -> None:
    lines = told(reader, error, wrong, tmp_path)
    assert [line for line in lines if line.startswith(wrong.told)], lines


@pytest.mark.parametrize(("make", "says"), CONSTANTS, ids=[says for _, says in CONSTANTS])
def test_a_rule_of_a_constant_tells_its_name(make: Callable[[], object], says: str) -> None:
    with pytest.raises(RuleError) as refused:
        make()
    assert str(refused.value).startswith(says)


def test_a_rule_of_a_package_of_others_is_told_at_the_key_that_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[agent]\nstt = "deepgram"\nkeyterms = ["x"]'
    assert of_others("stt", text, monkeypatch) == "sipgw.toml:3: agent.keyterms: the weather is bad"
    text = '[[languages]]\ncode = "de"\ntts = "deepgram"\nvoice_id = "x"'
    assert of_others("tts", text, monkeypatch) == "sipgw.toml:4: languages.0.voice_id: de: the weather is bad"


def sites() -> Iterator[tuple[str, range, str]]:
    """Each place that makes a `RuleError`: file, lines and code."""
    for path in files():
        for node in nodes(path):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("RuleError", "about", "positive"):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                yield path.relative_to(ROOT).as_posix(), lines, ast.unparse(node)


def recorded(kind: type[Any], reached: set[tuple[str, int]]) -> Callable[..., None]:
    """The constructor of `kind`, which also keeps the lines that lead to it."""
    made = kind.__init__

    def make(self: Any, *given: Any) -> None:
        frame = sys._getframe(1)
        while frame.f_back:
            reached.add((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        made(self, *given)

    return make


def test_each_rule_is_reached_by_a_row(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = set[tuple[str, int]]()
    for kind in (RuleError, engine.RuleError, tls.RuleError):
        monkeypatch.setattr(kind, "__init__", recorded(kind, reached))
    for reader, error, wrong in READERS:
        told(reader, error, wrong, tmp_path_factory.mktemp("row"))
    for make, _ in CONSTANTS:
        with pytest.raises(RuleError):
            make()
    test_a_rule_of_a_package_of_others_is_told_at_the_key_that_leads_to_it(monkeypatch)
    left = [
        f"{file}:{lines[0]}: {code}"
        for file, lines, code in sites()
        if file not in ELSEWHERE and not any((str(ROOT / file), line) in reached for line in lines)
    ]
    assert left == []


@pytest.mark.parametrize("wrong", rows(gateway_rows.ROWS, trunk_rows.ROWS), ids=lambda one: one.told[:90])
def test_config_show_marks_the_row_of_the_key(wrong: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(wrong, tmp_path, monkeypatch)
    marked = [row for row in effective(FILE, "", environment()) if row.problem]
    place, key = re.findall(r"^(\S+): (\S+):", wrong.told)[0]
    assert [(row.origin.partition(" ")[0], ".".join(map(str, row.path))) for row in marked] == [(place, key)]


@pytest.mark.parametrize("wrong", CONFIGURATIONS[::20], ids=lambda one: one.told[:90])
def test_check_and_config_show_tell_the_same_lines(wrong: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(verified, ConfigError, wrong, tmp_path / "a")
    write(wrong, tmp_path / "b", monkeypatch)
    for command in (["check"], ["config", "show"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code and done.stderr.removeprefix("error: ").splitlines() == lines, command
