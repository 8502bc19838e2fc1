"""Each provider has a page: its key, its models, its price a minute, and what was verified against what."""

import re
import runpy
from pathlib import Path

import pytest

from agent.providers.deepgram_listen import KEYTERM, KEYTERMS
from agent.providers.provider import Provider
from sipgw.config.registry import every
from sipgw.policy.cost.prices import packaged

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "providers"
OFFERS = [one for one in every() if not one.embedded and one.name != "openai_backup"]
CHARACTERS = 900
"""In a minute of speech; see the page of all."""


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


def test_the_tables_of_the_page_of_all_are_drawn_from_the_registry() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "_site" / "provider_tables.py"))["drawn"]
    assert page("README") == drawn(page("README")), "run python docs/_site/provider_tables.py"


@pytest.mark.parametrize("record", OFFERS, ids=lambda one: f"{one.part} {one.name}")
def test_its_page_names_the_key_the_model_and_what_it_was_verified_against(record: Provider) -> None:
    text, options = page(record.name), record.options()
    for variable in re.findall("[A-Z_]{4,}", record.needs):
        assert f"`{variable}`" in text
    assert (options.voice_id if record.section == "assemblyai_agent" else options.model) in text
    fakes = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert "erified against" in text
    assert any(path.startswith("tests/fakes/") for path in fakes)
    assert all((ROOT / path).exists() for path in fakes)
    assert re.search(r"[Pp]rice", text)
    assert re.search(r"[Oo]nly documented.*?\b20\d\d\b", text, re.DOTALL), "with its source, and the day it was read"
    assert f"[{record.section}]" in page("README"), "and the page of all has its row"


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
    assert "no key, cost nothing" in text
    assert all((ROOT / path).is_dir() for path in re.findall(r"`(tests/[\w/]+)`", text))


def test_the_page_of_deepgram_tells_how_many_key_terms_it_takes_and_how_long() -> None:
    assert f"at most {KEYTERMS} of at most {KEYTERM} characters" in " ".join(page("deepgram").split())
