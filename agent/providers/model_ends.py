"""The table of the days on which models end, for all providers that come with sipgw.

`sipgw check`, `make run` and the dashboard warn from 90 days before the day on. Each row has its source.
"""

from datetime import date

from agent.providers.provider import Model

_ANTHROPIC = "anthropic/resources/messages/messages.py"  # of the vendor's package 2.12.0
_CHAT = "openai/types/shared/chat_model.py"
_OPENAI_REALTIME = "openai/types/realtime/realtime_session_create_request.py"
_OPENAI_LISTEN = "openai/types/realtime/audio_transcription.py"
_HAIKU = 'model = "claude-haiku-5-5"'
_LUNA = 'model = "gpt-6-luna"'

ENDS: dict[str, tuple[Model, ...]] = {
    "anthropic llm": (
        Model(("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"), date(2026, 11, 30), _HAIKU, source=_ANTHROPIC),
        Model(("claude-mythos-preview",), date(2026, 6, 30), _HAIKU, source=_ANTHROPIC),
        Model(
            ("claude-opus-4-0", "claude-opus-4-20250514", "claude-sonnet-4-0", "claude-sonnet-4-20250514"),
            date(2026, 6, 15), _HAIKU, source=_ANTHROPIC,
        ),
        Model(
            (
                *("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
                *("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
            ),
            date(2026, 2, 19), _HAIKU, source=_ANTHROPIC,
        ),
    ),
    "assemblyai stt": (
        Model(
            ("u3-rt-pro", "u3-rt-pro-*", "u3-pro"), date(2026, 9, 2), 'model = "universal-3-6-pro"',
            "universal-3-5-pro answers under this name since then", source="AssemblyAI's Universal-3 Pro pages",
        ),
    ),
    "gemini realtime": (
        Model(
            ("gemini-2.0-flash-live-001", "gemini-live-2.5-flash-preview"),
            date(2025, 12, 9), 'model = "gemini-3.8-live"', source="ai.google.dev/gemini-api/docs/changelog",
        ),
    ),
    "openai llm": (
        Model(
            (
                *("gpt-4.1", "gpt-4.1-2*", "gpt-4.1-mini", "gpt-4.1-mini-2*"),
                *("gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-4o-mini-2*"),
            ),
            date(2027, 1, 14), _LUNA, source=_CHAT,
        ),
        Model(("gpt-5.4-nano", "gpt-5.4-nano-2*", "gpt-5.1", "gpt-5.1-2*"), date(2027, 4, 1), _LUNA, source=_CHAT),
        Model(
            ("gpt-5", "gpt-5-2*", "gpt-5-mini", "gpt-5-mini-2*", "gpt-5-nano", "gpt-5-nano-2*", "o3", "o3-2*"),
            date(2026, 12, 11), _LUNA, source=_CHAT,
        ),
        Model(
            (
                *("gpt-4.1-nano", "gpt-4.1-nano-2*", "o4-mini", "o4-mini-2*", "o3-mini", "o3-mini-2*", "o1", "o1-2*"),
                *("gpt-4o-2024-05-13", "gpt-4-turbo", "gpt-4-turbo-2*", "gpt-4-1106-preview", "gpt-4", "gpt-4-0613"),
                *("gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
            ),
            date(2026, 10, 23), _LUNA, source=_CHAT,
        ),
        Model(("gpt-5.3-chat-latest", "gpt-5.2-chat-latest"), date(2026, 8, 10), _LUNA, source=_CHAT),
        Model(("gpt-5.1-chat-latest", "gpt-5-chat-latest"), date(2026, 7, 23), _LUNA, source=_CHAT),
    ),
    "openai stt": (
        Model(
            ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-*transcribe-*"),
            date(2027, 2, 26), 'model = "gpt-transcribe"', source=_OPENAI_LISTEN,
        ),
    ),
    "openai tts": (
        Model(
            ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2*"), date(2027, 1, 6),
            'tts = "elevenlabs", "cartesia" or "deepgram" in [agent], or the url of a server of your own',
            "OpenAI has no other model for /audio/speech, but for gpt-realtime-2.1 for speech to speech",
            "openai/types/audio/speech_model.py",
        ),
    ),
    "openai realtime": (
        Model(
            ("gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-mini", "gpt-realtime-mini-2025-12-15"),
            date(2027, 1, 20), 'model = "gpt-realtime-2.1"', source=_OPENAI_REALTIME,
        ),
    ),
}  # fmt: skip
"""The models that end, by name and part of the provider, such as ``"anthropic llm"``."""
