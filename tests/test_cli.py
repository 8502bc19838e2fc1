"""The commands as a person types them."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.providers.local import models
from sipgw.cli.banner import phones_may_call
from sipgw.cli.init import RECIPES
from sipgw.cli.main import app, commands, every
from sipgw.config.config import Config
from sipgw.config.inbound import AccountOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.console import err, out
from sipgw.records.artifacts.wav import read_ulaw
from tests.waiting import HANG

ROOT = Path(__file__).parents[1]
runner = CliRunner()


def sipgw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sipgw", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False)


def test_who_lacks_the_speech_packages_is_told_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.PACKAGES, "no_such_module", "what-is-missing")
    assert "'sipgw[local]'" in runner.invoke(app, ["check"]).output, "brackets are no markup here"


@pytest.mark.parametrize("recipe", RECIPES)
def test_init_writes_a_recipe_once(tmp_path: Path, recipe: str) -> None:
    target = tmp_path / "x.toml"
    assert runner.invoke(app, ["init", recipe, "-o", str(target)]).exit_code == 0
    assert ("[[accounts]]" if recipe == "linphone" else "[[trunks]]") in target.read_text()
    again = runner.invoke(app, ["init", recipe, "-o", str(target)])
    assert again.exit_code == 1
    assert "exists" in again.output


def test_an_unknown_recipe_is_told(tmp_path: Path) -> None:
    ran = runner.invoke(app, ["init", "nokia", "-o", str(tmp_path / "x.toml")])
    assert ran.exit_code == 2
    assert "telnyx" in ran.output


def test_check_says_what_will_be_used_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ASSEMBLYAI_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-something-secret\n")
    ran = runner.invoke(app, ["check"])
    assert ran.exit_code == 0
    assert "agent  agent: stt local, llm openai, tts local" in ran.output
    assert "no ASSEMBLYAI_API_KEY" in ran.output
    assert "secret" not in ran.output


def test_check_says_which_agent_speaks_what_its_stt_do_not_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("CARTESIA_API_KEY=sk\n")
    (tmp_path / "sipgw.toml").write_text('[agent]\nstt = "cartesia"\n')
    assert runner.invoke(app, ["check"]).exit_code == 0
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "ventas.md").write_text('+++\n[[languages]]\ncode = "es"\n+++\nVende.\n')
    ran = runner.invoke(app, ["check"])
    assert ran.exit_code == 1
    told = "agent ventas: the agent is to speak Spanish, which cartesia's STT does not understand"
    assert told in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[sip]\nprot = 5060\n", "sipgw.toml:2: sip.prot: unknown key 'prot'; did you mean 'port'?"),
        ('[agent]\ntools = "none.py"\n', "none.py: there is no such Python file"),
        ('[store]\npath = "/proc/nope/x.db"\n', "cannot open the database /proc/nope/x.db"),
        ('[sip]\nhost = "127.0.0.1"\nport = {taken}\n', "cannot listen on 127.0.0.1 port {taken}: "),
        ('[sip]\nhost = "127.0.0.1"\nport = {taken}\n', "stop the other program or set [sip] port"),
    ],
)
def test_serve_ends_with_one_clear_line(tmp_path: Path, config: str, says: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        (tmp_path / "sipgw.toml").write_text(config.replace("{taken}", port))
        ran = sipgw(tmp_path, "serve")
    assert ran.returncode == 1
    assert says.replace("{taken}", port) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len([line for line in ran.stderr.splitlines() if line.startswith("error:")]) == 1


def test_the_demo_voice_is_complete() -> None:
    from sipgw.tools.demo.conversation import SCRIPT

    for cue in SCRIPT:
        assert len(read_ulaw(Path(__file__).parent.parent / "sipgw" / "demo_voice" / cue.file)) > 4000


def test_a_console_script_is_installed() -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "sipgw"), "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "0.1.0"


def test_what_others_wrote_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The library would make an emoji of ``:x:``, which every SIP address with a short user and a colon holds."""
    for console, stream in ((out, 1), (err, 0)):
        console.print("from sip:x: none")
        told = capsys.readouterr()
        assert (told.out if stream else told.err) == "from sip:x: none\n"


HEAVY = {"fastapi", "sqlalchemy", "alembic", "numpy", "aiohttp", "openai", "elevenlabs", "botocore", "aiortc", "av"}
"""What takes a good part of a second to import."""


@pytest.mark.faults("H20")
def test_a_command_imports_what_it_uses() -> None:
    """Measured in a process of its own."""
    code = "import sys; from sipgw.cli.main import app; app({!r}, standalone_mode=False); print(*sys.modules)"
    for words in (["--version"], ["--help"], ["init", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(words)], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert not HEAVY & set(done.stdout.split()), words


@pytest.mark.faults("H20")
def test_a_check_imports_no_provider_that_is_not_used_and_no_database(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.toml"
    file.write_text('[agent]\nstt = "local"\nllm = "local"\ntts = "local"\n')
    words = ["check", "--config", str(file)]
    code = f"import sys; from sipgw.cli.main import app; app({words!r}, standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "the configuration is valid" in done.stdout
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.faults("H20")
def test_the_list_of_commands_says_of_each_what_its_own_help_says() -> None:
    group = every()
    for name, (_, sentence) in commands().items():
        assert (group.commands[name].help or "").strip().splitlines()[0] == sentence


@pytest.mark.faults("H21")
def test_all_variables_that_are_not_set_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PBX_ONE", "PBX_TWO"):
        monkeypatch.delenv(name, raising=False)
    Path("sipgw.toml").write_text(
        '[[trunks]]\nname = "p"\nmode = "register"\nregistrar = "${PBX_ONE}"\nuser = "a"\npassword = "${PBX_TWO}"\n'
    )
    told = " ".join(runner.invoke(app, ["check"]).output.split())
    assert "not set in the environment or in .env: PBX_ONE (line 4), PBX_TWO (line 6)" in told


@pytest.mark.faults("H21")
def test_init_names_the_file_that_is_to_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "sipgw check -c x.toml" in runner.invoke(app, ["init", "telnyx", "-o", "x.toml"]).output
    assert "run sipgw check\n" in runner.invoke(app, ["init", "telnyx"]).output


@pytest.mark.faults("H16")
def test_check_refuses_a_language_that_the_voice_does_not_speak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sipgw.toml").write_text('[agent]\ntts = "local"\nstt = "local"\n[[languages]]\ncode = "es"\n')
    ran = runner.invoke(app, ["check"])
    assert ran.exit_code == 1
    assert "to speak Spanish, which the embedded voice does not" in " ".join(ran.output.split())


TRUNK = TrunkOptions("edge", "peer", networks=("10.0.0.5",))


@pytest.mark.faults("G9")
@pytest.mark.parametrize(
    ("config", "may"),
    [
        (Config(), True),
        (Config(trunks=(TRUNK,)), False),
        (Config(trunks=(replace(TRUNK, networks=("127.0.0.0/8",)),)), False),
        (Config(trunks=(replace(TRUNK, networks=("10.0.0.0/8",)),)), True),
        (Config(trunks=(TRUNK,), accounts=(AccountOptions("anna", "a-long-password"),)), True),
    ],
)
def test_a_phone_is_told_to_call_only_where_it_may(config: Config, may: bool) -> None:
    assert phones_may_call(config, "10.0.0.7") is may
