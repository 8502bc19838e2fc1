"""An operator takes a telephone call over in Chromium, speaks, and gives it back: the agent goes on where they left."""

import asyncio
from pathlib import Path

import pytest
from playwright import async_api as playwright

from agent.ulaw import level
from sipgw.calls.conference import GIVEN_BACK
from sipgw.config.web import WebOptions
from sipgw.web.server import Dashboard
from tests.calls.test_bridged_transfer import murmur, until
from tests.calls.test_live_control import ANSWER, answered
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.interop.chromium import PROGRAM, flags, microphone
from tests.interop.test_browser_phone import SPEECH
from tests.phone import Phone, calling
from tests.waiting import HANG

pytestmark = pytest.mark.programs("chromium")

NOTE = "I have promised the caller ten percent off."
QUESTION = "Then where is my order?"


def loudness(caller: Phone) -> float:
    """Of the last second that a caller heard."""
    return level(b"".join(packet.payload for _, packet in caller.received[-50:]))


def test_the_agent_goes_on_and_knows_what_its_colleague_has_told_it(tmp_path: Path) -> None:
    speech = microphone(tmp_path, *(6 * [SPEECH / "jfk.wav"]))

    async def scenario() -> list[str]:
        async with (
            cloud(tmp_path, (), [Reply(text=[ANSWER])]) as world,
            Dashboard(world.gateway, WebOptions(port=0)) as dashboard,
            playwright.async_playwright() as play,
            calling(world.target, murmur, caller="+14155550142") as caller,
        ):
            call = await answered(world)
            await until(lambda: call.row()["turn"] == "listening")
            browser = await play.chromium.launch(executable_path=PROGRAM, args=flags(speech))
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(30_000)
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            await page.goto(f"{dashboard.url}live")
            await page.get_by_role("button", name="Act on the call of").click()
            await page.get_by_role("button", name="Take over").click()
            said, floor = page.locator("dialog [data-said]"), page.locator("tr[data-call] [data-field=turn]")
            await playwright.expect(said).to_contain_text("You speak with the caller", timeout=HANG * 1000)
            await playwright.expect(floor).to_have_text("with you")
            await until(lambda: loudness(caller) > 100)
            await page.fill("form[data-do=instruct] textarea", NOTE)
            await page.get_by_role("button", name="Whisper").click()
            await playwright.expect(said).to_have_text("The agent knows.")
            assert not world.llm.requests, "the agent was silent all the time"

            await page.get_by_role("button", name="Give back to the agent").click()
            await playwright.expect(said).to_have_text("The agent speaks again.")
            await playwright.expect(floor).to_have_text("listening")
            at = round(len(world.stt.sessions[0].audio) / 8)
            world.stt.script.append(Said(QUESTION, at + 200, at + 1000))
            await until(lambda: sound_of(ANSWER).strip(b"\xff") in caller.heard())
            told = [str(message["content"]) for message in world.llm.requests[-1]["messages"]]
            assert any(NOTE in text for text in told) and any(GIVEN_BACK in text for text in told)
            assert any(QUESTION in text for text in told)
            await browser.close()
        return wrong

    assert asyncio.run(scenario()) == []
