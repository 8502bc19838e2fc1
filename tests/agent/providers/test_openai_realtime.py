"""OpenAI Realtime makes one response at a time, and tells of those that are broken off, too."""

import json
from typing import Any

import pytest

from agent.llm import ToolCall
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.response_queue import ACTIVE
from agent.realtime import Answering, Brief, Consumed, ReplyAudio, ReplyEnded, exactly
from agent.stt import Onset
from tests.agent.providers.listening import sound
from tests.agent.providers.talking import ANSWER, KEY, OPENAI_REALTIME, ORDER, refusal, spoken, talking
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Say

LONG = Say("This is a very long answer indeed.", hold=True)


def complaints(fake: FakeOpenAIRealtime) -> list[dict[str, Any]]:
    return [message["error"] for message in fake.sessions[0].sent if message["type"] == "error"]


def broken_off(fake: FakeOpenAIRealtime) -> list[str]:
    """What kinds of items were."""
    done = [one["item"] for one in fake.sessions[0].sent if one["type"] == "response.output_item.done"]
    return [item["type"] for item in done if item["status"] == "incomplete"]


def test_a_call_that_the_caller_interrupts_is_not_made() -> None:
    hang_up = Say(calls=(("c1", "hang_up", "{}"),), hold=True)
    fake = FakeOpenAIRealtime([ORDER, Said("Stop.", 3000, 3500)], [hang_up, ANSWER], key=KEY)

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        await events.until(Answering)
        await fake.until(lambda: fake.sessions[0].sent[-1]["type"] == "conversation.item.added")
        realtime.send_audio(sound(500))
        found = await events.until(Onset)
        realtime.send_audio(sound(1000))
        return found + await events.until(ReplyEnded)

    found = talking(OPENAI_REALTIME, fake, scenario)
    assert broken_off(fake) == ["function_call"]
    assert not [event for event in found if isinstance(event, ToolCall)]
    assert spoken(found) == sound_of(ANSWER.text)


def test_what_is_prompted_in_the_middle_of_a_reply_follows_when_that_is_cancelled() -> None:
    fake = FakeOpenAIRealtime([ORDER], [LONG], key=KEY)
    half = len(sound_of(LONG.text)) // 2

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        found = []  # type: ignore[var-annotated]
        while len(spoken(found)) < half:
            found.append(await events.next())
        realtime.hush()
        realtime.cut(next(event.reply for event in found if isinstance(event, ReplyAudio)), 160)
        realtime.prompt(exactly("Goodbye."))
        await events.until(ReplyEnded)
        return await events.until(ReplyEnded)

    assert spoken(talking(OPENAI_REALTIME, fake, scenario)) == sound_of("Goodbye.")
    assert not complaints(fake)


def test_a_result_that_comes_while_the_filler_is_asked_for_is_told_after_it() -> None:
    fake = FakeOpenAIRealtime([ORDER], [Say(calls=(("c1", "lookup", "{}"),)), ANSWER], key=KEY)

    async def scenario(realtime, events):
        realtime.send_audio(sound(2600))
        await events.until(ToolCall)
        await fake.until(lambda: fake.sessions[0].sent[-1]["type"] == "response.done")
        realtime.prompt(exactly("One moment."), aside=True)
        realtime.answer("c1", "{}")
        return await events.until(ReplyEnded), await events.until(ReplyEnded)

    filler, answer = talking(OPENAI_REALTIME, fake, scenario)
    assert (spoken(filler), spoken(answer)) == (sound_of("One moment."), sound_of(ANSWER.text))
    assert not complaints(fake)


def test_a_configuration_that_is_refused_is_told_at_once() -> None:
    error = refusal(OPENAI_REALTIME, FakeOpenAIRealtime(key=KEY), voice_id="nobody")
    assert "invalid_value: Invalid value: 'nobody'" in error.problem
    assert not error.temporary


class Talk:
    """A session that has begun, without a socket."""

    def __init__(self) -> None:
        self.session = OpenAIRealtimeSession(OpenAIRealtimeOptions(), Brief("Be brief."))
        self.receive("session.created")
        self.receive("session.updated")
        self.session.outbox.clear()

    def receive(self, kind: str, **fields: Any) -> list[Any]:
        return self.session.receive(json.dumps({"type": kind, **fields}))

    def created(self, name: str) -> list[Any]:
        return self.receive("response.created", response={"id": name})

    def item(self, response: str, name: str) -> list[Any]:
        return self.receive("response.output_item.added", response_id=response, item={"id": name, "type": "message"})

    def done(self, response: str, status: str = "completed") -> list[Any]:
        return self.receive("response.done", response={"id": response, "status": status})

    def refuse(self, code: str, event: str | None) -> None:
        assert self.receive("error", error={"code": code, "message": "no", "event_id": event}) == []

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What was sent since the last time: its kind, with what tells it from others."""
        sent = [json.loads(message) for message in self.session.outbox]
        self.session.outbox.clear()
        return [(one["type"], one.get("response", one).get("instructions", one.get("response_id", ""))) for one in sent]


def test_what_is_refused_because_the_server_was_first_is_asked_for_again() -> None:
    talk = Talk()
    talk.session.prompt("A")
    talk.session.prompt("B")
    assert talk.asked == [("response.create", "A")]
    talk.created("of the server")
    talk.refuse(ACTIVE, "create1")
    assert talk.asked == []
    talk.done("of the server")
    assert talk.asked == [("response.create", "A")]
    talk.created("a")
    talk.done("a")
    assert talk.asked == [("response.create", "B")]


def test_what_is_refused_for_another_reason_is_not_and_the_next_follows() -> None:
    talk = Talk()
    talk.session.prompt("A")
    talk.session.prompt("B")
    talk.refuse("invalid_value", None)  # of something else
    assert talk.asked == [("response.create", "A")]
    talk.refuse("invalid_value", "create1")
    assert talk.asked == [("response.create", "B")]
    talk.refuse("invalid_value", "create2")
    talk.session.tell("[pressed 1]")
    talk.refuse("invalid_value", "create3")
    assert [kind for kind, _ in talk.asked] == ["conversation.item.create", "response.create"]


@pytest.mark.parametrize("refused", [False, True])
def test_what_has_been_asked_for_and_is_not_wanted_any_more_is_not_heard(refused: bool) -> None:
    talk = Talk()
    talk.session.prompt("A")
    talk.session.hush()
    talk.session.prompt("B")
    assert talk.asked == [("response.create", "A")]
    if refused:
        talk.refuse("invalid_value", "create1")
    else:
        assert talk.created("a") == []
        assert talk.asked == [("response.cancel", "a")]
        assert talk.item("a", "i1") == []
        assert talk.done("a", "cancelled") == []
    assert talk.asked == [("response.create", "B")]
    assert talk.created("b") == [Answering()]


def test_a_result_is_told_although_something_was_prompted_meanwhile() -> None:
    talk = Talk()
    talk.created("calling")
    talk.receive(
        "response.output_item.done", item={"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
    )
    talk.session.prompt("Are you there?")
    talk.session.answer("c", "{}", failed=False)
    talk.done("calling")
    assert talk.asked[1:] == [("response.create", "Are you there?")]
    talk.created("there")
    talk.done("there")
    assert talk.asked == [("response.create", "")]


def test_the_end_of_an_aside_is_not_the_end_of_a_reply_beside_it() -> None:
    talk = Talk()
    talk.session.prompt("One moment.", aside=True)
    talk.created("aside")
    talk.item("aside", "i1")
    talk.created("reply")  # of the server: those aside do not keep it from it
    assert talk.item("reply", "i2") == []
    assert talk.done("aside") == [ReplyEnded("i1", True)]
    assert talk.done("reply") == [ReplyEnded("i2", True)]


WRITTEN = "openai/gpt-transcribe"
TOKENS = {"type": "tokens", "input_tokens": 50, "output_tokens": 9, "input_token_details": {"text_tokens": 20}}


@pytest.mark.parametrize(
    ("usage", "charged"),
    [
        ({"type": "duration", "seconds": 1.5}, [Consumed("seconds", 1.5, WRITTEN)]),
        (
            TOKENS,
            [
                Consumed("audio_tokens_in", 30, WRITTEN),
                Consumed("tokens_in", 20, WRITTEN),
                Consumed("tokens_out", 9, WRITTEN),
            ],
        ),
        (
            {**TOKENS, "input_token_details": None},
            [Consumed("audio_tokens_in", 50, WRITTEN), Consumed("tokens_out", 9, WRITTEN)],
        ),
        ({"type": "duration", "seconds": -1}, [Consumed("seconds", 3.0, WRITTEN)]),
        (None, [Consumed("seconds", 3.0, WRITTEN)]),
    ],
)
def test_what_is_written_down_is_charged_by_its_own_model(usage: Any, charged: list[Consumed]) -> None:
    talk = Talk()

    def said(seconds: int, usage: Any) -> list[Any]:
        for _ in range(seconds):
            talk.session.backlog.add(sound(1000))
            talk.session.backlog.next_frame()
        kind = "conversation.item.input_audio_transcription.completed"
        return talk.receive(kind, item_id="u", transcript="Yes.", usage=usage)[1:]

    assert said(3, usage) == charged
    assert said(2, None) == [Consumed("seconds", 2.0, WRITTEN)], "the sound since the last"
