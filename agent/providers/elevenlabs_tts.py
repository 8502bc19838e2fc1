"""ElevenLabs: its voice by a websocket for the call (another one for v3 and v4), or by HTTP for each sentence."""

import re
from datetime import date

from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSession
from agent.providers.elevenlabs_http import SDK, ElevenLabsHttpTts
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.provider import Model, Price, Provider, imported
from agent.providers.socket_tts import SocketTts
from agent.tts import TextToSpeech


class ElevenLabsTts(SocketTts):
    """The voice of one call, by one of the websockets."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__((DialogueSession if options.transport == "dialogue" else ElevenLabsSession)(options))


def _made(options: ElevenLabsOptions) -> TextToSpeech:
    return ElevenLabsHttpTts(options) if options.transport == "http" else ElevenLabsTts(options)


_ENGLISH = re.compile(r"eleven_(flash|turbo)_v2|eleven_monolingual_v1")
"""Models that speak only English."""


_MANY = re.compile(r"eleven_(multilingual_v2|(flash|turbo)_v2_5|v3.*)")
SPOKEN = ("en", "es", "fr", "de", "hi", "pt", "it")
"""Languages of the multilingual models, which speak at least 22 more (elevenlabs.io/docs/overview/models, a copy of
2026)."""


def _languages(options: ElevenLabsOptions) -> tuple[str, ...] | None:
    if _ENGLISH.fullmatch(options.model):
        return ("en",)
    return SPOKEN if _MANY.fullmatch(options.model) else None


_FAST = "a note on ElevenLabs' API prices: Flash and Turbo"

TTS = Provider(
    "elevenlabs", "tts", ElevenLabsOptions, _made, title="ElevenLabs",
    variables={"ELEVENLABS_API_KEY": "api_key", "ELEVENLABS_VOICE_ID": "voice_id"}, auto=1, languages=_languages,
    word_times=lambda _: True,
    prices=(
        Price("eleven_flash_v2*", "characters", 0.05, 1000, date(2026, 6, 1), _FAST),
        Price("eleven_turbo_v2*", "characters", 0.05, 1000, date(2026, 6, 1), _FAST),
        Price("eleven_v4_turbo", "characters", 0.04, 1000, date(2026, 10, 1),
              "a note that cites ElevenLabs' API prices"),
        Price("eleven_*", "characters", 0.10, 1000, date(2026, 6, 1),
              "a note on ElevenLabs' API prices: Multilingual v2 and v3"),
    ),
    models=(Model(("eleven_flash_v2_5", "eleven_v4_turbo"), source="elevenlabs 2.78.0"),),
    renamed={
        "base_url": "url",
        "model_id": "model",
        "language_code": "language",
        "stability": "extra.voice_settings.stability",
        "speed": "extra.voice_settings.speed",
        "similarity_boost": "extra.voice_settings.similarity_boost",
        "style": "extra.voice_settings.style",
        "use_speaker_boost": "extra.voice_settings.use_speaker_boost",
    },
    load=lambda options: imported(*SDK) if options.transport == "http" else None,
)  # fmt: skip
