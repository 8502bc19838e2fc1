from dataclasses import dataclass, field, fields
from typing import Literal

import pytest

from agent.turn_taking.options import TurnOptions
from sipgw.config.agent import AgentOptions, LanguageOptions
from sipgw.config.config import Config
from sipgw.config.options import OptionError, build
from sipgw.config.renamed import RENAMED
from sipgw.tools.simulate.scenario import ProviderOptions, Scenario


@dataclass(frozen=True)
class Inner:
    name: str
    limits: tuple[int, int] = (1, 2)


@dataclass(frozen=True)
class Outer:
    wait: float = 1.0
    mode: Literal["a", "b"] = "a"
    inner: Inner | None = None
    trunks: tuple[Inner, ...] = ()
    api_key: str = field(default="", repr=False)
    on: bool = True


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_key_is_answered_with_its_new_name(old: str, new: str) -> None:
    table, _, key = old.rpartition(".")
    values = {key: 1}
    written = {"languages": [{"code": "en"} | values]} if table == "languages" else {table: values} if table else values
    with pytest.raises(OptionError, match=f"^'{key}' is called '{new}' now$"):
        build(Scenario if table == "providers" else Config, written, {})


def test_every_new_name_is_a_key() -> None:
    tables = {
        "agent": AgentOptions, "languages": LanguageOptions, "providers": ProviderOptions, "turns": TurnOptions,
        "": Config,
    }  # fmt: skip
    for old, new in RENAMED.items():
        names = {field.name for field in fields(tables[old.rpartition(".")[0]])}
        assert new in names and old.rpartition(".")[2] not in names


@pytest.mark.parametrize(("text", "seconds"), [("600ms", 0.6), ("8s", 8.0), ("1.5 m", 90.0), ("1h", 3600.0), (3, 3.0)])
def test_durations_become_seconds(text: object, seconds: float) -> None:
    assert build(Outer, {"wait": text}, {}).wait == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", ["600", "8 sec", "ms", True, [], "-1s"])
def test_a_duration_without_a_known_unit_is_refused(wrong: object) -> None:
    with pytest.raises(OptionError, match=r"duration|number"):
        build(Outer, {"wait": wrong}, {})


def test_nested_tables_and_lists() -> None:
    built = build(Outer, {"inner": {"name": "x"}, "trunks": [{"name": "y", "limits": [3, 4]}]}, {})
    assert built.inner == Inner("x")
    assert built.trunks == (Inner("y", (3, 4)),)


@pytest.mark.parametrize(
    ("table", "path", "says"),
    [
        ({"wiat": 1}, ("wiat",), "did you mean 'wait'"),
        ({"mode": "c"}, ("mode",), "'c' is not one of 'a', 'b'"),
        ({"on": "yes"}, ("on",), "expected true or false"),
        ({"on": 1}, ("on",), "expected true or false"),
        ({"inner": {}}, ("inner", "name"), "'name' is missing"),
        ({"inner": 5}, ("inner",), "expected a table"),
        ({"trunks": [{"name": "a"}, {"name": 7}]}, ("trunks", 1, "name"), "expected a string"),
        ({"trunks": {"name": "a"}}, ("trunks",), "expected a list"),
        ({"inner": {"name": "x", "limits": [1]}}, ("inner", "limits"), "expected 2 values"),
    ],
)
def test_an_error_names_where_and_what(table: dict[str, object], path: tuple[object, ...], says: str) -> None:
    with pytest.raises(OptionError) as caught:
        build(Outer, table, {})
    assert caught.value.path == path
    assert says in caught.value.problem


def test_references_come_from_the_environment() -> None:
    assert build(Inner, {"name": "a ${WHO}"}, {"WHO": "b"}).name == "a b"
    with pytest.raises(OptionError, match="WHO"):
        build(Inner, {"name": "${WHO}"}, {})


def test_a_secret_is_a_reference_and_is_never_repeated() -> None:
    assert build(Outer, {"api_key": "${KEY}"}, {"KEY": "s3cret"}).api_key == "s3cret"
    with pytest.raises(OptionError) as caught:
        build(Outer, {"api_key": "s3cret"}, {})
    assert "s3cret" not in str(caught.value)
