from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_origin

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import AgentConfig, GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.masking import secrets_of
from sipgw.config.options import OptionError, build, option_at, table_of
from sipgw.config.renamed import renames
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


@pytest.mark.parametrize(("old", "new"), renames().items())
def test_an_old_key_is_answered_with_what_to_write(old: str, new: str) -> None:
    table, _, key = old.rpartition(".")
    written: object = {key: 1}
    kind: type = Scenario if table == "providers" else GatewayConfig
    for depth, name in reversed(list(enumerate(table.split(".") if table else []))):
        option = option_at(kind, tuple(table.split(".")[: depth + 1]))
        written = {name: [written] if option and get_origin(option.hint) is tuple else written}
    place, bracket, name = new.rpartition("] ")
    if new.startswith("no "):
        answer = f"'{key}' is {new}"
    elif bracket:
        answer = f"'{key}' stands in another table now: write {name.partition(',')[0]} in {place}]"
    else:
        answer = f"the table [{key}] is called {new} now" if new.startswith("[") else f"'{key}' is called '{new}' now"
    with pytest.raises(OptionError) as caught:
        build(kind, written, {})  # type: ignore[arg-type]
    assert answer in str(caught.value)


def test_every_new_name_is_a_key_and_no_old_one_is() -> None:
    for old, new in renames().items():
        *table, key = old.split(".")
        kind: type = Scenario if table == ["providers"] else GatewayConfig
        fixed = key in {one.name for one in fields(table_at(kind, table)) if one.metadata.get("fixed")}
        assert fixed or option_at(kind, (*table, key)) is None, old
        if not new.startswith("no "):
            place, bracket, name = new.partition(",")[0].rpartition("] ")
            names = [*place.strip("[]").split("."), name] if bracket else [*table, new.strip("[]")]
            in_any = next((at for at, one in enumerate(names) if one in ("extra", "sentences")), len(names))
            assert option_at(kind, tuple(names[: in_any + 1])), new


def table_at(kind: type, path: list[str]) -> type:
    option = option_at(kind, tuple(path))
    return table_of(option.hint) or kind if option else kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[assemblyai]\nkeyterms = ["a"]\n',
            ": write keyterms in [agent] of sipgw.toml, or at the top of an agent's file",
        ),
        (
            "[assemblyai]\nmin_turn_silence = 0.3\n",
            "write min_turn_silence in [assemblyai.extra], in milliseconds",
        ),
        (
            '[assemblyai]\nlanguages = ["de"]\n',
            "'languages' stands in another table now: write code in [[languages]]",
        ),
        ("[openai_voice]\n", "the table [openai_voice] is called [openai_tts] now"),
        ('[deepgram_tts]\nvoice_id = "x"\n', "'voice_id' is no key: the model is the voice; write model"),
        (
            '[cartesia]\nlanguage = "de"\n',
            "'language' is no key: Ink with turns understands English only; leave it out",
        ),
    ],
)
def test_the_answer_to_an_old_key_is_a_whole_sentence_that_holds_in_an_agents_file_too(text: str, says: str) -> None:
    for read in (
        lambda: parse(text, "x", {}),
        lambda: parse_agent(text, Path("x.toml"), GatewayConfig(), {}),
    ):
        with pytest.raises(ConfigError) as caught:
            read()
        assert str(caught.value).endswith(says)


@pytest.mark.parametrize("old", ["agent.apology", "agent.emergency", "cost.goodbye"])
def test_the_advised_sentence_can_be_written(old: str) -> None:
    _, _, key = renames()[old].rpartition(" as ")
    config = parse(f'[[languages]]\ncode = "en"\n{key} = "One moment."', "x.toml", {})
    assert "One moment." in str(config.languages[0].sentences)


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
        ({"trunks": {"name": "a"}}, ("trunks",), "these are several tables: write [[trunks]], not [trunks]"),
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
    before = GatewayConfig().having(assemblyai=AssemblyAIOptions(open_limit=9.0))
    built = build(AgentConfig, {"assemblyai": {"mode": "balanced"}}, {}, base=before)
    assert built.table("assemblyai").open_limit == 9.0


def test_the_table_extra_takes_anything_within_its_bounds() -> None:
    extra = {"voice_settings": {"style": 0.2}, "apply": ["a", True], "token": "${T}"}
    built = build(GatewayConfig, {"elevenlabs": {"extra": extra}}, {"T": "sk-hush"})
    assert built.table("elevenlabs").extra == extra | {"token": "sk-hush"}
    assert secrets_of(built) == {"sk-hush"}
    assert "sk-hush" not in repr(built)
    for wrong in ({"a": {"b": {"c": {"d": {"e": {}}}}}}, {"a": "x" * 9000}):  # type: ignore[var-annotated]
        with pytest.raises(OptionError, match="holds at most"):
            build(GatewayConfig, {"elevenlabs": {"extra": wrong}}, {})
