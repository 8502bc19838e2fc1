"""ElevenLabs' own client of its STT against our fake, and its types on what both send."""

import asyncio
import base64
from typing import Any

from elevenlabs import types as eleven
from elevenlabs.realtime.connection import RealtimeEvents
from elevenlabs.realtime.scribe import AudioFormat, CommitStrategy, ScribeRealtime

from tests.agent.providers.listening import listen, sound
from tests.agent.providers.test_scribe import AGAIN, KEY, ORDER, scribe, speak
from tests.agent.providers.vendors import judged
from tests.fakes.scribe import FakeScribe

TOLD = {
    "session_started": eleven.SessionStartedPayload,
    "partial_transcript": eleven.PartialTranscriptPayload,
    "committed_transcript": eleven.CommittedTranscriptPayload,
    "committed_transcript_with_timestamps": eleven.CommittedTranscriptWithTimestampsPayload,
    "input_error": eleven.ScribeInputErrorPayload,
}


def judge(fake: FakeScribe) -> None:
    for message in fake.sessions[0].sent:
        judged(TOLD[message["message_type"]], message)


def test_the_vendor_s_client_holds_a_session() -> None:
    """A piece that silence commits, and one that the client commits."""
    fake = FakeScribe([ORDER, AGAIN], key=KEY)
    told = list[dict[str, Any]]()

    async def run() -> None:
        async with fake:
            options: Any = {
                "model_id": "scribe_v2_realtime",
                "audio_format": AudioFormat.ULAW_8000,
                "sample_rate": 8000,
                "commit_strategy": CommitStrategy.VAD,
                "vad_silence_threshold_secs": 0.5,
                "include_timestamps": True,
                "secondary_languages": ["es"],
                "language_code": "en",
                "keyterms": ["Sipgw"],
            }
            connection = await ScribeRealtime(KEY, fake.url).connect(options)
            for event in (*TOLD, "error"):
                connection.on(RealtimeEvents(event), told.append)
            for at in range(40):
                data = base64.b64encode(sound(100)).decode()
                await connection.send({"audio_base_64": data, **({"previous_text": "Hello?"} if at == 0 else {})})
            await connection.commit()
            await fake.until(lambda: sum("words" in one for one in fake.sessions[0].sent) == 2)
            await connection.close()

    asyncio.run(run())
    finals = [one for one in told if one["message_type"] == "committed_transcript_with_timestamps"]
    assert [one["text"] for one in finals] == [ORDER.text, AGAIN.text]
    judge(fake)


def test_the_vendor_s_types_take_all_that_our_stt_sends() -> None:
    fake = FakeScribe([ORDER], key=KEY)

    async def scenario(stt: Any, events: Any) -> None:
        await speak(stt, 2500)
        await events.final()

    async def run() -> None:
        async with fake:
            await listen(scribe(fake, languages=("en", "es")), scenario)

    asyncio.run(run())
    assert len(fake.sessions[0].messages) >= 25
    for message in fake.sessions[0].messages:
        judged(eleven.InputAudioChunkPayload, message)
    judge(fake)
