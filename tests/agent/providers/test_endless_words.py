"""A server that never ends what the caller says: words are bounded, and those that nobody reads are not hoarded."""

import json
from collections import deque
from typing import Any

import pytest

from agent.line import SAMPLE_RATE
from agent.providers.gemini_live import GeminiOptions, GeminiSession
from agent.providers.openai_listen import OpenAISttOptions, OpenAISttSession
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.socket_realtime import SocketRealtime
from agent.providers.stt import MOST_SAID, put
from agent.realtime import Brief
from agent.stt import Onset, Transcript

MORE = "again and again "
OPENAI = {"type": "conversation.item.input_audio_transcription.delta", "item_id": "i1", "delta": MORE}
GEMINI = {"serverContent": {"inputTranscription": {"text": MORE}}}
BRIEF = Brief("", "", [])


def partial(text: str, *, final: bool = False) -> Transcript:
    return Transcript(text, final, False, 1.0)


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (OpenAIRealtimeSession(OpenAIRealtimeOptions(), BRIEF), OPENAI),
        (GeminiSession(GeminiOptions(), BRIEF), GEMINI),
        (OpenAISttSession(OpenAISttOptions()), OPENAI),
    ],
    ids=["openai realtime", "gemini live", "openai stt"],
)
def test_words_without_end_are_bounded(session: Any, message: dict[str, Any]) -> None:
    session.begin()
    for _ in range(2 * MOST_SAID // len(MORE)):
        told = session.receive(json.dumps(message))
    (last,) = [one for one in (told if isinstance(told, list) else [told]) if isinstance(one, Transcript)]
    assert MOST_SAID - len(MORE) <= len(last.text) <= MOST_SAID


def test_a_session_that_begins_again_and_again_greets_once() -> None:
    session = GeminiSession(GeminiOptions(), Brief("", "Hello.", []))
    session.begin()
    session.outbox.clear()
    for _ in range(3):
        session.receive(json.dumps({"setupComplete": {}}))
    assert len(session.outbox) == 1


def test_a_partial_that_nobody_reads_gives_way_to_the_next_transcript() -> None:
    inbox = deque[object]()
    for event in (partial("a"), partial("a b"), Onset(1.0), partial("a"), partial("a b", final=True), partial("c")):
        put(inbox, event)
    assert list(inbox) == [partial("a b"), Onset(1.0), partial("a b", final=True), partial("c")]


def test_a_session_hoards_no_partials() -> None:
    session = SocketRealtime(OpenAIRealtimeSession(OpenAIRealtimeOptions(), BRIEF))
    for _ in range(SAMPLE_RATE):
        session.received(json.dumps(OPENAI))
    assert len(session._inbox) == 1
