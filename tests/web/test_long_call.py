"""The page of a call of an hour: little is loaded, once, and what is not seen at first is there all the same."""

import asyncio
import random
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright import async_api as playwright

from media.recording.wav import header
from tests.bench.call_page import CALL, HOUR, tell_hour, tell_turn
from tests.cdr_events import artifact
from tests.web.gateway_view import live_call
from tests.web.sample_calls import LIVE, Played
from tests.web.test_browser import AXE, FAULTS, window

pytestmark = pytest.mark.programs("chromium")
TURNS = HOUR // 5 - 1


def test_all_turns_of_an_hour_are_there_in_little_room_and_are_asked_for_once(tmp_path: Path) -> None:
    sound = tmp_path / "call.wav"

    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            page, asked = there.page, list[str]()
            sound.write_bytes(header(16_000) + b"\xff" * 16_000)
            async with there.gateway.store.write() as session:
                session.add(artifact(CALL, str(sound)))
            tell_hour(there.gateway, str(sound))
            page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
            await there.go(f"/calls/{quote(CALL)}")
            steps = page.locator("[data-part=latency] g.step")
            await playwright.expect(steps).to_have_count(TURNS)
            await page.wait_for_selector("[data-wave=drawn]", state="attached")
            assert (asked.count("timeline.json"), asked.count("waveform.json")) == (1, 1)
            assert asked.index("timeline.json") < asked.index("call_audio.js"), "not only when all scripts have come"
            box = await page.locator(".waits").bounding_box()
            assert box and box["height"] <= 600, "719 turns in a row of their own were 19,000 pixels"
            await steps.last.focus()
            await playwright.expect(steps.last).to_be_in_viewport()
            await page.keyboard.press("Shift+Tab")
            await playwright.expect(steps.nth(TURNS - 2)).to_be_focused()
            await page.evaluate(AXE)
            assert await page.evaluate(FAULTS) == [] and there.wrong == []

    asyncio.run(look())


LISTS = "[...document.querySelectorAll('.waits, .events')]"


def test_lists_of_a_call_that_goes_on_stay_where_somebody_reads_while_it_grows(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            page, rng, played = there.page, random.Random(1), Played(there.gateway, LIVE, HOUR, "Ann")
            there.gateway.begin(live_call(0, began=played.began))
            played.answered(0.5)
            for number in range(100):
                tell_turn(played, number, rng)
            await there.go(f"/calls/{LIVE}")
            steps, rows = page.locator("[data-part=latency] g.step"), page.locator("[data-part=turns] > li")
            await playwright.expect(steps).to_have_count(100)
            await playwright.expect(rows).to_have_count(100)
            await page.evaluate(f"{LISTS}.forEach((list) => list.scrollTop = 300)")
            await page.evaluate("window.first = document.querySelector('[data-part=turns] > li')")
            tell_turn(played, 100, rng)
            await playwright.expect(steps).to_have_count(101)
            await playwright.expect(rows).to_have_count(101)
            assert await page.evaluate(f"{LISTS}.map((list) => list.scrollTop)") == [300, 300]
            assert await page.evaluate("first.isConnected"), "what has not changed is not drawn again"
            assert there.wrong == []

    asyncio.run(look())
