"""Wrong files that people write, and the lines that `sipgw check` tells of them: each fault once, where it stands."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app

FILES = {
    "value = x": ("sipgw.toml:1: Invalid value (column 9)",),
    '[agent]\ngreeting = """x': ("sipgw.toml: Unterminated string (at end of document)",),
    '[trunks]\nname = "a"': ("sipgw.toml:1: trunks: these are several tables: write [[trunks]], not [trunks]",),
    '[[web.oidc]]\nissuer = "x"': ("sipgw.toml:1: web.oidc: this is one table: write [web.oidc], not [[web.oidc]]",),
    "sip.port = true": ("sipgw.toml:1: sip.port: expected a whole number, got true",),
    'transfer.music = "none.wav"': ("sipgw.toml:1: transfer.music: none.wav: No such file or directory",),
    'agent.hand_over = ["x"]': ("sipgw.toml:1: agent.hand_over: 'x' is no agent; there are: a, agent, b",),
    'agent.llm = "openai"': ("sipgw.toml:1: agent.llm: 'openai' needs a key: set OPENAI_API_KEY in .env",),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    return tmp_path


def told(*command: str) -> tuple[str, ...]:
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, SystemExit) and done.exit_code, done
    return tuple(done.stderr.removeprefix("error: ").splitlines())


@pytest.mark.parametrize("text", FILES)
def test_each_fault_is_told_once_although_agents_have_it_too(folder: Path, text: str) -> None:
    for name in ("a", "b"):
        (folder / f"agents/{name}.md").write_text("You mend.")
    (folder / "sipgw.toml").write_text(text)
    assert told("check") == FILES[text]


def test_a_language_that_no_part_speaks_is_told_once(folder: Path) -> None:
    (folder / "agents/a.md").write_text("You mend.")
    (folder / "sipgw.toml").write_text('[[languages]]\ncode = "de"\n')
    assert [line[:45] for line in told("check")] == ["sipgw.toml:1: languages: the agent is to spea"] * 2


def test_the_faults_of_all_agents_files_are_told(folder: Path) -> None:
    (folder / "sipgw.toml").write_text("")
    (folder / "agents/a.toml").write_text("llm = 1")
    (folder / "agents/b.md").write_text("+++\nllm = \n+++\nYou mend.")
    first, second = told("check")
    assert first.startswith("agents/a.toml:1: llm: 1 is not one of ")
    assert second == "agents/b.md:2: Invalid value (column 7)"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--host", "x"), "--host or --port: sip.host: must be an IP address, not 'x'"),
        (
            ("--port", "5061"),
            "--host or --port: sip.tls.port: TCP and TLS cannot both have port 5061; set [sip.tls] port",
        ),
    ],
)
def test_an_address_of_the_command_line_is_refused_in_one_line(
    folder: Path, options: tuple[str, str], line: str
) -> None:
    (folder / "sipgw.toml").write_text('[sip.tls]\ncertificate = "c.pem"\nport = 5061\n')
    assert told("serve", *options) == (line,)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[[people]]\nname = "bob"\nto = "112"', "the set does not fit the configuration: people.0.to: "),
        ('[[languages]]\ncode = "de"\n[[languages]]\ncode = "de"', "set.toml:7: languages.1.code: two languages are "),
    ],
)
def test_a_set_of_calls_with_people_or_languages_that_cannot_be_is_refused_in_one_line(
    folder: Path, table: str, line: str
) -> None:
    (folder / "sipgw.toml").write_text("")
    (folder / "set.toml").write_text(f'[[calls]]\nname = "x"\n{table}\n'.replace('"x"', '"x"\nsteps = [{say = "hi"}]'))
    (one,) = (each for each in told("eval", "set.toml") if each)
    assert one.removeprefix("error: ").startswith(line)
