"""``python -m tests.screenshots``: every page of the dashboard in both themes, into docs/screenshots.

Those of real calls come from tests/interop/test_why.py.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.web.sample_calls import SLOW
from tests.web.sample_gateway import served

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
PAGES = {
    "home": "/", "live": "/live", "calls": "/calls", "trunks": "/trunks", "providers": "/providers",
    "outbound": "/outbound",
    "configuration": "/configuration", "phone": "/phone", "call": f"/calls/{SLOW}",
}  # fmt: skip
WIDE, NARROW = {"width": 1200, "height": 760}, {"width": 390, "height": 780}
TALL = {"home": 1400, "call": 1700}
"""Pixels of pages that are shown to their end; the player of a call stands at the lower edge."""


async def main(folder: Path, wanted: list[str]) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as there:
        async with served(Path(there)) as (_, url), async_playwright() as play:
            browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for theme in ("light", "dark"):
                page = await browser.new_page(viewport=WIDE, color_scheme=theme, locale="en-GB")
                for name, path in PAGES.items():
                    if not wanted or name in wanted:
                        await page.set_viewport_size(WIDE | {"height": TALL.get(name, WIDE["height"])})
                        await page.goto(url + path)
                        await page.wait_for_timeout(600)
                        if name == "call":
                            await page.wait_for_selector("[data-wave=drawn]", state="attached")
                        await page.screenshot(path=folder / f"{name}-{theme}.png")
                if not wanted or "operator" in wanted:
                    await page.set_viewport_size(WIDE)
                    await page.goto(f"{url}/live")
                    await page.click("[data-act]")
                    await page.screenshot(path=folder / f"operator-{theme}.png")
            page = await browser.new_page(viewport=NARROW, locale="en-GB")
            for name, path in {"home": "/", "live": "/live", "calls": "/calls"}.items():
                if not wanted or f"{name}-phone" in wanted:
                    await page.goto(url + path)
                    await page.wait_for_timeout(400)
                    await page.screenshot(path=folder / f"{name}-phone.png")
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main(FOLDER, sys.argv[1:]))
