"""Each provider has a page: its key, its models, its price a minute, and what was verified against what."""

import re
from pathlib import Path

import pytest

from sipgw.agents.providers import _LLMS, _REALTIMES, _STT, _TTS
from sipgw.config.config import GatewayConfig
from sipgw.policy.cost.prices import packaged

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "providers"
SECTIONS = {
    ("stt", "assemblyai"): "assemblyai",
    ("stt", "deepgram"): "deepgram",
    ("stt", "cartesia"): "cartesia",
    ("llm", "openai"): "openai",
    ("tts", "elevenlabs"): "elevenlabs",
    ("tts", "cartesia"): "cartesia_tts",
    ("tts", "deepgram"): "deepgram_tts",
    ("tts", "assemblyai"): "assemblyai_tts",
    ("tts", "openai"): "openai_tts",
    ("tts", "polly"): "polly",
    ("realtime", "assemblyai"): "assemblyai_agent",
    ("realtime", "openai"): "openai_realtime",
}
"""The configuration of each part and provider."""
OFFERS = {
    (part, name): offer
    for part, offers in (("stt", _STT), ("llm", _LLMS), ("tts", _TTS), ("realtime", _REALTIMES))
    for name, offer in offers.items()
    if name != "openai_backup"
}
CHARACTERS = 900
"""In a minute of speech; see the page of all."""


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


def test_every_provider_that_can_be_chosen_is_looked_at() -> None:
    assert SECTIONS.keys() == OFFERS.keys()


@pytest.mark.parametrize(("part", "name"), SECTIONS, ids=" ".join)
def test_its_page_names_the_key_the_model_and_what_it_was_verified_against(part: str, name: str) -> None:
    text, options = page(name), getattr(GatewayConfig(), SECTIONS[part, name])
    for variable in re.findall("[A-Z_]{4,}", OFFERS[part, name].variable):
        assert f"`{variable}`" in text
    assert (options.voice_id if part == "realtime" and name == "assemblyai" else options.model) in text
    fakes = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert "Verified against" in text
    assert any(path.startswith("tests/fakes/") for path in fakes)
    assert all((ROOT / path).exists() for path in fakes)
    assert re.search(r"[Pp]rice", text)
    assert SECTIONS[part, name] in page("README"), "and the page of all has its row"


@pytest.mark.parametrize("price", [one for one in packaged() if one.part != "trunk"], ids=lambda one: one.name)
def test_a_price_of_the_table_stands_there_by_the_minute(price) -> None:
    text = page(price.name.partition("/")[0])
    if price.unit in ("seconds", "characters") and price.price:
        amount = 60 if price.unit == "seconds" else CHARACTERS
        assert f"${amount * price.price / price.per:.4f}".rstrip("0") in text
    elif price.price:
        assert f"${price.price:g}" in text or f"${price.price:.2f}" in text, "tokens: by the million"


def test_the_embedded_models_are_verified_as_they_are() -> None:
    text = page("local")
    assert "no key, no price" in text
    assert all((ROOT / path).is_dir() for path in re.findall(r"`(tests/[\w/]+)`", text))
