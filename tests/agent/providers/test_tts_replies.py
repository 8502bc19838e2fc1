"""Replies of several sentences in one context of the voice, and the times of their words."""

import base64
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.tts_session import Final, TtsWord
from agent.tts import WordTime, sound_alone
from tests.agent.providers.voicing import ASSEMBLYAI, DIALOGUE, HTTP, SONIC, WS, speaking
from tests.fakes.assemblyai_tts import FakeAssemblyAITts
from tests.fakes.cartesia import FakeSonic, SonicContext
from tests.fakes.elevenlabs import FakeElevenLabs, TtsFaults, sound_of
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp

CONTEXTS = pytest.mark.parametrize("kind", [SONIC, WS, DIALOGUE], ids=lambda kind: kind.name)
TIMED = pytest.mark.parametrize("kind", [SONIC, WS, DIALOGUE, HTTP, ASSEMBLYAI], ids=lambda kind: kind.name)
REPLY = ("Well, it is on its way.", "It comes at nine.", "Anything else?")


def contexts(fake) -> dict[str, list[str]]:
    """What was said in each context of all connections."""
    said_in: dict[str, list[str]] = {}
    for number, session in enumerate(fake.sessions):
        for message in session.messages:
            said = message.get("inputs", [message])[0]
            if text := str(said.get("text", said.get("transcript", ""))).strip():
                said_in.setdefault(f"{number} {message['context_id']}", []).append(text)
    return said_in


async def reply(voice, *sentences: str) -> list[bytes]:
    """Has them said as one reply."""
    sounds, before = [], ""
    for sentence in sentences:
        sounds.append(b"".join([ulaw async for ulaw in sound_alone(voice.speak(sentence, before))]))
        before = f"{before} {sentence}".strip()
    return sounds


@CONTEXTS
def test_a_reply_is_said_in_one_context_and_the_next_in_another(kind):
    async def scenario(voice, fake):
        heard = [await reply(voice, *REPLY), await reply(voice, "Bye.")]
        assert heard == [[kind.sound(text) for text in REPLY], [kind.sound("Bye.")]]
        return list(contexts(fake).values())

    assert speaking(kind, scenario) == [list(REPLY), ["Bye."]]


@CONTEXTS
def test_an_interrupted_reply_ends_its_context(kind):
    async def scenario(voice, fake):
        heard = await reply(voice, REPLY[0])
        async with aclosing(sound_alone(voice.speak(REPLY[1], REPLY[0]))) as pieces:
            await anext(pieces)
        fake.release()
        heard += await reply(voice, "Yes?", "Go on.")
        return heard, list(contexts(fake).values())

    heard, said_in = speaking(kind, scenario, TtsFaults(sentence=2, hold_after=2))
    assert heard == [kind.sound(text) for text in (REPLY[0], "Yes?", "Go on.")]
    assert said_in == [[REPLY[0], REPLY[1]], ["Yes?", "Go on."]]


@CONTEXTS
def test_a_reply_whose_connection_is_lost_goes_on_in_a_context_of_the_next(kind):
    async def scenario(voice, fake):
        await reply(voice, REPLY[0])
        fake.sessions[0].cut()
        await fake.until(lambda: fake.sessions[0].ended)
        sound = b"".join([ulaw async for ulaw in sound_alone(voice.speak(REPLY[1], REPLY[0]))])
        return sound, list(contexts(fake).values())

    assert speaking(kind, scenario) == (kind.sound(REPLY[1]), [[REPLY[0]], [REPLY[1]]])


def test_a_context_of_sonic_that_has_expired_meanwhile_costs_no_sentence():
    """The gateway keeps a distance; the service may be quicker all the same."""

    class Hasty(FakeSonic):
        async def obey(self, session, start):
            SonicContext.LIFE = 0.0
            try:
                await super().obey(session, start)
            finally:
                SonicContext.LIFE = 1.0

    async def scenario(voice, fake):
        return await reply(voice, *REPLY[:2]), list(contexts(fake).values())

    heard, said_in = speaking(replace(SONIC, fake=Hasty), scenario)
    assert heard == [SONIC.sound(text) for text in REPLY[:2]]
    assert said_in == [list(REPLY[:2]), [REPLY[1]]]


@TIMED
def test_the_times_of_all_words_are_told_in_every_sentence_of_a_reply(kind):
    text = "It was not changed, so far."

    async def scenario(voice, _fake):
        await reply(voice, "Well.")
        pieces = [piece async for piece in voice.speak(text, "Well.")]
        return [piece for piece in pieces if isinstance(piece, WordTime)], pieces

    words, pieces = speaking(kind, scenario)
    assert [word.letters for word in words] == [2, 6, 10, 19, 22, 27]
    whole = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    assert [word.samples for word in words] == pytest.approx([whole * (at + 1) / 6 for at in range(6)], abs=9)


def test_a_voice_by_http_that_tells_no_times_speaks_all_the_same():
    async def scenario(voice, _fake):
        return [piece async for piece in voice.speak(REPLY[0])]

    pieces = speaking(HTTP, scenario, fake_options={"aligned": False})
    assert b"".join(pieces) == sound_of(REPLY[0])


@pytest.mark.parametrize(
    "times",
    [
        7,
        {"characters": None},
        *(
            {"characters": list("Well,"), "character_end_times_seconds": ends}
            for ends in (["late"] * 5, [1e308] * 5, [10**400] * 5, [-1.0] * 5, [])
        ),
    ],
)
def test_times_that_are_none_leave_the_sound_of_a_voice_by_http_as_it_is(times):
    class Wrong(FakeElevenLabsHttp):
        def timed(self, told, begin):
            return times

    async def scenario(voice, _fake):
        return [piece async for piece in voice.speak(REPLY[0])]

    assert b"".join(speaking(replace(HTTP, fake=Wrong), scenario)) == sound_of(REPLY[0])


@pytest.mark.parametrize("kind", [WS, DIALOGUE], ids=lambda kind: kind.name)
def test_a_voice_that_tells_no_times_ends_its_sentences_all_the_same(kind):
    async def scenario(voice, fake):
        return await reply(voice, *REPLY), list(contexts(fake).values())

    said_apart = [[text] for text in REPLY]
    sounds = [sound_of(text) for text in REPLY]
    assert speaking(kind, scenario, fake_options={"aligned": False}) == (sounds, said_apart)


class Quiet(FakeAssemblyAITts):
    tells_words = False


def test_times_of_words_that_do_not_come_hold_nothing_up(monkeypatch):
    monkeypatch.setattr("agent.providers.assemblyai_speak.AssemblyAITtsSession.overdue_after", 0.02)

    async def scenario(voice, fake):
        return await reply(voice, *REPLY)

    assert speaking(replace(ASSEMBLYAI, fake=Quiet), scenario) == [sound_of(text) for text in REPLY]


class Forgetful(FakeElevenLabs):
    """Its times end before the sentence does."""

    async def _send(self, session, name, audio, times=None, *, final=False):
        if times is not None:
            times = {key: values[:3] if session.samples else values for key, values in times.items()}
            session.samples += 1
        await super()._send(session, name, audio, times, final=final)


def test_a_sentence_whose_times_stop_is_ended_by_its_context(monkeypatch):
    monkeypatch.setattr("agent.providers.elevenlabs_ws.ElevenLabsSession.overdue_after", 0.02)

    async def scenario(voice, fake):
        return await reply(voice, *REPLY)

    assert speaking(replace(WS, fake=Forgetful), scenario) == [sound_of(text) for text in REPLY]


@pytest.mark.parametrize(
    ("messages", "letters"),
    [
        ([" Hi there"], [2]),  # of "there" the end is not known: a letter may follow
        (["Hi th", "ere, you."], [2, 9, 14]),
        (["Hi there", "there, you."], [2, 9, 14]),  # successive messages overlap
        (["Hi there, y", "HI"], [2, 9]),  # what is not in the text tells nothing
    ],
)
def test_alignment_is_found_in_the_text_that_was_given(messages, letters):
    session = ElevenLabsSession(ElevenLabsOptions())
    session.begin()
    session.say("s1", "Hi there, you.", 0.0)
    found = []
    for text in messages:
        times = {"chars": list(text), "charStartTimesMs": [10 * at for at in range(len(text))],
                 "charDurationsMs": [10] * len(text)}  # fmt: skip
        audio = base64.b64encode(b"\x10" * 1600).decode()
        found += session.receive(json.dumps({"audio": audio, "contextId": "c1", "alignment": times}))
    assert [event.letters for event in found if isinstance(event, TtsWord)] == letters
    assert (Final("s1") in found) is (letters[-1] == 14)
