"""The page of a running call shows those who are in it."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright import async_api as playwright

from sipgw.calls.conference import Mode
from tests.web.sample_calls import LIVE, SLOW
from tests.web.test_browser import window

pytestmark = pytest.mark.programs("chromium")


def test_the_page_of_a_call_that_goes_on_shows_who_is_in_it(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path) as there:
            live = there.gateway.calls[LIVE]
            await there.go(f"/calls/{LIVE}")

            async def sees(selector: str, pattern: str) -> None:
                await playwright.expect(there.page.locator(selector)).to_have_text(re.compile(pattern))

            list_, last = "[data-part=parties]", "[data-part=parties] li:last-child"
            await sees(f"{list_} li:first-child", "caller, since")
            await sees(last, "agent agent, since")
            assert await live.conference.join(None, "anna", Mode.CONFERENCE)
            await sees(last, "anna · 200 person, since [^,]*$")
            live.conference.third.person.line.on_hold = True  # type: ignore[union-attr,misc]
            await sees(last, "holds the call$")
            live.conference.leave()
            await sees(last, "agent agent, since")
            await there.go(f"/calls/{SLOW}")
            assert not await there.page.locator(list_).is_visible()
            assert there.wrong == []

    asyncio.run(look())
