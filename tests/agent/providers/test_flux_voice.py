"""Deepgram's Flux voices: turns, interruptions at what was played, and what of them was heard."""

import asyncio
import json
from typing import Any

import pytest

from agent.providers.deepgram_speak import DeepgramTtsOptions, FluxTtsSession
from agent.providers.tts_session import Final, TtsSound
from tests.agent.providers.voicing import FLUX, said, speaking
from tests.fakes.elevenlabs import TtsFaults, sound_of

TEXT = "One two three four five."


def begun(*sentences: str) -> FluxTtsSession:
    """A session that has begun, and these sentences with a second of sound each; the last is not over."""
    session = FluxTtsSession(DeepgramTtsOptions(model="flux-haley-en"))
    session.begin()
    for at, sentence in enumerate(sentences):
        session.say(sentence, TEXT, 0.0)
        tell(session, "SpeechStarted", speech_id=f"t{at}")
        session.receive(b"\x10" * 8000)
        if at < len(sentences) - 1:
            tell(session, "SpeechMetadata", speech_id=f"t{at}")
    return session


def tell(session: FluxTtsSession, kind: str, **fields: Any) -> list[Any]:
    return session.receive(json.dumps({"type": kind, **fields}))


def offset(messages: list[str]) -> int | None:
    """Where an interruption is said to be; None if there is none, or it says nothing."""
    return json.loads(messages[0]).get("playback_offset", {}).get("value") if messages else None


def test_positions_count_from_the_beginning_of_the_connection_and_from_what_was_played() -> None:
    session, heard = begun("s1", "s2"), list[int]()
    assert offset(session.ask_heard("s2", 4000, heard.append)) == 1500
    told = tell(session, "SpeechInterrupted", audio_played_ms=1500, text_spoken="One two", metadata={"speech_id": "t1"})
    assert (told, heard) == ([Final("s2")], [7])
    session.say("s3", TEXT, 0.0)
    tell(session, "SpeechStarted", speech_id="t2")
    assert session.receive(b"\x10" * 800) == [TtsSound("s3", b"\x10" * 800)]
    assert offset(session.ask_heard("s3", 800, heard.append)) == 1600


def test_an_interruption_has_to_be_behind_the_one_before() -> None:
    session = begun("s1")
    assert offset(session.ask_heard("s1", 4000, print)) == 500
    tell(session, "SpeechMetadata", speech_id="t0")
    assert session.ask_heard("s1", 4000, print) == []


def test_a_sentence_before_the_one_at_which_the_service_is_is_asked_for_too() -> None:
    """It ends what the service is at; it tells of another sentence, or of none, and neither is taken for this one's."""
    session, heard = begun("s1", "s2"), list[int]()
    assert offset(session.ask_heard("s1", 4000, heard.append)) == 500
    assert not session.has_room
    told = tell(session, "SpeechInterrupted", audio_played_ms=500, text_spoken="", metadata={"speech_id": "t1"})
    assert (told, heard) == ([Final("s2")], [])
    assert session.has_room


@pytest.mark.parametrize(("spoken", "letters"), [("One two", 7), ("One tw", 3), (" One, two", 7), ("", 0), ("Uno", 0)])
def test_words_that_were_heard_are_found_in_the_text(spoken: str, letters: int) -> None:
    session, heard = begun("s1"), list[int]()
    session.ask_heard("s1", 40, heard.append)
    tell(session, "SpeechInterrupted", audio_played_ms=5, text_spoken=spoken, metadata={"speech_id": "t0"})
    assert heard == [letters]


def test_what_comes_of_a_turn_that_is_over_belongs_to_nobody() -> None:
    session = begun("s1")
    assert session.cancel("s1") != []
    assert session.cancel("s1") == []
    assert session.receive(b"\x10" * 80) == []
    assert tell(session, "SpeechMetadata", speech_id="t0") == [Final("s1")]
    assert tell(session, "SpeechInterrupted", audio_played_ms=900, metadata={"speech_id": "t0"}) == []
    assert session.receive(b"\x10" * 80) == []
    assert session.ignored == 1


def test_the_next_sentence_waits_for_the_end_of_one_that_was_interrupted() -> None:
    async def scenario(voice: Any, fake: Any) -> Any:
        await said(voice, "Well.")
        stream = voice.speak(TEXT)
        inquiry = [await anext(stream) for _ in range(2)][1]
        heard = asyncio.Queue[int]()
        inquiry.ask(2400, heard.put_nowait)
        await stream.aclose()
        spoken = await said(voice, "Sorry.")
        return spoken, await heard.get(), [message["type"] for message in fake.sessions[0].messages]

    spoken, letters, sent = speaking(FLUX, scenario, TtsFaults(sentence=2, hold_after=3))
    assert spoken == sound_of("Sorry.")
    assert letters == len("One")
    assert sent == ["Speak", "Flush", "Speak", "Flush", "Interrupt", "Speak", "Flush"]
