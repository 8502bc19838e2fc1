import re
from dataclasses import dataclass, field
from typing import Literal

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.options import OptionError, build, option_at, options_of, secrets_of, table_of
from sipgw.config.renamed import REMOVED, RENAMED
from sipgw.tools.simulate.scenario import Scenario


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
    with pytest.raises(OptionError, match=rf"(^|; )'{key}' is called '{new}' now($|; )"):
        build(Scenario if table == "providers" else GatewayConfig, written, {})


@pytest.mark.parametrize(("old", "instead"), REMOVED.items())
def test_a_removed_key_is_answered_with_what_does_its_work(old: str, instead: str) -> None:
    table, _, key = old.rpartition(".")
    with pytest.raises(OptionError, match=rf"'{key}' is no key any more: {re.escape(instead)}"):
        build(GatewayConfig, {table: {key: 1}}, {})


def test_every_new_name_is_a_key() -> None:
    for old, new in RENAMED.items():
        table, _, key = old.rpartition(".")
        option = option_at(Scenario if table == "providers" else GatewayConfig, (table,))
        names = options_of(table_of(option.hint) or GatewayConfig) if option else options_of(GatewayConfig)
        assert new.partition(".")[0] in names and key not in names


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
    assert caught.value.faults[0].path == path
    assert says in caught.value.faults[0].problem


def test_references_come_from_the_environment() -> None:
    assert build(Inner, {"name": "a ${WHO}"}, {"WHO": "b"}).name == "a b"
    with pytest.raises(OptionError, match="WHO"):
        build(Inner, {"name": "${WHO}"}, {})


def test_a_secret_is_a_reference_and_is_never_repeated() -> None:
    assert build(Outer, {"api_key": "${KEY}"}, {"KEY": "s3cret"}).api_key == "s3cret"
    with pytest.raises(OptionError) as caught:
        build(Outer, {"api_key": "s3cret"}, {})
    assert "s3cret" not in str(caught.value)


def test_every_fault_is_told_once() -> None:
    with pytest.raises(OptionError) as caught:
        build(Outer, {"wait": "8", "mode": "c", "api_key": "s3cret", "inner": {"name": "${NO}"}, "trunks": [{}]}, {})
    assert sorted(fault.path for fault in caught.value.faults) == [
        ("api_key",),
        ("inner", "name"),
        ("mode",),
        ("trunks", 0, "name"),
        ("wait",),
    ]


@pytest.mark.parametrize("value", [["s3cret"], {"s3cret": 1}, 7])
def test_a_secret_of_a_wrong_type_is_not_repeated(value: object) -> None:
    with pytest.raises(OptionError) as caught:
        build(Outer, {"api_key": value}, {})
    assert all("s3cret" not in fault.problem and "7" not in fault.problem for fault in caught.value.faults)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_is_finite(value: float) -> None:
    with pytest.raises(OptionError, match="finite"):
        build(Outer, {"wait": value}, {})


def test_what_a_table_leaves_out_is_as_in_the_base() -> None:
    base = Outer(inner=Inner("x", (3, 4)), trunks=(Inner("y"),), mode="b", api_key="k")
    built = build(Outer, {"inner": {"name": "z"}, "trunks": []}, {}, base=base)
    assert built == Outer(inner=Inner("z", (3, 4)), mode="b", api_key="k")


def test_a_fixed_field_cannot_be_set() -> None:
    with pytest.raises(OptionError, match="'open_limit' cannot be set"):
        build(GatewayConfig, {"assemblyai": {"open_limit": 1}}, {})
    before = GatewayConfig(assemblyai=AssemblyAIOptions(open_limit=9.0))
    assert build(AgentConfig, {"assemblyai": {"mode": "balanced"}}, {}, base=before).assemblyai.open_limit == 9.0


def test_the_table_extra_takes_anything_within_its_bounds() -> None:
    extra = {"voice_settings": {"style": 0.2}, "apply": ["a", True], "token": "${T}"}
    built = build(GatewayConfig, {"elevenlabs": {"extra": extra}}, {"T": "sk-hush"})
    assert built.elevenlabs.extra == extra | {"token": "sk-hush"}
    assert secrets_of(built) == {"sk-hush"}
    assert "sk-hush" not in repr(built)
    for wrong in ({"a": {"b": {"c": {"d": {"e": {}}}}}}, {"a": "x" * 9000}):
        with pytest.raises(OptionError, match="extra holds at most"):
            build(GatewayConfig, {"elevenlabs": {"extra": wrong}}, {})
