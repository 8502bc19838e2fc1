"""Languages and hand-over in configuration: what may be written, which voice each language gets."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.providers.provider import Provider
from agent.stock import STOCK
from sipgw.agents.agents import VARIABLES, Agents, filled
from sipgw.agents.orders import NO_EMERGENCIES, persona, purpose, voicemail
from sipgw.agents.providers import choose, opened
from sipgw.config import stock
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.registry import provider
from sipgw.config.stock import CALLING, CALLING_BACK, GREETINGS, SCREENED, VOICEMAIL

KEYS = {"ELEVENLABS_API_KEY": "xi", "CARTESIA_API_KEY": "ca", "ASSEMBLYAI_API_KEY": "aai", "OPENAI_API_KEY": "sk"}
TWO = """
[elevenlabs]
voice_id = "anna"
[[languages]]
code = "en"
sentences.apology = "Sorry!"
[[languages]]
code = "es"
voice_id = "lucia"
sentences.reprompt = "¿Hola?"
[[languages]]
code = "hi"
tts = "cartesia"
voice_id = "priya"
"""


def config(text: str) -> GatewayConfig:
    return parse(text, "sipgw.toml", KEYS)


def test_each_language_has_its_voice_and_the_stt_know_them_all() -> None:
    async def run():
        two = config(TWO)
        async with opened(two, choose(two)) as providers:
            named = {code: providers.tts(code) for code in ("en", "es", "hi", "", "it")}
            return named, providers.stt()

    voices, stt = asyncio.run(run())
    options = {code: voice._tts._session._options for code, voice in voices.items() if code != "hi"}
    assert [(options[code].voice_id, options[code].language) for code in ("en", "es")] == [
        ("anna", "en"),
        ("lucia", "es"),
    ]
    assert options[""].voice_id == options["it"].voice_id == "anna", "that of the first language"
    assert voices["hi"].name.startswith("cartesia/"), "and the agent's own stands in for it"
    assert stt._makers[0]()._stt._session._options.languages == ("en", "es", "hi")


def test_sentences_are_those_of_the_language_unless_changed() -> None:
    two = config(TWO)
    values = dict.fromkeys(
        ("business", "caller", "dialled", "trunk", "date", "time", "weekday", "topic", "emergency_number"), ""
    )
    who = persona(two, values)
    assert who.speaking("en").apology == "Sorry!"
    assert who.speaking("es").reprompt == "¿Hola?"
    assert who.speaking("es").apology.startswith("Lo siento")
    german = persona(config('[[languages]]\ncode = "de"'), values | {"business": "Müller"})
    assert german.greeting == GREETINGS["de"].replace("{{business}}", "Müller")


def test_the_gateway_has_its_sentences_in_each_language() -> None:
    tables = {name: table for name, table in vars(stock).items() if name.isupper()}
    assert len(tables) == 11
    for name, table in tables.items():
        assert set(table) == set(STOCK), name
        assert len(set(table.values())) == len(table), name
        assert len({tuple(sorted(re.findall(r"{{\w+}}", text))) for text in table.values()}) == 1, name


@pytest.mark.parametrize("code", sorted(STOCK))
def test_what_is_said_first_in_calls_out_is_in_the_language_of_the_agent(code: str) -> None:
    """A caller of a German agent was called back in English."""
    spoken = config(f'[agent]\nanswering_machines = "message"\n[[languages]]\ncode = "{code}"')
    about = dict.fromkeys((*VARIABLES, "topic"), "") | {"business": "Acme"}
    back = about | {"topic": "Lampe"}
    for values, found, table in (
        (about, persona(spoken, about, calling=True).greeting, CALLING),
        (back, persona(spoken, back, calling=True).greeting, CALLING_BACK),
        (about, purpose(spoken, about), SCREENED),
        (back, purpose(spoken, back), CALLING_BACK),
        (about, voicemail(spoken, about), VOICEMAIL),
    ):
        assert found == filled(table[code], values)
        assert values["topic"] in found and "Acme" in found and (code == "en" or found != filled(table["en"], values))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[languages]]\ncode = "tlh"', "'tlh' is not one of de, en"),
        ('[[languages]]\ncode = "en"\n[[languages]]\ncode = "en"', "two languages are called 'en'"),
        ('[[languages]]\ncode = "en"\nttts = "x"', "did you mean 'tts'?"),
    ],
)
def test_what_cannot_be_a_language_is_an_error_of_the_configuration(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")):
        config(text)


def test_a_voice_of_no_provider_without_a_key_or_without_its_package_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="'local' is none of"):
        choose(config('[[languages]]\ncode = "en"\ntts = "local"'))
    text = '[[languages]]\ncode = "en"\ntts = "deepgram"\n'
    with pytest.raises(ConfigError, match=r":\d+: languages\.0\.tts: 'deepgram' needs a key: set DEEPGRAM_API_KEY"):
        choose(config(text))
    keyed = config(text + '[deepgram_tts]\napi_key = "${ELEVENLABS_API_KEY}"\n')
    assert choose(keyed).tts == ("elevenlabs",)

    def bare(part: str, name: str) -> Provider:
        found = provider(part, name)
        return replace(found, package="no_such_vendor") if (part, name) == ("tts", "deepgram") else found

    monkeypatch.setattr("sipgw.agents.providers.provider", bare)
    with pytest.raises(ConfigError, match='pip install "no_such_vendor"'):
        choose(keyed)


def test_a_file_of_an_agent_has_languages_and_colleagues_of_its_own() -> None:
    main = config("")
    text = 'hand_over = ["agent"]\nabout = "invoices"\nopening = "Billing."\n[[languages]]\ncode = "es"\n'
    billing = parse_agent(text, Path("agents/billing.toml"), main, KEYS)
    assert billing.codes == ("es",)
    assert billing.agent.hand_over == ("agent",)
    assert set(Agents(main, {"billing": billing}).all) == {"agent", "billing"}


@pytest.mark.parametrize(("one", "other"), [('realtime = "openai"', ""), ("", 'realtime = "openai"')])
def test_who_hands_over_and_who_takes_over_speak_by_the_same_means(one: str, other: str) -> None:
    main = config("")
    first = parse_agent(f'{one}\nhand_over = ["second"]', Path("agents/first.toml"), main, KEYS)
    second = parse_agent(other, Path("agents/second.toml"), main, KEYS)
    with pytest.raises(
        ConfigError, match=r"first\.toml:2: hand_over: 'second' and 'first' need both a realtime model, or neither"
    ):
        Agents(main, {"first": first, "second": second})
    Agents(main, {"first": first, "second": parse_agent(one, Path("agents/second.toml"), main, KEYS)})


def test_nobody_hands_over_to_a_stranger() -> None:
    billing = parse_agent('hand_over = ["nobody"]', Path("agents/billing.toml"), config(""), KEYS)
    with pytest.raises(ConfigError, match="hand_over: 'nobody' is no agent; there are: agent, billing"):
        Agents(config(""), {"billing": billing})


@pytest.mark.parametrize("code", sorted(STOCK))
def test_every_agent_says_that_it_makes_no_emergency_calls_and_which_number_does(code: str) -> None:
    values = dict.fromkeys(("business", "caller", "dialled", "trunk", "date", "time", "weekday", "topic"), "")
    spoken = config(f'[[languages]]\ncode = "{code}"\n[agent]\nprompt = "Be brief."')
    who = persona(spoken, values | {"emergency_number": "1 1 2"})
    assert " 1 1 2 " in who.speaking(code).emergency
    unknown = persona(spoken, values | {"emergency_number": ""}).speaking(code).emergency
    assert unknown.strip() == unknown == who.speaking(code).emergency.replace(" 1 1 2", "")
    assert who.prompt == f"Be brief.\n{NO_EMERGENCIES}"


def test_the_owners_sentence_replaces_it() -> None:
    values = dict.fromkeys(("business", "caller", "dialled", "trunk", "date", "time", "weekday", "topic"), "")
    own = config(
        '[[languages]]\ncode = "en"\nsentences = { emergency = "Ring {{emergency_number}} now." }\n'
        '[[languages]]\ncode = "de"\nsentences = { emergency = "Rufen Sie {{emergency_number}}." }'
    )
    who = persona(own, values | {"emergency_number": "9 1 1"})
    assert who.speaking("en").emergency == "Ring 9 1 1 now."
    assert who.speaking("de").emergency == "Rufen Sie 9 1 1."
    with pytest.raises(ConfigError, match=r"languages\.0\.sentences\.emergency: there is no \{\{number\}\}"):
        Agents(config('[[languages]]\ncode = "de"\nsentences = { emergency = "{{number}}" }'), {})
