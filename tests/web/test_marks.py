"""The marks on the waveform in a real browser: they are seen, read, pressed, and few."""

import asyncio
import itertools
from pathlib import Path

import pytest
from playwright import async_api as playwright

from tests.web.sample_calls import AGREED, SILENT, SLOW
from tests.web.test_browser import AXE, FAULTS, Window, window

pytestmark = pytest.mark.programs("chromium")


async def drawn(there: Window, theme: str, wide: int) -> None:
    await there.page.set_viewport_size({"width": wide, "height": 844})
    await there.page.emulate_media(color_scheme=theme)
    await there.go(f"/calls/{SLOW}")
    await there.page.wait_for_selector(".mark")


@pytest.mark.parametrize(("theme", "wide"), [("light", 1280), ("dark", 390)])
def test_the_evidence_of_a_decision_is_read_on_the_waveform_and_leads_to_its_line(
    tmp_path: Path, theme: str, wide: int
) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page = there.page
            await drawn(there, theme, wide)
            await page.evaluate(AXE)
            assert await page.evaluate(FAULTS) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= wide
            mark, line = page.locator('.mark[aria-label*="echo −31 dB"]'), page.locator(".events li", has_text="−31 dB")
            assert await mark.get_attribute("title") == await mark.get_attribute("aria-label")
            strip, place = await page.locator("[data-marks]").bounding_box(), await mark.bounding_box()
            middle = (place["x"] + place["width"] / 2 - strip["x"]) / strip["width"]
            assert middle == pytest.approx((27.5 - AGREED) / 60, abs=0.01), "where it is heard"
            await mark.focus()
            assert "paused: voice 0.93 for 180 ms" in await page.inner_text("[data-marked]")
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            await mark.click()
            heard = await page.evaluate("document.querySelector('audio').currentTime")
            assert 22.6 < heard < 25.5, "from a little before it"
            await playwright.expect(line).to_be_in_viewport()
            await playwright.expect(line).to_have_class("now")
            await playwright.expect(line.locator("button")).to_be_focused()
            await page.locator(".events li", has_text="expected digits 6 of 10").locator("button").press("Enter")
            other = page.locator('.mark[aria-label*="digits 6 of 10"]')
            await playwright.expect(other).to_be_in_viewport()
            await playwright.expect(other).to_be_focused()
            await playwright.expect(other).to_have_class("mark now")
            await playwright.expect(mark).to_have_class("mark")
            assert there.wrong == []

    asyncio.run(look())


GROUPED = """
async () => {
  const { groups } = await import("/static/marks.js");
  const events = Array.from({ length: 500 }, (_, n) => ({ t: 7 * n, kind: "turn", text: "" }));
  return groups(events, 70, 3500, 350).map((one) => [one.x, one.events.length]);
}
"""


def test_the_marks_of_an_hour_are_few_and_apart(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await there.go("/")
            found = await there.page.evaluate(GROUPED)
            assert len(found) <= 350 / 24 + 1 and sum(events for _, events in found) == 490, "ten were before it"
            assert all(after[0] - before[0] >= 24 for before, after in itertools.pairwise(found))
            assert found[0][0] == 0 and found[-1][0] <= 350

    asyncio.run(look())


def test_a_call_without_a_waveform_is_heard_from_its_lines_all_the_same(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await there.page.route("**/waveform.json", lambda route: route.fulfill(status=404, body="{}"))
            await there.go(f"/calls/{SLOW}")
            await there.page.locator(".events li", has_text="−31 dB").locator("button").click()
            assert await there.page.evaluate("document.querySelector('audio').currentTime") > 22
            assert await there.page.locator(".mark").count() == 0
            await playwright.expect(there.page.locator("[data-marks]")).to_be_hidden()
            await there.go(f"/calls/{SILENT}")
            assert await there.page.locator(".events button, [data-marks]").count() == 0
            assert [line for line in there.wrong if "404" not in line] == []

    asyncio.run(look())


def test_a_mark_is_heard_also_before_its_line_is_made(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await drawn(there, "light", 1280)
            await there.page.evaluate("document.querySelector('[data-part=events]').replaceChildren()")
            await there.page.locator('.mark[aria-label*="echo −31 dB"]').click()
            assert await there.page.evaluate("document.querySelector('audio').currentTime") > 22
            assert there.wrong == []

    asyncio.run(look())
