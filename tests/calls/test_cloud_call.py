# mypy: disable-error-code="union-attr"
"""Whole calls with the cloud providers' protocols: real SIP, real RTP, the media process, strict fakes."""

import asyncio
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent import tools
from agent.records import ProviderFailed, TurnEnded
from media.process.engine import MediaOptions
from sipgw.config.networks import Networks
from sipgw.events import CallAnswered
from sipgw.sip.uri import Uri
from tests.cloud import cloud
from tests.fakes.assemblyai import Faults, Said
from tests.fakes.elevenlabs import TtsFaults, sound_of
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

GREETING = "Hello, this is Acme Store. How can I help you?"
ORDER = Reply(calls=[("c1", "get_order_status", '{"order_number": "7346"}')])
ANSWER = Reply(text=["Your raincoat is ", "out for delivery."])


def every_code(frame: int) -> bytes:
    """Quiet sound in which every frame is different; now and then all 256 codes, too short to be a voice."""
    if frame % 25 in (0, 12):
        return bytes((at + (frame % 25) * 8) & 0xFF for at in range(160))
    return bytes(0x70 | ((frame * 7 + at * at) & 0x8F) for at in range(160))


LENT = b"\xff" * 160
"""A frame, or a part of one, of silence that keeps the recogniser's clock going when this busy machine sends late."""


async def records(gateway, count: int = 1):
    async with asyncio.timeout(HANG):
        while len(found := await gateway.store.calls()) < count:
            await asyncio.sleep(0.05)
    return found


def test_mulaw_passes_untouched_both_ways_and_the_tool_is_used(tmp_path: Path) -> None:
    async def scenario():
        said = [Said("Where is my order 7346?", 4000, 5000)]
        async with cloud(tmp_path, said, [ORDER, ANSWER]) as world:
            async with calling(world.target, every_code) as phone:
                await phone.hears(sound_of("Your raincoat is out for delivery."))
                heard = phone.heard()
            (record,) = await records(world.gateway)
            return heard, world.stt.sessions[0].audio, world.tts.texts, record, world.llm.requests

    heard, audio, texts, record, requests = asyncio.run(scenario())
    assert len(audio) > 40_000
    frames = [bytes(audio[at : at + 160]) for at in range(0, len(audio), 160)]
    passed = [frame for frame in frames if frame.strip(LENT)]
    sent = iter([every_code(number) for number in range(1000)])
    assert all(frame in sent for frame in passed), "what AssemblyAI got is, byte for byte, what the caller sent"
    assert len(passed) > len(frames) / 2
    for text in (texts[0], "Your raincoat is out for delivery."):
        assert sound_of(text).strip(b"\xff") in heard, "what the caller got is byte for byte what ElevenLabs sent"
    assert record["ending"] == "caller_hung_up"
    tools = [run for turn in record["turns"] for run in turn["tools"]]
    assert tools[0]["result"]["item"] == "a blue raincoat"
    assert requests[1]["messages"][-1]["role"] == "tool"
    assert {tool["function"]["name"] for tool in requests[0]["tools"]} == {  # no transfer: there is nobody
        "get_order_status",
        "expect",
        "wait",
        "schedule_callback",
        "stop_calling",
        "pause_recording",
        "resume_recording",
        "emergency",
        "hang_up",
    }


def test_the_shape_of_a_tool_is_worked_out_once_for_all_calls(tmp_path: Path) -> None:
    """It took half of what a call needs to be set up."""

    async def scenario() -> list[int]:
        worked_out = []
        async with cloud(tmp_path, [], []) as world:
            for _ in range(2):
                async with calling(world.target, every_code):
                    worked_out.append(tools._model.cache_info().misses + tools._parameters.cache_info().misses)
        return worked_out

    tools._model.cache_clear()
    tools._parameters.cache_clear()
    first, second = asyncio.run(scenario())
    assert 0 < first == second


def test_stt_model_and_voice_are_connected_when_the_call_is_answered(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], []) as world:
            there: list[tuple[int, int]] = []

            def note(event: object) -> None:
                if isinstance(event, CallAnswered):
                    there.append((len(world.stt.sessions), len(world.tts.sessions)))

            world.gateway.watchers.add(note)
            async with calling(world.target, lambda frame: LENT):
                await until(lambda: there and world.llm.connections)
            await records(world.gateway)
            return there, world.llm.connections

    assert asyncio.run(scenario()) == ([(1, 1)], 1), "nothing was said, so nobody asked the model for a reply"


@pytest.mark.parametrize(
    ("part", "faults"),
    [
        ("stt", {"ear_faults": Faults(sessions=99, error=(1008, "Unauthorized Connection: balance"))}),
        ("stt", {"ear_faults": Faults(sessions=99, error=(1008, "Unauthorized Connection: x"), after_ms=1000)}),
        ("tts", {"tts_faults": TtsFaults(sentence=0, refuse_status=401)}),
        ("llm", {"replies": [Reply(status=401)]}),
    ],
)
def test_a_provider_that_is_down_is_apologised_for_and_the_reason_kept(tmp_path: Path, part: str, faults) -> None:
    failures: list[ProviderFailed] = []

    def observe(report) -> None:
        if isinstance(report, ProviderFailed):
            failures.append(report)

    async def scenario():
        options = {"replies": [ANSWER]} | faults
        said = [Said("Where is my order?", 1500, 2500)]
        async with (
            cloud(tmp_path, said, options.pop("replies"), observer=observe, **options) as world,
            calling(world.target, every_code) as phone,
        ):
            (record,) = await records(world.gateway)
            return phone.heard(), record

    heard, record = asyncio.run(scenario())
    assert [failure.part for failure in failures] == [part]
    assert record["ending"] == "failed"
    assert record["cause"].startswith(f"{part} failed")
    assert record["turns"][-1]["heard"].startswith("I am sorry, I have a technical problem.")
    assert len(heard) > 20_000, "the caller heard the apology"


def test_an_interruption_cuts_what_the_model_is_told(tmp_path: Path) -> None:
    text = "Your order is out for delivery and it will be with you before six. "

    async def scenario():
        began: list[int] = []

        def sound(frame: int) -> bytes:
            """Speak for 1.5 s from the moment that the answer is heard."""
            if not began and sound_of(text)[:8000] in phone.heard():
                began.append(frame)
                at = len(world.stt.sessions[-1].audio) // 8
                world.stt.script.append(Said("Stop, please listen.", at, at + 1000))
            loud = began and frame - began[0] < 75
            return b"\x10\x90" * 80 if loud else b"\xff\x7f" * 80

        async with cloud(
            tmp_path, [Said("Where is it?", 4000, 5000)], [Reply(text=[text]), Reply(text=["Yes?"])]
        ) as world:
            async with calling(world.target, lambda frame: sound(frame)) as phone:
                await phone.hears(sound_of("Yes?"))
            (record,) = await records(world.gateway)
            return record, world.llm.requests

    record, requests = asyncio.run(scenario())
    cut = next(turn for turn in record["turns"] if turn["interrupted"])
    assert cut["heard"].endswith("—")
    assert cut["said"].startswith(cut["heard"].removesuffix(" —"))
    assert requests[-1]["messages"][-2:] == [
        {"role": "assistant", "content": cut["heard"]},
        {"role": "user", "content": "Stop, please listen."},
    ]


def test_the_death_of_the_media_process_ends_its_calls_and_the_next_one_works(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], [ANSWER]) as world:
            async with calling(world.target, every_code) as phone:
                await until(lambda: phone.received)
                children = subprocess.run(
                    ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True, check=True
                ).stdout
                (worker,) = [line.split()[0] for line in children.splitlines() if "media.process.start" in line]
                os.kill(int(worker), signal.SIGKILL)
                (record,) = await records(world.gateway)
            await until(lambda: all(process.pid for process in world.gateway.evidence.engine.processes))
            async with calling(world.target, every_code) as phone:
                await until(lambda: len(phone.heard()) > 10_000)
                return record, phone.heard()

    record, heard = asyncio.run(scenario())
    assert (record["ending"], "media process ended" in record["cause"]) == ("line_lost", True)
    assert heard


def test_strangers_hear_nothing(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], [ANSWER]) as world:
            world.gateway.admission.trunks._networks = Networks()
            counts = world.gateway.endpoint.agent.counts

            async def call() -> None:
                async with calling(world.target, every_code):
                    raise AssertionError("the call was answered")

            async with asyncio.TaskGroup() as group:
                ringing = group.create_task(call())
                await until(lambda: counts["refused"] >= 2)
                ringing.cancel()
            return dict(counts), world.gateway.endpoint.agent.open

    counts, still_open = asyncio.run(scenario())
    assert counts["refused"] >= 2
    assert still_open == 0


def test_when_draining_new_calls_get_503(tmp_path: Path) -> None:
    from sipgw.sip.endpoint import CallFailed

    async def scenario():
        async with cloud(tmp_path, [], [ANSWER]) as world:
            world.gateway.admission.capacity.draining = True
            with pytest.raises(CallFailed) as caught:
                async with calling(world.target, every_code):
                    pass
            world.gateway.admission.capacity.draining = False
            return caught.value.ended

    ended = asyncio.run(scenario())
    assert ended.status == 503
    assert "Retry-After: 5" in ended.text


def test_stopping_the_gateway_hangs_up_running_calls(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], [ANSWER]) as world:
            entered = calling(Uri("sip", "agent", "127.0.0.1", world.gateway.endpoint.port), every_code)
            phone = await entered.__aenter__()
            await until(lambda: phone.received)
            await world.gateway.__aexit__(None, None, None)
            async with asyncio.timeout(HANG):
                async for event in phone.leg.events():
                    last = event
            return last

    last = asyncio.run(scenario())
    assert last.how == "BYE"


def test_turns_are_reported_as_they_end(tmp_path: Path) -> None:
    seen: list[str] = []

    async def scenario():
        said = [Said("Hello?", 3000, 3600)]
        observe = lambda report: seen.append(report.turn.said) if isinstance(report, TurnEnded) else None  # noqa: E731
        async with cloud(tmp_path, said, [ANSWER], observer=observe) as world, calling(world.target, every_code):
            await until(lambda: seen[-1:] == ["Your raincoat is out for delivery."])

    asyncio.run(scenario())
    assert seen[-1] == "Your raincoat is out for delivery."


def test_the_sound_of_a_call_may_come_over_ipv6(tmp_path: Path) -> None:
    async def scenario():
        said = [Said("Where is my order 7346?", 4000, 5000)]
        everywhere = lambda config: replace(config, media=MediaOptions())  # noqa: E731
        async with cloud(tmp_path, said, [ORDER, ANSWER], change=everywhere) as world:
            async with calling(world.target, every_code, host="::1") as phone:
                await phone.hears(sound_of("Your raincoat is out for delivery."))
            (record,) = await records(world.gateway)
            return phone.remote, phone.heard(), record

    remote, heard, record = asyncio.run(scenario())
    assert remote[0] == "::1"
    assert sound_of("Your raincoat is out for delivery.").strip(b"\xff") in heard
    assert record["media"]["received"] > 300
