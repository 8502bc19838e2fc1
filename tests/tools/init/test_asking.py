"""`sipgw init` in a terminal: it asks, tries the keys, writes the files and calls the agent."""

import asyncio
import contextlib
import io
import re
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from dotenv import dotenv_values
from rich.console import Console
from typer.testing import CliRunner

from agent.providers.local import models
from sipgw.cli.main import app
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.tools.init import asking, first_call
from sipgw.tools.init.answers import RECIPES, Answers, keep
from sipgw.tools.init.asking import RECIPES_OF
from sipgw.web.local_key import LocalKey, found_at, key_file, published
from tests.fakes.openai import FakeOpenAI, Reply
from tests.test_model_servers import serving
from tests.tools.init.terminal import Terminal

KEY = "sk-right-key-of-a-test"


@contextlib.contextmanager
def at_a_terminal(folder: Path, *words: str, **variables: str) -> Iterator[Terminal]:
    with Terminal(["init", *words], folder, variables) as terminal:
        yield terminal


def embedded(terminal: Terminal, *parts: str) -> None:
    """Take the embedded provider for each part."""
    for part in parts:
        terminal.reads(f"Which {part}?")
        terminal.answers("number [1]: ")


@pytest.mark.slow
def test_a_carrier_is_asked_for_and_what_is_secret_is_neither_shown_nor_readable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nOTHER=1\n")
    (tmp_path / ".env").chmod(0o644)
    with at_a_terminal(tmp_path) as terminal:
        terminal.reads("Who calls the agent first?")
        terminal.answers("number [1]: ", "9")
        terminal.answers("a number from 1 to 4\nnumber [1]: ", "4")
        terminal.reads("Telnyx: it works behind NAT")
        terminal.answers("number [1]: ")
        terminal.answers("Name of the business [Acme Store]: ", 'Harbour "Books"')
        for part in ("speech to text", "language model", "text to speech"):
            terminal.reads(f"Which {part}?")
            terminal.answers("number [1]: ")
        terminal.reads("In the Telnyx portal")
        terminal.answers("TELNYX_USER: ", "harbour")
        terminal.answers("TELNYX_PASSWORD: ", "swordfish 'n chips")
        terminal.reads("wrote sipgw.toml, and TELNYX_USER, TELNYX_PASSWORD into .env, which only you may read")
        terminal.answers("try the line now? [Y/n]: ", "n")
        terminal.answers("call the agent now, from this machine? [Y/n]: ", "n")
        terminal.reads("sipgw serve; it prints how to call it")
        assert terminal.ends() == 0
        assert "swordfish" not in terminal.shown
    secrets = dotenv_values(tmp_path / ".env")
    assert secrets == {"OTHER": "1", "TELNYX_USER": "harbour", "TELNYX_PASSWORD": "swordfish 'n chips"}
    assert (tmp_path / ".env").read_text().startswith("# mine\n")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    text = (tmp_path / "sipgw.toml").read_text()
    config = parse(text, "sipgw.toml", {name: value for name, value in secrets.items() if value})
    assert config.agent.business == 'Harbour "Books"' and config.trunks[0].user == "harbour"
    assert "swordfish" not in text and "In the Telnyx portal" in text


@pytest.mark.slow
def test_a_file_that_is_there_stays_unless_the_answer_is_yes(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.toml"
    file.write_text("# mine\n")
    with at_a_terminal(tmp_path) as terminal:
        terminal.answers("sipgw.toml exists. Replace it, and keep it as sipgw.toml.old? [y/N]: ")
        assert terminal.ends() == 1
    assert file.read_text() == "# mine\n" and not (tmp_path / ".env").exists()
    with at_a_terminal(tmp_path) as terminal:
        terminal.answers("[y/N]: ", "y")
        terminal.answers("number [1]: ", "2")
        terminal.answers("[Acme Store]: ")
        embedded(terminal, "speech to text", "language model", "text to speech")
        terminal.answers("ANNA_PASSWORD (Enter makes one): ")
        made = re.search(r"its password (\S+)", terminal.reads("\nwrote sipgw.toml"))
        terminal.answers("call the agent now, from this machine? [Y/n]: ", "n")
        assert terminal.ends() == 0
    assert made and dotenv_values(tmp_path / ".env") == {"ANNA_PASSWORD": made[1]} and len(made[1]) >= 12
    assert (tmp_path / "sipgw.toml.old").read_text() == "# mine\n"


@pytest.mark.slow
def test_the_name_of_a_trunk_may_come_with_its_domain_and_the_file_of_a_key_is_shown(tmp_path: Path) -> None:
    with at_a_terminal(tmp_path) as terminal:
        terminal.answers("number [1]: ", "4")
        terminal.answers("number [1]: ", "3")
        terminal.answers("[Acme Store]: ")
        embedded(terminal, "speech to text", "language model", "text to speech")
        terminal.answers("PUBLIC_ADDRESS: ", "203.0.113.7")
        terminal.answers("TLS_CERTIFICATE: ", "/etc/ssl/cert.pem")
        terminal.answers("TLS_KEY: ", "/etc/ssl/key.pem")
        terminal.answers("TWILIO_TRUNK: ", "sip:acme.pstn.twilio.com")
        terminal.answers("TWILIO_USER (for calls out; Enter leaves it out): ", "acme-user")
        terminal.answers("TWILIO_PASSWORD (for calls out; Enter leaves it out): ", "swordfish")
        terminal.answers("try the line now? [Y/n]: ", "n")
        terminal.answers("call the agent now, from this machine? [Y/n]: ", "n")
        assert terminal.ends() == 0
        assert "/etc/ssl/key.pem" in terminal.shown and "swordfish" not in terminal.shown
    values = dotenv_values(tmp_path / ".env")
    assert values["TWILIO_TRUNK"] == "acme" and values["TWILIO_PASSWORD"] == "swordfish"
    text = (tmp_path / "sipgw.toml").read_text()
    assert 'user = "${TWILIO_USER}"\npassword = "${TWILIO_PASSWORD}"\n# country' in text


@pytest.mark.slow
def test_values_that_cannot_be_used_and_no_further_try_write_nothing_and_say_so(tmp_path: Path) -> None:
    with at_a_terminal(tmp_path) as terminal:
        terminal.answers("number [1]: ", "4")
        terminal.answers("number [1]: ", "4")
        terminal.answers("[Acme Store]: ")
        embedded(terminal, "speech to text", "language model", "text to speech")
        terminal.answers("PUBLIC_ADDRESS: ", "gw.example.com")
        terminal.answers("PLIVO_TRUNK: ", "12345.zt.plivo.com")
        terminal.answers("PLIVO_NETWORK: ", "198.51.100.0/28")
        terminal.answers("PLIVO_USER (for calls out; Enter leaves it out): ")
        terminal.reads("error: PUBLIC_ADDRESS: must be an IP address, not 'gw.example.com'")
        terminal.answers("enter it again? [Y/n]: ", "n")
        terminal.reads("nothing was written")
        assert terminal.ends() == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("answers", [(), ("1",), ("2", "", "", "", "")])
def test_ctrl_c_at_a_question_writes_nothing_and_says_so(answers: tuple[str, ...], tmp_path: Path) -> None:
    """At a choice, at a value that is shown, and at one that is hidden."""
    with at_a_terminal(tmp_path) as terminal:
        for answer in answers:
            terminal.answers("]: ", answer)
        terminal.reads(
            "[1]: " if not answers else "[Acme Store]: " if len(answers) == 1 else "ANNA_PASSWORD (Enter makes one): "
        )
        terminal.interrupts("nothing was written")
        assert terminal.ends() == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_wrong_key_is_found_at_once_and_the_right_agent_is_called(tmp_path: Path) -> None:
    """The words of the model are heard over RTP, and the call's page is there until Enter is pressed."""
    if models.missing() is not None:
        pytest.skip("the embedded models are not installed")
    fake = FakeOpenAI([Reply(("OK",)), Reply(("Your order is on its way, and comes today.",))], key=KEY)
    with serving(fake) as url, at_a_terminal(tmp_path, OPENAI_BASE_URL=f"{url}/v1") as terminal:  # type: ignore[arg-type]
        terminal.answers("number [1]: ", "1")
        terminal.answers("[Acme Store]: ")
        embedded(terminal, "speech to text")
        listed = terminal.reads("number [1]: ")
        (number,) = re.findall(r"^  (\d+)  OpenAI$", listed, re.MULTILINE)
        terminal.types(number)
        terminal.answers("OPENAI_API_KEY: ", "")
        terminal.reads("OpenAI needs OPENAI_API_KEY; choose another provider, or enter it")
        terminal.reads("number [1]: ")
        terminal.types(number)
        terminal.answers("OPENAI_API_KEY: ", "sk-wrong")
        terminal.reads("provider.key")
        terminal.reads("It does not work. What now?")
        terminal.answers("number [1]: ", "1")
        terminal.answers("OPENAI_API_KEY: ", KEY)
        terminal.reads("first words after")
        embedded(terminal, "text to speech")
        terminal.reads("wrote sipgw.toml, and OPENAI_API_KEY into .env")
        terminal.answers("call the agent now, from this machine? [Y/n]: ")
        terminal.reads("Your order is on its way")
        page = re.search(r"the call's page:\s+(\S+)", terminal.reads("look at it, then press Enter ..."))
        assert page
        with urllib.request.urlopen(page[1]) as answer:
            assert answer.status == 200
        terminal.types()
        terminal.reads("sipgw serve; it prints how to call it")
        assert terminal.ends() == 0
    assert dotenv_values(tmp_path / ".env") == {"OPENAI_API_KEY": KEY}
    assert 'llm = "openai"' in (tmp_path / "sipgw.toml").read_text()
    assert (tmp_path / "sipgw.db").exists(), "the call stands in the records"


def test_without_a_terminal_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["init"], input="1\n", env={"COLUMNS": "300"})
    assert ran.exit_code == 2
    assert "there is no terminal to ask in" in ran.output and "sipgw init here" in ran.output
    assert not list(tmp_path.iterdir())


def test_a_script_says_it_by_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "init",
        "telnyx",
        "--business",
        "Harbour Books",
        "--stt",
        "deepgram",
        "--llm",
        "openai",
        "--tts",
        "deepgram",
    ]
    assert CliRunner().invoke(app, words).exit_code == 0
    keys = {"TELNYX_USER": "u", "TELNYX_PASSWORD": "p", "DEEPGRAM_API_KEY": "d", "OPENAI_API_KEY": "o"}
    config = parse(Path("sipgw.toml").read_text(), "sipgw.toml", keys)
    assert (config.agent.business, config.agent.stt, config.agent.tts) == ("Harbour Books", "deepgram", "deepgram")
    assert CliRunner().invoke(app, ["init", "here"]).exit_code == 1, "it is there"
    assert CliRunner().invoke(app, ["init", "here", "--yes"]).exit_code == 0
    assert parse(Path("sipgw.toml").read_text(), "sipgw.toml", {}).trunks == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("here --stt nonsense", "--stt: there is no provider 'nonsense'; there are: auto, "),
        ("telnyx --llm nonsense", "--llm: there is no provider 'nonsense'"),
        ("--tts nonsense", "--tts: there is no provider 'nonsense'"),
        ("ollama --business Harbour", "writes the model's lines alone; leave out --business"),
        ("llamacpp --stt deepgram", "writes the model's lines alone"),
        ("here --url http://localhost", "--url and --model are for llamacpp and ollama"),
    ],
)
def test_an_option_that_would_do_nothing_or_names_nothing_is_refused(
    words: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["init", *words.split()], env={"COLUMNS": "300"})
    assert ran.exit_code == 2 and says in ran.output, ran.output
    assert not list(tmp_path.iterdir()), "nothing was written"


@pytest.mark.parametrize("answered", [True, False])
def test_the_options_for_scripts_save_questions_and_a_failed_call_is_not_the_end(
    answered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--yes` replaces the file, `--call` calls; what to run next is said in any case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "1")
    monkeypatch.setattr("typer.confirm", lambda question, **_: pytest.fail(question))
    said, called = io.StringIO(), list[Path]()
    monkeypatch.setattr(asking, "out", Console(file=said, width=300))
    file = tmp_path / "sipgw.toml"
    file.write_text("# mine\n")

    def call(output: Path) -> bool:
        called.append(output)
        return answered

    answers = Answers(business="Harbour", stt="local", llm="local", tts="local")
    with contextlib.nullcontext() if answered else pytest.raises(typer.Exit):
        asking.guide(answers, file, call=call, always=True, yes=True)
    assert called == [file] and "serve -c" in said.getvalue()
    assert (tmp_path / "sipgw.toml.old").read_text() == "# mine\n"


LOCAL = "[agent]\nstt = 'local'\nllm = 'local'\ntts = 'local'\n[web]\nport = 0\n"


@pytest.mark.slow
def test_a_call_that_failed_has_a_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if models.missing() is not None:
        pytest.skip("the embedded models are not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(first_call, "LIMIT", 0.0)  # it is given up before the agent speaks
    said = io.StringIO()
    fault = asyncio.run(first_call.hold_first_call(parse(LOCAL, "x", {}), {}, Console(file=said, width=300)))
    assert fault.startswith("the agent said nothing")
    assert f"the call failed: {fault}" in said.getvalue() and "the call's page:" in said.getvalue()


@pytest.mark.slow
def test_an_apology_for_a_model_that_fails_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if models.missing() is not None:
        pytest.skip("the embedded models are not installed")
    monkeypatch.chdir(tmp_path)
    with serving(FakeOpenAI([], key=KEY)) as url:  # type: ignore[arg-type]
        keys = {"OPENAI_API_KEY": "sk-wrong", "OPENAI_BASE_URL": f"{url}/v1"}
        config = parse(LOCAL.replace("llm = 'local'", "llm = 'openai'"), "x", keys)
        fault = asyncio.run(first_call.hold_first_call(config, {}, Console(quiet=True)))
    assert fault.startswith("llm failed: ") and "sk-wrong" not in fault, fault


@pytest.mark.slow
def test_a_gateway_that_runs_with_the_same_database_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands still find it after the first call, and what a killed one has yet to write waits for its next start."""
    if models.missing() is not None:
        pytest.skip("the embedded models are not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(first_call, "LIMIT", 0.0)  # how the call goes does not matter
    config = parse(LOCAL, "x", {})
    waits = config.store.spool_folder / "0"
    waits.mkdir(parents=True)
    (waits / "000001.jsonl").write_text('{"its": "own"}\n')
    with published(key_file(config.store.path), "http://127.0.0.1:1/") as key:
        fault = asyncio.run(first_call.hold_first_call(config, {}, Console(quiet=True)))
        assert found_at(key_file(config.store.path)) == LocalKey("http://127.0.0.1:1/", key)
    assert fault.startswith("the agent said nothing")
    assert (waits / "000001.jsonl").read_text() == '{"its": "own"}\n'


def test_every_recipe_can_be_chosen_and_names_its_variables() -> None:
    assert {name for some in RECIPES_OF.values() for name in some} == {*RECIPES, "here"}
    assert Answers("telnyx").variables == ["TELNYX_USER", "TELNYX_PASSWORD"]
    assert Answers().variables == []
    for recipe in RECIPES:
        assert Answers(recipe).variables, recipe
    optional = {recipe: Answers(recipe).optional for recipe in RECIPES if Answers(recipe).optional}
    twilio = ["TWILIO_USER", "TWILIO_PASSWORD"]
    assert optional == {"plivo": ["PLIVO_USER", "PLIVO_PASSWORD"], "twilio": twilio, "twilio-secure": twilio}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"PUBLIC_ADDRESS": "gw"}, "PUBLIC_ADDRESS: must be an IP address, not 'gw'"),
        ({"PLIVO_NETWORK": "198.51"}, "PLIVO_NETWORK: '198.51' does not appear"),
        ({"PLIVO_TRUNK": "a b"}, "PLIVO_TRUNK: a URI with a forbidden character: 'sip:a b.zt."),
        ({"OPENAI_BASE_URL": "foo"}, "OPENAI_BASE_URL: must begin with https://"),
    ],
)
def test_before_there_is_a_file_an_error_names_the_question(values: dict[str, str], says: str) -> None:
    usable = {"PUBLIC_ADDRESS": "203.0.113.7", "PLIVO_TRUNK": "a", "PLIVO_NETWORK": "198.51.100.0/28"}
    with pytest.raises(ConfigError) as failed:
        parse(Answers("plivo").text, "", usable | values)
    assert str(failed.value).startswith(says)


def test_the_user_and_the_password_of_calls_out_count_if_they_were_given() -> None:
    values = {"PUBLIC_ADDRESS": "203.0.113.7", "TWILIO_TRUNK": "a", "TWILIO_USER": "u", "TWILIO_PASSWORD": "p"}
    (without,) = parse(Answers("twilio").text, "", values).trunks
    (trunk,) = parse(Answers("twilio", given=("TWILIO_USER", "TWILIO_PASSWORD")).text, "", values).trunks
    assert not without.user and (trunk.user, trunk.password) == ("u", "p")


@pytest.mark.parametrize(
    "value", ["plain", "with blank", "it's", 'a"b', "a\\b", "#no comment", "$HOME", "sk-Ab_9=/+.:@x"]
)
def test_a_secret_is_read_as_it_was_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / ".env"
    keep({"ONE": value, "TWO": "2"}, file)
    keep({"TWO": "3"}, file)
    assert dotenv_values(file, interpolate=False) == {"ONE": value, "TWO": "3"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
