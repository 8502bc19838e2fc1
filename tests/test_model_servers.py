"""``sipgw init ollama`` and ``llamacpp`` against fakes of both servers, written from their documentation."""

import asyncio
import contextlib
import json
import socket
import threading
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sipgw.cli.main import app
from sipgw.config.config import parse
from sipgw.tools.init.model_servers import llamacpp, server, trial
from sipgw.tools.init.model_servers.lines import LinesError, present, with_values
from tests.fakes.http import Exchange
from tests.fakes.model_servers import SPEAKS, FakeLlamaCpp, FakeOllama, ModelServerFake
from tests.fakes.openai import Reply
from tests.waiting import HANG


@contextlib.contextmanager
def serving(fake: ModelServerFake) -> Iterator[str]:
    """Serve `fake` in a thread, since the command has an event loop of its own; yields its address."""
    ready, over = list[str](), list[asyncio.Event]()
    begun, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        over.append(asyncio.Event())
        async with fake:
            ready.append(fake.url)
            begun.set()
            await over[0].wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert begun.wait(HANG)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(over[0].set)
        thread.join(HANG)
        loop.close()


def init(kind: str, fake: ModelServerFake, output: Path, *more: str, answer: str = "") -> Result:
    with serving(fake) as url:
        return CliRunner().invoke(
            app, ["init", kind, "--url", url, "-o", str(output), *more], input=answer, env={"COLUMNS": "300"}
        )


def paths(fake: ModelServerFake) -> list[str]:
    return [one.path for one in fake.exchanges]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "sipgw.toml"


def test_ollama_is_found_loaded_tried_and_written(output: Path) -> None:
    fake = FakeOllama(models={"nomic-embed-text": ["embedding"], "llama3.2:3b": ["completion", "tools"]})
    ran = init("ollama", fake, output)
    assert ran.exit_code == 0, ran.output
    assert "llama3.2:3b (3.2B Q4_K_M, calls tools)" in ran.output
    assert "nomic" not in ran.output
    assert "it calls tools: find_book(title='Moby Dick')" in ran.output
    assert "first token after" in ran.output
    load = paths(fake).index("/api/generate")
    assert load < paths(fake).index("/v1/chat/completions"), "loaded before it is asked"
    config = parse(output.read_text(), "x", {})
    assert (config.agent.llm, config.table("openai").model) == ("openai", "llama3.2:3b")
    assert config.table("openai").url.endswith("/v1")
    assert not config.table("openai").reasoning_effort


def test_a_model_that_thinks_is_told_not_to(output: Path) -> None:
    fake = FakeOllama(models={"qwen3:4b": ["completion", "tools", "thinking"]})
    assert init("ollama", fake, output).exit_code == 0
    assert parse(output.read_text(), "x", {}).table("openai").reasoning_effort == "none"
    assert {one["reasoning_effort"] for one in fake.chat.requests} == {"none"}


def test_how_long_ollama_keeps_the_model_and_its_context_are_told(output: Path) -> None:
    ran = init("ollama", FakeOllama(context=4096), output)
    assert "unloads llama3.2:3b 5 minutes after a call" in ran.output
    assert "OLLAMA_KEEP_ALIVE=-1" in ran.output
    assert "4096 tokens of context" in ran.output
    assert "OLLAMA_CONTEXT_LENGTH=8192" in ran.output
    calm = init("ollama", FakeOllama(default_keep_alive=1e9), output.with_name("other.toml"))
    assert "note" not in calm.output


def test_an_ollama_that_tells_no_capabilities_is_tried(output: Path) -> None:
    assert init("ollama", FakeOllama(models={"mistral": None}), output).exit_code == 0


@pytest.mark.parametrize(
    ("fake", "told"),
    [
        (FakeOllama(models={}), "`ollama pull qwen3:4b-instruct`"),
        (FakeOllama(models={"gemma3:1b": ["completion"]}), "none of Ollama's models calls tools (gemma3:1b)"),
        (FakeOllama(load_status=500), "HTTP 500: out of memory"),
        (FakeOllama(replies=(SPEAKS,)), "it called no tool, but said 'Good morning.'"),
        (FakeOllama(replies=(Reply(calls=[("1", "find_book", '{"name": "x"}')]), SPEAKS)), "instead of find_book"),
        (FakeOllama(replies=(Reply(status=500, status_words="runner died"),)), "runner died"),
    ],
)
def test_what_is_wrong_with_ollama_is_told_with_what_to_do(fake: FakeOllama, told: str, output: Path) -> None:
    ran = init("ollama", fake, output)
    assert ran.exit_code == 1
    assert told in ran.output
    assert not output.exists()


def test_a_model_that_it_does_not_have_is_told(output: Path) -> None:
    ran = init("ollama", FakeOllama(), output, "--model", "phi4")
    assert ran.exit_code == 1
    assert "there is no model 'phi4'; there are: llama3.2:3b" in ran.output


@pytest.mark.slow
def test_each_request_has_a_time_limit(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.Requests.ask, "__defaults__", (None, 2.0))
    ran = init("ollama", FakeOllama(hangs="/api/tags"), output)
    assert ran.exit_code == 1
    assert "/api/tags gave no answer within 2 s" in ran.output


@pytest.mark.parametrize(
    ("kind", "start"), [("ollama", "ollama serve"), ("llamacpp", "llama-server -m MODEL.gguf --jinja")]
)
def test_a_server_that_is_not_there(kind: str, start: str, output: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ran = CliRunner().invoke(app, ["init", kind, "--url", f"localhost:{port}", "-o", str(output)])
    assert ran.exit_code == 1
    assert f"nothing answers at http://localhost:{port}" in ran.output
    assert start in ran.output


def test_llamacpp_is_waited_for_while_it_loads(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "POLL", 0.01)
    fake = FakeLlamaCpp(loading=3)
    ran = init("llamacpp", fake, output)
    assert ran.exit_code == 0, ran.output
    assert paths(fake).count("/health") == 4
    assert "qwen2.5-3b-instruct (0.1B, loaded)" in ran.output
    assert parse(output.read_text(), "x", {}).table("openai").model == "qwen2.5-3b-instruct"


def test_a_router_is_told_to_load_the_model(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "POLL", 0.01)
    fake = FakeLlamaCpp(models=("small", "large"), router=True, loading=2)
    ran = init("llamacpp", fake, output, "--model", "large")
    assert ran.exit_code == 0, ran.output
    (load,) = [one for one in fake.exchanges if one.path == "/models/load"]
    assert json.loads(load.body) == {"model": "large"}
    assert parse(output.read_text(), "x", {}).table("openai").model == "large"


def test_a_model_that_a_router_is_loading_already_is_waited_for(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "POLL", 0.01)
    ran = init("llamacpp", FakeLlamaCpp(router=True, busy=True, loading=3), output)
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize(
    ("fake", "told"),
    [
        (FakeLlamaCpp(jinja=False), "start it with --jinja"),
        (FakeLlamaCpp(key="secret"), "wants a key (HTTP 401)"),
        (FakeLlamaCpp(models=()), "llama.cpp has no model"),
        (FakeLlamaCpp(replies=(SPEAKS,)), "an instruct model whose chat template has tools"),
        (FakeLlamaCpp(router=True, fails=True), "could not load qwen2.5-3b-instruct"),
    ],
)
def test_what_is_wrong_with_llamacpp_is_told_with_what_to_do(fake: FakeLlamaCpp, told: str, output: Path) -> None:
    ran = init("llamacpp", fake, output)
    assert ran.exit_code == 1
    assert told in ran.output
    assert not output.exists()


@pytest.mark.parametrize(("kind", "fake"), [("llamacpp", FakeLlamaCpp), ("ollama", FakeOllama)])
def test_of_a_server_that_is_only_slow_nothing_about_tools_is_told(
    kind: str, fake: type[FakeLlamaCpp | FakeOllama], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_LIMIT", 0.2)
    ran = init(kind, fake(replies=(Reply(text=["Good", "morning."], stall_after=1),)), output)
    assert ran.exit_code == 1
    assert "the trial took longer than" in ran.output and "take a smaller model or a faster machine" in ran.output
    assert "jinja" not in ran.output and "calls tools:" not in ran.output and not output.exists()


def test_a_server_that_replaces_the_model_is_taken_out_first(output: Path) -> None:
    before = '[agent]\nbrain = "wss://agent.example.com/"\n'
    output.write_text(before)
    fake = FakeOllama()
    ran = init("ollama", fake, output, "--yes")
    assert ran.exit_code == 1
    assert "has [agent] brain, a server that replaces the language model: take it out first" in ran.output
    assert output.read_text() == before and not fake.exchanges


def test_a_small_context_is_told(output: Path) -> None:
    assert "start it with -c 8192" in init("llamacpp", FakeLlamaCpp(context=2048), output).output


def test_another_program_on_the_port_is_told(output: Path) -> None:
    assert "is another program on this port?" in init("ollama", FakeLlamaCpp(), output).output


def test_an_existing_file_is_changed_only_after_a_yes(output: Path) -> None:
    before = (
        '# ours\n[agent]\nllm = "local"  # for now\ngreeting = "Hello."\n\n[[trunks]]\nname = "office"\nmode = "peer"\n'
    )
    before += 'networks = ["10.0.0.0/8"]\n'
    output.write_text(before)
    ran = init("ollama", FakeOllama(), output, answer="n\n")
    assert ran.exit_code == 1
    assert "has [agent] llm = 'local'; it becomes 'openai'" in ran.output
    assert output.read_text() == before
    assert init("ollama", FakeOllama(), output, answer="y\n").exit_code == 0
    changed = output.read_text()
    assert changed.startswith('# ours\n[agent]\nllm = "openai"  # for now\ngreeting = "Hello."\n')
    assert tomllib.loads(changed)["trunks"] == tomllib.loads(before)["trunks"]
    assert init("ollama", FakeOllama(), output, "--yes").exit_code == 0


def test_a_file_that_cannot_be_read_is_told_before_anything_is_loaded(output: Path) -> None:
    output.write_text("[agent\n")
    fake = FakeOllama()
    ran = init("ollama", fake, output)
    assert ran.exit_code == 1
    assert "cannot be read" in ran.output
    assert not fake.exchanges


def test_options_of_model_servers_are_no_options_of_recipes(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["init", "telnyx", "--url", "x", "-o", str(tmp_path / "x.toml")])
    assert ran.exit_code == 2
    assert "ollama" in ran.output


VALUES: dict[str, dict[str, str]] = {"agent": {"llm": "openai"}, "openai": {"url": "http://x/v1", "model": "m"}}


@pytest.mark.parametrize(
    "text",
    ["", "[agent]\n", '[openai]\nurl = "a"\n\n[agent]\nllm = "b" # why\n', '[web]\nport = 1\n[[trunks]]\nname = "a"\n'],
)
def test_lines_set_keys_and_nothing_else(text: str) -> None:
    written: dict[str, Any] = tomllib.loads(with_values(text, VALUES))
    assert {name: written[name] for name in VALUES} == VALUES
    assert {k: v for k, v in written.items() if k not in VALUES} == {
        k: v for k, v in tomllib.loads(text).items() if k not in VALUES
    }
    assert with_values(with_values(text, VALUES), VALUES) == with_values(text, VALUES)


@pytest.mark.parametrize("text", ['agent = { llm = "a" }\n', 'agent.llm = "a"\n', 'x = """\n[agent]\n"""\n'])
def test_a_file_of_an_unusual_form_is_left_alone(text: str) -> None:
    with pytest.raises(LinesError):
        with_values(text, VALUES)


def test_what_would_be_replaced_is_known() -> None:
    assert present('[openai]\nmodel = "old"\nurl = "http://x/v1"\n', VALUES) == {"openai.model": "old"}


class Hostile(ModelServerFake):
    """Answers every request with `body`, or with what `answers` does."""

    def __init__(self, answers: Callable[[Exchange], Awaitable[None]]) -> None:
        super().__init__()
        self._answers = answers

    async def respond(self, exchange: Exchange) -> None:
        await self._answers(exchange)


def raw(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Hostile:
    async def answers(exchange: Exchange) -> None:
        await exchange.start(status, kind, headers)
        await exchange.send(body)
        await exchange.finish()

    return Hostile(answers)


async def _endless(exchange: Exchange) -> None:
    await exchange.start(200, "application/json")
    while True:
        await exchange.send(b" " * 65536)


async def _dripping(exchange: Exchange) -> None:
    await exchange.start(200, "application/json")
    while True:
        await exchange.send(b" ")
        await asyncio.sleep(0.01)


async def _reset(exchange: Exchange) -> None:
    exchange.reset()


@pytest.mark.parametrize("kind", ["ollama", "llamacpp"])
@pytest.mark.parametrize(
    ("fake", "told"),
    [
        (lambda: raw(b"<html>hello</html>", kind="text/html"), "is another program on this port?"),
        (lambda: raw(b"\xff\xfe\x00garbage"), "is another program on this port?"),
        (lambda: raw(b"[" * 100_000), "is another program on this port?"),
        (lambda: raw(b'{"models": 5, "data": {"a": 1}, "version": []}'), "no model"),
        (
            lambda: raw(b'{"models": [{"name": 5}, 7, null], "data": [{"id": null}, [], {"id": "\\u001b[2J\\ud800"}]}'),
            "no model",
        ),
        (lambda: raw(b'{"error": "\\u001b]0;owned\\u0007\\u202e"}', status=500), "HTTP 500:"),
        (lambda: raw(b"", status=302, location="http://elsewhere.invalid/"), "HTTP 302"),
        (lambda: Hostile(_endless), "more than 4194304 bytes"),
        (lambda: Hostile(_dripping), "gave no answer within 0.2 s"),
        (lambda: Hostile(_reset), "broke off"),
    ],
    ids=["html", "bytes", "deep", "types", "names", "terminal", "redirect", "endless", "dripping", "reset"],
)
def test_hostile_answers_are_told_in_a_line_and_write_nothing(
    kind: str, fake: Callable[[], Hostile], told: str, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told.startswith("gave no answer"):
        monkeypatch.setattr(server.Requests.ask, "__defaults__", (None, 0.2))
    ran = init(kind, fake(), output)
    assert ran.exit_code == 1
    assert isinstance(ran.exception, SystemExit)
    assert told in ran.output
    assert not {"\x1b", "\x07", "\u202e"} & set(ran.output)
    assert not output.exists()


def test_a_password_in_an_address_is_refused_and_not_shown(output: Path) -> None:
    ran = CliRunner().invoke(app, ["init", "llamacpp", "--url", "http://anna:secret@localhost:1", "-o", str(output)])
    assert ran.exit_code == 1
    assert "no name and password" in ran.output
    assert "secret" not in ran.output


def test_a_key_that_calls_would_send_to_the_server_is_told_and_not_shown(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    ran = init("llamacpp", FakeLlamaCpp(), output)
    assert "OPENAI_API_KEY is set" in ran.output
    assert "sk-1" not in ran.output


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (".env", "OPENAI_API_KEY=sk-1\n", "OPENAI_API_KEY is set"),
        ("sipgw.toml", '[openai]\napi_key = "sk-1"\n', "sipgw.toml has [openai] api_key"),
    ],
)
def test_a_key_in_a_file_that_calls_would_send_to_the_server_is_told_and_not_shown(
    output: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, says: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(output.parent)
    Path(file).write_text(text, encoding="utf-8")
    ran = init("llamacpp", FakeLlamaCpp(), output, "--yes")
    assert ran.exit_code == 0, ran.output
    assert says in ran.output.replace("\n", "")
    assert "sk-1" not in ran.output


def test_a_file_keeps_its_rights_its_link_and_its_text(tmp_path: Path) -> None:
    file, link = tmp_path / "there.toml", tmp_path / "sipgw.toml"
    file.write_text('# naïve\u2028comment\n[web]\npassword = "pässword"\n', encoding="utf-8")
    file.chmod(0o600)
    link.symlink_to(file)
    assert init("ollama", FakeOllama(), link, "--yes").exit_code == 0
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text(encoding="utf-8").startswith('# naïve\u2028comment\n[web]\npassword = "pässword"\n')
    assert sorted(one.name for one in tmp_path.iterdir()) == ["sipgw.toml", "there.toml"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    fake = FakeOllama()
    ran = init("ollama", fake, tmp_path / "nowhere" / "sipgw.toml")
    assert ran.exit_code == 1
    assert "name another file with --output" in ran.output
    assert not fake.exchanges
