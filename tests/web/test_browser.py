"""The dashboard in a real browser (Debian's Chromium): what people see, press and hear read to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright
from sqlalchemy import update

from agent.turn_taking.table import State
from sipgw.records.store.tables import ReportRecord
from sipgw.web.accounts import Accounts
from sipgw.web.app import PAGES
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView, live_call
from tests.web.sample_calls import CALLS, LIVE, REFUSED, SILENT, SLOW
from tests.web.sample_gateway import SCRIPT, served

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.programs("chromium")
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
"""The microphone is one that Chromium plays itself."""

AXE = (Path(__file__).parent.parent / "data" / "axe" / "axe.min.js").read_text()
RULES = '{preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}'
"""Preloading makes styles in the page, which its policy forbids."""
FAULTS = (
    f"async () => (await axe.run(document, {RULES}))"
    """
    .violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`)"""
)
SIGNED = 'password = "${TRUNK_PASSWORD}"'
OF_CALLS = ["/calls/past-1@10.0.0.5", *(f"/calls/{call}" for call in CALLS)]
PATHS = [*(page.path for page in PAGES), *OF_CALLS, "/nowhere", "/sign-in"]


class Window:
    """A page of a browser that remembers what went wrong in it."""

    def __init__(self, page: Any, gateway: FakeGatewayView, url: str) -> None:
        self.page = page
        self.gateway = gateway
        self.url = url
        self.wrong: list[str] = []
        page.on("console", lambda line: self.wrong.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path)
        if await self.page.locator("[data-one-call]").count():
            await self.page.wait_for_selector("[data-ready]")

    async def sees(self, selector: str, text: str) -> None:
        """Wait until the first element there has that text."""
        await playwright.expect(self.page.locator(selector).first).to_have_text(text)


@contextlib.asynccontextmanager
async def window(
    folder: Path, *, busy: bool = True, hostile: bool = False, huge: bool = False, toml: str = "", **options: Any
) -> AsyncIterator[Window]:
    async with (
        served(folder, busy=busy, hostile=hostile, huge=huge, more=toml) as (gateway, url),
        playwright.async_playwright() as play,
    ):
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            page = await browser.new_page(**options)
            page.set_default_timeout(HANG * 1000)
            playwright.expect.set_options(timeout=HANG * 1000)
            yield Window(page, gateway, url)
        finally:
            await browser.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("busy", [True, False])
def test_every_page_is_accessible_and_quiet(tmp_path: Path, theme: str, busy: bool) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=busy, color_scheme=theme) as there:
            for path in PATHS:
                await there.go(path)
                await there.page.evaluate(AXE)
                assert await there.page.evaluate(FAULTS) == [], path
                absent = path == "/nowhere" or (path in OF_CALLS and not busy)
                assert len(there.wrong) == absent, there.wrong
                there.wrong.clear()

    asyncio.run(look())


@pytest.mark.parametrize("data", ["usual", "hostile", "huge"])
def test_no_page_is_wider_than_a_phone_whatever_is_in_it(tmp_path: Path, data: str) -> None:
    async def look() -> None:
        size = {"width": 360, "height": 700}
        async with window(tmp_path, hostile=data == "hostile", huge=data == "huge", viewport=size) as there:
            for path in PATHS:
                await there.go(path)
                wide = await there.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= 360, f"{path} is {wide} wide"
                await there.page.evaluate(AXE)
                assert await there.page.evaluate(FAULTS) == [], path
            assert len(there.wrong) == 1, there.wrong  # the page that is nowhere

    asyncio.run(look())


def test_everything_is_done_by_keyboard(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page = there.page
            await there.go("/live")
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
            await page.keyboard.press("Enter")
            while not await page.evaluate("'act' in document.activeElement.dataset"):
                await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await there.sees("dialog h2", "Call of +15550100")
            for _ in range(30):  # a Tab goes round in the dialog, or to the browser's own bar
                await page.keyboard.press("Tab")
                assert await page.evaluate(
                    "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
                )
            await page.keyboard.press("Escape")
            assert await page.evaluate("'act' in document.activeElement.dataset"), "back where it was"
            await there.go(f"/calls/{SLOW}")
            for part, shown in (("ladder", "[data-message]:not([hidden])"), ("latency", "audio")):
                await page.focus(f"[data-part={part}] g.step")
                outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", "one sees where one is"
                await page.keyboard.press("Enter")
                await page.wait_for_selector(shown)
            assert there.wrong == []

    asyncio.run(look())


def test_the_page_of_a_call_that_goes_on_has_what_an_operator_needs(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await there.go(f"/calls/{LIVE}")
            await there.page.click("[data-when-live]")
            await there.page.fill("form[data-do=instruct] textarea", "Offer ten percent.")
            await there.page.press("form[data-do=instruct] textarea", "Enter")
            await there.sees("dialog [data-said]", "The agent knows.")
            await there.page.click("[data-listen]")
            await there.sees("[data-listen]", "Stop listening")
            listeners: Any = there.gateway.calls[LIVE].context.line.listeners  # type: ignore[union-attr]
            while not listeners._queues:
                await asyncio.sleep(0.01)
            listeners.hear(b"")
            await there.sees("dialog [data-said]", "The call is over.")
            await there.sees("[data-listen]", "Listen")
            assert there.wrong == []

    asyncio.run(look())


def test_a_newcomer_reads_on_the_page_why_a_call_was_slow_silent_or_refused(tmp_path: Path) -> None:
    told = {
        SLOW: (
            "mostly waiting for the language model's first word",
            "1.9 of 3.0 s",
            "a smaller or nearer [agent] llm",
        ),
        SILENT: (
            "No sound arrived from the other side",
            "no sound arrived for 30 s",
            "open the UDP ports of [media] port_range",
        ),
        REFUSED: ("The offered sound was not acceptable", "offers only G729", "Allow PCMU or PCMA at the carrier"),
    }

    async def look() -> None:
        async with window(tmp_path) as there:
            for call, words in told.items():
                await there.go(f"/calls/{call}")
                why = await there.page.inner_text("[data-part=why]")
                assert all(word in why for word in words), why
            await there.go(f"/calls/{SLOW}")
            refused = (await there.page.inner_text("[data-part=refused]")).replace("\t", " ")
            assert "Packets\n9\nWhen\n0:21.3 to 0:21.5\nWhy\nnot from where it was announced" in refused, refused
            assert "3 packets of other sources" in refused
            assert there.wrong == []

    asyncio.run(look())


def test_the_report_on_a_call_is_shown_with_its_proof_or_why_there_is_none(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await there.go(f"/calls/{SLOW}")
            await there.sees(
                "[data-part=report] > p", "The caller asked where order 7346 is, and was told that it comes today."
            )
            shown = await there.page.locator("[data-part=report]").inner_text()
            for words in ("Goal achieved", "yes", "“out for delivery” (agent, 0:", "order number", "7346", "not known"):
                assert words in shown
            assert "without proof, and it does not count: outcome" in shown
            await there.go(f"/calls/{SILENT}")
            await there.sees(
                "[data-part=report] > p", "It is not made: the call has cost 0.51 of 0.50 ([cost] per_call)."
            )
            await there.go(f"/calls/{LIVE}")
            assert not await there.page.locator("[data-part=report]").is_visible()

            async def becomes(**values: Any) -> None:
                async with there.gateway.store.write() as session:
                    await session.execute(update(ReportRecord).where(ReportRecord.call == SILENT).values(**values))

            await becomes(state="waiting", problem="")
            await there.go(f"/calls/{SILENT}")
            await there.sees("[data-part=report] > p", "It is being filled in.")
            content = {"summary": "Nobody spoke.", "outcome": None, "achieved": None, "fields": {}, "unproven": []}  # type: ignore[var-annotated]
            await becomes(state="filled", content=content)
            await there.sees("[data-part=report] > p", "Nobody spoke.")

    asyncio.run(look())


def test_what_others_wrote_is_shown_as_text_and_does_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, hostile=True) as there:
            for path in PATHS:
                await there.go(path)
                assert await there.page.locator("img[src=x], main script").count() == 0, path
                if path in OF_CALLS[1:3]:
                    assert SCRIPT in await there.page.inner_text("main")
            await there.go("/live")
            there.gateway.begin(live_call(99, SCRIPT))
            await there.sees('tr[data-call="call-99"] td:nth-child(2)', SCRIPT)  # this row came by an event
            assert await there.page.locator("img[src=x]").count() == 0
            assert len(there.wrong) == 1, there.wrong  # the page that is nowhere

    asyncio.run(look())


def test_a_call_appears_changes_and_goes_while_somebody_looks(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await there.go("/live")
            await there.sees("[data-live-count]", "0")
            live = there.gateway.begin(live_call())
            await there.sees("tr[data-call] [data-field=turn]", "speaking")
            await there.sees("[data-live-count]", "1")
            live.context.conversation.state = State.LISTENING  # type: ignore[union-attr,misc]
            live.context.line.mos = 2.1  # type: ignore[union-attr,misc]
            await there.sees("tr[data-call] [data-field=turn]", "listening")
            await there.sees("tr[data-call] [data-field=mos]", "2.1")
            there.gateway.calls.clear()
            await playwright.expect(there.page.locator("tr[data-call]")).to_have_count(0)
            await playwright.expect(there.page.locator("[data-live-empty]")).to_be_visible()
            assert there.wrong == []

    asyncio.run(look())


def test_the_theme_is_chosen_by_keyboard_and_stays(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False, color_scheme="light") as there:
            await there.go("/live")
            await there.page.focus("[data-theme-toggle]")
            await there.page.keyboard.press("Enter")
            await there.go("/calls")
            assert await there.page.get_attribute("html", "data-theme") == "dark"
            ground = await there.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == "rgb(19, 21, 22)"

    asyncio.run(look())


def test_a_call_is_made_from_the_page(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await there.go("/outbound")
            await there.page.fill("[name=to]", "+15550123")
            await there.page.press("[name=to]", "Enter")
            await there.sees("[data-said]", "It is being dialled. See the call")
            (placed,) = there.gateway.calls.values()
            assert placed.info.direction == "out"

    asyncio.run(look())


def test_an_operator_speaks_into_a_call_and_ends_it(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await there.go("/live")
            talking: Any = there.gateway.begin(live_call(caller=SCRIPT)).context.conversation
            await there.page.click("[data-act]")
            await there.sees("dialog h2", f"Call of {SCRIPT}")
            await there.page.evaluate(AXE)
            assert await there.page.evaluate(FAULTS) == []
            await there.page.fill("form[data-do=say] textarea", "Ann comes in a minute.")
            await there.page.press("form[data-do=say] textarea", "Enter")
            await there.sees("dialog [data-said]", "It will be said.")
            await there.page.fill("form[data-do=instruct] textarea", "Offer ten percent.")
            await there.page.click("form[data-do=instruct] button")
            await there.sees("dialog [data-said]", "The agent knows.")
            await there.page.fill("form[data-do=digits] input", "1#")
            await there.page.click("form[data-do=digits] button")
            await there.sees("dialog [data-said]", "Pressed.")
            await there.page.click("dialog button[data-do=end]")
            await there.sees("dialog [data-said]", "Ended.")
            assert talking.did == [
                ("say", "Ann comes in a minute."), ("instruct", "Offer ten percent."), ("send_digits", "1#"),
                ("end", "you ended the call"),
            ]  # fmt: skip
            talking.ending = True
            await there.page.click("[data-act]")
            await there.page.click("form[data-do=transfer] button")
            await there.sees("dialog [data-said]", "the call is ending")

    asyncio.run(look())


def test_a_viewer_is_offered_nothing_to_do(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, toml=SIGNED) as there:
            await Accounts(there.gateway.store).set_user("ann", "viewer", "battery staple")
            await there.go("/live")
            await there.page.fill("[name=name]", "ann")
            await there.page.fill("[name=password]", "battery staple")
            await there.page.press("[name=password]", "Enter")
            await there.sees("h1", "Live")
            there.gateway.begin(live_call(99))
            await there.sees('tr[data-call="call-99"] td:nth-child(2)', "+15550100")
            assert await there.page.locator("[data-act], dialog").count() == 0
            await there.page.click("[data-sign-out]")
            await there.sees("h1", "Sign in")

    asyncio.run(look())


def test_who_looks_is_told_when_the_gateway_does_not_answer_and_sees_on_when_it_does(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await there.page.add_init_script("{ const wait = setTimeout; setTimeout = (f) => wait(f, 50); }")
            await there.page.route("**/live/events", lambda route: route.fulfill(status=503, body="too many"))
            await there.go("/live")
            lost = there.page.locator("[data-live-lost]")
            await playwright.expect(lost).to_be_visible()
            await there.page.unroute("**/live/events")
            await playwright.expect(lost).to_be_hidden()
            there.gateway.begin(live_call(99))
            await playwright.expect(there.page.locator('tr[data-call="call-99"]')).to_be_visible()

    asyncio.run(look())


async def becomes(page: Any, expression: str) -> None:
    """Wait until that is true; the page's policy forbids Playwright's own way."""
    async with asyncio.timeout(HANG):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.05)


TAKING = """
window.sockets = [];
window.WebSocket = class {
  constructor() {
    sockets.push(this);
    setTimeout(() => { this.onopen(); this.onmessage({ data: '{"taken": true}' }); }, 50);
  }
  send() {}
  close() { this.closed = true; }
};
navigator.mediaDevices.getUserMedia = () => new Promise((granted) => {
  window.grant = () => granted(new AudioContext().createMediaStreamDestination().stream);
});
"""


def test_who_closes_the_dialog_before_the_microphone_is_granted_does_not_speak(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            await there.page.add_init_script(TAKING)
            await there.go("/live")
            await there.page.click("[data-act]")
            await there.page.click("[data-take]")
            await becomes(there.page, "!!window.grant")
            await there.page.keyboard.press("Escape")
            await there.page.evaluate("grant()")
            await becomes(there.page, "!!sockets[0]?.closed")
            await there.page.click("[data-act]")
            await there.sees("[data-take]", "Take over")
            assert there.wrong == []

    asyncio.run(look())
