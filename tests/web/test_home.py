"""The home page, and the ways that lead from it, as a person goes them in a browser."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright import async_api as playwright

from agent.records import CallerSaid
from sipgw.events import CallReported
from sipgw.records.store.tables import CallRecord, EventRecord
from tests.web.gateway_view import live_call, visit
from tests.web.sample_calls import LIVE
from tests.web.test_browser import AXE, FAULTS, window

chromium = pytest.mark.programs("chromium")


@chromium
def test_from_the_home_page_one_finds_why_the_worst_call_of_yesterday_was_bad(tmp_path: Path) -> None:
    """The script of clicks: what a person does who has never seen it."""

    async def look() -> None:
        async with window(tmp_path) as there:
            page = there.page
            await there.go("/")
            assert "need your attention" in await page.inner_text("#well"), "all is not well, and it says so first"
            await playwright.expect(page.locator("#worst")).to_have_text("Calls to look at")
            yesterday = page.locator("section[aria-labelledby=worst] h3", has_text="Yesterday").locator("+ ul > li")
            await playwright.expect(yesterday.first).to_contain_text("no sound")
            await yesterday.first.locator("a").click()  # the only click, on the first, as a newcomer does
            await page.wait_for_selector("[data-ready]")
            why = await page.inner_text("[data-part=why]")
            assert "No sound arrived from the other side" in why, "the cause"
            assert "open the UDP ports of [media] port_range" in why, "what to do"
            assert "no sound arrived for 30 s" in why, "what shows it"
            await playwright.expect(page.locator("[data-part=why]")).to_be_in_viewport()
            assert there.wrong == []

    asyncio.run(look())


@chromium
def test_the_same_by_keyboard_and_the_lines_are_read_by_arrow_keys(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page = there.page
            await there.go("/")
            reached = "document.activeElement.matches('[data-plot]')"
            while not await page.evaluate(reached):
                await page.keyboard.press("Tab")
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            told = page.locator("[data-plot]").first.locator("[data-told]")
            await page.keyboard.press("ArrowLeft")
            last = await told.inner_text()
            assert "p50" in last and "p95" in last and "turns" in last
            await page.keyboard.press("ArrowLeft")
            await playwright.expect(told).not_to_have_text(last)
            while not await page.evaluate("document.activeElement.matches('.bads a')"):
                await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("[data-ready]")
            assert there.wrong == []

    asyncio.run(look())


@chromium
def test_the_page_keeps_itself_up_to_date_and_says_when_it_cannot(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            page = there.page
            await page.add_init_script("{ const every = setInterval; setInterval = (f) => every(f, 500); }")
            await there.go("/")
            figures = page.locator("[data-fresh=figures] strong")
            await there.sees("#first", "Make the first call")
            await playwright.expect(figures.first).to_have_text("0")
            there.gateway.begin(live_call())
            await playwright.expect(figures.first).to_have_text("1")
            await page.route(f"{there.url}/", lambda route: route.abort())
            await playwright.expect(page.locator("[data-lost]")).to_be_visible()
            await page.unroute(f"{there.url}/")
            await playwright.expect(page.locator("[data-lost]")).to_have_count(0)

    asyncio.run(look())


@chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_home_page_without_a_call_says_what_to_do_next(tmp_path: Path, theme: str) -> None:
    async def look() -> None:
        size = {"width": 390, "height": 780}
        async with window(tmp_path, busy=False, color_scheme=theme, viewport=size) as there:
            await there.go("/")
            steps = await there.page.inner_text(".steps")
            assert "sipgw demo" in steps and "Call the agent from this page" in steps
            await there.page.evaluate(AXE)
            assert await there.page.evaluate(FAULTS) == []
            assert await there.page.evaluate("document.documentElement.scrollWidth") <= 390
            assert there.wrong == []

    asyncio.run(look())


@chromium
def test_words_appear_on_the_page_of_a_call_while_they_are_spoken(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page, watchers = there.page, there.gateway.watchers
            before = len(watchers._all)
            await there.go(f"/calls/{LIVE}")
            while len(watchers._all) == before:
                await asyncio.sleep(0.01)
            recording = there.gateway.calls[LIVE].context.call_recording
            assert recording

            def said(text: str) -> None:
                watchers.tell(CallReported(LIVE, datetime.now(UTC), CallerSaid(text, False)))

            said("And do you")
            await there.sees("[data-now] .caller", "CallerAnd do you")
            said("And do you deliver")
            await there.sees("[data-now] .caller", "CallerAnd do you deliver")
            recording.set_private(True)
            said("And do you deliver to four one one one")
            recording.set_private(False)
            said("And do you deliver it")
            await there.sees("[data-now] .caller", "CallerAnd do you deliver it")
            assert there.wrong == []
            await page.goto(f"{there.url}/live")
            while len(watchers._all) != before:
                await asyncio.sleep(0.01)

    asyncio.run(look())


@chromium
def test_an_option_is_found_by_a_word(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            page = there.page
            await there.go("/configuration")
            await page.fill("[data-find]", "alarms money")
            await there.sees("[data-found]", "1 option")
            await playwright.expect(page.locator("[data-table=alarms] [data-option]:visible dt")).to_have_text("cost")
            assert await page.locator("details[data-table]:visible").count() == 1
            assert await page.locator("[data-table=alarms] code", has_text="[limits] money_per_day").count() == 1
            await page.evaluate(AXE)
            assert await page.evaluate(FAULTS) == []
            await page.reload()
            await there.sees("[data-found]", "1 option")
            for written in ("[limits] money_per_day", "limits.money_per_day"):
                await page.fill("[data-find]", written)
                found = page.locator("[data-table=limits] [data-option]:visible dt", has_text="money_per_day")
                await playwright.expect(found).to_have_count(1)
                await playwright.expect(page.locator("[data-found]")).not_to_have_text("0 options")
            await page.fill("[data-find]", "no such option")
            await there.sees("[data-found]", "0 options")
            await page.fill("[data-find]", "")
            await playwright.expect(page.locator("details[data-table]:visible")).not_to_have_count(0)
            assert there.wrong == []

    asyncio.run(look())


def test_a_light_leads_to_the_call_that_failed_whatever_its_call_id_is(tmp_path: Path) -> None:
    """The caller chooses it; without its end it is that of another call."""

    async def look() -> None:
        async with visit(tmp_path) as there:
            now = datetime.now(UTC)
            row = {"trunk": "office", "agent": "agent", "caller": "+1", "called": "+2", "began": now}
            async with there.gateway.store.write() as session:
                session.add_all([CallRecord(id=name, **row) for name in ("same", "same?#/x")])
                await session.flush()
                about = {"part": "llm", "cause": "OpenAI: 401"}
                session.add(EventRecord(call="same?#/x", at=now, kind="provider_failed", about=about))
            assert 'href="/calls/same%3F%23%2Fx"' in (await there.browser.get("/")).text

    asyncio.run(look())


def test_bad_calls_stand_out_and_calls_out_are_titled_by_whom_they_call(tmp_path: Path) -> None:
    began = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rows = [
        CallRecord(id=name, trunk="office", caller="+15550100", called="+442079460018", direction=direction,
                   began=began, ended=began + timedelta(minutes=1), ending=ending, cause="", media=media, cost=0.5)
        for name, direction, ending, media in (
            ("good", "in", "caller_hung_up", {"sent": 900, "received": 900}),
            ("mute", "in", "caller_hung_up", {"sent": 900, "received": 0}), ("out", "out", "no_answer", {}),
        )
    ]  # fmt: skip

    async def look() -> None:
        async with visit(tmp_path, '[cost]\ncurrency = "EUR"') as there:
            async with there.gateway.store.write() as session:
                session.add_all(rows)
            text = (await there.browser.get("/calls")).text
            assert '<span class="badge" data-level="bad">no sound</span>' in text
            assert '<span class="badge" data-level="wait">no answer</span>' in text
            assert '<span class="badge" data-level="">caller hung up</span>' in text
            assert '#phone-outgoing"/></svg><span class="unseen"> to</span></span> <a href="/calls/out">+44' in text
            assert '<a href="/calls/good">+15550100</a>' in text and "0.5000 EUR" in text
            bad = (await there.browser.get("/calls", params={"bad": "1"})).text
            assert "/calls/mute" in bad and "/calls/good" not in bad
            assert "<h1>Call to +442079460018</h1>" in (await there.browser.get("/calls/out")).text

    asyncio.run(look())


def test_the_home_page_goes_on_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            path = Path(there.gateway.store.options.path)
            await there.gateway.store._engine.dispose()
            path.write_bytes(b"no database " * 1000)
            answer = await there.browser.get("/")
            assert answer.status_code == 200
            assert "The database does not answer" in answer.text and "1 thing needs your attention" in answer.text

    asyncio.run(look())
