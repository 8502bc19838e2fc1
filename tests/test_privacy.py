# mypy: disable-error-code="arg-type"
"""What is private is taken out of texts, however it was said; what only looks like it stays."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn, verhoeff

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.deepgram_listen import DeepgramOptions
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.records import NAMES_NEED, PrivacyOptions, english_models
from sipgw.records.privacy import names
from sipgw.records.privacy.at_provider import at_providers
from sipgw.records.privacy.digits import enough, runs
from sipgw.records.privacy.redaction import redacted, redactor_for
from tests.cloud import cloud
from tests.phone import calling
from tests.waiting import HANG

ALL = ("cards", "aadhaar", "ssn", "iban", "phones", "emails")

WORDS = {
    "en": "zero one two three four five six seven eight nine",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
}


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("seven 3 four six", "7346"),
        ("double five, triple oh 1", "550001"),
        ("forty-one eleven", "4111"),
        ("ninety nine ten", "9910"),
        ("dreiundzwanzig vier", "234"),
        ("treinta y uno veintidós", "3122"),
        ("soixante-dix-huit quatre-vingt-dix-neuf vingt et un dix-sept", "78992117"),
        ("12 - 34.56/78 (9)", "123456789"),
        ("one um two dash three", "123"),
    ],
)
def test_digits_are_read_as_they_are_said(said: str, digits: str) -> None:
    assert [run.digits for run in runs(said)] == [digits]


def test_a_look_at_the_words_tells_whether_it_is_worth_looking() -> None:
    assert not enough("order seven three four six for two of us, please, thanks a lot, bye")
    assert enough("triple one double two three four")


def test_other_words_end_a_run() -> None:
    assert [run.digits for run in runs("one apple, two pears and 34 plums")] == ["1", "2", "34"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("My card is 4111 1111 1111 1111, thanks.", "My card is [card ••1111], thanks."),
        ("four " + "one " * 15 + "it is", "[card ••1111] it is"),
        ("it's forty-one eleven double one 11 eleven 1111 eleven", "it's [card ••1111]"),
        ("378282246310005 and 5555-5555-5555-4444", "[card ••0005] and [card ••4444]"),
        ("4111 1111 1111 1111 12 26", "[card ••1111] 12 26"),
        ("४१११ १११११११११११1", "[card ••1111]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("Aadhaar 2341 2341 2346", "Aadhaar [aadhaar ••2346]"),
        ("Aadhaar 2341 2341 2347", "Aadhaar 2341 2341 2347"),
        ("536-22-1234", "[ssn]"),
        (
            "my social security number is five three six double two one 2 three four",
            "my social security number is [ssn]",
        ),
        ("order 536221234", "order 536221234"),
        ("000-22-1234", "000-22-1234"),
        ("DE89 3704 0044 0532 0130 00 please", "[iban DE••00] please"),
        ("gb82west12345698765432", "[iban GB••32]"),
        ("D E eight nine 3704 double zero four four 0532 0130 00", "[iban DE••00]"),
        ("DE88 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
        ("call +1 415 555 2671 or 415-555-2671", "call [phone ••71] or [phone ••71]"),
        ("plus four nine three zero nine zero one eight two zero", "[phone ••20]"),
        ("four one five triple five two six seven one", "[phone ••71]"),
        ("jane.doe@example.com", "[email]"),
        ("it is jane dot doe at example dot com", "it is [email]"),
        ("max punkt muster ät beispiel punkt de", "[email]"),
        ("order 7346 of 3 May 2026 for 1,250.00 at noon", "order 7346 of 3 May 2026 for 1,250.00 at noon"),
    ],
)
def test_what_is_private_leaves_its_shape(text: str, left: str) -> None:
    assert redacted(text, ALL, "US") == left


def test_only_what_the_policy_names_is_taken_out() -> None:
    text = "4111111111111111 jane@example.com"
    assert redacted(text, ("emails",)) == "4111111111111111 [email]"
    assert redacted(text, ()) == text


def spoken(number: str, language: str, chance: random.Random) -> str:
    """`number` as people say it: words, digits, doubles and pauses, mixed."""
    words, parts, at = WORDS[language].split(), list[str](), 0
    while at < len(number):
        digit = number[at]
        if number[at : at + 2] == digit * 2 and language == "en" and chance.random() < 0.5:
            parts.append(f"double {words[int(digit)]}")
            at += 2
            continue
        parts.append(digit if chance.random() < 0.3 else words[int(digit)])
        at += 1
    return "".join(part + chance.choice((" ", " ", ", ", " - ", ". ")) for part in parts).strip(" ,.-")


@given(
    st.text("0123456789", min_size=14, max_size=14), st.sampled_from(sorted(WORDS)), st.randoms(use_true_random=False)
)
def test_every_card_is_found_however_it_is_said(rest: str, language: str, chance: random.Random) -> None:
    number = "4" + rest
    number += luhn.calc_check_digit(number)
    left = redacted(f"Yes: {spoken(number, language, chance)}. Bye.", ("cards",))
    assert left in (f"Yes: [card ••{number[-4:]}]. Bye.", f"Yes: [card ••{number[-4:]}] Bye.")


@given(
    st.text("0123456789", min_size=10, max_size=10), st.sampled_from(sorted(WORDS)), st.randoms(use_true_random=False)
)
def test_every_aadhaar_is_found_however_it_is_said(rest: str, language: str, chance: random.Random) -> None:
    number = "2" + rest
    number += verhoeff.calc_check_digit(number)
    assert f"[aadhaar ••{number[-4:]}]" in redacted(f"It is {spoken(number, language, chance)}", ("aadhaar",))


@given(st.text(max_size=200) | st.text("0123456789 -+@.DE", max_size=200))
def test_any_text_is_read_and_what_is_left_is_left_alone(text: str) -> None:
    left = redacted(text, ALL, "DE")
    assert redacted(left, ALL, "DE").count("[") >= left.count("[")


@pytest.mark.parametrize("text", ["1 " * 10_000, "a@" * 10_000, "DE89 " * 4_000, "one double " * 2_000, "+" * 20_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    redacted(text, ALL, "US")
    assert time.process_time() - began < 5


def test_a_policy_is_read_from_the_configuration() -> None:
    config = parse('[privacy]\nredact = ["cards", "phones"]\nwhere = ["records"]\ncountry = "US"', "x", {})
    assert redactor_for(config.privacy, "records")("415-555-2671") == "[phone ••71]"
    assert redactor_for(config.privacy, "logs")("415-555-2671") == "415-555-2671"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('redact = ["card"]', "'card' is not one of"),
        ('country = "us"', "not two letters"),
        ('redact = ["names"]', "pip install"),
    ],
)
def test_a_policy_that_cannot_be_is_told_at_start(line: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.config.records.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=told):
        parse(f"[privacy]\n{line}", "x", {})


def test_names_are_found_by_presidio() -> None:
    """The real one, with a small model of spaCy; what it finds is no promise, but these it must."""
    if find_spec("presidio_analyzer") is None or not english_models():
        pytest.skip(NAMES_NEED)
    PrivacyOptions(redact=("names",))
    assert redacted("This is Jane Doe, 4111111111111111.", ("names", "cards")) == "This is [name], [card ••1111]."
    assert redacted("my name is peter miller and I live in Boston", ("names",)) == (
        "my name is [name] and I live in Boston"
    )
    assert redacted("what is the status of my order", ("names",)) == "what is the status of my order"


def test_the_model_of_names_is_loaded_before_calls_and_takes_one_text_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, working, both = list[str](), threading.Lock(), threading.Barrier(2)

    def analyze(**_: object) -> list[object]:
        assert working.acquire(blocking=False), "two texts at a time"
        working.release()
        return []

    def model() -> object:
        loaded.append("model")
        return SimpleNamespace(analyze=analyze)

    def redact(text: str) -> None:
        both.wait(HANG)
        for number in range(50):
            redacted(f"{text} {number}", ("names",))

    monkeypatch.setattr(names, "_analyzer", model)
    names.load({"cards"})
    assert loaded == []
    names.load({"cards", "names"})
    assert loaded == ["model"]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(redact, ("I am Ann.", "I am Ben.")))


def test_names_need_a_model_that_is_installed_and_none_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.config.records.find_spec", lambda name: object())
    monkeypatch.setattr("sipgw.config.records.entry_points", lambda group: [])
    with pytest.raises(ValueError, match=r"an English model of spaCy: pip install 'sipgw\[names\]'"):
        PrivacyOptions(redact=("names",))


def test_the_default_takes_out_what_nobody_should_keep() -> None:
    assert redactor_for(PrivacyOptions(), "records")("4111111111111111, +14155552671") == "[card ••1111], +14155552671"


# At the provider


def test_providers_take_out_what_they_can_before_the_agent_hears_it(tmp_path: Path) -> None:
    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, privacy=PrivacyOptions(redact=("cards", "aadhaar", "emails"), at_provider=True))

    async def scenario() -> dict[str, str]:
        async with cloud(tmp_path, [], [], change=change) as world:
            async with calling(world.target, lambda _: b"\xff" * 160):
                await world.stt.until(lambda: world.stt.sessions)  # type: ignore[return-value]
            return dict(world.stt.sessions[0].query)

    query = asyncio.run(scenario())
    assert (query["redact_pii"], query["redact_pii_policies"]) == ("true", '["credit_card_number", "email_address"]')


def test_what_a_provider_is_told_by_hand_goes_before_the_policy() -> None:
    config = GatewayConfig(privacy=PrivacyOptions(at_provider=True))
    assert at_providers(config, ["deepgram"], []).table("deepgram").redact == ("numbers",), (
        "Flux cannot tell them apart"
    )
    nova = config.having(deepgram=DeepgramOptions(model="nova-3"))
    assert at_providers(nova, ["deepgram"], []).table("deepgram").redact == ("pci", "ssn")
    by_hand = config.having(assemblyai=AssemblyAIOptions(redact=("drug",)))
    assert at_providers(by_hand, ["assemblyai"], []).table("assemblyai").redact == ("drug",)
    off = GatewayConfig()
    assert at_providers(off, ["deepgram"], []) is off
