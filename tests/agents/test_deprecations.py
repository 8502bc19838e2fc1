# mypy: disable-error-code="arg-type"
"""Models end: the table that knows when, and who is told ahead."""

import ast
import asyncio
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from agent.providers import model_ends
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_speak import OpenAITtsOptions
from agent.providers.provider import Model, Provider
from sipgw.agents import deprecations
from sipgw.agents.agents import Agents
from sipgw.agents.deprecations import endings, known
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import choose
from sipgw.cli import banner
from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions, LanguageOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.registry import every
from tests.web.gateway_view import visit

WRITTEN = date(2026, 11, 22)
"""The day on which the table was written."""
CLOUD = ProviderChoice(("assemblyai",), ("openai",), ("elevenlabs",), ())
OLD = GatewayConfig().having(openai=OpenAIOptions(api_key="k", model="gpt-4.1-mini"))


SERVICES = [one for one in every() if not one.embedded]
ENDS = [(record, one) for record in SERVICES for one in record.models if one.ends]


@pytest.mark.faults("E1", "E2", "E3")
@pytest.mark.parametrize("record", SERVICES, ids=lambda one: f"{one.part} {one.name}")
def test_every_default_is_known_and_lives(record: Provider) -> None:
    if (record.part, record.name) == ("realtime", "assemblyai"):
        return  # it has one model, which nobody names
    for key in {one.key for one in record.models} | {"model"}:
        one = known(record, getattr(record.options(), key), key)
        assert one is not None, f"{key} is missing"
        if (record.part, record.name) == ("tts", "openai"):
            assert one.ends == date(2027, 1, 6), "nothing follows it"
            assert "elevenlabs" in one.instead
        else:
            assert one.ends is None


@pytest.mark.parametrize(("record", "one"), ENDS, ids=lambda one: one.names[0] if isinstance(one, Model) else one.name)
def test_who_is_told_of_an_end_is_told_what_lives_on(record: Provider, one: Model) -> None:
    assert one.source
    key, _, written = one.instead.partition(" = ")
    named = known(record, written.strip('"'), key)
    assert key == "tts" or (named is not None and named.ends is None)


@pytest.mark.faults("E1", "E2", "E3")
def test_all_ends_stand_in_one_table() -> None:
    table = {name for rows in model_ends.ENDS.values() for one in rows for name in one.names}
    assert {name for _, one in ENDS for name in one.names} == table
    for path in Path(model_ends.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Model" and path.name != "model_ends.py":
                dated = len(node.args) > 1 or any(one.arg == "ends" for one in node.keywords)
                assert not dated, f"{path}: write the day into model_ends.py"


@pytest.mark.faults("E1")
@pytest.mark.parametrize(
    ("days", "told"),
    [
        (91, ""),
        (90, "ends on 2027-01-14 at OpenAI, in 90 days: write "),
        (1, "in 1 days: write "),
        (0, "has ended on 2027-01-14 at OpenAI: write "),
        (-400, "has ended on 2027-01-14 at OpenAI: write "),
    ],
)
def test_a_model_in_use_is_warned_of_90_days_ahead(days: int, told: str) -> None:
    found = endings(OLD, CLOUD, date(2027, 1, 14) - timedelta(days))
    assert len(found) == bool(told)
    for sentence in found:
        assert told in sentence
        assert sentence.startswith("[openai] model = 'gpt-4.1-mini' ")
        assert sentence.endswith('write model = "gpt-6-luna" in [openai]')


def test_only_what_is_in_use_is_warned_of() -> None:
    assert endings(OLD, ProviderChoice(("local",), ("local",), ("local",), ()), WRITTEN) == []
    backup = GatewayConfig().having(openai_backup=OpenAIOptions(api_key="k", model="gpt-4o-mini"))
    (sentence,) = endings(backup, replace(CLOUD, llm=("openai", "openai_backup")), WRITTEN)
    assert sentence.startswith("[openai_backup] model = 'gpt-4o-mini'")


def test_a_server_of_ones_own_keeps_its_models() -> None:
    own = OLD.having(openai=replace(OLD.table("openai"), url="http://127.0.0.1:8000/v1"))
    assert endings(own, CLOUD, WRITTEN) == []


@pytest.mark.faults("E2")
def test_the_name_that_another_model_answers_to_is_taken_and_told() -> None:
    config = GatewayConfig().having(assemblyai=replace(GatewayConfig().table("assemblyai"), model="u3-rt-pro"))
    (sentence,) = endings(config, CLOUD, WRITTEN)
    assert "universal-3-5-pro answers under this name" in sentence
    assert 'write model = "universal-3-6-pro" in [assemblyai]' in sentence


@pytest.mark.faults("E3")
@pytest.mark.parametrize("way", ["the voice of the agent", "the voice of a language"])
def test_openai_s_voice_ends_and_nothing_follows_it(way: str) -> None:
    tts = OpenAITtsOptions(api_key="k")
    config, choice = GatewayConfig().having(openai_tts=tts), CLOUD
    if way == "the voice of the agent":
        choice = replace(choice, tts=("openai",))
    else:
        config = replace(config, languages=(LanguageOptions("es", tts="openai"),))
    (sentence,) = endings(config, choice, WRITTEN)
    assert "ends on 2027-01-06 at OpenAI, in 45 days" in sentence
    assert "write tts = " in sentence


@pytest.mark.faults("E3")
def test_a_transcription_that_ends_is_warned_of() -> None:
    realtime = replace(GatewayConfig().table("openai_realtime"), api_key="k", transcription="gpt-4o-mini-transcribe")
    config = GatewayConfig().having(agent=AgentOptions(realtime="openai"), openai_realtime=realtime)
    assert endings(config, choose(config), date(2026, 11, 1)) == []
    (sentence,) = endings(config, choose(config), date(2027, 2, 1))
    assert 'write transcription = "gpt-transcribe" in [openai_realtime]' in sentence


def test_the_backend_of_gpt_live_that_ends_is_warned_of() -> None:
    live = replace(GatewayConfig().table("openai_live"), api_key="k", backend="gpt-4.1-mini")
    config = GatewayConfig().having(agent=AgentOptions(realtime="openai_live"), openai_live=live)
    (sentence,) = endings(config, choose(config), WRITTEN)
    assert 'write backend = "gpt-6-luna" in [openai_live]' in sentence


@pytest.mark.faults("E1")
@pytest.mark.parametrize(("day", "warned"), [(date(2026, 10, 1), False), (WRITTEN, True), (date(2027, 3, 1), True)])
def test_check_says_what_to_write_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: date, warned: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deprecations, "today", lambda: day)
    for name in ("ASSEMBLYAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk\n")
    (tmp_path / "sipgw.toml").write_text('[openai]\nmodel = "gpt-4.1-mini"\n')
    ran = CliRunner().invoke(app, ["check"])
    assert ran.exit_code == 0
    assert ('write model = "gpt-6-luna" in [openai]' in ran.output) is warned


@pytest.mark.faults("E1")
def test_a_gateway_that_starts_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecations, "today", lambda: WRITTEN)
    gateway = SimpleNamespace(
        agents=Agents(OLD, {}), config=OLD, endpoint=SimpleNamespace(port=5060), watch=SimpleNamespace(registrations={})
    )
    with banner.out.capture() as capture:  # type: ignore[attr-defined]
        banner.say_how_to_call(gateway, SimpleNamespace(setup_url="", url=""))
    assert 'write model = "gpt-6-luna" in [openai]' in capture.get()


@pytest.mark.faults("E1")
def test_the_dashboard_says_it_on_its_page_of_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the day on which it is looked at: a gateway may run for months."""
    days = iter((date(2026, 10, 1), WRITTEN))
    monkeypatch.setattr(deprecations, "today", lambda: next(days))

    async def look() -> list[str]:
        toml = '[openai]\napi_key = "${PASSWORD}"\nmodel = "gpt-4.1-mini"'
        async with visit(tmp_path, toml) as there:
            return [(await there.browser.get("/providers")).text for _ in range(2)]

    before, now = asyncio.run(look())
    assert "gpt-6-luna" not in before
    assert "write model = &#34;gpt-6-luna&#34; in [openai]" in now
