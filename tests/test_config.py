"""The configuration as people write it, and what they are told when it is wrong."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from agent.providers.local import models
from sipgw.agents import providers
from sipgw.agents.providers import choose
from sipgw.config.agent import AgentOptions
from sipgw.config.agent_files import load_all
from sipgw.config.config import KEYS as ALL_KEYS
from sipgw.config.config import GatewayConfig, load, parse
from sipgw.config.errors import ConfigError
from sipgw.config.files import line_of

RECIPES = sorted((Path(__file__).parent.parent / "sipgw" / "recipes").glob("*.toml"))
PARTS = ("stt", "llm", "tts")
KEYS = {"ASSEMBLYAI_API_KEY": "a-key", "OPENAI_API_KEY": "o-key", "ELEVENLABS_API_KEY": "e-key"}


def wrong(text: str, variables: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "sipgw.toml", variables or {})
    return str(caught.value)


def test_without_anything_there_are_defaults_and_the_embedded_providers() -> None:
    config = parse("", "defaults", {})
    assert config == GatewayConfig()
    choice = choose(config)
    assert (choice.stt, choice.llm, choice.tts) == (("local",),) * 3
    assert [note.split(":")[0] for note in choice.notes] == [f"no {name}" for name in KEYS]


def test_with_keys_in_the_environment_the_cloud_is_used_and_no_key_shows() -> None:
    config = parse("", "defaults", KEYS)
    choice = choose(config)
    assert [choice.of(part) for part in PARTS] == ["assemblyai", "openai", "elevenlabs"]
    assert choice.notes == ()
    assert not any(key in repr(config) for key in KEYS.values())


def test_who_starts_without_the_speech_packages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.PACKAGES, "no_such_module", "what-is-missing")
    assert "what-is-missing: pip install 'sipgw[local]'" in choose(parse("", "test", {})).notes[-1]


@pytest.mark.parametrize("missing", KEYS)
def test_one_missing_key_replaces_one_part(missing: str) -> None:
    choice = choose(parse("", "defaults", {name: key for name, key in KEYS.items() if name != missing}))
    assert [choice.of(part) for part in PARTS].count("local") == 1
    assert missing in choice.notes[0]


def test_the_key_of_another_provider_is_used_for_all_that_it_offers() -> None:
    deepgram, cartesia = {"DEEPGRAM_API_KEY": "d"}, {"CARTESIA_API_KEY": "c"}
    for keys, name in ((deepgram, "deepgram"), (cartesia, "cartesia")):
        choice = choose(parse("", "x", keys))
        assert (choice.stt, choice.tts) == ((name,), (name,))
    choice = choose(parse('[agent]\nstt = "deepgram"', "x", KEYS | deepgram | cartesia))
    assert (choice.stt, choice.tts) == (("deepgram",), ("elevenlabs",))


def test_voices_that_are_not_taken_for_their_key_alone_can_be_named() -> None:
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
    keys = aws | {"ASSEMBLYAI_API_KEY": "a", "OPENAI_API_KEY": "o"}
    assert choose(parse("", "x", keys)).of("tts") == "local"
    for name in ("assemblyai", "openai", "polly"):
        assert choose(parse(f'[agent]\ntts = "{name}"', "x", keys)).of("tts") == name
    assert parse("", "x", aws).table("polly").region == "eu-west-1"
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        choose(parse('[agent]\ntts = "polly"', "x", {"AWS_ACCESS_KEY_ID": "a"}))


@pytest.mark.parametrize("part", PARTS)
def test_every_provider_that_may_be_named_can_be_made(part: str) -> None:
    keys = dict.fromkeys(ALL_KEYS, "long enough") | {"OPENAI_BASE_URL": "https://api.openai.com/v1", "BACKUP": "k"}
    names = [name for name in get_args(get_type_hints(AgentOptions)[part]) if name not in ("auto", "local")]
    for name in names:
        text = f'[agent]\n{part} = "{name}"\n[openai_backup]\napi_key = "${{BACKUP}}"'
        config = parse(text, "x", keys)
        assert choose(config).of(part) == name
        assert providers.made(config, part, name) is not None


def test_providers_that_stand_in_are_named_in_order() -> None:
    text = '[agent]\nstt_backup = ["deepgram", "assemblyai", "local"]\ntts_backup = ["local"]'
    choice = choose(parse(text, "x", KEYS | {"DEEPGRAM_API_KEY": "d"}))
    assert choice.of("stt") == "assemblyai, then deepgram, then local"
    assert choice.of("tts") == "elevenlabs, then local"
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        choose(parse(text, "x", KEYS))


def test_a_server_of_ones_own_needs_no_key() -> None:
    assert choose(parse("", "x", {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"})).of("llm") == "openai"


def test_a_second_model_stands_in_for_the_first() -> None:
    text = '[agent]\nllm_backup = ["openai_backup"]\n[openai_backup]\nurl = "https://api.groq.com/openai/v1"'
    assert choose(parse(text, "x", KEYS)).of("llm") == "openai, then openai_backup"
    with pytest.raises(ConfigError, match=r"\[openai_backup\]"):
        choose(parse('[agent]\nllm_backup = ["openai_backup"]', "x", KEYS))


def test_a_named_provider_without_its_key_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"set ELEVENLABS_API_KEY in \.env"):
        choose(parse('[agent]\ntts = "elevenlabs"', "x", {}))


def test_the_environment_fills_in_what_the_file_leaves_out() -> None:
    config = parse('[openai]\nmodel = "small"', "x", {"OPENAI_MODEL": "large", "OPENAI_API_KEY": "k"})
    assert (config.table("openai").model, config.table("openai").api_key) == ("small", "k")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sip]\nprot = 1", "sipgw.toml:2: sip.prot: unknown key 'prot'; did you mean 'port'?"),
        ("\n[spi]\nport = 1", "sipgw.toml:2: spi: unknown key 'spi'; did you mean 'sip'?"),
        ("[sip]\nport = 70000", "sipgw.toml:2: sip.port: must be from 0 to 65535"),
        ('[sip]\nport = "5060"', "sipgw.toml:2: sip.port: expected a whole number"),
        ('[turns]\nreprompt_after = "8"', "sipgw.toml:2: turns.reprompt_after: expected a duration"),
        ('[agent]\nstt = "whisper"', "sipgw.toml:2: agent.stt: 'whisper' is not one of"),
        ('[openai]\napi_key = "sk-12345"', "sipgw.toml:2: openai.api_key: secrets stand in the environment"),
        ('[openai]\napi_key = "${NOPE}"', "sipgw.toml:2: openai.api_key: ${NOPE} is not set"),
        (
            '[[trunks]]\nname="a"\nmode="peer"\nnetworks=["10.0.0.0/8"]\n[[trunks]]\nmode="peer"',
            ":5: trunks.1.name: 'name'",
        ),
        ('[[trunks]]\nname="a"\nmode="register"', "needs 'registrar' and 'user'"),
        ('[[trunks]]\nname="a"\nmode="peer"', "needs 'networks'"),
        ('[[trunks]]\nname="a"\nmode="peer"\nnetworks=["10.0.0.0/99"]', "networks:"),
        ("[sip", "sipgw.toml: Expected"),
        ("[media]\nport_range = [20, 10]", "two ports between 1024 and 65535"),
        ("[media]\nprocesses = 0", "media.processes: must be 'auto' or a number from 1 to 64"),
        ('[media]\nprocesses = "many"', "sipgw.toml:2: media.processes: 'many' is not one of 'auto'"),
        ("[media]\nprocesses = 3\nport_range = [4000, 4003]", "no pair of ports for each of 3"),
    ],
)
def test_an_error_names_file_line_key_and_remedy(text: str, says: str) -> None:
    assert says in wrong(text)
    assert "sk-12345" not in wrong(text)


def test_the_tables_of_sip_and_its_tls() -> None:
    text = '[sip]\nhost = "::"\ndns = ["192.0.2.53"]\n'
    text += '[sip.tls]\ncertificate = "sip.pem"\nca = "ca.pem"\nclients = "verified"'
    config = parse(text, "x", {})
    assert (config.sip.host, config.sip.dns, config.sip.tls.port) == ("::", ("192.0.2.53",), 5061)
    assert config.sip.tls.clients == "verified"
    with pytest.raises(ConfigError, match="needs 'ca'"):
        parse('[sip.tls]\ncertificate = "sip.pem"\nclients = "verified"', "x", {})


def test_files_of_windows_editors_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark = "\ufeff".encode()
    (tmp_path / "agents").mkdir()
    (tmp_path / "sipgw.toml").write_bytes(mark + b'[sip]\r\nport = 5070\r\n[agent]\r\nbusiness = "${SHOP}"\r\n')
    (tmp_path / ".env").write_bytes(mark + b"SHOP=Books\r\n")
    (tmp_path / "agents" / "night.md").write_bytes(mark + b'+++\r\ngreeting = "Hi."\r\n+++\r\nBe brief.\r\n')
    config, agents = load_all(None)
    assert (config.sip.port, config.agent.business) == (5070, "Books")
    assert (agents["night"].agent.greeting, agents["night"].agent.prompt) == ("Hi.", "Be brief.")


def test_the_line_that_is_no_utf_8_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sipgw.toml").write_bytes(b'[agent]\nbusiness = "caf\xe9"\n')
    with pytest.raises(ConfigError, match=r"^sipgw\.toml:2: this is no UTF-8"):
        load()
    (tmp_path / "sipgw.toml").unlink()
    (tmp_path / ".env").write_bytes("KEY=caf\xe9".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"^\.env:1: this is no UTF-8"):
        load()


@pytest.mark.parametrize("line", ['KEY="very-secret', "KEY: very-secret", "KEY very-secret", "KEY='very-secret' x"])
def test_a_line_of_env_that_sets_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """The gateway would run with the demo model instead of the service whose key this is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"# keys\nexport SHOP = Books  # ours\n\n{line}\nOTHER=1\n")
    with pytest.raises(ConfigError) as refused:
        load()
    assert str(refused.value) == (".env:4: write NAME=value here; a quotation mark needs a second one behind the value")


def test_a_folder_called_env_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()
    load()


@pytest.mark.parametrize(
    "text", ['[storage]\nurl = "s3://AKIA:very-secret@host/bucket"', '[browser]\nturn = ["turn:ann:very-secret@host"]']
)
def test_an_address_with_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="is not like") as told:
        parse(text, "x", {})
    assert "very-secret" not in str(told.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        load(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '\n[assemblyai.extra]\nvoice_focus = "near-field"\nmin_turn_silence = 0.3\n',
            "sipgw.toml:4: assemblyai.extra.min_turn_silence: must be a whole number of milliseconds from 10 to 60000",
        ),
        (
            "[openai]\nextra = { store = true }\n",
            "sipgw.toml:2: openai.extra.store: cannot be set: the gateway decides on it",
        ),
        (
            "[openai_realtime.extra.audio.input]\nturn_detection = { threshold = 5 }\n",
            "sipgw.toml:2: openai_realtime.extra.audio.input.turn_detection.threshold: must be a number from 0 to 1",
        ),
        (
            '[[languages]]\ncode = "de"\n[[languages]]\ncode = "es"\n[languages.sentences]\nfillr = "x"\n',
            "sipgw.toml:6: languages.1.sentences.fillr: 'fillr' is not one of 'filler', ",
        ),
        (
            '[[languages]]\ncode = "de"\nsentences = { filler = 3 }\n',
            "sipgw.toml:3: languages.0.sentences.filler: expected a string, got 3",
        ),
        *(
            (
                f'[[prices]]\npart = "llm"\nname = "x"\nunit = "tokens_in"\nprice = 1\nsince = {since}\n',
                f"sipgw.toml:6: prices.0.since: expected a day like 2026-06-01, got {told}",
            )
            for since, told in (
                ("20261101", "20261101"),
                ('"1793491200"', "'1793491200'"),
                ('"soon"', "'soon'"),
                ("2026-11-01T00:00:00Z", "2026-11-01 00:00:00+00:00"),
            )
        ),
    ],
)
def test_a_fault_below_a_table_of_ones_own_words_has_its_line_and_its_key(text: str, says: str) -> None:
    assert wrong(text).startswith(says)


def test_lines_are_found_in_arrays_of_tables() -> None:
    text = "[a]\nx=1\n[[t]]\ny=1\n\n[[t]]\n# c\ny = 2\n[t.z]\nw=1"
    assert [line_of(text, path) for path in (("a", "x"), ("t", 0, "y"), ("t", 1, "y"), ("t", 1), ("q",))] == [
        2,
        4,
        8,
        6,
        0,
    ]


@pytest.mark.parametrize("everything", [False, True], ids=["", "with what is commented out"])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_once_its_variables_are_set(recipe: Path, everything: bool) -> None:
    text = recipe.read_text()
    if everything:
        text = re.sub(r"^# (?=\w+ = |\[\w+\]$)", "", text, flags=re.MULTILINE)
    explained = text.partition("# In .env:\n")[2].partition("\n\n")[0]
    named = {name for line in explained.splitlines() for name in re.findall(r"\b([A-Z_]{4,})=", line)}
    assert named, "every recipe says what stands in .env"
    variables = dict.fromkeys(named, "a-long-value") | {"PUBLIC_ADDRESS": "203.0.113.7", "PBX_ADDRESS": "10.0.0.5"}
    variables |= {"PLIVO_NETWORK": "198.51.100.0/28", "SIP_PROXY": "10.0.0.5:5060"}
    config = parse(text, recipe.name, variables)
    name = recipe.stem.removesuffix("-secure")
    assert [trunk.name for trunk in config.trunks] == ([name] if name != "linphone" else [])
    assert bool(config.accounts) is (recipe.stem == "linphone")
    missing = wrong(text, {})
    assert "sipgw.toml" in missing
    assert "not set" in missing


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[accounts]]\nuser = "a"\npassword = "${SHORT}"\n', "shorter than 8"),
        ('[[accounts]]\nuser = "a b"\npassword = "${LONG}"\n', "letters, digits"),
        ('[[accounts]]\nuser = "a"\npassword = "in the open"\n', "secrets stand in the environment"),
        ('[[accounts]]\nuser = "a"\npassword = "${LONG}"\ntrunk = "t"\n', "not there"),
        ('[[accounts]]\nuser = "a"\npassword = "${LONG}"\nnetworks = ["10.0.0.1/8"]\n', "networks"),
        ('[[accounts]]\nuser = "a"\npassword = "${LONG}"\n' * 2, "two accounts"),
        ('[[trunks]]\nname = "t"\nmode = "peer"\nproof = "digest"\n', "no [[accounts]] has its name"),
        ('[admission]\nalgorithms = ["SHA-1"]\n', "not one of"),
        ("[admission]\nalgorithms = []\n", "at least 1"),
        ("[admission]\nmax_calls = 0\n", "more than 0"),
        ('[[trunks]]\nname = "p"\nmode = "peer"\nnetworks = ["192.0.2.1/32"]\ncalls_per_second = 0\n', "more than 0"),
    ],
)
def test_wrong_accounts_and_limits_are_told(text: str, says: str) -> None:
    assert says in wrong(text, {"SHORT": "1234", "LONG": "a-long-value"})


def test_the_page_on_providers_shows_a_configuration_that_works() -> None:
    page = (Path(__file__).parent.parent / "docs" / "providers" / "README.md").read_text()
    extra, realtime, block = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    keys = KEYS | {"GROQ_API_KEY": "g", "DEEPGRAM_API_KEY": "d", "CARTESIA_API_KEY": "c"}
    config = parse(block, "page", keys)
    choice = choose(config)
    assert choice.of("stt") == "assemblyai, then deepgram, then local"
    assert choice.of("llm") == "openai, then openai_backup, then local"
    assert choice.of("tts") == "elevenlabs, then cartesia"
    assert config.failover.first_sound == 1.5
    assert parse(extra, "page", keys).table("openai").extra == {"temperature": 0.3, "service_tier": "priority"}
    assert choose(parse(realtime, "page", keys)).of("realtime") == "openai, then assemblyai"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[mcp]]\nname = "x"\nurl = "https://x"\ntools = ["cancel_order"]\nconfirm = ["cancel_oder"]\n',
            "cancel_oder is not one of the tools: cancel_order",
        ),
        ("[turns]\nreprompts = -1\n", "turns.reprompts: must be 0 or more"),
        ("[turns]\nendpointing_delay = -0.1\n", "turns.endpointing_delay: must be 0 or more"),
        (
            '[turns]\nendpointing_delay = "2s"\nmax_endpointing_delay = "1s"\n',
            "max_endpointing_delay must be at least endpointing_delay",
        ),
    ],
)
def test_a_value_that_would_do_nothing_or_harm_is_refused(text: str, says: str) -> None:
    assert says in wrong(text)


def test_a_tool_that_needs_a_yes_may_be_one_of_all() -> None:
    text = '[[mcp]]\nname = "x"\nurl = "https://x"\ntools = ["*"]\nconfirm = ["cancel_order"]\n'
    assert parse(text, "x", {}).mcp[0].confirm == ("cancel_order",)
    assert parse("[turns]\nmax_endpointing_delay = 0\n", "x", {}).turns.max_endpointing_delay == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"sip.port = {'9' * 5000}", "Exceeds the limit (4300 digits)"),
        (f"a = {'[' * 3000}{']' * 3000}", "more than 20 tables and lists stand within each other"),
        (f"[{'a.' * 900}a]", "more than 20 tables and lists stand within each other"),
    ],
)
def test_what_python_refuses_to_read_is_told_in_one_line(text: str, told: str) -> None:
    assert wrong(text).startswith(f"sipgw.toml: {told}")
    assert "\n" not in wrong(text)


def test_retention_of_days_below_zero_is_told_at_start() -> None:
    with pytest.raises(ConfigError, match="must be at least 0"):
        parse("[retention]\ncalls = -1", "x", {})
