"""A call from a browser with a draft of the agent's prompt."""

import asyncio
from pathlib import Path

import pytest

from sipgw.calls.browser_phone import CallUnavailable, PromptDraft
from tests.browser.test_browser_phone import phone_of
from tests.calls.test_cloud_call import every_code, records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.waiting import until
from tests.webrtc import Browser


@pytest.mark.slow
def test_a_draft_of_a_prompt_is_that_of_one_call_alone(tmp_path: Path) -> None:
    async def scenario():
        said = [Said("Who are you?", 1000, 2000)]
        async with cloud(tmp_path, said, [Reply(text=["We mend."])]) as world:
            browser, phone = Browser(every_code), phone_of(world)
            await browser.place(phone, who="ann", draft=PromptDraft("agent, version 7", "You mend for {{business}}."))
            await until(lambda: "We mend." in world.tts.texts)
            await browser.close()
            with pytest.raises(CallUnavailable, match=r"there is no \{\{nobody\}\}"):
                await Browser().place(phone, draft=PromptDraft("agent, version 8", "You are {{nobody}}."))
            (record,) = await records(world.gateway)
            return world.llm.requests[-1], world.gateway.agents.all["agent"].config.agent.prompt, record

    request, prompt, record = asyncio.run(scenario())
    assert request["messages"][0]["content"].startswith("You mend for Acme Store.")
    assert prompt == "", "other calls have what they had"
    assert (record["agent"], record["called"]) == ("agent", "agent, version 7")
