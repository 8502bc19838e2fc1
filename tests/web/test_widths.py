"""Tables in windows of several widths (Debian's Chromium): no column is cut off."""

import asyncio
from pathlib import Path

import pytest
from playwright import async_api as playwright

from tests.web.sample_calls import SLOW
from tests.web.test_browser import PATHS, window

pytestmark = pytest.mark.programs("chromium")
CUT = """() => {
  document.querySelectorAll("main details").forEach((one) => { one.open = true; });
  return [...document.querySelectorAll(".table")].filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => `${one.innerText.slice(0, 60)}: ${one.scrollWidth} of ${one.clientWidth} pixels`);
}"""


@pytest.mark.parametrize("width", [390, 840, 1100])
def test_no_column_of_a_table_is_cut_off(tmp_path: Path, width: int) -> None:
    async def look() -> None:
        async with window(tmp_path, hostile=True, viewport={"width": width, "height": 800}) as there:
            for path in PATHS:
                await there.go(path)
                assert await there.page.evaluate(CUT) == [], path

    asyncio.run(look())


def test_the_page_of_a_call_says_what_its_figures_are(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, viewport={"width": 390, "height": 800}) as there:
            await there.go("/calls/past-1@10.0.0.5")
            fact = there.page.locator(".facts > div", has=there.page.locator("dt", has_text="MOS"))
            await playwright.expect(fact.locator("dd")).to_have_text("4.3")
            await there.go(f"/calls/{SLOW}")
            await there.sees("[data-part=refused] h3", "[2001:db8:85a3:1111:2222:8a2e:370:7334]:40020")
            cost = there.page.locator("[data-part=cost] td[data-label=Cost]").first
            label = "one => getComputedStyle(one, '::before').content"
            assert await cost.evaluate(label) == '"Cost"', "a card has the heads of its columns as labels"

    asyncio.run(look())
