# mypy: disable-error-code="misc, return-value"
"""A changed configuration in a running gateway."""

import asyncio
import json
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from typer.testing import CliRunner

from agent.providers.openai_client import OpenAIOptions
from agent.tools import Toolbox
from sipgw.cli import serve
from sipgw.cli.main import app
from sipgw.cli.serve import Load, Reloading, _reload
from sipgw.config.agent import AgentOptions, LanguageOptions, RouteOptions
from sipgw.config.agent_files import DEFAULT, load_all
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import CostOptions
from sipgw.config.errors import ConfigError
from sipgw.config.log import LogOptions
from sipgw.config.records import PrivacyOptions, RecordingOptions
from sipgw.console import err
from sipgw.events import CallEnded
from sipgw.gateway.reload import changes
from sipgw.records.privacy import names
from sipgw.sip.endpoint_options import EndpointOptions
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.interop.served import served
from tests.phone import calling
from tests.waiting import HANG, until

BEFORE = GatewayConfig()


def told(after: GatewayConfig, agents_before=None, agents_after=None) -> list[str]:
    return [str(change) for change in changes(BEFORE, after, agents_before or {}, agents_after or {})]


def test_nothing_changed() -> None:
    assert told(GatewayConfig()) == []


def test_what_changed_is_named_with_both_values() -> None:
    after = replace(BEFORE, agent=AgentOptions(business="Bolt", prompt="x" * 500))
    assert told(after) == ["agent.business: 'Acme Store' → 'Bolt'", f"agent.prompt: '' → '{'x' * 58}…"]


def test_a_secret_is_not_shown() -> None:
    (change,) = told(BEFORE.having(openai=OpenAIOptions(api_key="sk-secret")))
    assert change == "openai.api_key: *** → *** (changed)"


def test_of_a_url_the_host_alone_is_shown() -> None:
    (change,) = told(replace(BEFORE, agent=AgentOptions(brain="wss://ann:secret@example.com/secret?token=secret")))
    assert change == "agent.brain: '' → 'wss://example.com/***'"
    (change,) = told(replace(BEFORE, agent=AgentOptions(brain="wss://example.com:8443")))
    assert change == "agent.brain: '' → 'wss://example.com:8443'"


def test_agents_come_and_go() -> None:
    sales = replace(BEFORE, agent=AgentOptions(greeting="Sales."))
    assert told(BEFORE, {}, {"sales": sales}) == ["agent sales: agent: - → new"]
    assert told(BEFORE, {"sales": sales}, {}) == ["agent sales: agent: there → gone"]
    assert told(BEFORE, {"sales": BEFORE}, {"sales": sales}) == ["agent sales: agent.greeting: '' → 'Sales.'"]


def test_what_only_a_restart_changes_is_marked() -> None:
    after = replace(BEFORE, sip=EndpointOptions(port=5070), routes=(RouteOptions("agent"),))
    found = {change.key: change.needs_restart for change in changes(BEFORE, after, {}, {})}
    assert found == {"sip.port": True, "routes": False}


@pytest.mark.faults("C9")
def test_the_next_call_is_answered_as_the_changed_configuration_says(tmp_path: Path) -> None:
    async def scenario() -> tuple[bytes, bool]:
        async with cloud(tmp_path, [], []) as world:
            config, kept = world.gateway.config, world.gateway.services.providers[DEFAULT]
            with pytest.raises(ConfigError):
                await world.gateway.reload(replace(config, routes=(RouteOptions("nobody"),)), {})
            changed = replace(config, agent=replace(config.agent, greeting="Bolt here."))
            found = await world.gateway.reload(changed, {})
            assert [change.key for change in found] == ["agent.greeting"]
            assert await world.gateway.reload(changed, {}) == []
            await until(lambda: len(world.gateway.agent_providers) == 1)  # no call uses what was there before
            async with calling(world.target, lambda _: b"\xff" * 160) as phone, asyncio.timeout(HANG):
                while sound_of("Bolt here.").strip(b"\xff") not in phone.heard():
                    await asyncio.sleep(0.1)
            return world.gateway.services.providers[DEFAULT] is kept

    assert not asyncio.run(scenario())


def test_what_cannot_be_used_is_told_and_ends_no_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    unusable = RecordingOptions(folder=str(tmp_path / "file" / "recordings"))

    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world, calling(world.target, lambda _: b"\xff" * 160) as phone:
            asked, config = asyncio.Event(), world.gateway.config
            found: list[object] = [replace(config, recording=unusable), None, config]

            def read() -> tuple[GatewayConfig, dict[str, GatewayConfig]]:
                config = found.pop(0)
                return replace(config), {}  # type: ignore[type-var]  # a fault of ours, the second time

            async with asyncio.TaskGroup() as group:
                reloading = group.create_task(_reload(Reloading(world.gateway, read), asked))
                for left in (2, 1, 0):
                    asked.set()
                    await until(lambda left=left: len(found) == left and not asked.is_set())
                await until(lambda: "nothing has changed" in told(capsys))  # type: ignore[arg-type]
                reloading.cancel()
            heard = len(phone.received)
            await until(lambda: len(phone.received) > heard)
            assert len(world.gateway.calls) == 1

    said: list[str] = []

    def told(capsys: pytest.CaptureFixture[str]) -> str:
        said.append("".join(capsys.readouterr()))
        return "".join(said)

    asyncio.run(scenario())
    text = "".join(said)
    assert "recording.folder: " in text and "Not a directory" in text
    assert "Traceback" in text, "what nobody has thought of"


TOOLS = """
import sqlite3
from agent.tools import tool

SHOP = sqlite3.connect(":memory:")

@tool
async def count_books() -> int:
    "How many books there are."
    return SHOP.execute("SELECT 7").fetchone()[0]
"""


def test_a_reload_reads_the_files_beside_the_calls_and_imports_tools_in_the_thread_that_runs_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop_tools.py").write_text(TOOLS)
    readers: list[threading.Thread] = []

    async def scenario() -> object:
        async with cloud(tmp_path, [], []) as world:
            config = world.gateway.config
            changed = replace(config, agent=replace(config.agent, tools=str(tmp_path / "shop_tools.py")))

            def read() -> tuple[GatewayConfig, dict[str, GatewayConfig]]:
                readers.append(threading.current_thread())
                return changed, {}

            await Reloading(world.gateway, read).take()
            return (await Toolbox(world.gateway.agents.all[DEFAULT].tools).run("count_books", "{}")).result

    assert asyncio.run(scenario()) == 7
    assert readers and threading.main_thread() not in readers


@pytest.mark.faults("C1")
def test_what_a_cap_counts_without_a_price_is_told_on_reload(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world:
            config = world.gateway.config
            openai = replace(config.table("openai"), model="gpt-new")
            capped = config.having(cost=CostOptions(per_call=1), openai=openai)
            with capture_logs() as logs:
                await world.gateway.reload(capped, {})
            told = [line["cause"] for line in logs if line["event"] == "reloaded with a warning"]
            assert told and told == world.gateway.agents.unpriced()

    asyncio.run(scenario())


@pytest.mark.faults("H16")
def test_a_model_that_a_reload_asks_for_is_loaded_before_a_call_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> list[tuple[set[str], bool, bool]]:
        async with cloud(tmp_path, [], []) as world:
            gateway, loaded = world.gateway, []

            def load(kinds: set[str]) -> None:
                used = any("emails" in one.config.privacy.redact for one in gateway.agents.all.values())
                loaded.append((kinds, used, threading.current_thread() is threading.main_thread()))

            monkeypatch.setattr(names, "load", load)
            await gateway.reload(replace(gateway.config, privacy=PrivacyOptions(redact=("emails",))), {})
            return loaded

    assert asyncio.run(scenario()) == [({"emails"}, False, False)]


def test_a_language_that_nobody_speaks_is_told_on_reload(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world:
            config = world.gateway.config
            changed = config.having(
                agent=replace(config.agent, tts="deepgram"), languages=(LanguageOptions("es"),),
                deepgram_tts=replace(config.table("deepgram_tts"), api_key="k"),
            )  # fmt: skip
            with capture_logs() as logs:
                await world.gateway.reload(changed, {})
            told = [line["cause"] for line in logs if line["event"] == "reloaded with a warning"]
            assert told and told == world.gateway.agents.unspoken()

    asyncio.run(scenario())


@pytest.mark.slow
def test_an_agent_that_is_taken_away_ends_its_calls_in_peace(tmp_path: Path) -> None:
    """What is reloaded counts from the next call on, for bills and private things, too."""

    def agents(config: GatewayConfig) -> dict[str, GatewayConfig]:
        privacy = PrivacyOptions(redact=("cards", "ssn"))
        return {"sales": replace(config, agent=AgentOptions(greeting="Sales."), privacy=privacy)}

    async def scenario() -> list[str]:
        replies = [Reply(text=["We sell lamps."])]
        endings: list[str] = []
        async with cloud(tmp_path, [Said("What do you sell", 2000, 2500)], replies, agents=agents) as world:
            world.gateway.watchers.add(
                lambda event: endings.append(event.ending.kind) if isinstance(event, CallEnded) else None
            )
            privacy = world.gateway.agents.privacy("sales")
            async with calling(replace(world.target, user="sales"), lambda _: b"\xff" * 160):
                await until(lambda: "Sales." in str(world.tts.texts))
                found = await world.gateway.reload(world.gateway.config, {})
                assert [str(change) for change in found] == ["agent sales: agent: there → gone"]
                await until(lambda: "We sell lamps." in str(world.tts.texts))
                assert world.gateway.agents.privacy("sales") == privacy
            await until(lambda: endings)
        return endings

    assert asyncio.run(scenario()) == ["caller_hung_up"]


def test_a_reload_without_the_file_of_the_start_is_an_error_and_no_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone replaces the file: for a moment there is none."""
    reads: list[Load] = []
    monkeypatch.setattr(serve, "_check_ports", lambda settings: None)
    monkeypatch.setattr(serve, "_serve", lambda settings, agents, read, *more: reads.append(read))
    monkeypatch.setattr(serve, "run_main", lambda nothing: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sipgw.toml").write_text('[agent]\nbusiness = "Bolt"\n')
    assert CliRunner().invoke(app, ["serve"]).exit_code == 0
    (read,) = reads
    assert read()[0].agent.business == "Bolt"
    (tmp_path / "sipgw.toml").unlink()
    with pytest.raises(ConfigError, match=r"cannot read sipgw\.toml: No such file"):
        read()


@pytest.mark.slow
def test_sighup_reloads_and_says_what_is_different_or_wrong(tmp_path: Path) -> None:
    def wait_for(text: str) -> None:
        asyncio.run(until(lambda: any(text in line for line in gateway.log)))

    with served(tmp_path) as gateway:
        file = tmp_path / "gateway.toml"
        text = file.read_text()
        file.write_text(text.replace("[agent]", '[agent]\nbusiness = "Bolt"'))
        gateway.process.send_signal(signal.SIGHUP)
        wait_for("agent.business: 'Acme Store' \\u2192 'Bolt'")
        file.write_text(text.replace("[agent]", '[agent]\nbusines = "Bolt"'))
        gateway.process.send_signal(signal.SIGHUP)
        wait_for("did you mean 'business'?")


@pytest.mark.slow
@pytest.mark.faults("H18")
def test_where_logs_are_json_what_a_reload_changed_is_an_event(tmp_path: Path) -> None:
    """Nothing stands between the objects that only a person can read."""
    file = tmp_path / "sipgw.toml"
    written = '[log]\nformat = "json"\n[agent]\ngreeting = "Bolt."\n[sip]\nport = 5070\n'

    async def scenario() -> None:
        async with cloud(
            tmp_path, [], [], change=lambda config: replace(config, log=LogOptions(format="json"))
        ) as world:
            asked = asyncio.Event()
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                reloading = group.create_task(_reload(Reloading(world.gateway, lambda: load_all(file)), asked))
                for text, name in (("[nonsense", "not reloaded"), (written, "reloaded")):
                    file.write_text(text)
                    asked.set()
                    await until(lambda name=name: any(one["event"] == name for one in told))  # type: ignore[attr-defined]
                reloading.cancel()

    with structlog.testing.capture_logs() as told, err.capture() as printed:
        asyncio.run(scenario())
    assert printed.get() == ""
    said = {one["event"]: one for one in told}
    assert "sipgw.toml" in said["not reloaded"]["cause"]
    assert "agent.greeting" in str(said["reloaded"]["changes"])
    assert [one.partition(":")[0] for one in said["reloaded"]["after_restart"] if "sip.port" in one] == ["sip.port"]
    assert json.loads(json.dumps(said["reloaded"]))["log_level"] == "info"
