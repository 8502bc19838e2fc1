"""The modes of a third in a live call, in a real browser (Debian's Chromium)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright

from agent.call_control import CallControlRefused
from sipgw.calls.conference import Mode
from tests.web.gateway_view import live_call
from tests.web.test_browser import TAKING, becomes, window

pytestmark = pytest.mark.programs("chromium")


def test_the_mode_that_is_shown_is_the_gateways(tmp_path: Path) -> None:
    async def look() -> None:
        async with window(tmp_path, busy=False) as there:
            await there.page.add_init_script(TAKING)
            await there.go("/live")
            operators: Any = there.gateway.begin(live_call()).conference
            await operators.join(None, "anna", Mode.WHISPER)
            await there.page.wait_for_selector('tr[data-mode="whisper"]')
            await there.page.click("[data-act]")
            joined, own = there.page.locator("form[data-do=mode] select"), there.page.locator("select[data-mode]")
            await playwright.expect(joined).to_have_value("whisper")
            await playwright.expect(own).to_have_value("take_over")
            operators.change(Mode.NOTES)  # she has pressed a key, or another page has asked for it
            await playwright.expect(joined).to_have_value("notes")
            await there.page.click("[data-take]")
            await becomes(there.page, "!!window.grant")
            await there.page.evaluate("grant()")
            await there.sees("[data-take]", "Give back to the agent")
            await playwright.expect(own).to_have_value("notes")
            operators.leave("")
            operators.third = Refusing(Mode.CONSULT)
            await playwright.expect(own).to_have_value("consult")
            await own.select_option("listen")
            await there.sees("dialog [data-said]", "the call is ending")
            await playwright.expect(own).to_have_value("consult")

    asyncio.run(look())


class Refusing:
    """A third whose mode cannot be changed any more."""

    name = "anna"

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        raise CallControlRefused("the call is ending")
