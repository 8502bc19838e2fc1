"""xAI has no client for its Voice Agent: OpenAI's, which its pages name, speaks with the fake; and the differences."""

import asyncio
import base64
from typing import Any

import pytest
from openai import AsyncOpenAI

from agent.realtime import Answering, Consumed, ReplyAudio, ReplyEnded, exactly
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import ANSWER, BRIEF, KEY, ORDER, XAI, spoken, talking
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.realtime_server import Say
from tests.fakes.xai_realtime import FIELDS, TRANSCRIBED, FakeXai
from tests.waiting import HANG

OUR_SIDE = {
    "session.update": {"session"},
    "input_audio_buffer.append": {"audio"},
    "conversation.item.create": {"item"},
    "conversation.item.truncate": {"item_id", "content_index", "audio_end_ms"},
    "response.create": {"event_id", "response"},
    "response.cancel": set(),
}
"""The fields that docs.x.ai and pipecat's types (1.14.0) have for each message."""
LONG = Say("This is a very long answer indeed.", hold=True)


def test_openai_s_client_holds_a_session_with_the_fake() -> None:
    fake, told = FakeXai([ORDER], [Say("It is on its way.")], key="k"), list[Any]()

    async def until(socket: Any, kind: str) -> Any:
        while True:
            told.append(await socket.recv())
            if told[-1].type == kind:
                return told[-1]

    async def run() -> None:
        async with fake, AsyncOpenAI(api_key="k", base_url=fake.url.replace("ws", "http", 1)) as vendor:
            vendor.websocket_base_url = fake.url
            async with vendor.realtime.connect(model="grok-voice-latest") as socket, asyncio.timeout(HANG):
                await until(socket, "session.created")
                audio = {way: {"format": {"type": "audio/pcmu"}} for way in ("input", "output")}
                await socket.session.update(session={"voice": "eve", "audio": audio})  # type: ignore[arg-type]
                await until(socket, "session.updated")
                for _ in range(30):
                    await socket.input_audio_buffer.append(audio=base64.b64encode(sound(100)).decode())
                done = await until(socket, "response.done")
                assert done.response.output[0].content[0].transcript == "It is on its way."

    asyncio.run(run())
    heard = b"".join(base64.b64decode(one.delta) for one in told if one.type == "response.output_audio.delta")
    assert heard == sound_of("It is on its way.")


def test_what_we_send_has_the_fields_of_the_pages() -> None:
    fake = FakeXai([ORDER], [LONG, Say(calls=[("call_a", "lookup", "{}")]), ANSWER], key=KEY)

    async def scenario(realtime: Any, events: Any) -> None:
        realtime.send_audio(sound(2600))
        first = (await events.until(ReplyAudio))[-1]
        realtime.instruct("Be kind.")
        realtime.hush()
        realtime.cut(first.reply, 160)
        realtime.tell("[pressed 1]")
        await fake.until(lambda: bool(fake.cuts))
        await events.until(Answering)
        realtime.answer("call_a", "{}")
        await fake.until(lambda: bool(fake.results))
        realtime.prompt(exactly("One moment."), aside=True)
        await events.until(ReplyEnded)

    talking(
        XAI, fake, scenario, BRIEF, keyterms=("Rasheed",), languages=("de",), extra={"reasoning": {"effort": "none"}}
    )
    (session,) = fake.sessions
    assert {message["type"] for message in session.messages} == set(OUR_SIDE)
    for message in session.messages:
        assert set(message) - {"type"} <= OUR_SIDE[message["type"]]
    hearing = session.messages[0]["session"]["audio"]["input"]["transcription"]
    assert hearing == {"model": "grok-transcribe", "keyterms": ["Rasheed"], "language_hint": "de"}
    assert set(hearing) <= FIELDS["audio.input.transcription"]
    assert not [message for message in session.sent if message["type"] == "error"]


def test_what_the_caller_said_is_told_once_with_its_last_correction() -> None:
    fake = FakeXai([ORDER], [ANSWER], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        found = await events.until(ReplyEnded)
        late = {"type": f"{TRANSCRIBED}.completed", "item_id": "in500", "transcript": "Where is my order"}
        await fake.sessions[0].connection.send(str(late).replace("'", '"'))
        realtime.prompt(exactly("Anything else?"))
        return [*found, *await events.until(ReplyEnded)]

    found = talking(XAI, fake, scenario)
    final = [event.text for event in found if isinstance(event, Transcript) and event.final]
    assert final == ["Where is my order?"]
    assert isinstance(found[0], Onset)


def test_tokens_are_not_charged_on_top_of_the_seconds() -> None:
    fake = FakeXai([ORDER], [ANSWER], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        found = await events.until(ReplyEnded)
        realtime.prompt(exactly("Anything else?"))
        return [*found, *await events.until(ReplyEnded)]

    assert not [event for event in talking(XAI, fake, scenario) if isinstance(event, Consumed)]


def test_a_text_that_is_told_is_charged_for() -> None:
    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.tell("The caller pressed 7.")
        return [*await events.until(ReplyEnded)]

    found = talking(XAI, FakeXai([], [ANSWER], key=KEY), scenario)
    assert [event for event in found if isinstance(event, Consumed)] == [Consumed("seconds", 3.0)]


@pytest.mark.parametrize("abandons", [False, True])
def test_what_follows_a_response_that_was_left_without_an_end_is_heard(abandons: bool) -> None:
    fake = FakeXai([ORDER, Said("Stop.", 3000, 3500)], [LONG], key=KEY, abandons=abandons)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        first = (await events.until(ReplyAudio))[-1]
        realtime.send_audio(sound(500))
        await events.until(Onset)
        realtime.hush()
        realtime.cut(first.reply, 160)
        realtime.prompt(exactly("Goodbye."))
        fake.replies.append(ANSWER)
        return (
            await events.until(ReplyEnded)
            if abandons
            else (await events.until(ReplyEnded), await events.until(ReplyEnded))[1]
        )

    assert spoken(talking(XAI, fake, scenario)) == sound_of("Goodbye.")
