"""The page of prompts in a real browser: write a draft, see what it changes, try it, publish it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from playwright import async_api as playwright

from sipgw.records.store.prompts import Prompts
from sipgw.web import app
from sipgw.web.comparisons import Comparisons
from tests.web.sample_gateway import SCRIPT
from tests.web.test_browser import AXE, FAULTS, window
from tests.web.test_campaigns_browser import press_until
from tests.web.test_prompts import EVAL, agent_file

pytestmark = pytest.mark.programs("chromium")
PAGE = "/prompts?agent=repairs"
SAID = "[data-said]"


def test_a_draft_is_written_and_published_by_keyboard(tmp_path: Path) -> None:
    file = agent_file(tmp_path, "You repair.\nBe kind.")

    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            page = there.page
            await there.go(PAGE)
            await page.focus("#prompt")
            await page.keyboard.press("Control+Home")
            await page.keyboard.press("Shift+End")
            await page.keyboard.type("You mend.")
            await press_until(page, "[data-save]")
            await there.sees("#text", "Version 2 of repairs")
            await there.sees(".diff del", "−removed: You repair.")
            await there.sees(".diff ins", "+added: You mend.")
            assert file.read_text() == "You repair.\nBe kind."
            await press_until(page, "[data-publish]")
            await there.sees("dialog h2", "Publish version 2?")
            await page.keyboard.press("Escape")
            await page.wait_for_function("'publish' in document.activeElement.dataset")  # back where it was
            await page.keyboard.press("Enter")
            await press_until(page, "[data-do]")
            await there.sees("#text + p", "in use")
            assert file.read_text() == "You mend.\nBe kind.\n"
            assert await page.locator("[data-publish]").count() == 0
            await there.sees("tbody tr:nth-child(2) [data-label=State]", "draft")  # kept from the file
            assert there.wrong == []

    asyncio.run(look())


def test_what_was_typed_must_be_saved_before_anything_is_done_with_it(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await Prompts(there.gateway.store).add("repairs", "You mend.", "ann")
            await there.go(PAGE)
            await there.page.fill("#prompt", "You mend {{everything}}.")
            for button in ("talk", "compare", "publish"):
                assert await there.page.is_disabled(f"[data-{button}]")
            await there.page.click("[data-save]")
            await playwright.expect(there.page.locator(SAID)).to_contain_text(
                "there is no {{everything}}; known: business"
            )
            assert await there.page.input_value("#prompt") == "You mend {{everything}}."
            await there.page.fill("#prompt", "You mend.")
            assert await there.page.is_enabled("[data-publish]")
            there.wrong[:] = [one for one in there.wrong if "409" not in one]
            assert there.wrong == []

    asyncio.run(look())


def test_a_draft_is_talked_to_on_the_page_of_the_phone(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            number = await Prompts(there.gateway.store).add("repairs", "You mend.", "ann")
            sent: list[dict] = []

            async def place(route: playwright.Route) -> None:
                sent.append(json.loads(route.request.post_data or ""))
                await route.fulfill(status=503, json={"detail": "not here"})

            await there.page.route("**/api/phone/calls", place)
            await there.go(PAGE)
            await there.page.click("[data-talk]")
            told = f"You talk to repairs, version {number}, and nobody else does. Back to the prompt"
            await there.sees("main .notice[role=status]", told)
            await there.page.click("[data-call]")
            await there.sees("[data-problem]", "not here")
            assert [(one["agent"], one["version"]) for one in sent] == [("repairs", number)]
            await there.page.click("main .notice a")
            await there.sees("#text", f"Version {number} of repairs")

    asyncio.run(look())


def test_a_comparison_appears_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent_file(tmp_path)
    monkeypatch.setattr(app, "Comparisons", lambda gateway: Comparisons(gateway, [sys.executable, "-c", EVAL]))

    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            number = await Prompts(there.gateway.store).add("repairs", "You mend.", "ann")
            await there.go(PAGE)
            await press_until(there.page, "[data-compare]")
            await there.sees(
                "[data-comparison] tbody tr:nth-child(2) td:nth-child(3)", "as expectedWhat was saidYou mend."
            )
            await there.sees("[data-comparison] thead th:nth-child(3)", f"version-{number}")
            assert there.wrong == []

    asyncio.run(look())


@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_the_page_is_accessible_and_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theme: str, width: int
) -> None:
    agent_file(tmp_path)
    monkeypatch.setattr(app, "Comparisons", lambda gateway: Comparisons(gateway, [sys.executable, "-c", EVAL]))

    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, color_scheme=theme, viewport=size) as there:
            page, kept = there.page, Prompts(there.gateway.store)
            for text in ("You repair.", f"{SCRIPT}\nBe kind.\n{'long' * 60}"):
                await kept.add("repairs", text, SCRIPT)
            await there.go(PAGE)
            await page.click("[data-compare]")
            await page.click("[data-comparison=done] summary >> nth=1")
            for opened in ("", "[data-publish]"):
                if opened:
                    await page.click(opened)
                await page.evaluate(AXE)
                assert await page.evaluate(FAULTS) == []
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert there.wrong == []

    asyncio.run(look())
