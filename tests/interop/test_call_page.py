"""The page of a real call in a real browser: everything that it promises to show is there, and nothing else runs."""

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright import async_api as playwright

from sipgw.config.records import RecordingOptions
from sipgw.config.web import WebOptions
from sipgw.web.server import Dashboard
from tests.calls.test_cloud_call import ANSWER, ORDER, every_code
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.programs("chromium")

CHROMIUM = "/usr/bin/chromium"
EVIL = "<script>document.title='owned'</script>"
TEXT = "Where is my order 7346?"


async def holds(page: Any, url: str) -> None:
    """The assertions of the test below, on an open page."""
    await page.goto(url)
    await page.wait_for_selector("[data-ready=ended]", timeout=HANG * 1000)
    words = await page.inner_text("[data-part=turns]")
    assert TEXT in words and "Your raincoat is out for delivery." in words and "get_order_status" in words
    assert await page.locator("[data-part=latency] svg.bars g.step").count() >= 1
    steps = page.locator("[data-part=ladder] g.step")
    assert await steps.count() == 7
    await steps.nth(0).click()
    message = await page.inner_text("[data-message]")
    assert message.startswith("INVITE sip:agent@") and "m=audio" in message and EVIL in message
    assert await page.locator("[data-part=quality] svg").count() == 4
    assert "The caller hung up." in await page.inner_text("[data-part=why]")
    await page.wait_for_selector("[data-wave=drawn]", timeout=HANG * 1000, state="attached")
    length = await page.evaluate(
        "new Promise((done) => { const audio = document.querySelector('audio'); audio.onerror = () => done(-1);"
        " audio.onloadedmetadata = () => done(audio.duration); audio.load(); })"
    )
    assert length > 5
    assert EVIL in await page.inner_text("[data-part=facts]")
    assert "owned" not in await page.title()
    async with page.expect_download() as downloading:
        await page.click("text=pcap")
    assert (await (await downloading.value).path()).stat().st_size > 100_000


def test_the_page_of_a_call(tmp_path: Path) -> None:
    shots = Path(os.environ.get("SCREENSHOTS", tmp_path))

    async def scenario() -> list[str]:
        problems: list[str] = []
        said = [Said(TEXT, 4000, 5000)]
        recording = RecordingOptions(str(tmp_path / "recordings"))
        async with (
            cloud(tmp_path, said, [ORDER, ANSWER], recording=recording, delays=(0.1, 0.3, 0.2)) as world,
            Dashboard(world.gateway, WebOptions(port=0)) as dashboard,
            playwright.async_playwright() as browsers,
        ):
            browser = await browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            page.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            fields = (("P-Asserted-Identity", f'"{EVIL}" <sip:100@127.0.0.1>'),)
            async with calling(world.target, every_code, fields) as phone:
                assert phone.leg
                url = f"{dashboard.url}calls/{quote(phone.leg.id)}"
                await asyncio.sleep(3)
                await page.goto(url)
                await page.wait_for_selector("[data-ready=live]", timeout=HANG * 1000)
                await page.wait_for_selector(f"text={TEXT}", timeout=HANG * 1000)
                await page.click("[data-when-live]")
                await page.fill("dialog form[data-do=instruct] textarea", "Be brief.")
                await page.click("dialog form[data-do=instruct] button")
                await page.wait_for_selector("dialog .notice.good", timeout=HANG * 1000)
                await page.click("dialog [data-close]")
                await asyncio.sleep(1.5)
            await page.wait_for_selector("[data-ready=ended]", timeout=HANG * 1000)
            await holds(page, url)
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                await page.reload()
                await page.wait_for_selector("[data-wave=drawn]", timeout=HANG * 1000, state="attached")
                await page.screenshot(path=shots / f"call-{theme}.png", full_page=True)
            await page.set_viewport_size({"width": 390, "height": 844})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, "a phone's screen never scrolls sideways"
            await browser.close()
        return problems

    assert asyncio.run(scenario()) == []
