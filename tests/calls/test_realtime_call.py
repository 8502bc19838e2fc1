"""Whole calls with speech-to-speech providers: real SIP and RTP, their own protocols, mu-law from end to end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.providers.gemini_live import GeminiOptions
from agent.providers.openai_realtime import OpenAIRealtimeOptions
from agent.providers.voice_agent_session import VoiceAgentOptions
from agent.providers.xai_realtime import XaiOptions
from agent.records import Report, Used
from sipgw.config.agent import LanguageOptions
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai import Reply
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Faults, Say
from tests.fakes.voice_agent import FakeVoiceAgent
from tests.fakes.xai_realtime import FakeXai
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).parents[1] / "scenarios" / "tools.py"
GREETING = "Hello, this is Acme Store. How can I help you?"
ORDER = Said("Where is my order 7346?", 3600, 4400)
STOP = Said("Stop, please.", 7000, 7500)
LOOK_UP = Say(calls=[("c1", "get_order_status", '{"order_number": "7346"}')])
LONG = "Your raincoat is out for delivery and it will be there today before six."
TONE = bytes((0x10, 0x90)) * 80
SILENCE = b"\xff" * 160


def interrupting(frame: int) -> bytes:
    """Loud in the midst of the answer, quiet otherwise: there the script alone decides what was said."""
    return TONE if STOP.start_ms <= 20 * frame < STOP.end_ms else SILENCE


def using(name: str, **servers: Any) -> Callable[[GatewayConfig], GatewayConfig]:
    def change(config: GatewayConfig) -> GatewayConfig:
        backup = tuple(other for other in servers if other != name)
        tables = {
            "openai": lambda fake: ("openai_realtime", OpenAIRealtimeOptions(api_key="k", url=fake.url)),
            "gemini": lambda fake: ("gemini_live", GeminiOptions(api_key="k", url=fake.url)),
            "xai": lambda fake: ("xai_realtime", XaiOptions(api_key="k", url=fake.url)),
            "assemblyai": lambda fake: ("assemblyai_agent", VoiceAgentOptions(api_key="k", url=fake.url)),
        }
        found = dict(tables[one](fake) for one, fake in servers.items())
        return config.having(agent=replace(config.agent, realtime=name, realtime_backup=backup), **found)

    return change


async def the_record(gateway: Any) -> dict[str, Any]:
    async with asyncio.timeout(HANG):
        while not (found := await gateway.store.calls()):
            await asyncio.sleep(0.05)
    return found[0]


def test_a_call_with_sound_of_another_rate(tmp_path: Path) -> None:
    """Gemini speaks at 24 kHz: what was said and done counts, not each byte."""

    async def scenario():
        fake = FakeGemini([ORDER], [LOOK_UP, Say("It is out for delivery.")], key="k")
        async with fake, cloud(tmp_path, [], [], change=using("gemini", gemini=fake)) as world:
            async with calling(world.target, interrupting) as phone:
                await fake.until(lambda: sum("usageMetadata" in one for one in fake.sessions[0].sent) == 3)
                before = len(phone.heard())
                async with asyncio.timeout(HANG):
                    while len(phone.heard().strip(b"\xff")) < before + len(sound_of("It is out for delivery.")):
                        await asyncio.sleep(0.05)
                heard = phone.heard()
            return fake, heard, await the_record(world.gateway)

    fake, heard, record = asyncio.run(scenario())
    assert len(heard.replace(b"\xff", b"")) > len(sound_of(GREETING)) // 2, "resampled, not silent"
    assert fake.told[0].endswith(GREETING)
    assert "raincoat" in fake.results[0]["result"]["output"]
    turn = record["turns"][-1]
    assert (turn["caller"], turn["said"]) == (ORDER.text, "It is out for delivery.")
    assert turn["tools"][0]["result"]["item"] == "a blue raincoat"


KINDS = [("openai", FakeOpenAIRealtime), ("assemblyai", FakeVoiceAgent), ("xai", FakeXai)]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_tool_is_used_an_interruption_is_exact_and_the_record_says_so(tmp_path: Path, name: str, kind: Any) -> None:
    async def scenario():
        fake = kind([ORDER, STOP], [LOOK_UP, Say(LONG), Say("Yes?")], key="k")
        async with fake, cloud(tmp_path, [], [], change=using(name, **{name: fake})) as world:
            async with calling(world.target, interrupting) as phone:
                await phone.hears(sound_of("Yes?"))
                messages = next(iter(world.gateway.calls.values())).call_control.messages
                heard = phone.heard()
            return fake, messages, heard, await the_record(world.gateway)

    fake, messages, heard, record = asyncio.run(scenario())
    assert fake.results[0]["call"] == "c1"
    assert "raincoat" in fake.results[0]["result"]
    whole = sound_of(LONG)
    for text in (GREETING, "Yes?"):
        assert sound_of(text).strip(b"\xff") in heard, "what the caller got is byte for byte what the provider sent"
    begins = heard.index(whole[:4000])
    played = next(
        at for at in range(0, len(whole), 160) if heard[begins + at : begins + at + 160] != whole[at : at + 160]
    )
    assert 8000 < played < len(whole) - 8000
    cut = record["turns"][-2]
    assert cut["interrupted"]
    assert cut["caller"] == ORDER.text
    assert cut["tools"][0]["result"]["item"] == "a blue raincoat"
    words = cut["heard"].removesuffix(" —")
    if kind is not FakeVoiceAgent:
        (told,) = fake.cuts
        assert told["reply"] == "item3"
        assert abs(told["ms"] - played // 8) <= 20, "within one slot of what was on the wire"
        assert LONG.startswith(words)
        assert len(words) == pytest.approx(played / 480, abs=9)  # a word
    else:
        within_a_slot = [LONG.split()[: (played - slot) // 1600] for slot in (0, 160)]
        assert words.split() in within_a_slot, "by the provider's own times of the words"
    assert [one["content"] for one in messages if one["role"] != "system" and one["content"]][-3:] == [
        cut["heard"],
        STOP.text,
        "Yes?",
    ]
    assert record["turns"][-1]["heard"] == "Yes?"
    assert record["turns"][-1]["latency_ms"]["total"] > 0
    assert record["ending"] == "caller_hung_up"


@pytest.mark.parametrize(("name", "kind"), [("openai", FakeOpenAIRealtime), ("assemblyai", FakeVoiceAgent)])
def test_it_changes_the_language_when_it_is_asked_to(tmp_path: Path, name: str, kind: Any) -> None:
    switch = Say(calls=[("c1", "switch_language", '{"language": "es"}')])

    async def scenario():
        fake = kind([ORDER], [switch, Say("Con mucho gusto.")], key="k")

        def both(config: GatewayConfig) -> GatewayConfig:
            return replace(
                using(name, **{name: fake})(config), languages=(LanguageOptions("en"), LanguageOptions("es"))
            )

        async with fake, cloud(tmp_path, [], [], change=both) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                await phone.hears(sound_of("Con mucho gusto."))
            return fake, await the_record(world.gateway)

    fake, record = asyncio.run(scenario())
    assert any("You are speaking Spanish with the caller" in told for told in fake.told)
    assert [(turn["heard"], turn["language"]) for turn in record["turns"]] == [
        (GREETING, "en"),
        ("Con mucho gusto.", "es"),
    ]


def test_another_provider_goes_on_with_the_call(tmp_path: Path) -> None:
    """The first one's socket is dropped while the caller's question is being answered."""

    async def scenario():
        first = FakeOpenAIRealtime([ORDER], [Say(LONG, hold=True)], key="k", faults=Faults(drop=True, after_ms=5600))
        second = FakeVoiceAgent([], [Say("It is on its way.")], key="k")
        change = using("openai", openai=first, assemblyai=second)
        async with first, second, cloud(tmp_path, [], [], change=change) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                await phone.hears(sound_of("It is on its way."))
                heard = phone.heard()
            return second, heard, await the_record(world.gateway)

    second, heard, record = asyncio.run(scenario())
    configured = second.sessions[0].messages[0]["session"]
    assert "greeting" not in configured
    assert f"Caller: {ORDER.text}\nYou: Your raincoat" in configured["system_prompt"]
    assert sound_of("It is on its way.").strip(b"\xff") in heard
    assert record["turns"][-1]["heard"].endswith("It is on its way.")
    assert record["ending"] == "caller_hung_up"


def test_another_agent_takes_the_call_over_with_a_provider_of_its_own(tmp_path: Path) -> None:
    """The first one's session ends politely; the other knows what was said, and has its own tools."""
    handing = Say(calls=[("c1", "hand_over", '{"to": "billing", "reason": "wants an invoice"}')])
    billing = '+++\nrealtime = "assemblyai"\n+++\nYou are billing.\n'

    def first_of(config: GatewayConfig) -> GatewayConfig:
        changed = using("openai", openai=first)(config)
        return replace(changed, agent=replace(changed.agent, realtime_backup=(), hand_over=("billing",)))

    def others(config: GatewayConfig) -> dict[str, GatewayConfig]:
        config = config.having(assemblyai_agent=VoiceAgentOptions(api_key="k", url=second.url))
        return {"billing": parse_agent(billing, Path("agents/billing.md"), config, {})}  # type: ignore[dict-item]

    async def scenario():
        async with first, second, cloud(tmp_path, [], [], change=first_of, agents=others) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                async with asyncio.timeout(HANG):
                    while sound_of("Which invoice?").strip(b"\xff") not in phone.heard():
                        await asyncio.sleep(0.1)
            return await world.gateway.store.call((await the_record(world.gateway))["id"])

    first, second = (
        FakeOpenAIRealtime([ORDER], [handing], key="k"),
        FakeVoiceAgent([], [Say("Which invoice?")], key="k"),
    )
    record = asyncio.run(scenario())
    configured = second.sessions[0].messages[0]["session"]
    assert configured["system_prompt"].startswith("You are billing.")
    assert f"Caller: {ORDER.text}" in configured["system_prompt"]
    assert "hand_over" not in {tool["name"] for tool in configured["tools"]}
    assert first.results == [], "what the first one asked for is no longer its affair"
    assert first.sessions[0].ended
    assert record["turns"][-1]["heard"] == "Which invoice?"
    assert "handed_over" in [event["kind"] for event in record["events"]]


def test_when_nobody_is_left_the_caller_hears_an_apology(tmp_path: Path) -> None:
    async def scenario():
        fake = FakeOpenAIRealtime(key="k", faults=Faults(sessions=9, error=("insufficient_quota", "no money")))
        async with fake, cloud(tmp_path, [], [], change=using("openai", openai=fake)) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                record = await the_record(world.gateway)
            return phone.heard(), record

    heard, record = asyncio.run(scenario())
    assert len(heard) > 20_000
    assert record["ending"] == "failed"
    assert record["cause"].startswith("realtime failed: openai: the quota is used up")


@pytest.mark.faults("D9")
def test_the_model_judges_whether_the_caller_has_agreed(tmp_path: Path) -> None:
    cancel = Say(calls=[("c1", "cancel_order", '{"number": "7346"}')])
    said = [Said("Cancel order 7346.", 3600, 4400), Said("Well, I suppose so.", 10_000, 10_500)]
    judged = Reply(calls=[("j1", "report_verdict", '{"verdict": "yes"}')])

    def first_of(config: GatewayConfig) -> GatewayConfig:
        changed = using("openai", openai=fake)(config)
        return replace(changed, agent=replace(changed.agent, tools=str(TOOLS)))

    async def scenario():
        async with fake, cloud(tmp_path, [], [judged], change=first_of, observer=reports.append) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                await phone.hears(sound_of("Done."))
            return world.llm

    reports: list[Report] = []
    again = Say(calls=[("c2", "cancel_order", '{"number": "7346"}')])
    fake = FakeOpenAIRealtime(said, [cancel, Say("Cancel order 7346?"), again, Say("Done.")], key="k")
    llm = asyncio.run(scenario())
    assert "cancelled" in fake.results[1]["result"]
    assert "Well, I suppose so." in llm.requests[0]["messages"][-1]["content"]
    assert any(one.part == "llm" for one in reports if isinstance(one, Used)), "which is on the bill"
