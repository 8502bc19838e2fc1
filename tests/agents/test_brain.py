"""An agent whose brain is a server of one's own: what its configuration may say, and what is shown of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.agents.agents import Agents
from sipgw.agents.orders import persona
from sipgw.calls.relay_call import call_sid, relay_call
from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions, PrefetchOptions
from sipgw.config.config import GatewayConfig, load
from sipgw.config.errors import ConfigError
from sipgw.config.masking import secrets_of
from sipgw.sip.identity import Identity

URL = "wss://brain.example.com/relay"


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> GatewayConfig:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_TOKEN", "SECRET-TOKEN")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "SECRET-KEY")
    path = tmp_path / "sipgw.toml"
    path.write_text(text)
    return load(path)


WHOLE = f"""
[agent]
brain = "{URL}?token=${{RELAY_TOKEN}}"
brain_key = "${{TWILIO_AUTH_TOKEN}}"
brain_parameters = {{ shop = "{{{{business}}}}", caller = "{{{{caller}}}}" }}
"""


def test_what_is_configured_is_told_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, monkeypatch, WHOLE)
    identity = Identity(number="+15550100", name="Ann", dialled="+15550101", diverted=("+15550102",))
    told = relay_call("c1", identity, "in", config.agent, {"business": "Books", "caller": "+15550100"})
    assert told.url == f"{URL}?token=SECRET-TOKEN"
    assert told.call == {
        "accountSid": "", "callSid": call_sid("c1"), "parentCallSid": "", "from": "+15550100", "to": "+15550101",
        "forwardedFrom": "+15550102", "callerName": "Ann", "callType": "PSTN", "callStatus": "RINGING",
        "direction": "inbound",
    }  # fmt: skip
    assert told.parameters == {"shop": "Books", "caller": "+15550100"}
    assert told.headers["X-Twilio-Signature"]
    withheld = relay_call("c2", Identity(withheld=True), "out", config.agent, dict.fromkeys(("business", "caller"), ""))
    assert (withheld.call["from"], withheld.call["direction"]) == ("anonymous", "outbound")
    assert withheld.call["callSid"] != told.call["callSid"]


def test_the_secrets_of_its_url_are_known_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, monkeypatch, WHOLE)
    assert {"SECRET-TOKEN", "SECRET-KEY"} <= secrets_of(config)
    for command in (["check"], ["config", "show"]):
        shown = CliRunner().invoke(app, command)
        assert "brain" in shown.output
        assert "SECRET" not in shown.output
    assert "llm the server brain.example.com" in CliRunner().invoke(app, ["check"]).output
    assert "demo model" not in CliRunner().invoke(app, ["check"]).output, "it is not what answers callers"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('brain = "ws://brain.example.com"', "ws:// is allowed for a local host only"),
        ('brain = "https://brain.example.com"', "it must be like wss://example.com/relay"),
        (f'brain = "{URL}"\nrealtime = "openai"', "brain: brain goes not with realtime"),
        (f'brain = "{URL}"\nhand_over = ["sales"]', "brain: brain goes not with hand_over"),
        (f'brain = "{URL}"\ncollect_digits = true', "brain: brain goes not with collect_digits"),
        (f'brain = "{URL}"\nbrain_key = "a key"', "secrets stand in the environment"),
        (f'brain = "{URL}"\nbrain_parameters = {{ a = 1 }}', "expected a string"),
    ],
)
def test_what_cannot_be_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        configured(tmp_path, monkeypatch, f"[agent]\n{line}\n")


def test_what_other_agents_have_cannot_be_had_with_it() -> None:
    brain = GatewayConfig(agent=AgentOptions(brain=URL))
    with pytest.raises(ConfigError, match=r"prefetch\.tool: the brain of the agent is not told"):
        Agents(replace(brain, prefetch=PrefetchOptions(tool="who")), {})
    hands = GatewayConfig(agent=AgentOptions(hand_over=("other",)))
    with pytest.raises(ConfigError, match="'other' has its own server as its brain"):
        Agents(hands, {"other": brain})
    unknown = GatewayConfig(agent=AgentOptions(brain=URL, brain_parameters={"a": "{{shop}}"}))
    with pytest.raises(ConfigError, match=r"brain_parameters\.a: there is no \{\{shop\}\}"):
        Agents(unknown, {})


def test_it_greets_by_itself_unless_a_greeting_is_given() -> None:
    values = {"business": "Books", "topic": "", "emergency_number": ""}
    brain = GatewayConfig(agent=AgentOptions(brain=URL))
    assert persona(brain, values).greeting == persona(brain, values, calling=True).greeting == ""
    own = replace(brain, agent=replace(brain.agent, greeting="{{business}}!"))
    assert persona(own, values).greeting == "Books!"
