"""Google's own client against the fake of Gemini Live, its types on what we send, and what a call asks of a session."""

import asyncio
import json
from typing import Any

import pytest
from google import genai
from google.genai import types

from agent import ulaw
from agent.llm import ToolCall
from agent.providers.gemini_live import ASIDE, MOST_OPEN, GeminiOptions, GeminiSession
from agent.realtime import Answering, Brief, Consumed, ReplyAudio, ReplyEnded, exactly
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import ANSWER, GEMINI, KEY, ORDER, TOOLS, refusal, spoken, talking, words
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.gemini_live import FakeGemini, judge
from tests.fakes.realtime_server import Faults, Say
from tests.waiting import HANG

LONG = Say("This is a very long answer indeed.", hold=True)


def seconds(found: list[Any]) -> float:
    return len(spoken(found)) / 8000


def lasts(text: str) -> float:
    return len(sound_of(text)) / 8000


def test_google_s_client_holds_a_session_with_the_fake() -> None:
    call = Say(calls=[("call_a", "lookup", '{"order": 7}')])
    fake, told = FakeGemini([ORDER], [ANSWER, call, Say("Order seven.")], key="k"), list[Any]()

    async def turn(session: Any) -> None:
        told.extend([message async for message in session.receive()])

    async def run() -> None:
        async with fake:
            options = types.HttpOptions(base_url=fake.url.replace("ws", "http", 1), api_version="v1beta")
            client = genai.Client(api_key="k", http_options=options)
            client._api_client._websocket_base_url = lambda *_: fake.url  # type: ignore[method-assign]  # it would insist on TLS
            client._api_client._websocket_ssl_ctx = {}
            config = {
                "response_modalities": ["AUDIO"],
                "tools": [
                    {"function_declarations": [{"name": "lookup", "parameters_json_schema": {"type": "object"}}]}
                ],
                "session_resumption": {},
                "context_window_compression": {"sliding_window": {}},
                "input_audio_transcription": {"language_codes": ["en"], "custom_vocabulary": ["Rasheed"]},
            }
            async with (
                asyncio.timeout(HANG),
                client.aio.live.connect(model="gemini-3.8-live", config=config) as session,  # type: ignore[arg-type]
            ):
                for _ in range(26):
                    blob = types.Blob(data=ulaw.to_linear(sound(100)), mime_type="audio/pcm;rate=8000")
                    await session.send_realtime_input(audio=blob)
                await turn(session)
                text = types.Content(role="user", parts=[types.Part(text="And seven?")])
                await session.send_client_content(turns=text, turn_complete=True)
                await turn(session)
                answer = types.FunctionResponse(id="call_a", name="lookup", response={"output": "{}"})
                await session.send_tool_response(function_responses=[answer])
                await turn(session)

    asyncio.run(run())
    heard = b"".join(message.data for message in told if message.data)
    assert len(heard) == 6 * len(sound_of(ANSWER.text) + sound_of("Order seven."))
    assert [message.tool_call.function_calls[0].args for message in told if message.tool_call] == [{"order": 7}]


def test_a_turn_and_its_reply() -> None:
    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        found = await events.until(ReplyEnded)
        return [*found, *await events.until(Consumed)]

    found = talking(GEMINI, FakeGemini([ORDER], [ANSWER], key=KEY), scenario)
    assert isinstance(found[0], Onset)
    kinds = [type(event) for event in found]
    final = [event for event in found if isinstance(event, Transcript) and event.final]
    assert " ".join(event.text for event in final) == ORDER.text, "a part of it comes while the model answers"
    assert kinds.index(Answering) < kinds.index(ReplyAudio)
    assert kinds.count(Onset) == 1
    assert seconds(found) == pytest.approx(lasts(ANSWER.text), abs=0.02)
    assert words(found) == ANSWER.text


def test_what_we_send_is_what_google_s_types_take() -> None:
    fake = FakeGemini([ORDER], [Say(calls=[("call_a", "lookup", '{"order": 7}')]), ANSWER], key=KEY)
    brief = Brief("Be brief.", "Hello.", TOOLS)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        greeting = await events.until(ReplyEnded)
        realtime.send_audio(sound(2600))
        call = (await events.until(ToolCall))[-1]
        realtime.instruct("Be kind.")
        realtime.answer(call.id, "{}")
        await events.until(ReplyEnded)
        realtime.prompt(exactly("Still there?"))
        await events.until(ReplyEnded)
        return greeting

    extra = {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 300}}}
    told = {"keyterms": ("Rasheed",), "languages": ("en", "de"), "extra": extra}
    greeting = talking(GEMINI, fake, scenario, brief, **told)
    assert seconds(greeting) == pytest.approx(lasts("Hello."), abs=0.02)
    (session,) = fake.sessions
    assert "Be kind." in fake.results[0]["result"]["instructions"], "the session takes instructions at its begin only"
    setup = session.messages[0]["setup"]
    assert setup["inputAudioTranscription"] == {"languageCodes": ["en", "de"], "customVocabulary": ["Rasheed"]}
    assert setup["realtimeInputConfig"] == extra["realtimeInputConfig"]
    assert setup["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == {"type": "object"}
    for message in session.messages:
        judge(message)


def test_the_caller_interrupts_and_is_answered() -> None:
    fake = FakeGemini([ORDER, Said("No, stop it.", 3000, 3500)], [LONG, ANSWER], key=KEY)

    async def scenario(realtime: Any, events: Any) -> tuple[list[Any], list[Any]]:
        realtime.send_audio(sound(2600))
        first = await events.until(ReplyAudio)
        realtime.send_audio(sound(500))
        interrupted = await events.until(Onset)
        realtime.hush()
        realtime.cut(first[-1].reply, 160)
        realtime.send_audio(sound(1000))
        await events.until(ReplyEnded)
        return interrupted, await events.until(ReplyEnded)

    interrupted, found = talking(GEMINI, fake, scenario)
    assert isinstance(interrupted[-1], Onset)
    assert seconds(found) == pytest.approx(lasts(ANSWER.text), abs=0.02)


def test_what_is_prompted_into_a_reply_ends_it_and_is_no_interruption_of_the_caller() -> None:
    fake = FakeGemini([ORDER], [LONG], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        first = (await events.until(ReplyAudio))[-1]
        realtime.hush()
        realtime.cut(first.reply, 160)
        realtime.prompt(exactly("Goodbye."))
        return [event for event in await events.until(ReplyEnded) if getattr(event, "reply", "") != first.reply]

    found = talking(GEMINI, fake, scenario)
    assert not [event for event in found if isinstance(event, Onset)]
    assert seconds(found) == pytest.approx(lasts("Goodbye."), abs=0.02)


@pytest.mark.parametrize("how", ["drop", "go away"])
def test_a_session_goes_on_by_its_handle(how: str) -> None:
    faults = Faults(drop=True, after_ms=2700) if how == "drop" else None
    fake = FakeGemini([ORDER], [ANSWER], key=KEY, faults=faults, leaves=1 if how == "go away" else 0)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        await events.until(Consumed)
        realtime.instruct("Be kind.")
        if how == "drop":
            await asyncio.sleep(0.05)  # the handle comes after the turn
            realtime.send_audio(sound(200))
        await fake.until(lambda: len(fake.sessions) == 2 and bool(fake.sessions[1].sent))
        realtime.prompt(exactly("Still there?"))
        found: list[Any] = []
        while not spoken(found):
            found += await events.until(ReplyEnded)
        return found

    found = talking(GEMINI, fake, scenario)
    assert seconds(found) == pytest.approx(lasts("Still there?"), abs=0.02)
    setup = fake.sessions[1].messages[0]["setup"]
    assert setup["sessionResumption"] == {"handle": "handle1"}
    assert setup["systemInstruction"] == {"parts": [{"text": "Be kind."}]}


def test_words_that_come_behind_the_sound_belong_to_the_reply() -> None:
    fake = FakeGemini([ORDER], [Say("It is on", late="its way.")], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        return [*await events.until(ReplyEnded), *await events.until(Consumed)]

    found = talking(GEMINI, fake, scenario)
    assert words(found) == "It is on its way."
    assert len([event for event in found if isinstance(event, ReplyEnded)]) == 1


@pytest.mark.parametrize("waiting", [False, True])
def test_what_is_said_while_a_tool_runs_is_heard_and_its_result_told(waiting: bool) -> None:
    """Where it takes the call back, the model is told the result as words, when it does not speak."""
    call = Say("One moment.", calls=[("call_a", "book", "{}")])
    fake = FakeGemini([ORDER], [call, ANSWER], key=KEY, waiting=waiting)

    async def scenario(realtime: Any, events: Any) -> tuple[list[Any], list[Any]]:
        realtime.send_audio(sound(2600))
        first = await events.until(ToolCall)
        assert [type(event) for event in first[-2:]] == [ReplyEnded, ToolCall], "nothing more is said until the result"
        realtime.prompt(exactly("Still looking."), aside=True)
        filler = await events.until(ReplyAudio)
        realtime.answer("call_a", '"booked"')
        filler += await events.until(ReplyEnded)
        return filler, [*await events.until(ReplyAudio), *await events.until(ReplyEnded)]

    filler, found = talking(GEMINI, fake, scenario)
    assert not [event for event in filler if isinstance(event, Onset)]
    assert words(filler) == "Still looking."
    assert seconds(filler) == pytest.approx(lasts("Still looking."), abs=0.02)
    assert words(found) == ANSWER.text
    if waiting:
        assert not fake.results, "the server has taken the call back"
        assert fake.told[-1] == f'{ASIDE} Result of book: "booked"'
    else:
        assert fake.results == [{"call": "call_a", "result": {"output": '"booked"'}}]


def test_a_server_cannot_have_calls_without_end_kept() -> None:
    session = GeminiSession(GeminiOptions(), Brief(""))

    def take_back(number: int) -> None:
        call = {"id": f"call{number}", "name": "book", "args": {}}
        session.receive(json.dumps({"toolCall": {"functionCalls": [call]}}))
        session.receive(json.dumps({"toolCallCancellation": {"ids": [call["id"]]}}))

    for number in range(MOST_OPEN + 5):
        take_back(number)
    assert session.ignored == 5
    session.receive(json.dumps({"serverContent": {"outputTranscription": {"text": "Well"}}}))
    for number in range(MOST_OPEN):
        session.answer(f"call{number}", "{}", failed=False)
    take_back(MOST_OPEN)
    assert session.ignored == 6, "results that wait count, too"
    assert not session.outbox
    session.receive(json.dumps({"serverContent": {"turnComplete": True}}))
    assert len(session.outbox) == 1
    take_back(MOST_OPEN)
    assert session.ignored == 6


def test_a_turn_that_waits_for_a_tool_goes_on_with_its_result() -> None:
    fake = FakeGemini([ORDER], [Say("One moment.", calls=[("call_a", "book", "{}")]), ANSWER], key=KEY, waiting=True)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        await events.until(ToolCall)
        realtime.answer("call_a", '"booked"')
        return [*await events.until(ReplyEnded), *await events.until(Consumed)]

    found = talking(GEMINI, fake, scenario)
    assert not [event for event in found if isinstance(event, Onset)]
    assert words(found) == ANSWER.text
    assert fake.results == [{"call": "call_a", "result": {"output": '"booked"'}}]


def test_tokens_of_which_the_kind_is_not_told_count_as_sound() -> None:
    """What a total has beyond its details costs no less than sound."""
    details = [{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 30}]
    usage = {
        "promptTokenCount": 150,
        "promptTokensDetails": details,
        "toolUsePromptTokenCount": 7,
        "responseTokenCount": 300,
        "thoughtsTokenCount": 3,
    }
    fake = FakeGemini([ORDER], [ANSWER, ANSWER], key=KEY, usage=usage)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.send_audio(sound(2600))
        found = await events.until(ReplyEnded)
        realtime.prompt("Go on.")
        return [*found, *await events.until(Answering)]

    found = [event for event in talking(GEMINI, fake, scenario) if isinstance(event, Consumed)]
    spent = {event.unit: sum(one.amount for one in found if one.unit == event.unit) for event in found}
    assert spent == {"tokens_in": 100, "audio_tokens_in": 30 + 20 + 7, "tokens_out": 3, "audio_tokens_out": 300}


@pytest.mark.parametrize(
    ("options", "says"), [({"api_key": "wrong"}, "refused the session"), ({"model": "x"}, "model")]
)
def test_a_refusal_says_what_to_do(options: dict[str, Any], says: str) -> None:
    error = refusal(GEMINI, FakeGemini(key=KEY), **options)
    assert says in f"{error.problem} {error.advice}"
    assert not error.temporary
