# mypy: disable-error-code="arg-type, return-value, var-annotated"
"""Speech to speech against servers as strict as the real ones."""

import asyncio
import base64
import json
import random

import pytest

from agent.errors import ProviderError
from agent.llm import ToolCall
from agent.providers import socket_realtime
from agent.providers.voice_agent_session import VoiceAgentOptions
from agent.realtime import Brief, ReplyAudio, ReplyEnded, ReplyWords
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import (
    AGENT,
    ANSWER,
    BRIEF,
    KEY,
    OPENAI_REALTIME,
    ORDER,
    every,
    refusal,
    spoken,
    talking,
    words,
)
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Faults, Say
from tests.fakes.voice_agent import FakeVoiceAgent
from tests.waiting import HANG


@every
def test_a_turn_and_its_reply(kind):
    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        return await events.until(ReplyEnded)

    found = talking(kind, kind.fake([ORDER], [ANSWER], key=KEY), scenario)
    assert isinstance(found[0], Onset)
    heard = [event for event in found if isinstance(event, Transcript)]
    assert heard[-1] == Transcript("Where is my order?", True, True, heard[-1].end)
    assert heard[0].text.startswith("Where")
    assert spoken(found) == sound_of(ANSWER.text)
    assert words(found) == ANSWER.text
    assert found[-1].complete


@every
def test_the_callers_sound_arrives_unchanged(kind):
    fake, ulaw = kind.fake(key=KEY), sound(1200)

    async def scenario(realtime, _events):
        for at in range(0, len(ulaw), 160):
            realtime.send_audio(ulaw[at : at + 160])
        await fake.until(lambda: len(fake.sessions[0].audio) == len(ulaw))

    talking(kind, fake, scenario)
    assert bytes(fake.sessions[0].audio) == ulaw


@every
def test_the_greeting_is_said_first(kind):
    async def scenario(_realtime, events):
        return await events.until(ReplyEnded)

    found = talking(kind, kind.fake(key=KEY), scenario, Brief("Be brief.", "Hello, this is Acme."))
    assert spoken(found) == sound_of("Hello, this is Acme.")


@every
def test_an_interruption_leaves_no_stale_sound_behind(kind):
    """The caller begins at 3.0 s, when 0.5 s of the reply have been played."""
    said = [ORDER, Said("Stop.", 3000, 3500)]
    fake = kind.fake(said, [Say("This is a very long answer indeed.", hold=True), ANSWER], key=KEY)
    half = len(sound_of("This is a very long answer indeed.")) // 2

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        found = []
        while len(spoken(found)) < half:
            found.append(await events.next())
        reply = next(event.reply for event in found if isinstance(event, ReplyAudio))
        realtime.send_audio(sound(500))
        onset = await events.until(Onset)
        realtime.cut(reply, 160)
        realtime.send_audio(sound(1000))
        rest = await events.until(ReplyAudio)
        return reply, onset, rest + await events.until(ReplyEnded)

    reply, onset, rest = talking(kind, fake, scenario)
    ended = [event for event in onset + rest if isinstance(event, ReplyEnded)]
    assert ended[0] == ReplyEnded(reply, False)
    assert spoken(rest) == sound_of(ANSWER.text)
    assert not any(event.reply == reply for event in rest if isinstance(event, ReplyAudio | ReplyWords))
    if kind is OPENAI_REALTIME:
        assert fake.cuts == [{"reply": reply, "ms": 20}]


@every
def test_tools_are_called_and_answered(kind):
    calls = (("c1", "lookup", '{"order": "7346"}'),)
    fake = kind.fake([ORDER], [Say(calls=calls), ANSWER], key=KEY)

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        call = (await events.until(ToolCall))[-1]
        realtime.answer(call.id, '{"status": "sent"}')
        return call, await events.until(ReplyEnded)

    call, rest = talking(kind, fake, scenario)
    assert (call.id, call.name, json.loads(call.arguments)) == ("c1", "lookup", {"order": "7346"})
    assert spoken(rest) == sound_of(ANSWER.text)
    assert fake.results == [{"call": "c1", "result": '{"status": "sent"}'}]


@every
def test_something_may_be_said_unasked(kind):
    fake = kind.fake((), [ANSWER], key=KEY)

    async def scenario(realtime, events):
        realtime.prompt("Ask whether somebody is there.")
        return await events.until(ReplyEnded)

    assert spoken(talking(kind, fake, scenario)) == sound_of(ANSWER.text)


@every
def test_a_wrong_key(kind):
    error = refusal(kind, kind.fake(key="another"))
    assert not error.temporary
    assert "API key" in error.problem


@every
def test_an_error_instead_of_a_session(kind):
    error = refusal(kind, kind.fake(key=KEY, faults=Faults(sessions=9, error=(kind.fatal, f"see {KEY}"))))
    assert not error.temporary
    assert "see ***" in error.problem


@every
def test_a_server_that_never_begins_is_given_up(kind):
    error = refusal(kind, kind.fake(key=KEY, faults=Faults(silent=True)), open_limit=0.2)
    assert error.temporary
    assert "0.2 s" in error.problem


@every
def test_nobody_there(kind):
    async def run():
        realtime = kind.realtime(kind.options(api_key=KEY, url="ws://127.0.0.1:9"), BRIEF)
        with pytest.raises(ProviderError, match="connection"):
            await realtime.open()
        await realtime.close()

    asyncio.run(run())


@every
def test_an_error_that_ends_the_session_in_a_call(kind):
    fake = kind.fake(key=KEY, faults=Faults(sessions=9, error=(kind.fatal, "no"), after_ms=500))

    async def scenario(realtime, events):
        realtime.send_audio(sound(600))
        with pytest.raises(ProviderError) as caught:
            await events.next()
        return caught.value.temporary

    assert talking(kind, fake, scenario) is False


@every
def test_nonsense_does_no_harm(kind):
    noise = (
        *("", "[]", "{", "[" * 9999, '{"type": 3}', '{"type": "reply.audio", "reply_id": 3}'),
        '{"type": "response.output_audio.delta"}',
        '{"type": "transcript.user", "text": 3}',
        '{"type": "response.done"}',
        '{"type": "tool.call", "arguments": "x"}',
    )
    fake = kind.fake([ORDER], [ANSWER], key=KEY, faults=Faults(noise=noise))

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        return await events.until(ReplyEnded), realtime._session.ignored

    found, ignored = talking(kind, fake, scenario)
    assert spoken(found) == sound_of(ANSWER.text)
    assert ignored >= 6


@every
def test_more_sound_than_can_be_heard_is_a_fault(kind, monkeypatch):
    monkeypatch.setattr(socket_realtime, "MAX_WAITING", 1000)

    async def run():
        async with kind.fake(key=KEY) as fake:
            brief = Brief("Be brief.", "Hello, this is a very long greeting.")
            realtime = kind.realtime(kind.options(api_key=KEY, url=fake.url), brief)
            with pytest.raises(ProviderError, match="sent more than can be heard"):
                async with asyncio.timeout(HANG):
                    await realtime.open()
                    while realtime._loss is None:  # nobody reads meanwhile
                        await asyncio.sleep(0.01)
                    async for _ in realtime.events():
                        pass
            await realtime.close()

    asyncio.run(run())


@every
def test_the_key_is_in_no_repr(kind):
    assert KEY not in repr(kind.options(api_key=KEY))


# Realtime.


def test_realtime_is_configured_for_mu_law_and_flat_tools():
    fake = FakeOpenAIRealtime(key=KEY)

    async def scenario(_realtime, _events):
        pass

    talking(
        OPENAI_REALTIME,
        fake,
        scenario,
        extra={"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}},
    )
    session = fake.sessions[0].messages[0]["session"]
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "create_response": True,
        "interrupt_response": True,
        "eagerness": "high",
    }
    assert session["tools"][0]["name"] == "lookup"
    assert fake.sessions[0].query["model"] == "gpt-realtime-2.1"


def test_realtime_answers_all_calls_before_the_reply_goes_on():
    calls = (("c1", "lookup", "{}"), ("c2", "lookup", "{}"))
    fake = FakeOpenAIRealtime([ORDER], [Say(calls=calls), ANSWER], key=KEY)

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        await events.until(ToolCall)
        await events.until(ToolCall)
        realtime.answer("c1", '{"error": "no such order"}', failed=True)
        realtime.answer("c2", "{}")
        return await events.until(ReplyEnded)

    assert spoken(talking(OPENAI_REALTIME, fake, scenario)) == sound_of(ANSWER.text)
    assert fake.results[0] == {"call": "c1", "result": '{"error": "no such order"}'}
    assert not any(message["type"] == "error" for message in fake.sessions[0].sent)


def test_realtime_is_never_told_of_more_than_it_has_sent():
    fake = FakeOpenAIRealtime([ORDER, Said("Stop.", 3000, 3500)], [Say("Hello there you.", hold=True), ANSWER], key=KEY)
    half = len(sound_of("Hello there you.")) // 2

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        found = []
        while len(spoken(found)) < half:
            found.append(await events.next())
        realtime.send_audio(sound(500))
        await events.until(Onset)
        realtime.cut(found[-1].reply, 99_999)
        await fake.until(lambda: fake.cuts)

    talking(OPENAI_REALTIME, fake, scenario)
    assert fake.cuts[0]["ms"] == half // 8


@pytest.mark.parametrize(("status", "temporary"), [(429, True), (403, False)])
def test_a_refused_upgrade_keeps_its_meaning(status, temporary):
    error = refusal(OPENAI_REALTIME, FakeOpenAIRealtime(key=KEY, faults=Faults(sessions=9, refuse_status=status)))
    assert error.temporary is temporary
    assert error.retry_after == 7.0


def test_a_lost_realtime_session_cannot_be_resumed():
    async def scenario(realtime, events):
        realtime.send_audio(sound(600))
        with pytest.raises(ProviderError, match="connection lost") as caught:
            await events.next()
        return caught.value.temporary

    assert talking(OPENAI_REALTIME, FakeOpenAIRealtime(key=KEY, faults=Faults(drop=True, after_ms=500)), scenario)


# Voice Agent.


def test_a_lost_voice_agent_session_is_resumed():
    fake = FakeVoiceAgent(
        [Said("Where is my order?", 0, 800)], [ANSWER], key=KEY, faults=Faults(drop=True, after_ms=500)
    )
    fake.said.insert(0, Said("x", 10**9, 10**9))  # nothing is heard in the first session

    async def scenario(realtime, events):
        realtime.send_audio(sound(600))
        await fake.until(lambda: len(fake.sessions) == 2)
        fake.said.pop(0)
        while not realtime._begun:
            await asyncio.sleep(0.01)
        realtime.send_audio(sound(1500))
        return await events.until(ReplyEnded)

    assert spoken(talking(AGENT, fake, scenario)) == sound_of(ANSWER.text)
    assert fake.sessions[1].messages[0] == {"type": "session.resume", "session_id": "sess1"}


def test_a_voice_agent_that_is_resumed_hears_nothing_twice_and_no_more_than_it_takes_at_once():
    """The line goes on while there is no session, for longer than the server takes at once: the newest is sent."""
    fake = FakeVoiceAgent(key=KEY, faults=Faults(drop=True, after_ms=500), ahead=1.0)
    before, meanwhile = sound(500), random.Random(2).randbytes(24_000)

    async def scenario(realtime, _events):
        realtime.send_audio(before)
        while realtime._begun:
            await asyncio.sleep(0)
        for at in range(0, len(meanwhile), 160):
            realtime.send_audio(meanwhile[at : at + 160])
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)
        return realtime._session.backlog.dropped

    dropped = talking(AGENT, fake, scenario)
    again = bytes(fake.sessions[1].audio)
    assert meanwhile.endswith(again)
    assert 4000 <= len(again) <= 8000
    assert dropped == len(meanwhile) - len(again)
    assert not [message for message in fake.sessions[1].sent if message["type"] == "session.error"]


def test_a_voice_agent_that_is_given_up_is_ended():
    """Without it the time in which it could be resumed is billed."""

    async def run():
        async with FakeVoiceAgent(key=KEY, faults=Faults(silent=True)) as fake:
            realtime = AGENT.realtime(VoiceAgentOptions(api_key=KEY, url=fake.url, open_limit=0.2), BRIEF)
            with pytest.raises(ProviderError):
                await realtime.open()
            await fake.until(lambda: fake.sessions[0].ended)
            return fake.sessions[0].messages[-1]

    assert asyncio.run(run()) == {"type": "session.end"}


def test_a_voice_agent_that_cannot_be_resumed_is_lost():
    fake = FakeVoiceAgent(key=KEY, faults=Faults(sessions=9, error=("internal_error", "x"), after_ms=500))

    async def scenario(realtime, events):
        for _ in range(6):
            realtime.send_audio(sound(600))
            await asyncio.sleep(0.05)
        with pytest.raises(ProviderError, match="internal error"):
            await events.next()

    talking(AGENT, fake, scenario)


def test_a_voice_agent_times_its_words_and_ends_politely():
    fake = FakeVoiceAgent(key=KEY)

    async def scenario(_realtime, events):
        return await events.until(ReplyEnded)

    found = talking(AGENT, fake, scenario, Brief("x", "Hello there."), keyterms=("Sipgw",))
    assert [event for event in found if isinstance(event, ReplyWords)] == [
        ReplyWords("reply1", "Hello ", 1600),
        ReplyWords("reply1", "there. ", 3200),
    ]
    session = fake.sessions[0].messages[0]["session"]
    assert session["input"]["format"] == session["output"]["format"] == {"encoding": "audio/pcmu"}
    assert session["input"]["keyterms"] == ["Sipgw"]
    assert fake.sessions[0].messages[-1] == {"type": "session.end"}


def test_an_error_of_the_voice_agent_that_leaves_the_session_open_is_counted():
    realtime = AGENT.realtime(VoiceAgentOptions(), BRIEF)
    receive = realtime._session.receive
    receive('{"type": "session.ready", "session_id": "s"}')
    assert receive('{"type": "session.error", "code": "invalid_audio", "message": "x"}') == []
    assert realtime._session.ignored == 1
    audio = base64.b64encode(b"x").decode()
    assert receive(json.dumps({"type": "reply.audio", "reply_id": "unknown", "data": audio})) == []
