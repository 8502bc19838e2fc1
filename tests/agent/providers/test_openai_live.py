"""GPT-Live: what a session makes of one stream of sound."""

import asyncio
import base64
import json
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.llm import ToolCall
from agent.providers.live_speech import GAP, UNWANTED, CallerWords, ModelVoice, SpeechState
from agent.providers.openai_live import MOST_CALLS, OpenAILiveOptions, OpenAILiveSession, _pieces
from agent.providers.stt import MOST_SAID
from agent.realtime import Brief, Consumed, ReplyAudio, ReplyEnded, ReplyWords, exactly
from agent.stt import Onset, Transcript
from tests.agent.providers.talking import ANSWER, BRIEF, KEY, LIVE, ORDER, refusal, spoken, talking, words
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai_live import PIECE, FakeLive
from tests.fakes.realtime_server import Faults, Say

SILENCE = b"\xff" * PIECE
LONG = "This is a very long answer indeed."


async def pass_time(realtime: Any, fake: FakeLive, seconds: float) -> None:
    """Both streams go on in step."""
    session = fake.sessions[0]
    for _ in range(round(seconds * 10)):
        realtime.send_audio(SILENCE)
        sent = realtime._session.backlog.sent_in_session
        await fake.until(lambda sent=sent: len(session.audio) == sent)  # type: ignore[misc]
        for _ in range(3):
            await asyncio.sleep(0)


def heard(found: list[Any]) -> bytes:
    return spoken(found).strip(b"\xff")


# Replies


@pytest.mark.parametrize("silence", [True, False])
def test_a_turn_and_its_reply(silence: bool) -> None:
    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 6)
        return await events.until(ReplyEnded)  # type: ignore[no-any-return]

    fake = FakeLive([ORDER], [ANSWER], key=KEY, silence=silence)
    found = talking(LIVE, fake, scenario)
    told = [event for event in found if isinstance(event, Transcript)]
    assert isinstance(found[0], Onset)
    assert told[0].text == "Where"
    assert told[-1] == Transcript(ORDER.text, True, True, 2.0)
    assert heard(found) == sound_of(ANSWER.text).strip(b"\xff")
    assert words(found) == ANSWER.text
    assert found[-1] == ReplyEnded("reply1", silence)
    assert [event.until is None for event in found if isinstance(event, ReplyWords)] == [
        not silence for event in found if isinstance(event, ReplyWords)
    ]


def test_words_have_their_places_in_the_sound() -> None:
    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 6)
        return await events.until(ReplyEnded)  # type: ignore[no-any-return]

    fake = FakeLive([ORDER], [Say(LONG)], key=KEY)
    found = talking(LIVE, fake, scenario)
    said, whole = "", len(sound_of(LONG))
    for event in found:
        if isinstance(event, ReplyWords):
            said += event.text
            assert event.until is not None
            assert event.until == pytest.approx(whole * len(said) / len(LONG), abs=5 * PIECE)


def test_a_caller_who_speaks_into_it_is_told_when_the_model_has_fallen_silent() -> None:
    said = [ORDER, Said("Stop.", 3500, 4300)]

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 8)
        return [*await events.until(ReplyEnded), *await events.until(ReplyEnded)]

    fake = FakeLive(said, [Say(LONG), ANSWER], key=KEY)
    found = talking(LIVE, fake, scenario)
    first, second = [at for at, event in enumerate(found) if isinstance(event, ReplyEnded)]
    assert found[first] == ReplyEnded("reply1", False)
    assert isinstance(found[first - 1], Onset)
    assert 0 < len(heard(found[:first])) < len(sound_of(LONG)) - PIECE
    assert found[second] == ReplyEnded("reply2", True)
    finals = [event.text for event in found if isinstance(event, Transcript) and event.final]
    assert finals == [ORDER.text, "Stop."]


def test_what_does_not_silence_the_model_belongs_to_the_next_turn() -> None:
    said = [ORDER, Said("Mhm.", 3500, 4300), Said("And when?", 6000, 6800)]

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 11)
        return [*await events.until(ReplyEnded), *await events.until(ReplyEnded)]

    fake = FakeLive(said, [Say(LONG), ANSWER], key=KEY)
    found = talking(LIVE, fake, scenario)
    ended = next(at for at, event in enumerate(found) if isinstance(event, ReplyEnded))
    assert heard(found[:ended]) == sound_of(LONG).strip(b"\xff")
    assert not [event for event in found[4:ended] if isinstance(event, Onset) and event.at > 3]
    finals = [event.text for event in found if isinstance(event, Transcript) and event.final]
    assert finals == [ORDER.text, "Mhm. And when?"]


def test_the_greeting_is_asked_for() -> None:
    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 4)
        return await events.until(ReplyEnded)  # type: ignore[no-any-return]

    fake = FakeLive(key=KEY)
    found = talking(LIVE, fake, scenario, Brief("Be brief.", "Hello, this is Acme."))
    assert heard(found) == sound_of("Hello, this is Acme.").strip(b"\xff")


def test_what_is_hushed_is_not_heard_until_the_model_pauses() -> None:
    fake = FakeLive((), [Say(LONG)], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        realtime.prompt("Say something long.")
        await fake.until(lambda: bool(fake.told))
        await pass_time(realtime, fake, 0.5)
        found = await events.until(ReplyAudio)
        realtime.hush()
        await pass_time(realtime, fake, 3)
        realtime.prompt(exactly("Goodbye."))
        await fake.until(lambda: len(fake.told) == 2)
        await pass_time(realtime, fake, 3)
        return [*found, *await events.until(ReplyEnded)]

    found = talking(LIVE, fake, scenario)
    assert found[-1] == ReplyEnded("reply2", True)
    assert sound_of("Goodbye.").strip(b"\xff") in spoken(found)
    assert sound_of(LONG)[8000:8800] not in spoken(found)


def speaking(seconds: float) -> bytes:
    return sound_of("x" * round(seconds / 0.06))


def test_what_is_dropped_for_want_of_a_pause_is_not_the_whole_rest_of_the_call() -> None:
    voice = ModelVoice()
    assert voice.hear(speaking(1))
    voice.drop()
    assert not voice.hear(speaking(1))
    assert voice.voice is SpeechState.UNHEARD
    assert voice.hear(bytes(UNWANTED))
    assert voice.reply == "reply2"


def test_words_of_a_reply_that_is_over_are_ignored_and_those_ahead_of_it_are_not() -> None:
    session = OpenAILiveSession(OpenAILiveOptions(), BRIEF)

    def tell(kind: str, **fields: Any) -> list[Any]:
        session.backlog.add(SILENCE)
        while session.backlog.next_frame():
            pass
        return session.receive(json.dumps({"type": kind, **fields}))

    def sound(piece: bytes) -> list[Any]:
        return tell("session.output_audio.delta", delta=base64.b64encode(piece).decode())

    ahead = tell("session.output_transcript.delta", delta="Hello.", start_ms=100, end_ms=300)
    assert ahead == []
    assert ReplyWords("reply1", "Hello.", 300 * 8) in sound(speaking(0.12)[:PIECE])
    ended = [event for _ in range(GAP // PIECE) for event in sound(SILENCE)]
    assert ended[-1] == ReplyEnded("reply1", True)
    assert tell("session.output_transcript.delta", delta=" Late.", start_ms=50, end_ms=90) == []
    assert session.ignored == 1
    assert not [event for event in sound(speaking(0.12)[:PIECE]) if isinstance(event, ReplyWords)]


def test_the_rest_of_a_turn_that_comes_when_it_is_being_answered_belongs_to_it() -> None:
    session = OpenAILiveSession(OpenAILiveOptions(), BRIEF)
    session.begin()

    def tell(kind: str, **fields: Any) -> list[Any]:
        session.backlog.add(SILENCE)
        while session.backlog.next_frame():
            pass
        return session.receive(json.dumps({"type": kind, **fields}))

    def sound(piece: bytes) -> list[Any]:
        return tell("session.output_audio.delta", delta=base64.b64encode(piece).decode())

    for _ in range(5):
        sound(SILENCE)
    tell("session.input_transcript.delta", delta=" My number is", start_ms=100, end_ms=300)
    begun = sound(speaking(0.12)[:PIECE])
    assert Transcript("My number is", True, True, 0.3) in begun
    assert tell("session.input_transcript.delta", delta=" 73", start_ms=400, end_ms=450) == []
    assert tell("session.input_transcript.delta", delta="46.", start_ms=450, end_ms=500) == []
    rest = [event for _ in range(GAP // PIECE) for event in sound(SILENCE)]
    assert [event.text for event in rest if isinstance(event, Transcript)] == ["7346."]
    assert not [event for event in rest if isinstance(event, Onset)]


def test_what_is_never_answered_is_bounded() -> None:
    words = CallerWords()
    for number in range(2 * MOST_SAID):
        words.hear(" word", number / 10, number / 10 + 0.1)
    assert len(words.text) <= MOST_SAID
    words.answered(0.5)
    words.hear("x" * 2 * MOST_SAID, 0.1, 0.2)
    assert len(words.late()[0].text) == MOST_SAID


# Tools, prices, faults


def test_the_backend_goes_on_once_when_all_its_calls_have_results() -> None:
    calls = (("c1", "lookup", "{}"), ("c2", "lookup", '{"order": 8}'))
    fake = FakeLive([ORDER], [Say(calls=calls), ANSWER], key=KEY)

    async def scenario(realtime: Any, events: Any) -> list[Any]:
        await pass_time(realtime, fake, 2.6)
        found = [*await events.until(ToolCall), *await events.until(ToolCall)]
        realtime.answer("c2", '{"status": "sent"}')
        realtime.answer("nobody", "{}")
        realtime.answer("c1", '{"error": "no"}', failed=True)
        await fake.until(lambda: len(fake.results) == 2)
        await pass_time(realtime, fake, 4)
        return [*found, *await events.until(ReplyEnded)]

    found = talking(LIVE, fake, scenario)
    calls_made = [event for event in found if isinstance(event, ToolCall)]
    assert [(call.id, call.name, json.loads(call.arguments)) for call in calls_made] == [
        ("c1", "lookup", {}),
        ("c2", "lookup", {"order": 8}),
    ]
    assert [one["type"] for one in fake.sessions[0].messages].count("response.create") == 1
    assert heard(found) == sound_of(ANSWER.text).strip(b"\xff")
    assert Transcript(ORDER.text, True, True, 2.0) in found[: found.index(calls_made[0])]
    used = [event for event in found if isinstance(event, Consumed)]
    assert used[:2] == [
        Consumed("tokens_in", 120, "openai/gpt-6-luna"),
        Consumed("tokens_out", 30, "openai/gpt-6-luna"),
    ]


def test_calls_without_end_are_ignored() -> None:
    session = OpenAILiveSession(OpenAILiveOptions(), BRIEF)
    item = {"type": "function_call", "name": "lookup", "arguments": "{}"}
    found = []
    for number in range(MOST_CALLS + 5):
        event = {"type": "response.output_item.done", "item": {**item, "call_id": f"c{number}"}}
        found += session.receive(json.dumps({"type": "response.event", "event": event}))
    assert len(found) == MOST_CALLS


def test_a_text_is_cut_into_pieces_that_the_service_takes() -> None:
    for text in ("word " * 900, "x" * 5000, "話" * 2000):
        pieces = list(_pieces(text))
        assert "".join("".join(pieces).split()) == "".join(text.split())
        assert max(len(piece.encode()) for piece in pieces) <= 1000
    assert list(_pieces("  ")) == []


def test_a_wrong_key() -> None:
    error = refusal(LIVE, FakeLive(key="another"))
    assert not error.temporary
    assert "API key" in error.problem


@pytest.mark.parametrize(("code", "temporary"), [("credit_balance_exhausted", False), ("rate_limit_exceeded", True)])
def test_a_session_that_is_refused(code: str, temporary: bool) -> None:
    error = refusal(LIVE, FakeLive(key=KEY, faults=Faults(error=(code, "no"))))
    assert error.temporary is temporary


def test_a_session_that_is_refused_for_its_options() -> None:
    error = refusal(LIVE, FakeLive(key=KEY), model="gpt-realtime-2.1")
    assert "does not know the model" in error.problem


@pytest.mark.parametrize(("reason", "temporary"), [("expired", True), ("connection_lost", True), ("content", False)])
def test_a_session_that_is_closed(reason: str, temporary: bool) -> None:
    fake = FakeLive(key=KEY)

    async def scenario(_realtime: Any, events: Any) -> ProviderError:
        session = fake.sessions[0]
        resource = {**session.messages[0]["session"], "id": "s", "expires_at": 1, "status": "active"}
        closed = {"type": "session.closed", "reason": reason, "session": resource, "usage": {"seconds": 1.0}}
        await session.connection.send(json.dumps(closed))
        with pytest.raises(ProviderError) as caught:
            await events.until(ReplyEnded)
        return caught.value

    assert talking(LIVE, fake, scenario).temporary is temporary


def test_options_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="backend"):
        OpenAILiveOptions(backend="")
    with pytest.raises(ValueError, match="effort"):
        OpenAILiveOptions(extra={"delegation": {"responses": {"reasoning": {"effort": "much"}}}})
    with pytest.raises(ValueError, match="gateway decides"):
        OpenAILiveOptions(extra={"delegation": {"responses": {"tools": []}}})
