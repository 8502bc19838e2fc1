"""Two tabs of one browser: the session ends in one of them, or both change the same prompt."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright

from sipgw.records.store.prompts import Prompts
from sipgw.web.accounts import Accounts
from sipgw.web.security import COOKIE
from tests.waiting import HANG
from tests.web.sample_calls import LIVE
from tests.web.test_browser import SIGNED, Window, window
from tests.web.test_prompts import agent_file

pytestmark = pytest.mark.programs("chromium")
OVER = "Your session is over. Sign in, and you are back where you were."
QUICK = """{
  const wait = setTimeout, every = setInterval;
  setTimeout = (f) => wait(f, 50);
  setInterval = (f) => every(f, 200);
}"""
CSV = {"name": "spring.csv", "mimeType": "text/csv", "buffer": b"number\n+15550123\n"}


class Tabs:
    """Windows of one browser, in which somebody is signed in."""

    def __init__(self, first: Window, context: Any) -> None:
        self._first, self.context = first, context
        self.gateway = first.gateway

    async def open(self, path: str, name: str = "") -> Window:
        """A new tab; with a `name` it meets the form, and that person signs in."""
        tab = Window(await self.context.new_page(), self.gateway, self._first.url)
        tab.page.set_default_timeout(HANG * 1000)
        await tab.go(path)
        if name:
            await enter(tab.page, name)
        return tab

    async def sign_out(self) -> None:
        tab = await self.open("/calls")
        await tab.page.click("[data-sign-out]")
        await tab.sees("h1", "Sign in")
        await tab.page.close()

    async def forget(self) -> None:
        """What a browser has whose session the gateway does not know any more."""
        cookies = [cookie for cookie in await self.context.cookies() if COOKIE in cookie["name"]]
        await self.context.add_cookies([cookie | {"value": "forgotten"} for cookie in cookies])


async def enter(page: Any, name: str = "ann") -> None:
    await page.fill("[name=name]", name)
    await page.fill("[name=password]", "battery staple")
    await page.press("[name=password]", "Enter")
    await page.wait_for_selector(".side")


@contextlib.asynccontextmanager
async def tabs(folder: Path, **options: Any) -> AsyncIterator[Tabs]:
    agent_file(folder, "You repair.")
    async with window(folder, toml=SIGNED, **options) as first:
        for name in ("ann", "bob"):
            await Accounts(first.gateway.store).set_user(name, "admin", "battery staple")
        context = await first.page.context.browser.new_context()
        yield Tabs(first, context)
        await context.close()


def looking(folder: Path, look: Callable[[Tabs], Awaitable[None]], **options: Any) -> None:
    async def scenario() -> None:
        async with tabs(folder, **options) as there:
            await look(there)

    asyncio.run(scenario())


@pytest.mark.parametrize("ends", [Tabs.sign_out, Tabs.forget])
def test_what_was_typed_stays_when_the_session_ends_and_is_sent_after_the_next_sign_in(
    tmp_path: Path, ends: Callable[[Tabs], Awaitable[None]]
) -> None:
    async def look(there: Tabs) -> None:
        writing = await there.open("/prompts?agent=repairs", "ann")
        calling = await there.open("/outbound")
        await writing.page.fill("#prompt", "You mend.")
        await calling.page.fill("[data-place] [name=to]", "+15550100")
        await calling.page.set_input_files("[name=file]", CSV)  # type: ignore[arg-type]
        await ends(there)
        await writing.page.click("[data-save]")
        await writing.sees("[data-over] h2", "Your session is over")
        await writing.page.keyboard.press("Escape")
        await calling.page.click("[data-campaign-form] > button")
        await calling.sees("[data-over] h2", "Your session is over")
        await calling.page.click("[data-over] button")
        await calling.page.click("[data-place] button")
        async with there.context.expect_page() as opened:
            await calling.page.click("[data-over] a")
        door = await opened.value
        await playwright.expect(door.locator("form [role=status]")).to_have_text(OVER)
        await enter(door)
        await playwright.expect(door.locator("h1")).to_have_text("Outbound")
        await calling.page.click("[data-over] button")
        await calling.page.click("[data-place] button")
        await playwright.expect(calling.page.locator("[data-said]")).to_contain_text("It is being dialled.")
        await calling.page.click("[data-campaign-form] > button")
        await calling.sees("[data-campaign-plan] h3", "Nobody in this file may be called")
        await writing.page.click("[data-save]")
        await writing.sees("#text", "Version 2 of repairs")
        assert await writing.page.input_value("#prompt") == "You mend."

    looking(tmp_path, look, busy=False)


@pytest.mark.parametrize("path", ["/?span=week", f"/calls/{LIVE}", "/live"])
def test_a_page_that_keeps_itself_up_to_date_leads_to_the_form_and_back(tmp_path: Path, path: str) -> None:
    async def look(there: Tabs) -> None:
        await there.context.add_init_script(QUICK)
        watching = await there.open(path, "ann")
        await watching.page.wait_for_selector("h1")
        feeds = "**/live/events"
        await watching.page.route(feeds, lambda route: route.abort())  # as after the ten minutes of a feed
        await there.sign_out()
        await watching.page.unroute(feeds)
        if path == "/live":
            await watching.page.evaluate("location.reload()")
        await watching.sees("h1", "Sign in")
        if path != "/live":
            await watching.sees("form [role=status]", OVER)
        await enter(watching.page)
        assert watching.page.url.endswith(path)

    looking(tmp_path, look)


def test_the_live_page_whose_feed_is_refused_says_why(tmp_path: Path) -> None:
    async def look(there: Tabs) -> None:
        await there.context.add_init_script(QUICK)
        alert = '<p role="alert">too many dashboards are open</p>'
        await there.context.route(
            "**/live/events", lambda route: route.fulfill(status=503, body=alert, content_type="text/html")
        )
        watching = await there.open("/live", "ann")
        lost = watching.page.locator("[data-live-lost]")
        await playwright.expect(lost).to_contain_text("keep the list up to date: too many dashboards are open.")
        await there.sign_out()
        await there.context.unroute("**/live/events")
        await watching.sees("form [role=status]", OVER)

    looking(tmp_path, look)


def test_a_search_comes_back_with_its_words_and_a_press_leads_to_the_form(tmp_path: Path) -> None:
    async def look(there: Tabs) -> None:
        searching, phoning = await there.open("/calls", "ann"), await there.open("/phone")
        await there.sign_out()
        await searching.page.fill("[name=words]", "blue coat & hat")
        await searching.page.press("[name=words]", "Enter")
        await searching.sees("h1", "Sign in")
        await enter(searching.page)
        assert await searching.page.input_value("[name=words]") == "blue coat & hat"
        await there.sign_out()
        await phoning.page.click("[data-call]")
        await phoning.sees("form [role=status]", OVER)
        await enter(phoning.page)
        await phoning.sees("h1", "Phone")

    looking(tmp_path, look, busy=False)


def test_nothing_is_done_in_the_name_of_somebody_who_signed_in_later(tmp_path: Path) -> None:
    async def look(there: Tabs) -> None:
        calling = await there.open("/outbound", "ann")
        await calling.page.fill("[data-place] [name=to]", "+15550100")
        await there.sign_out()
        await there.open("/outbound", "bob")
        await calling.page.click("[data-place] button")
        await calling.sees("[data-said]", "Somebody else has signed in in this browser. Load the page again.")
        assert there.gateway.errands == []
        await calling.page.click("[data-sign-out]")
        await calling.sees("h1", "Sign in")

    looking(tmp_path, look, busy=False)


def test_two_who_change_one_prompt_learn_of_each_other_and_nothing_is_lost(tmp_path: Path) -> None:
    async def look(there: Tabs) -> None:
        one, two = await there.open("/prompts?agent=repairs", "ann"), await there.open("/prompts?agent=repairs")
        await one.page.fill("#prompt", "You mend.")
        await one.page.click("[data-save]")
        await one.sees("#text", "Version 2 of repairs")
        assert await one.page.locator("main > [role=status]").count() == 0
        await two.page.fill("#prompt", "You repair.\nBe kind.")
        await two.page.click("[data-save]")
        await two.sees("#text", "Version 3 of repairs")
        await two.sees(
            "main > [role=status]",
            "While you wrote, ann saved version 2. Both are kept: below stands what yours changes in it.",
        )
        await two.sees("#difference", "What version 3 changes in version 2")
        texts = [version.text for version in await Prompts(there.gateway.store).versions("repairs")]
        assert texts == ["You repair.\nBe kind.", "You mend.", "You repair."]
        await two.page.click("[data-publish]")
        await two.page.click("[data-do]")
        await two.sees("#text + p", "in use")
        await one.page.click("[data-publish]")
        await one.page.click("[data-do]")
        await one.sees("[data-said]", "the file was changed meanwhile; load the page again and compare")

    looking(tmp_path, look, busy=False)
