"""The flows that begin and end a visit, search, a call that an operator takes over, and a tenant's pages: by keyboard
alone, and accessible.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.web import WebOptions
from sipgw.records.store.tables import CallRecord
from sipgw.web.accounts import Accounts
from sipgw.web.server import Dashboard
from tests.cdr_events import START, add_call
from tests.web.gateway_view import live_call
from tests.web.sample_gateway import SCRIPT
from tests.web.test_browser import AXE, FAULTS, PAGES, SIGNED, TAKING, Window, becomes, window
from tests.web.test_campaigns_browser import press_until, reach

pytestmark = pytest.mark.programs("chromium")
LOOKS = pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
ATLAS = "atlas@10.0.0.5"
TENANT = '[[tenants]]\nname = "acme"\nagents = []\nnumbers = ["+15550111"]\n'


async def said(there: Window, call: str, words: str, tenant: str = "") -> None:
    """A call in which that was said is in the records."""
    row = CallRecord(
        id=call, trunk="office", agent="agent", caller="+15550107", called="+15550199", began=START, answered=START,
        ended=START, ending="caller_hung_up", media={}, tenant=tenant,
    )  # fmt: skip
    await add_call(there.gateway.store, row, [{"caller": words, "said": SCRIPT}])


async def fits(there: Window) -> None:
    await there.page.evaluate(AXE)
    assert await there.page.evaluate(FAULTS) == [], there.page.url
    wide = there.page.viewport_size["width"]
    assert await there.page.evaluate("document.documentElement.scrollWidth") <= wide, there.page.url


async def sign_in(there: Window, name: str) -> None:
    """By keyboard: the focus stands in the form."""
    page = there.page
    await page.focus("[name=name]")
    await page.keyboard.press("Control+A")
    await page.keyboard.type(name)
    await page.keyboard.press("Tab")
    await page.keyboard.type("battery staple")
    await page.keyboard.press("Enter")


@LOOKS
def test_people_sign_in_look_and_sign_out_by_keyboard(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, busy=False, toml=SIGNED, color_scheme=theme, viewport=size) as there:
            await Accounts(there.gateway.store).set_user("ann", "viewer", "battery staple")
            await there.go("/trunks")
            await sign_in(there, "bob")
            await there.sees("[role=alert]", "This name and password do not belong together.")
            await fits(there)
            await sign_in(there, "ann")
            await there.sees("h1", "Trunks")
            await press_until(there.page, '[href="/providers"]')
            await there.sees("h1", "Providers")
            await press_until(there.page, "[data-sign-out]")
            await there.sees("h1", "Sign in")
            there.wrong[:] = [one for one in there.wrong if "401" not in one]
            assert there.wrong == []

    asyncio.run(look())


@LOOKS
def test_what_was_said_is_found_and_opened_by_keyboard(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, color_scheme=theme, viewport=size) as there:
            page = there.page
            await said(there, ATLAS, f"Do you have the new cosmography? {'long' * 80}")
            await there.go("/calls")
            await press_until(page, "[rel=next]")
            await page.wait_for_url("**/calls?*")
            await page.focus("[name=words]")
            await page.keyboard.type("cosmogr*")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**words=cosmogr*")
            assert await page.locator("tbody tr").count() == 1
            await fits(there)
            await press_until(page, "tbody a")
            await page.wait_for_url("**/calls/atlas*")
            await there.sees(".said.caller .who", "Caller")
            await there.go("/calls?words=nobody+said+this")
            await there.sees(".empty a", "All calls")
            await fits(there)
            await press_until(page, "details.more summary")
            await press_until(page, "[name=agent]")
            await fits(there)
            assert there.wrong == []

    asyncio.run(look())


@LOOKS
def test_a_call_is_steered_taken_over_given_back_and_ended_by_keyboard(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, busy=False, color_scheme=theme, viewport=size) as there:
            page = there.page
            await page.add_init_script(TAKING)
            talking: Any = there.gateway.begin(live_call()).context.conversation
            await there.go("/live")
            await press_until(page, "[data-act]")
            await fits(there)
            await reach(page, "[data-do=say] textarea")
            await page.keyboard.type("Ann comes in a minute.")
            await press_until(page, "[data-do=say] button")
            await there.sees("dialog [data-said]", "It will be said.")
            await reach(page, "select[data-mode]")
            await page.keyboard.press("Home")
            assert await page.input_value("select[data-mode]") == "listen", "who hears her is chosen before"
            await page.keyboard.press("End")
            await press_until(page, "[data-take]")
            await becomes(page, "!!window.grant")
            look = "getComputedStyle(document.querySelector('[data-take]')).opacity"
            assert await page.evaluate(look) == "0.55", "it looks busy, as a disabled button does"
            await page.evaluate("grant()")
            await there.sees("[data-take]", "Give back to the agent")
            assert await page.evaluate(look) == "1"
            await fits(there)
            await page.keyboard.press("Enter")
            await there.sees("[data-take]", "Take over")
            await press_until(page, "[data-do=end]")
            await there.sees("dialog [data-said]", "Ended.")
            assert talking.did == [("say", "Ann comes in a minute."), ("end", "you ended the call")]
            await page.keyboard.press("Escape")
            assert await page.evaluate("'act' in document.activeElement.dataset"), "back where it was"
            assert there.wrong == []

    asyncio.run(look())


def test_the_page_that_is_open_stands_in_the_strip_of_pages_of_a_phone(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, viewport={"width": 390, "height": 800}) as there:
            for entry in PAGES:
                await there.go(entry.path)
                link = await there.page.locator("nav [aria-current]").bounding_box()
                strip = await there.page.locator(".side nav").bounding_box()
                assert link and strip
                assert strip["x"] <= link["x"] + 1, entry.title
                assert link["x"] + link["width"] <= strip["x"] + strip["width"], entry.title

    asyncio.run(look())


@LOOKS
def test_an_option_is_found_by_keyboard(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, busy=False, color_scheme=theme, viewport=size) as there:
            await there.go("/configuration")
            for _ in range(40):
                await there.page.keyboard.press("Tab")
                if await there.page.evaluate("document.activeElement.matches('[data-find]')"):
                    break
            await there.page.keyboard.type("greeting outbound")
            await there.sees("[data-found]", "2 options")
            await fits(there)

    asyncio.run(look())


@LOOKS
def test_a_tenant_reaches_its_own_pages_by_keyboard(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with window(tmp_path, toml=f"{SIGNED}\n{TENANT}", color_scheme=theme, viewport=size) as there:
            page = there.page
            await Accounts(there.gateway.store).set_user("eve", "admin", "battery staple", "acme")
            await said(there, ATLAS, "Do you have the new cosmography?", "acme")
            await there.go("/calls")
            await sign_in(there, "eve")
            await there.sees("h1", "Calls")
            pages = await page.locator("nav[aria-label=Pages] a").all_text_contents()
            assert pages == ["Home", "Live", "Calls", "Outbound", "Audit"]
            assert await page.locator("tbody tr").count() == 1, "the calls of others are not there"
            await fits(there)
            await press_until(page, "tbody a")
            await page.wait_for_selector("[data-ready]")
            await fits(there)
            await press_until(page, 'nav [href="/live"]')
            await there.sees("[data-live-count]", "0")
            await fits(there)
            for path, heading in (("/outbound", "Outbound"), ("/audit", "Audit"), ("/", "Home")):
                await press_until(page, f'nav [href="{path}"]')
                await there.sees("h1", heading)
                await fits(there)
            await there.sees("[data-fresh=lights] code", "+15550111")
            assert there.wrong == []
            await there.go("/prompts")
            await there.sees("h1", "Not found")
            await fits(there)

    asyncio.run(look())


@LOOKS
def test_the_first_password_and_the_frame_of_a_web_site(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        told = f"See https://shop.example/{'privacy_' * 12}of_calls."
        toml = f'[embed]\norigins = ["http://127.0.0.1:9"]\nnotice = "{told}"\n'
        async with window(tmp_path, busy=False, toml=toml, color_scheme=theme, viewport=size) as there:
            await there.go("/embed")
            await fits(there)
            await there.page.locator("[data-card]").evaluate("one => one.hidden = false")
            await fits(there)
            async with Dashboard(there.gateway, WebOptions(host="0.0.0.0", port=0)) as reachable:  # type: ignore[arg-type]
                await there.page.goto(reachable.setup_url)
                await fits(there)
                await there.page.keyboard.type("battery staple")
                await there.page.keyboard.press("Enter")
                await there.sees("nav [aria-current]", "Home")

    asyncio.run(look())
