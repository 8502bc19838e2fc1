"""``python -m tests.screenshots``: every page of the dashboard in both themes and on a phone, into docs/screenshots.

Those of real calls come from tests/interop/test_why.py.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from sipgw.config.web import WebOptions
from sipgw.records.store.prompts import Prompts
from sipgw.records.store.tables import CallRecord
from sipgw.web.accounts import Accounts
from sipgw.web.server import Dashboard
from tests.cdr_events import START, add_call
from tests.gate_world import ALWAYS
from tests.web.gateway_view import FakeGatewayView
from tests.web.sample_calls import SLOW
from tests.web.sample_gateway import served

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
PAGES = {
    "home": "/", "live": "/live", "calls": "/calls", "search": "/calls?words=atlas", "prompts": "/prompts",
    "trunks": "/trunks", "providers": "/providers", "outbound": "/outbound", "campaign": "/outbound",
    "configuration": "/configuration", "audit": "/audit", "phone": "/phone", "call": f"/calls/{SLOW}",
}  # fmt: skip
WIDE, NARROW = {"width": 1200, "height": 760}, {"width": 390, "height": 780}
TALL = {"home": 1400, "call": 1700}
"""Pixels of pages that are shown to their end; the player of a call stands at the lower edge."""
TOML = """
password = "${TRUNK_PASSWORD}"
[[tenants]]
name = "acme"
agents = ["agent"]
numbers = ["+15550111"]
"""
PEOPLE = b"number,name\n+14155550101,Ann\nbroken,Bob\n+442079460018,Carol\n+12045550100,Dan\n"
PROMPTS = ("You answer the telephone of a bookshop.", "You answer the telephone of a bookshop.\nSay prices as words.")


async def fill(gateway: FakeGatewayView) -> None:
    """Versions of a prompt, and calls with words: of the installation and of a tenant."""
    for text in PROMPTS:
        await Prompts(gateway.store).add("agent", text, "ann")
    for number, tenant in enumerate(("", "", "acme", "acme")):
        row = CallRecord(
            id=f"words-{number}", trunk="telnyx", agent="agent", caller=f"+1555014{number}", called="+15550111",
            began=START, answered=START, ended=START, ending="caller_hung_up", media={"mos": 4.3}, tenant=tenant,
        )  # fmt: skip
        await add_call(gateway.store, row, [{"caller": "Do you have the new atlas?", "said": "Yes, two copies."}])


async def taken(page: Any, url: str, name: str, file: Path) -> None:
    """Take a page in the window as it is."""
    await page.goto(url + PAGES[name])
    await page.wait_for_timeout(600)
    if name == "call":
        await page.wait_for_selector("[data-wave=drawn]", state="attached")
    if name == "campaign":
        people = {"name": "spring.csv", "mimeType": "text/csv", "buffer": PEOPLE}
        await page.set_input_files("[name=file]", people)
        await page.check("[data-campaign-form] [name=consent]")
        await page.click("[data-campaign-form] > button")
        await page.locator("[data-campaign-plan]").scroll_into_view_if_needed()
        await page.wait_for_timeout(300)
    await page.screenshot(path=file)


@asynccontextmanager
async def opened(more: str = "") -> AsyncIterator[tuple[FakeGatewayView, str, Callable[..., Awaitable[Any]]]]:
    """The sample gateway, its address, and what opens a window of a theme and a size."""
    with tempfile.TemporaryDirectory() as there:
        async with served(Path(there), more=more) as (gateway, url), async_playwright() as play:
            browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

            async def window(theme: str, size: dict[str, int]) -> Any:
                return await browser.new_page(viewport=size, color_scheme=theme, locale="en-GB")  # type: ignore[arg-type]

            await fill(gateway)
            yield gateway, url, window
            await browser.close()


async def main(folder: Path, wanted: list[str]) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    looks = [("light", "light", WIDE), ("dark", "dark", WIDE), ("phone", "light", NARROW)]
    async with opened() as (gateway, url, window):
        gate = replace(gateway.config.gate, countries=("US", "GB"), windows=ALWAYS)
        gateway.config = replace(gateway.config, gate=gate)
        for look, theme, size in looks:
            page = await window(theme, size)
            for name in PAGES:
                if not wanted or name in wanted:
                    tall = TALL.get(name, size["height"]) if size is WIDE else size["height"]
                    await page.set_viewport_size(size | {"height": tall})
                    await taken(page, url, name, folder / f"{name}-{look}.png")
            if not wanted or "operator" in wanted:
                await page.set_viewport_size(size)
                await page.goto(f"{url}/live")
                await page.click("[data-act]")
                await page.screenshot(path=folder / f"operator-{look}.png")
    if wanted and not {"tenant", "sign-in", "embed", "setup"}.intersection(wanted):
        return
    async with opened(TOML) as (gateway, url, window):
        await Accounts(gateway.store).set_user("eve", "viewer", "battery staple", "acme")
        for look, theme, size in looks:
            page = await window(theme, size)
            await page.goto(f"{url}/calls")
            await page.screenshot(path=folder / f"sign-in-{look}.png")
            await page.fill("[name=name]", "eve")
            await page.fill("[name=password]", "battery staple")
            await page.press("[name=password]", "Enter")
            await page.wait_for_selector("tbody tr")
            await page.screenshot(path=folder / f"tenant-{look}.png")
            await page.goto(f"{url}/")
            await page.screenshot(path=folder / f"tenant-home-{look}.png")
            await page.context.clear_cookies()
    async with (
        opened('[embed]\norigins = ["http://127.0.0.1:9"]') as (gateway, url, window),
        Dashboard(gateway, WebOptions(host="0.0.0.0", port=0)) as new,  # type: ignore[arg-type]
    ):
        for look, theme, size in looks:
            page = await window(theme, size)
            for name, address in (("embed", f"{url}/embed"), ("setup", str(new.setup_url))):
                await page.goto(address)
                await page.screenshot(path=folder / f"{name}-{look}.png")


if __name__ == "__main__":
    asyncio.run(main(FOLDER, sys.argv[1:]))
