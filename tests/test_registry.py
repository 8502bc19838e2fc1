"""Providers are registered by entry points: of our own project, and of packages from outside that add one file."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from sipgw.config import registry
from sipgw.config.config import GatewayConfig
from sipgw.config.options import options_of
from tests.waiting import HANG

ROOT = Path(__file__).parent.parent
OUTSIDE = '''
from dataclasses import dataclass, replace
from datetime import date

from agent.providers.deepgram import STT as DEEPGRAM
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.provider import Model, Price


@dataclass(frozen=True)
class OutsideOptions(DeepgramOptions):
    """How to hear with Outside."""

    model: str = "outer-1"


STT = replace(
    DEEPGRAM, name="outside", section="outside", title="Outside", family="outside", options=OutsideOptions,
    variables={"OUTSIDE_API_KEY": "api_key"}, auto=9, languages=lambda _: ("en", "es"),
    prices=(Price("outer-*", "seconds", 0.25, 60, date(2026, 1, 1), "a test"),),
    models=(Model(("outer-1",), date(2026, 12, 1), 'model = "outer-2"', source="a test"),),
    renamed={"loudness": "extra.loudness"},
)
'''


def installed(folder: Path, module: str, *points: str) -> None:
    """A package with the one file `module` and its entry points."""
    (folder / "outside.py").write_text(module, encoding="utf-8")
    metadata = folder / "outside-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")


def run(folder: Path, *arguments: str, toml: str = "", **environment: str) -> str:
    (folder / "sipgw.toml").write_text(toml, encoding="utf-8")
    told = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    told |= {"PYTHONPATH": f"{folder}:{ROOT}", "COLUMNS": "200", **environment}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=told, capture_output=True, text=True, timeout=HANG, check=False
    )
    return ran.stdout + ran.stderr


POINT = ("[sipgw.stt]", "outside = outside:STT")
MODEL = '    model: str = "outer-1"\n'


@pytest.mark.slow
def test_a_package_from_outside_adds_a_provider_by_one_file(tmp_path: Path) -> None:
    installed(tmp_path, OUTSIDE, *POINT)
    found = run(tmp_path, "-m", "sipgw", "check", OUTSIDE_API_KEY="k")
    assert "stt outside" in found and "the configuration is valid" in found, found
    assert "[outside] model = 'outer-1' " in found and 'write model = "outer-2" in [outside]' in found, found
    shown = run(tmp_path, "-m", "sipgw", "config", "show", toml='[outside]\nlanguage = "es"\n', OUTSIDE_API_KEY="k")
    assert 'language = "es"  # sipgw.toml:2' in shown and 'model = "outer-1"  # default' in shown, shown
    wrong = run(tmp_path, "-m", "sipgw", "check", toml="[outside]\nlanguag = 1\nloudness = 2\n")
    assert "sipgw.toml:2: outside.languag: unknown key 'languag'; did you mean 'language'?" in wrong, wrong
    assert (
        "sipgw.toml:3: outside.loudness: 'loudness' stands in another table now: write loudness in [outside.extra]"
        in wrong
    ), wrong
    no_key = run(tmp_path, "-m", "sipgw", "check", toml='[agent]\nstt = "outside"\n')
    assert "sipgw.toml:2: agent.stt: 'outside' needs a key: set OUTSIDE_API_KEY in .env" in no_key, no_key
    deaf = '[agent]\nstt = "outside"\n[[languages]]\ncode = "de"\n[elevenlabs]\nlanguage = "de"\n'
    told = run(tmp_path, "-m", "sipgw", "check", toml=deaf, OUTSIDE_API_KEY="k", ELEVENLABS_API_KEY="k")
    assert "the agent is to speak German, which Outside's outer-1 does not understand" in told, told
    code = (
        "from datetime import UTC, datetime; from sipgw.config.config import GatewayConfig;"
        "from sipgw.agents.products import prices_of, product; config = GatewayConfig();"
        "print(prices_of(config).of('stt', product(config, 'stt', 'outside'), 'seconds', datetime.now(UTC)).price)"
    )
    assert run(tmp_path, "-c", code).strip() == "0.25"


UNUSED = """
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_tts import TTS as ELEVENLABS

@dataclass(frozen=True)
class VoiceOptions(ElevenLabsOptions):
    def __post_init__(self):
        if self.language == "de":
            raise ValueError("no German")

@dataclass(frozen=True)
class BareOptions:
    api_key: str = "k"
    attempts: int = 3

    def __post_init__(self):
        if self.attempts == 1:
            raise ValueError("one is too few")

STT = replace(STT, options=BareOptions, host="", redacts=lambda _: {"cards": "card"}, models=())
TTS = replace(ELEVENLABS, name="outside_tts", section="outside_tts", options=VoiceOptions, variables={}, models=())
"""
OPENED = """
import asyncio
from sipgw.agents.providers import choose, opened
from sipgw.config.config import parse

async def run():
    config = parse(open("sipgw.toml").read(), "sipgw.toml", dict.fromkeys("ACE", "k"))
    async with opened(config, choose(config)):
        print("they are open")

asyncio.run(run())
"""


@pytest.mark.slow
def test_a_provider_that_no_agent_uses_is_not_asked_for_anything(tmp_path: Path) -> None:
    """Its options are not those of the languages, the redaction and the tries that the chosen ones are given."""
    installed(tmp_path, OUTSIDE + UNUSED, *POINT, "[sipgw.tts]", "outside_tts = outside:TTS")
    used = '[agent]\nstt = "assemblyai"\nstt_backup = ["cartesia"]\n[privacy]\nat_provider = true\n'
    used += '[assemblyai]\napi_key = "${A}"\n[cartesia]\napi_key = "${C}"\n[elevenlabs]\napi_key = "${E}"\n'
    used += '[[languages]]\ncode = "de"\n'
    found = run(tmp_path, "-c", OPENED, toml=used)
    assert "they are open" in found and "left out" not in found, found


def test_a_part_of_a_package_that_is_not_there_is_lacking() -> None:
    bare = registry.provider("stt", "deepgram")
    assert replace(bare, package="no_such_vendor.stt", install="vendor").lacking == "vendor"
    assert replace(bare, package="agent.stt").lacking == ""


@pytest.mark.parametrize(
    ("module", "points", "says"),
    [
        ("import nowhere", POINT, "No module named 'nowhere'"),
        ("STT = 3", POINT, "it is a int, no agent.providers.provider.Provider"),
        (OUTSIDE, ("[sipgw.stt]", "other = outside:STT"), "its record is that of 'outside' for stt"),
        (OUTSIDE, ("[sipgw.tts]", "outside = outside:STT"), "its record is that of 'outside' for stt"),
        (OUTSIDE.replace('"outside"', '"deepgram"'), ("[sipgw.stt]", "deepgram = outside:STT"), "the name is taken"),
        (OUTSIDE.replace('section="outside"', 'section="cartesia"'), POINT, "the table [cartesia] is taken"),
        (OUTSIDE.replace('section="outside"', 'section="sip"'), POINT, "the table [sip] is taken"),
        (OUTSIDE.replace('section="outside"', 'section="my table"'), POINT, "'my table' is no name"),
        (OUTSIDE.replace('section="outside"', 'section="having"'), POINT, "no table can have the name 'having'"),
        (OUTSIDE.replace('section="outside"', 'section="class"'), POINT, "no table can have the name 'class'"),
        (OUTSIDE.replace('"api_key"}', '"key"}'), POINT, "there is no option 'key'"),
        (OUTSIDE.replace(MODEL, f"{MODEL}    def __post_init__(self): raise ValueError('no key')\n"), POINT, "no key"),
        (OUTSIDE.replace(MODEL, f"{MODEL}    lock: 'Lock' = None\n"), POINT, "the type of an option cannot be checked"),
        (f"class Lock: ...\n{OUTSIDE.replace(MODEL, f'{MODEL}    lock: Lock | None = None')}", POINT, "outside.Lock"),
        ("raise SystemExit('not here')", POINT, "not here"),
    ],
)
def test_what_cannot_be_used_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, points: tuple[str, ...], says: str
) -> None:
    installed(tmp_path, module, *points)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        found, (problem,) = registry._read.__wrapped__()
    finally:
        sys.modules.pop("outside", None)
    assert "is left out: " in problem and says in problem
    assert ("stt", "outside") not in found and ("stt", "deepgram") in found


@pytest.mark.slow
def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    installed(tmp_path, "import nowhere", *POINT)
    found = run(tmp_path, "-m", "sipgw", "check")
    assert "is left out: No module named 'nowhere'" in found, found
    assert "the configuration is valid" in found


@pytest.mark.slow
def test_to_read_the_registry_imports_no_package_of_a_vendor(tmp_path: Path) -> None:
    vendors = ("openai", "elevenlabs", "botocore", "deepgram", "assemblyai", "cartesia", "ctranslate2", "onnxruntime")
    code = f"import sys, sipgw.config.config; print([one for one in {vendors} if one in sys.modules])"
    assert run(tmp_path, "-c", code).strip() == "[]"


def test_the_entry_points_of_a_checkout_are_those_of_its_project_file() -> None:
    assert [one.name for one in registry.declared()["realtime"]] == [
        "assemblyai",
        "gemini",
        "openai",
        "openai_live",
        "xai",
    ]
    assert not registry.problems()


NAMES = "from sipgw.config import registry; print([one.name for one in registry.every()], registry.problems())"


@pytest.mark.slow
@pytest.mark.parametrize("checkout", [True, False])
def test_metadata_of_the_gateway_counts_where_there_is_no_project_file(tmp_path: Path, checkout: bool) -> None:
    metadata = tmp_path / "sipgw-0.0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sipgw\nVersion: 0.0.1\n", encoding="utf-8")
    points = "[sipgw.llm]\nopenai = agent.providers.openai:LLM\ngone = agent.providers.gone:LLM\n"
    (metadata / "entry_points.txt").write_text(points, encoding="utf-8")
    nowhere = "import pathlib; from sipgw.config import registry; registry._CHECKOUT = pathlib.Path('/nowhere');"
    found = run(tmp_path, "-c", ("" if checkout else nowhere) + NAMES)
    if checkout:
        assert "deepgram" in found and found.endswith("] ()\n"), found
    else:
        assert found.startswith("['openai'] (\"the provider 'gone' of sipgw.llm (agent.providers.gone:LLM)"), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("raise ImportError('it lacks something')", "it lacks something"),
        ("raise SystemExit(3)", "3"),
        (
            "COMMANDS = {'config': ('outside:run', 'Ours.')}\ndef run(): print('taken')",
            "there is a command 'config' already",
        ),
        (
            "COMMANDS = {'doctor': ('outside:run', 'Ours.')}\ndef run(): print('taken')",
            "there is a command 'doctor' already",
        ),
        ("COMMANDS = {'more': 'outside:run'}", "too many values to unpack"),
    ],
)
def test_commands_of_a_package_that_cannot_be_used_end_no_other_and_take_no_name_of_ours(
    tmp_path: Path, module: str, why: str
) -> None:
    installed(tmp_path, module, "[sipgw.commands]", "aaa = outside:COMMANDS")
    found = run(tmp_path, "-m", "sipgw", "config", "show")
    assert "[agent]" in found and "Traceback" not in found and "taken" not in found
    assert "note: the commands of 'aaa' (outside:COMMANDS) are left out: " in found and why in found


@pytest.mark.slow
def test_a_package_from_outside_adds_a_command(tmp_path: Path) -> None:
    table = "COMMANDS = {'more': ('outside:run', 'Print a word.')}\ndef run() -> None:\n    print('a word')"
    installed(tmp_path, table, "[sipgw.commands]", "aaa = outside:COMMANDS")
    assert run(tmp_path, "-m", "sipgw", "more") == "a word\n"


def test_no_table_of_the_gateway_is_free_for_a_provider() -> None:
    tables = set(options_of(GatewayConfig))
    assert tables - registry.tables().keys() == registry.RESERVED
    names = {*dir(GatewayConfig), *(one.name for one in fields(GatewayConfig))}
    assert {name for name in names if not name.startswith("_")} - tables == registry.METHODS


@pytest.mark.slow
def test_no_package_takes_the_name_of_one_of_ours(tmp_path: Path) -> None:
    """Where sipgw is installed as a package, too: there another one may come before it."""
    installed(tmp_path, OUTSIDE.replace('"outside"', '"deepgram"'), "[sipgw.stt]", "deepgram = outside:STT")
    own = tmp_path / "sipgw-0.0.1.dist-info"
    own.mkdir()
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: sipgw\nVersion: 0.0.1\n", encoding="utf-8")
    (own / "entry_points.txt").write_text("[sipgw.stt]\ndeepgram = agent.providers.deepgram:STT\n", encoding="utf-8")
    code = (
        "import pathlib; from sipgw.config import registry; registry._CHECKOUT = pathlib.Path('/nowhere');"
        "from importlib.metadata import EntryPoints; own = registry.entry_points;"
        "registry.entry_points = lambda: EntryPoints(sorted(own(group='sipgw.stt'), key=lambda one: one.dist.name));"
        "print(registry.provider('stt', 'deepgram').title, *registry.problems())"
    )
    found = run(tmp_path, "-c", code)
    assert found.startswith("Deepgram ") and "'deepgram' of sipgw.stt (outside:STT) is left out" in found, found
