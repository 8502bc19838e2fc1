"""Campaigns in a real browser: check a file, start what was checked, pause, resume and stop."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright

from sipgw.outbound.jobs import Jobs
from sipgw.web.accounts import Accounts
from tests.web.sample_gateway import SCRIPT
from tests.web.test_browser import AXE, FAULTS, SIGNED, Window, window

pytestmark = pytest.mark.programs("chromium")
TOML = """
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["192.0.2.1/32"]
domain = "carrier.example"
country = "US"
[[gate.windows]]
hours = "00:00-24:00"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""
PEOPLE = f"number,{SCRIPT[:20]}\n+14155550101,x\nbroken,x\n{SCRIPT},x\n+442079460018,x\n+14155550102,x\n"
PLAN = "[data-campaign-plan]"
SAID = "[data-campaign-form] ~ [data-campaign-said]"
WINTER = '[data-campaign="winter appointments"]'


async def chosen(there: Window, text: str = PEOPLE, name: str = "spring 2026.csv") -> None:
    """Open the page and choose a file."""
    await there.go("/outbound")
    file: Any = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    await there.page.set_input_files("[name=file]", file)


async def checked(there: Window, text: str = PEOPLE) -> None:
    """Check a file, with Enter in the form."""
    await chosen(there, text)
    await there.page.select_option("[data-campaign-form] [name=trunk]", "carrier")
    await there.page.check("[data-campaign-form] [name=consent]")
    await there.page.press("[data-campaign-form] [name=name]", "Enter")
    await playwright.expect(there.page.locator(PLAN)).to_be_visible()


async def reach(page: Any, selector: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(100):
        if await page.evaluate(f"document.activeElement.matches('{selector}')"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


async def press_until(page: Any, selector: str) -> None:
    """Press Tab until the focus is there, then Enter."""
    await reach(page, selector)
    await page.keyboard.press("Enter")


def test_a_file_is_checked_and_the_campaign_started_by_keyboard(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, toml=TOML) as there:
            page = there.page
            await checked(there)
            assert await page.input_value("[data-campaign-form] [name=name]") == "spring 2026", "as the file"
            assert await page.evaluate("document.activeElement.textContent") == "This would be done"
            shown = (await page.inner_text(PLAN)).replace("\t", " ")
            for words in (
                "Rows that are left out\n2", "carrier, 1 new call in a second", "no earlier call of this agent",
                "3 'broken' is no telephone number", "2 called at once every rule permits it 2, 6",
                "1 never called", "The agent has no variable for",
            ):  # fmt: skip
                assert words in shown, shown
            assert await Jobs(there.gateway.store, "").campaigns() == [], "a check starts nothing"
            await there.sees("[data-campaign-start]", "Start: call 2 of 3 numbers")
            await press_until(page, "[data-campaign-start]")
            await there.sees(SAID, "spring 2026 runs with 3 new numbers. See how far it is")
            await page.keyboard.press("Enter")
            await there.sees("[data-campaign] .heading > span", "running: 0 of 3")
            jobs = await Jobs(there.gateway.store, "").all("spring 2026")
            assert [(job.number, job.trunk, job.consent) for job in jobs] == [
                (number, "carrier", True) for number in ("+14155550101", "+442079460018", "+14155550102")
            ]
            assert there.wrong == []

    asyncio.run(look())


@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_a_plan_and_the_question_before_a_stop_are_accessible_and_fit(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, toml=TOML, color_scheme=theme, viewport=size) as there:
            await checked(there)
            await there.page.click("summary:text('Pace and repetition')")
            for opened in (PLAN, "[data-campaign-stop]", "[data-campaign-delete]"):
                if opened == "[data-campaign-stop]":
                    await there.page.click(f"{WINTER} [data-becomes=stopped]")
                elif opened == "[data-campaign-delete]":
                    await there.page.click("[data-campaign-stop] [data-end]")
                    await there.page.click(f"{WINTER} [data-delete]")
                await playwright.expect(there.page.locator(opened)).to_be_visible()
                await there.page.evaluate(AXE)
                assert await there.page.evaluate(FAULTS) == []
                assert await there.page.evaluate("document.documentElement.scrollWidth") <= width
            assert there.wrong == []

    asyncio.run(look())


def test_what_was_changed_after_the_check_must_be_checked_again(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, toml=TOML) as there:
            await checked(there)
            await there.page.uncheck("[data-campaign-form] [name=consent]")
            await playwright.expect(there.page.locator(PLAN)).to_be_hidden()
            await there.page.click("[data-campaign-form] > button")
            await playwright.expect(there.page.locator(PLAN)).to_be_visible()
            assert "consent" in await there.page.inner_text(PLAN), "the gate refuses them without it"
            await there.sees(f"{PLAN} h3", "Nobody in this file may be called")
            assert not await there.page.locator("[data-campaign-start]").is_visible()

    asyncio.run(look())


@pytest.mark.parametrize(
    ("text", "problem"),
    [("name\nAnn\n", "line 1: there is no column 'number'; there are name"),
     ("number\n" + "x" * 4_100_000, "The file is too long. sipgw campaign run takes longer ones.")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, problem: str) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, toml=TOML) as there:
            await chosen(there, text)
            await there.page.click("[data-campaign-form] > button")
            await there.sees(SAID, problem)
            assert not await there.page.locator(PLAN).is_visible()

    asyncio.run(look())


def test_a_file_with_nobody_to_call_cannot_be_started(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, toml=TOML) as there:
            await checked(there, "number\nbroken\n")
            await there.sees(f"{PLAN} h3", "There is nobody to call in this file")
            assert not await there.page.locator("[data-campaign-start]").is_visible()

    asyncio.run(look())


def test_a_campaign_is_paused_resumed_and_stopped_by_keyboard(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page, state = there.page, f"{WINTER} [data-campaign-is]"

            async def stored() -> str:
                return next(one.state for one in await Jobs(there.gateway.store, "").campaigns())

            await there.go("/outbound")
            await press_until(page, "[data-becomes=paused]")
            await there.sees(state, "paused")
            assert await stored() == "paused"
            assert await page.evaluate("document.activeElement.textContent") == "Resume", "the focus stays there"
            await page.keyboard.press("Enter")
            await there.sees(state, "running")
            await press_until(page, "[data-becomes=stopped]")
            await there.sees("[data-campaign-stop] h2", "Stop winter appointments?")
            await page.keyboard.press("Escape")
            assert await stored() == "running", "only asked"
            await press_until(page, "[data-becomes=stopped]")
            await press_until(page, "[data-campaign-stop] [data-end]")
            await there.sees(state, "stopped")
            assert await stored() == "stopped"
            assert await page.locator(f"{WINTER} button:visible").all_text_contents() == ["Resume", "Delete"]
            await press_until(page, "[data-delete]")
            await there.sees("[data-campaign-delete] h2", "Delete winter appointments?")
            await press_until(page, "[data-campaign-delete] [data-end]")
            await there.sees(f"{WINTER} [data-campaign-said]", "winter appointments is deleted.")
            assert await page.evaluate("document.activeElement.textContent") == "winter appointments is deleted."
            assert await Jobs(there.gateway.store, "").campaigns() == []
            assert there.wrong == []

    asyncio.run(look())


def test_a_viewer_sees_campaigns_and_cannot_change_them(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, toml=SIGNED) as there:
            await Accounts(there.gateway.store).set_user("ann", "viewer", "battery staple")
            await there.go("/outbound")
            await there.page.fill("[name=name]", "ann")
            await there.page.fill("[name=password]", "battery staple")
            await there.page.press("[name=password]", "Enter")
            await there.sees(f"{WINTER} [data-campaign-is]", "running")
            assert await there.page.locator("[data-campaign-form], [data-becomes], dialog").count() == 0

    asyncio.run(look())
