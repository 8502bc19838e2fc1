"""Where an option may stand, and when a change of it takes effect: what each option declares holds everywhere."""

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest

from sipgw.config.agent_files import parse_agent, scope_of
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.cost import CostOptions
from sipgw.config.errors import ConfigError
from sipgw.config.options import options_of
from sipgw.config.scope import Scope
from sipgw.gateway.reload import changes, reloaded

BEFORE = GatewayConfig()


def declared(kind: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The options that declare a scope of their own."""
    for name, option in options_of(kind).items():
        if option.scope:
            yield (*path, name)
        elif is_dataclass(option.hint):
            yield from declared(option.hint, (*path, name))  # type: ignore[arg-type]


def test_only_options_that_the_gateway_reads_once_and_its_routes_have_a_scope_of_their_own() -> None:
    scopes = {".".join(path): scope_of(path) for path in declared(GatewayConfig)}
    once = (
        "callbacks.concurrent",
        "callbacks.dial",
        "callbacks.latest",
        "callbacks.retry",
        "cost.currency",
        "gate.audit",
    )
    assert scopes == dict.fromkeys((*once, "local.threads", "local.turn"), Scope.GATEWAY) | {"routes": Scope.LIVE}


ONCE = """
[callbacks]
dial = false
concurrent = 3
retry = {attempts = 2}
[gate]
audit = "decisions"
stop_key = "9"
[cost]
currency = "EUR"
per_call = 2
[[prices]]
part = "trunk"
name = "carrier"
unit = "seconds"
price = 1
[sip]
port = 5070
"""


def test_what_the_gateway_reads_once_is_marked_and_stays_as_it_was_until_a_restart() -> None:
    after = parse(ONCE, "sipgw.toml", {})
    found = {change.key for change in changes(BEFORE, after, {}, {}) if change.needs_restart}
    assert found == {
        "callbacks.dial", "callbacks.concurrent", "callbacks.retry.attempts", "gate.audit", "cost.currency", "prices",
        "sip.port",
    }  # fmt: skip
    agents = reloaded(BEFORE, after, {"sales": parse_agent("", Path("agents/sales.toml"), after, {})})
    assert agents.config == BEFORE.having(
        gate=replace(BEFORE.gate, stop_key="9"), cost=replace(BEFORE.cost, per_call=2.0)
    )
    assert agents.all["sales"].config.callbacks.dial, "the gateway goes on to dial what is promised"
    assert [change.key for change in changes(agents.config, after, {}, {}) if not change.needs_restart] == []


def test_what_can_be_used_only_after_a_restart_is_refused_with_that() -> None:
    after = parse('[mail]\nhost = "mail.example.com"\nsender = "a@example.com"\n', "sipgw.toml", {})
    messages = replace(after.messages, mail_to=("owner@example.com",))
    with pytest.raises(ConfigError, match=r"needs a server that takes mail: .*; the files can be used after a restart"):
        reloaded(BEFORE, replace(after, messages=messages), {})


def test_a_plain_error_of_options_is_a_fault_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of another package may raise any `ValueError`, as at a start; `[cost]` stands for them."""

    def rule(options: CostOptions) -> None:
        if options.currency == BEFORE.cost.currency and options.per_call == 2:
            raise ValueError("too little in this currency")

    monkeypatch.setattr(CostOptions, "__post_init__", rule)
    after = parse('[cost]\ncurrency = "XTS"\nper_call = 2\n', "sipgw.toml", {})
    with pytest.raises(ConfigError) as refused:
        reloaded(BEFORE, after, {})
    assert str(refused.value) == (
        "sipgw.toml:1: cost: too little in this currency; the files can be used after a restart"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[callbacks]\ntime_zone = 'UTC'\ndial = true\n", "3: callbacks.dial"),
        ("[callbacks.retry]\nattempts = 2\n", "1: callbacks.retry"),
        ("[gate]\nper_day = 1\naudit = 'x'\n", "3: gate.audit"),
        ("[cost]\nper_call = 1\ncurrency = 'EUR'\n", "3: cost.currency"),
        ("[local]\nthreads = 2\n", "2: local.threads"),
        ("[[prices]]\npart = 'llm'\nname = '*'\nunit = 'input'\nprice = 1\n", "1: prices"),
        ("[sip]\nport = 5070\n", "1: sip"),
    ],
)
def test_what_concerns_the_whole_gateway_is_refused_in_the_file_of_an_agent(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_agent(text, Path("agents/sales.toml"), BEFORE, {})
    assert str(refused.value) == f"agents/sales.toml:{key}: concerns the whole gateway; move it to sipgw.toml"


def test_each_such_key_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_agent("[callbacks]\nlatest = '1h'\nconcurrent = 1\n", Path("agents/sales.toml"), BEFORE, {})
    assert str(refused.value).count("move it to sipgw.toml") == 2
