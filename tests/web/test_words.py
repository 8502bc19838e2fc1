"""What pages say: one light of a provider, names in words, options as TOML has them, and long texts in pieces."""

import asyncio
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright import async_api as playwright

from agent.records import ProviderFailed
from sipgw.config.config import GatewayConfig
from sipgw.config.words import words
from sipgw.events import CallBegan, CallReported
from sipgw.records.store.tables import CallRecord, EventRecord
from sipgw.web.configuration import tables
from tests.web.gateway_view import visit
from tests.web.sample_calls import SLOW
from tests.web.test_browser import AXE, FAULTS, window

LONG = "tts failed: " + "no sound " * 1100
LIGHT = re.compile(r'class="light" data-is="(\w*)"')


@pytest.mark.parametrize(
    ("in_records", "here", "state"),
    [(None, None, ""), (2, None, "down"), (None, 2, "down"), (300, 2, "down"), (300, None, "wait"), (3000, None, "")],
)
def test_home_and_providers_have_the_same_light(
    tmp_path: Path, in_records: int | None, here: int | None, state: str
) -> None:
    """Minutes since a failure that the records have, and since one that this process has seen."""

    async def look() -> None:
        async with visit(tmp_path) as there:
            now = datetime.now(UTC)
            if in_records is not None:
                at = now - timedelta(minutes=in_records)
                record = CallRecord(
                    id="a/b", trunk="office", agent="agent", caller="1", called="2", began=at, answered=at, ended=at,
                    ending="failed", media={},
                )  # fmt: skip
                about = {"part": "llm", "cause": "it broke"}
                async with there.gateway.store.write() as session:
                    session.add_all([record, EventRecord(call="a/b", at=at, kind="provider_failed", about=about)])
            if here is not None:
                at = now - timedelta(minutes=here)
                there.gateway.watchers.tell(CallBegan("c", at, "in", "office", "agent", "1", "2", {}))
                there.gateway.watchers.tell(CallReported("c", at, ProviderFailed("llm", "it broke")))
            home, page = [(await there.browser.get(path)).text for path in ("/", "/providers")]
            (light,) = set(re.findall(r'data-is="(\w*)"></span><span class="name">Language model', home))
            row = page[page.index("Language model") :]
            assert [light, LIGHT.findall(row)[0]] == [state, state]
            if state:
                assert "it broke" in home and "it broke" in row
                call = "c" if here is not None else "a%2Fb"
                assert f'href="/calls/{call}"' in home and f'href="/calls/{call}"' in row

    asyncio.run(look())


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("llm openai/gpt-6-luna tokens_in", "Language model openai/gpt-6-luna, input tokens"),
        ("trunk telnyx in", "Trunk telnyx, calls in"), ("tts elevenlabs characters", "Voice elevenlabs, characters"),
        ("trunk telnyx", "Trunk telnyx"), ("new thing units", "new thing, units"),
    ],
)  # fmt: skip
def test_what_is_paid_for_has_a_name_in_words(product: str, said: str) -> None:
    assert words(product) == said


def test_the_cost_of_a_call_is_told_in_words(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            at = datetime.now(UTC)
            costs = {"total": 0.1, "llm": 0.1, "estimated": ["llm x tokens_in"], "unpriced": [], "used": {}}
            record = CallRecord(
                id="a", trunk="office", agent="agent", caller="1", called="2", began=at, ended=at, ending="silence",
                media={}, costs=costs,
            )  # fmt: skip
            async with there.gateway.store.write() as session:
                session.add(record)
            told = (await there.browser.get("/calls/a/timeline.json")).json()
            assert told["costs"]["estimated"] == ["Language model x, input tokens"]
            assert told["words"]["units"]["tokens_out"] == "output tokens"

    asyncio.run(look())


def test_options_are_spelled_as_toml_has_them(tmp_path: Path) -> None:
    config = GatewayConfig()
    config = replace(config, agent=replace(config.agent, greeting='Say "yes", {{name}}.', variables=("name", "topic")))
    shown = {f"{table.name}.{one.name}": one.value for table in tables(config) for one in table.options}
    assert shown["agent.greeting"] == r'"Say \"yes\", {{name}}."'
    assert shown["agent.variables"] == '["name", "topic"]'
    assert shown["agent.prompt"] == "", "not set"
    for value in filter(None, shown.values()):
        assert value == "set" or tomllib.loads(f"x = {value}")
    assert shown["web.enabled"] == "true"

    async def look() -> None:
        async with visit(tmp_path, "[agent]\ngreeting = 'Hello {{topic}}'") as there:
            page = (await there.browser.get("/configuration")).text
            assert "not set" in page and not re.search(r">(True|False|None)<", page)
            plain = re.sub(r"<code>.*?</code>|<(\w+) class=\"mono value\">.*?</\1>", "", page, flags=re.DOTALL)
            assert "{{" not in plain, "a variable stands in code"

    asyncio.run(look())


@pytest.mark.programs("chromium")
def test_a_long_text_is_shown_in_part_and_all_of_it_by_a_key(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            at = datetime.now(UTC)
            record = CallRecord(
                id="long", trunk="office", agent="agent", caller="+1555", called="2", began=at, answered=at, ended=at,
                ending="failed", cause=LONG, media={},
            )  # fmt: skip
            async with there.gateway.store.write() as session:
                session.add(record)
            await there.page.set_viewport_size({"width": 390, "height": 780})
            await there.go("/calls")
            row = there.page.locator("tbody tr", has_text="+1555").first
            assert (await row.bounding_box())["height"] < 260
            await there.go("/calls/long")
            card = there.page.locator("[data-part=why]")
            assert (await card.bounding_box())["height"] < 500
            for summary in await card.locator("summary").all():
                await summary.focus()
                await there.page.keyboard.press("Enter")
                break
            await playwright.expect(card).to_contain_text(LONG.strip())
            assert (await card.bounding_box())["height"] > 1000
            await there.page.evaluate(AXE)
            assert await there.page.evaluate(FAULTS) == []
            await there.go(f"/calls/{SLOW}")
            await playwright.expect(there.page.locator("[data-part=facts]")).to_contain_text(f"Call-ID{SLOW}")
            assert there.wrong == []

    asyncio.run(look())
