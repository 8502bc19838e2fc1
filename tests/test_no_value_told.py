"""Nothing tells a value of an option that may be a secret: every such option, with a value of every type of TOML."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise, product
from pathlib import Path
from typing import Any, get_origin

import pytest
from typer.testing import CliRunner

from agent.rules.rule_error import Keys
from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.masking import masked_table
from sipgw.config.options import UNDECLARED, Option, option_over, options_of, table_of
from sipgw.config.public_text import MASK
from sipgw.config.show import as_json, as_toml, effective, literal
from sipgw.gateway.reload import changes

HUSH = "84736251"
NUMBER = int(HUSH)
WRONG = {
    "string": "crm --token hush_84736251",
    "integer": NUMBER,
    "float": NUMBER + 0.5,
    "boolean": True,
    "date": date(8473, 6, 25),
    "list": [NUMBER, f"x{HUSH}", True],
    "table": {"pin": NUMBER, "on": True},
    "list of tables": [{"pin": HUSH}],
    "nested": {"pin": {"deep": [[NUMBER], {"deeper": f"x{HUSH}"}]}},
}
TOLD = (HUSH, "8473-06-25")


def declared(kind: type, path: Keys = ()) -> Iterator[tuple[Keys, Option]]:
    """Every option of `kind` and of the tables in it."""
    for name, option in options_of(kind).items():
        many = get_origin(option.hint) is tuple
        yield (*path, name), option
        if table := table_of(option.hint):
            yield from declared(table, (*path, name, 0) if many else (*path, name))


def file_with(value: Any, *paths: Keys) -> str:
    """A configuration that says nothing but `value` at each of `paths`, none of which is within another."""
    table = dict[str, Any]()
    for path in paths:
        here: Any = table
        for key, after in pairwise(path):
            here = here[key] if isinstance(key, int) else here.setdefault(key, [{}] if isinstance(after, int) else {})
        here[path[-1]] = value
    return "".join(f"{name} = {_literal(one)}\n" for name, one in table.items())


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_literal(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return str(value) if isinstance(value, date) else literal(value)


def leaves(value: Any) -> Iterator[Any]:
    """The values in lists and tables."""
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


UNTOLD = [(path, option) for path, option in declared(GatewayConfig) if not option.repeatable]
TABLES = [path for path, option in UNTOLD if table_of(option.hint)]
LEAVES = [path for path, option in UNTOLD if not table_of(option.hint)]
WITHIN: list[Keys] = [(*path, "pin") for path, option in UNTOLD if get_origin(option.hint) is dict]
UNKNOWN: list[Keys] = [("openai", "apikey"), ("nothing",)]
GROUPS: dict[str, list[Keys]] = {
    "options": LEAVES,
    "keys of options": [*WITHIN, *UNKNOWN],
    "tables": [path for path in TABLES if len(path) == 1],
    "tables in tables": [path for path in TABLES if len(path) > 1],
}
RIGHT = {*product(("tables", "tables in tables"), ("table", "list of tables", "nested"))}
"""A table may stand where a table is wanted."""


def test_the_options_that_may_be_secrets_are_found() -> None:
    assert {("web", "password"), ("trunks", 0, "password"), ("mcp", 0, "command"), ("openai", "extra")} < {*LEAVES}
    assert {("agent", "brain_parameters", "pin"), ("openai", "extra", "pin")} < {*WITHIN}
    assert {("sip",), ("trunks",), ("sip", "tls")} < {*TABLES}
    assert option_over(GatewayConfig, ("sip", "prt")) == option_over(GatewayConfig, ("nothing", 0, "x")) == UNDECLARED
    assert option_over(GatewayConfig, ("sip", "port")).repeatable


@pytest.mark.parametrize(("group", "kind"), [one for one in product(GROUPS, WRONG) if one not in RIGHT])
def test_no_value_of_any_type_is_told_by_the_keys_or_by_an_error(group: str, kind: str, tmp_path: Path) -> None:
    paths = GROUPS[group]
    file = tmp_path / "sipgw.toml"
    file.write_text(file_with(WRONG[kind], *paths))
    rows = effective(file, "", {})
    with pytest.raises(ConfigError) as refused:
        parse(file.read_text(), str(file), {})
    for one in (as_toml(rows), as_json(rows), str(refused.value)):
        assert not any(hush in one for hush in TOLD), one
    given = [row for row in rows if row.origin.startswith(str(file))]
    assert {path for path in paths if any(path[: len(row.path)] == row.path for row in given)} == {*paths}
    assert {one for row in given for one in leaves(row.value)} == {MASK}


def test_values_that_can_be_used_are_not_shown_either() -> None:
    text = file_with({"pin": NUMBER, "on": True, "list": [NUMBER]}, ("openai", "extra"))
    config = parse(text, "sipgw.toml", {})
    assert masked_table(config, config.written)["openai"]["extra"] == {"pin": MASK, "on": MASK, "list": [MASK]}
    (change,) = changes(GatewayConfig(), config, {}, {})
    assert (change.before, change.after) == (MASK, f"{MASK} (changed)")


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("path", [("trunks", 0, "password"), ("mcp", 0, "command"), ("openai", "extra", "model")])
def test_no_command_prints_it(
    path: Keys, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sipgw.toml").write_text(file_with(WRONG[kind], path))
    for command in (["check"], ["config", "show"], ["config", "show", "--json"], ["support"], ["doctor", "--json"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code, command
        text = done.output + "".join(capfd.readouterr())
        assert text and not any(hush in text for hush in TOLD), (command, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[mcp]]\nname = "a"\ntools = ["*"]\ncommand = "crm"', "expected a list, got a string"),
        ("[openai]\nextra = 5", "expected a table, got a number"),
        ("[agent]\nbrain_parameters = {pin = 5}", "expected a string, got a number"),
        ("sip = 2026-01-02", "expected a table, got a date or a time"),
        ("sip = true", "expected a table, got true or false"),
    ],
)
def test_an_error_names_the_type_of_a_value_that_it_does_not_repeat(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "sipgw.toml", {})
    assert str(error.value).endswith(told)
