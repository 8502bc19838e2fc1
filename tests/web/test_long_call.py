"""The page of a call of an hour: little is loaded, once, and what is not seen at first is there all the same."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright import async_api as playwright

from media.recording.wav import header
from tests.bench.call_page import CALL, HOUR, tell_hour
from tests.cdr_events import artifact
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
            assert asked.index("timeline.json") < asked.index("ears.js"), "not only when all scripts have come"
            box = await page.locator(".waits").bounding_box()
            assert box and box["height"] <= 600, "719 turns in a row of their own were 19,000 pixels"
            await steps.last.focus()
            await playwright.expect(steps.last).to_be_in_viewport()
            await page.keyboard.press("Shift+Tab")
            await playwright.expect(steps.nth(TURNS - 2)).to_be_focused()
            await page.evaluate(AXE)
            assert await page.evaluate(FAULTS) == [] and there.wrong == []

    asyncio.run(look())
