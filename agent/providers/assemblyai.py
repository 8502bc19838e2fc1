"""AssemblyAI: streaming STT, version 3, a voice, and speech to speech by the Voice Agent."""

from collections.abc import Collection
from datetime import date

from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.providers.assemblyai_speak import LANGUAGES, AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.model_ends import ENDS
from agent.providers.provider import CONSTANT, Model, Price, Provider
from agent.providers.socket_realtime import SocketRealtime
from agent.providers.socket_stt import SocketStt
from agent.providers.socket_tts import SocketTts
from agent.providers.voice_agent_session import VoiceAgentOptions, VoiceAgentSession


class AssemblyAIStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: AssemblyAIOptions) -> None:
        super().__init__(AssemblyAISttSession(options))


class AssemblyAITts(SocketTts):
    """The voice of one call."""

    def __init__(self, options: AssemblyAITtsOptions) -> None:
        super().__init__(AssemblyAITtsSession(options))


_KEY = {"ASSEMBLYAI_API_KEY": "api_key"}
_SOCKET = "by the time the socket is open"
REDACTED = {
    "cards": "credit_card_number",
    "ssn": "us_social_security_number",
    "iban": "banking_information",
    "phones": "phone_number",
    "emails": "email_address",
    "names": "person_name",
}

U35 = ("universal-3-5", "universal-3-6", "u3-rt-pro")
"""Beginnings of the names of models with more than six languages; the last name stands for 3.5, too."""
HEARD = ("en", "es", "fr", "de", "hi", "pt", "it")
"""Languages of these models, which know 12 more (assemblyai.com/docs/faq/language-support-for-real-time-transcription,
a copy of 2026)."""


def _heard(options: AssemblyAIOptions) -> Collection[str] | None:
    if options.model.startswith(U35):
        return HEARD
    return None if options.is_u3 else LANGUAGES


STT = Provider(
    "assemblyai", "stt", AssemblyAIOptions, AssemblyAIStt, title="AssemblyAI", variables=_KEY, auto=1,
    languages=_heard, redacts=lambda _: REDACTED,
    word_times=lambda _: True, ends_turns=lambda _: True,
    prices=(
        Price("u3-*", "seconds", 0.45, 3600, date(2026, 3, 1),
              f"AssemblyAI's models page: Universal-3 Pro Streaming, {_SOCKET}", estimate=False),
        Price("universal-3-*", "seconds", 0.45, 3600, date(2026, 10, 7),
              f"assemblyai.com/pricing: Universal-3.6 Pro Realtime, {_SOCKET}", estimate=False),
        Price("universal-streaming-*", "seconds", 0.15, 3600, date(2026, 3, 1),
              "AssemblyAI's models page: Universal-Streaming", estimate=False),
        Price("universal-streaming-*+keyterms", "seconds", 0.19, 3600, date(2026, 3, 1),
              "AssemblyAI's models page: Universal-Streaming, and $0.04 for key terms", estimate=False),
    ),
    models=(
        Model(("universal-3-6-pro",), source="assemblyai 1.8.2; the default of LiveKit's plugin"),
        *ENDS["assemblyai stt"],
    ),
    renamed={
        "chunk": CONSTANT,
        "keyterms": "[agent] keyterms",
        "languages": "[[languages]] code",
        "min_turn_silence": "extra.min_turn_silence, in milliseconds",
        "max_turn_silence": "extra.max_turn_silence, in milliseconds",
        "prompt": "extra.prompt",
        "vad_threshold": "extra.vad_threshold",
        "interruption_delay": "extra.interruption_delay, in milliseconds",
        "voice_focus": "extra.voice_focus",
    },
)  # fmt: skip

TTS = Provider(
    "assemblyai", "tts", AssemblyAITtsOptions, AssemblyAITts, "assemblyai_tts", title="AssemblyAI", variables=_KEY,
    languages=lambda _: LANGUAGES, word_times=lambda _: True,
    models=(Model(("assemblyai-tts-1",), source="assemblyai 1.8.2"),),
)  # fmt: skip

REALTIME = Provider(
    "assemblyai", "realtime", VoiceAgentOptions, SocketRealtime.of(VoiceAgentSession),
    "assemblyai_agent", title="AssemblyAI", variables=_KEY,
    prices=(
        Price("voice-agent", "seconds", 4.50, 3600, date(2026, 6, 1),
              f"AssemblyAI's Voice Agent documentation; {_SOCKET}", estimate=False),
    ),
    renamed={
        "keyterms": "[agent] keyterms",
        "mode": "extra.input.transcription_mode",
        "model": "no key: the service has one model only; leave it out",
        "voice": "voice_id",
    },
)  # fmt: skip
