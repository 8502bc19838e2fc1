"""The page of the browser phone in a real browser (Debian's Chromium): what it shows of a call."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright import async_api as playwright

from sipgw import web
from tests.web.test_browser import CHROMIUM, window

pytestmark = pytest.mark.programs("chromium")


WORDS = (
    {"kind": "agent", "text": "Harbour Books, good morning."},
    {"kind": "caller", "text": "Do you", "final": False},
    {"kind": "interrupted", "text": "Harbour Books,"},
    {"kind": "caller", "text": "Do you have the new atlas?", "final": True},
    {"kind": "agent", "text": "Yes, two copies."},
    {"kind": "caller", "text": "Thank you.", "final": True},
)
"""What the gateway tells of a call in which the caller talks over the greeting."""


@pytest.mark.faults("H8")
def test_the_phone_page_shows_what_an_interrupting_caller_says_once(tmp_path: Path) -> None:
    async def look() -> list[str]:
        async with window(tmp_path) as there:
            page = there.page
            await page.add_init_script("RTCPeerConnection.prototype.setRemoteDescription = async () => {};")
            told = "".join(f"event: word\ndata: {json.dumps(word)}\n\n" for word in WORDS)
            await page.route(
                "**/api/phone/calls", lambda route: route.fulfill(status=201, json={"call": "c", "sdp": ""})
            )
            await page.route("**/api/phone/calls/c", lambda route: route.fulfill(status=204))
            await page.route(
                "**/api/phone/calls/c/events", lambda route: route.fulfill(content_type="text/event-stream", body=told)
            )
            await there.go("/phone")
            await page.get_by_role("button", name="Call", exact=True).click()
            await playwright.expect(page.locator("[data-words]")).to_contain_text("Thank you.")
            await page.get_by_role("button", name="Hang up").click()
            lines: list[str] = await page.locator("[data-words] li").all_inner_texts()
            return [" ".join(line.split()) for line in lines]

    assert asyncio.run(look()) == [
        "Agent Harbour Books, good morning.", "You Do you have the new atlas?", "Cut after Harbour Books,",
        "Agent Yes, two copies.", "You Thank you.",
    ]  # fmt: skip


@pytest.mark.faults("H8")
def test_keys_stand_together_until_something_else_is_said() -> None:
    """And a sentence that is not final yet goes on in its line whatever comes between. No call: the function alone."""
    script = (Path(web.__file__).parent / "static" / "phone.js").read_text()
    start = script.index("const $ =")
    functions = script[start : script.index("function follow")]
    page_of_phone = "<ol data-words></ol><p data-words-empty></p><p data-problem></p>"
    told = [
        ("key", "1", False), ("key", "2", False), ("caller", "I", False), ("key", "3", False), ("key", "4", False),
        ("interrupted", "Good", True), ("caller", "I see", True),
    ]  # fmt: skip
    lines = "() => [...document.querySelectorAll('[data-words] > li')].map(one => one.lastElementChild.textContent)"

    async def look() -> list[str]:
        async with playwright.async_playwright() as started:
            browser = await started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            try:
                page = await browser.new_page()
                await page.set_content(page_of_phone)
                calls = "".join(f"line({kind!r}, {text!r}, {str(final).lower()});" for kind, text, final in told)
                await page.evaluate(f"() => {{ {functions} {calls} }}")
                return list(await page.evaluate(lines))
            finally:
                await browser.close()

    assert asyncio.run(look()) == ["12", "I see", "34", "Good"]
