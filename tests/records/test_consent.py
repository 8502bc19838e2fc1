"""Which key is consent to keep the sound of a call, and which is not."""

import asyncio
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent.line import Digit
from sipgw.calls.phone_line import PhoneLine
from sipgw.config.config import GatewayConfig
from sipgw.config.records import RecordingOptions
from sipgw.records.artifacts.consent import recording_tools
from sipgw.records.artifacts.recordings import AGREE, NOT_AGREED, CallRecording
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.info_keys import send_info_digit
from tests.phone import calling
from tests.waiting import until


@pytest.mark.faults("C2")
def test_whatever_keeps_sound_asks_the_tape_and_the_tape_the_caller(tmp_path: Path) -> None:
    async def told(recording: CallRecording, *keys: str) -> list[str]:
        channel = Mock()
        recording.attach(channel)
        recording.begin()
        for key in keys:
            recording.pressed(key)
            recording.agree(key)
        if recording.path and recording.agreed:
            await until(lambda: recording.began)
        recording.end()
        return [call[0] for call in channel.method_calls]

    async def scenario() -> None:
        for path in ("", str(tmp_path / "x.wav")):  # captures and listeners ask as well
            asked = CallRecording(path, "key")
            assert await told(asked, "2") == []
            assert not asked.keeps
            assert asked.as_dict() == {"sound": {"withheld": NOT_AGREED}}
            assert await told(CallRecording(path, "key"), AGREE) == ["resume_recording", *(["record"] if path else [])]
            assert await told(CallRecording(path, "announce")) == ["resume_recording", *(["record"] if path else [])]

    asyncio.run(scenario())


@pytest.mark.faults("C2")
@pytest.mark.parametrize("by_hand", [True, False], ids=["the agent has paused it", "private digits"])
def test_a_key_while_nothing_may_be_kept_is_no_consent(by_hand: bool) -> None:
    async def scenario() -> None:
        recording = CallRecording("", "key")
        pause, resume = recording_tools(recording)
        recording.begin()
        if by_hand:
            await pause.function()
        else:
            recording.set_private(True)
        recording.agree(AGREE)
        if by_hand:
            await resume.function()
        else:
            recording.set_private(False)
        assert not recording.agreed and not recording.keeps
        recording.agree(AGREE)
        assert recording.keeps

    asyncio.run(scenario())


@pytest.mark.faults("C2")
@pytest.mark.parametrize("taken", [False, True])
def test_a_key_that_is_not_for_the_agent_is_no_consent(taken: bool) -> None:
    """Whom the caller was handed over to asks for a 1, too."""

    async def scenario() -> None:
        line, recording = PhoneLine(), CallRecording("", "key")

        def reaches_the_agent() -> bool:
            events = list(line._events._waiting)
            line._events._waiting.clear()
            return any(isinstance(event, Digit) for event in events)

        line.attach(Mock())
        line.line_recorder = recording
        recording.begin()
        line.suspend_agent()
        if not taken:
            other = PhoneLine()
            other.attach(Mock())
            line.join(other)
        line.press(AGREE, "info", 0.0)
        assert not reaches_the_agent()
        line.resume_agent()
        line.press(AGREE, "info", 5.0)
        assert reaches_the_agent()
        assert not recording.agreed, "the conversation finds out whether a collection asked for it"
        line.agree(AGREE)
        assert recording.agreed and recording.keeps

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.faults("C2")
def test_the_1_of_a_menu_that_the_agent_reads_out_is_no_consent(tmp_path: Path) -> None:
    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, agent=replace(config.agent, greeting="Hi.", collect_digits=True))

    asks = Reply(calls=[("c1", "collect_digits", '{"question": "For sales press one.", "choices": "12"}')])
    options = RecordingOptions(str(tmp_path / "calls"), consent="key")

    async def scenario() -> dict[str, object]:
        said, replies = [Said("I want to pay.", 600, 1200)], [asks, Reply(text=["Thank you."])]
        async with cloud(tmp_path, said, replies, change=change, recording=options) as world:
            async with calling(world.target, lambda _: b"\x10" * 160) as phone:
                await until(lambda: "For sales press one." in world.tts.texts)
                assert phone.leg
                send_info_digit(phone.leg, AGREE)
                await until(lambda: "Thank you." in world.tts.texts)
            (record,) = await records(world.gateway)
            return dict(record)

    record = asyncio.run(scenario())
    assert '"digits": "1"' in str(record).replace("'", '"'), "the collection took it"
    assert list((tmp_path / "calls").glob("*.wav")) == []
    assert record["media"]["sound"] == {"withheld": NOT_AGREED}  # type: ignore[index]
