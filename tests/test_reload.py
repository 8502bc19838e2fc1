"""A changed configuration in a running gateway."""

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.providers.openai_client import OpenAIOptions
from sipgw.agents.agents import DEFAULT
from sipgw.config import AgentOptions, Config, ConfigError, RouteOptions
from sipgw.reload import changes
from sipgw.sip.endpoint import EndpointOptions
from tests.cloud import cloud
from tests.fakes.elevenlabs import sound_of
from tests.interop.served import served
from tests.phone import calling

BEFORE = Config()


def told(after: Config, agents_before=None, agents_after=None) -> list[str]:
    return [str(change) for change in changes(BEFORE, after, agents_before or {}, agents_after or {})]


def test_nothing_changed() -> None:
    assert told(Config()) == []


def test_what_changed_is_named_with_both_values() -> None:
    after = replace(BEFORE, agent=AgentOptions(business="Bolt", prompt="x" * 500))
    assert told(after) == ["agent.business: 'Acme Store' → 'Bolt'", f"agent.prompt: '' → '{'x' * 58}…"]


def test_a_secret_is_not_shown() -> None:
    (change,) = told(replace(BEFORE, openai=OpenAIOptions(api_key="sk-secret")))
    assert change == "openai.api_key: *** → *** (changed)"


def test_agents_come_and_go() -> None:
    sales = replace(BEFORE, agent=AgentOptions(greeting="Sales."))
    assert told(BEFORE, {}, {"sales": sales}) == ["agent sales: agent: - → new"]
    assert told(BEFORE, {"sales": sales}, {}) == ["agent sales: agent: there → gone"]
    assert told(BEFORE, {"sales": BEFORE}, {"sales": sales}) == ["agent sales: agent.greeting: '' → 'Sales.'"]


def test_what_only_a_restart_changes_is_marked() -> None:
    after = replace(BEFORE, sip=EndpointOptions(port=5070), routes=(RouteOptions("agent"),))
    found = {change.key: change.needs_restart for change in changes(BEFORE, after, {}, {})}
    assert found == {"sip.port": True, "routes": False}


def test_the_next_call_is_answered_as_the_changed_configuration_says(tmp_path: Path) -> None:
    async def scenario() -> tuple[bytes, bool]:
        async with cloud(tmp_path, [], []) as world:
            config, kept = world.gateway.config, world.gateway.desk.providers[DEFAULT]
            with pytest.raises(ConfigError):
                await world.gateway.reload(replace(config, routes=(RouteOptions("nobody"),)), {})
            changed = replace(config, agent=replace(config.agent, greeting="Bolt here."))
            found = await world.gateway.reload(changed, {})
            assert [change.key for change in found] == ["agent.greeting"]
            assert await world.gateway.reload(changed, {}) == []
            async with calling(world.target, lambda _: b"\xff" * 160) as phone, asyncio.timeout(20):
                while sound_of("Bolt here.").strip(b"\xff") not in phone.heard():
                    await asyncio.sleep(0.1)
            return world.gateway.desk.providers[DEFAULT] is kept

    assert not asyncio.run(scenario())


def test_sighup_reloads_and_says_what_is_different_or_wrong(tmp_path: Path) -> None:
    def wait_for(text: str) -> None:
        for _ in range(200):
            if any(text in line for line in gateway.log):
                return
            time.sleep(0.1)
        raise AssertionError("".join(gateway.log))

    with served(tmp_path) as gateway:
        file = tmp_path / "gateway.toml"
        text = file.read_text()
        file.write_text(text.replace("[agent]", '[agent]\nbusiness = "Bolt"'))
        gateway.process.send_signal(signal.SIGHUP)
        wait_for("agent.business: 'Acme Store' → 'Bolt'")
        file.write_text(text.replace("[agent]", '[agent]\nbusines = "Bolt"'))
        gateway.process.send_signal(signal.SIGHUP)
        wait_for("did you mean 'business'?")
