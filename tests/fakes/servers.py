"""The server of each of our providers that serves it well, for the conformance kit."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from agent.providers.provider import Provider
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.conformance.embedded import SpokenSample
from sipgw.tools.conformance.trials import Server
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.assemblyai_tts import FakeAssemblyAITts
from tests.fakes.aura import FakeAura, FakeFluxTts
from tests.fakes.cartesia import FakeInk, FakeSonic
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeDialogue, FakeElevenLabs
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.openai_live import FakeLive
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.openai_transcribe import FakeTranscribe
from tests.fakes.realtime_server import Say
from tests.fakes.responses import FakeResponses
from tests.fakes.scribe import FakeScribe
from tests.fakes.speech_http import FakeOpenAISpeech, FakePolly
from tests.fakes.voice_agent import FakeVoiceAgent
from tests.fakes.xai_realtime import FakeXai

SPEECH = Path(__file__).parent.parent / "data" / "speech"
KEY = "the-key-of-the-kit"
SAID = [Said("Where is my order?", 500, 2000)]
GOES_ON = Said("Wait.", 25_200, 26_500)
"""What the caller says into a tool that runs: at `sipgw.tools.conformance.exercises.AGAIN`."""
LATER = [Said("Where is my order?", 3000, 3900), GOES_ON]
ANSWER = "It is on its way."
CALL = ("call_1", "get_order_status", '{"order_number": "7346"}')
ANSWERS = [Reply(ANSWER.split(), calls=[CALL])]
REPLIES = [Say(calls=[CALL]), *[Say(ANSWER)] * 3]
_MAKERS: dict[str, Callable[[], Any]] = {
    "anthropic": lambda: FakeAnthropic(ANSWERS, key=KEY),
    "assemblyai": lambda: FakeAssemblyAI(SAID, key=KEY),
    "assemblyai_agent": lambda: FakeVoiceAgent([*SAID, GOES_ON], REPLIES, key=KEY),
    "assemblyai_tts": lambda: FakeAssemblyAITts(key=KEY),
    "cartesia": lambda: FakeInk(SAID, key=KEY),
    "cartesia_tts": lambda: FakeSonic(key=KEY),
    "deepgram": lambda: FakeDeepgram(SAID, key=KEY),
    "deepgram_tts": lambda: FakeAura(key=KEY),
    "elevenlabs": lambda: FakeElevenLabs(key=KEY),
    "elevenlabs_stt": lambda: FakeScribe(SAID, key=KEY),
    "gemini_live": lambda: FakeGemini([*SAID, GOES_ON], REPLIES, key=KEY),
    "openai": lambda: FakeOpenAI(ANSWERS, key=KEY),
    "openai_backup": lambda: FakeOpenAI(ANSWERS, key=KEY),
    "openai_live": lambda: FakeLive(LATER, REPLIES, key=KEY),
    "openai_realtime": lambda: FakeOpenAIRealtime([*SAID, GOES_ON], REPLIES, key=KEY),
    "openai_stt": lambda: FakeTranscribe(SAID, key=KEY),
    "openai_tts": lambda: FakeOpenAISpeech(key=KEY),
    "polly": lambda: FakePolly(key=KEY),
    "xai_realtime": lambda: FakeXai([*SAID, GOES_ON], REPLIES, key=KEY),
}
_MORE: Mapping[str, Mapping[str, Any]] = {"polly": {"secret_key": "secret"}}


VARIANTS: Mapping[str, Mapping[str, tuple[Callable[[], Any], Mapping[str, Any]]]] = {
    "assemblyai": {
        "universal": (lambda: FakeAssemblyAI(SAID, key=KEY), {"model": "universal-streaming-english"}),
    },
    "deepgram": {"nova": (lambda: FakeDeepgram(SAID, key=KEY), {"model": "nova-3"})},
    "deepgram_tts": {"flux": (lambda: FakeFluxTts(key=KEY), {"model": "flux-haley-en"})},
    "elevenlabs": {
        "dialogue": (lambda: FakeDialogue(key=KEY), {"model": "eleven_v4_turbo", "transport": "dialogue"}),
        "http": (lambda: FakeElevenLabsHttp(key=KEY), {"transport": "http"}),
    },
    "gemini_live": {
        "waiting": (lambda: FakeGemini([*SAID, GOES_ON], REPLIES, key=KEY, waiting=True), {}),
    },
    "openai": {"responses": (lambda: FakeResponses(ANSWERS, key=KEY), {"api": "responses"})},
}
"""Of a provider by its table: further protocols that it speaks, or ways of its server, with the servers and the
options for them."""


def server_of(record: Provider, variant: str = "") -> Server | None:
    """See `sipgw.tools.conformance.plugin`."""
    maker, more = _MAKERS.get(record.section), _MORE.get(record.section, {})
    if variant:
        maker, more = VARIANTS[record.section][variant]
    if maker is None:
        return None

    @contextlib.asynccontextmanager
    async def serving() -> AsyncIterator[Mapping[str, Any]]:
        async with maker() as fake:
            yield {"url": getattr(fake, "base_url", fake.url), "api_key": KEY, **more}

    return serving


def servers_of(record: Provider) -> Mapping[str, Server]:
    """Those of all protocols that a provider speaks, by their names; its usual one has none."""
    names = ("", *VARIANTS.get(record.section, ()))
    return {name: server for name in names if (server := server_of(record, name))}


def speech_of(record: Provider) -> Mapping[str, SpokenSample]:
    """Real speech for the embedded STT."""
    said = SpokenSample(read_ulaw(SPEECH / "goforward.wav"), "go forward ten meters")
    return {"en": said} if record.part == "stt" else {}
