"""End dates of cloud models and their replacements: one table, and its check against a configuration.

OpenAI's dates are those of its package (`openai.types`, 3.54.0), which names
https://developers.openai.com/api/docs/deprecations.
"""

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

from sipgw.agents.provider_choice import ProviderChoice
from sipgw.config.config import AgentConfig

AHEAD = 90
"""Days before the end of a model from which on there is a warning."""


@dataclass(frozen=True)
class Deprecation:
    """The announced end of some models of a provider."""

    part: str
    """Their part: STT, LLM, TTS, realtime model, or transcription (that of a realtime model)."""
    provider: str
    names: tuple[str, ...]
    """``*`` stands for anything."""
    ends: date | None = None
    """The day on which they are shut down, or from which another one answers; None: no day is announced."""
    instead: str = ""
    """The replacement line for the section of the configuration."""
    note: str = ""
    """A further note, as a sentence without its full stop."""
    source: str = ""


_CHAT = 'model = "gpt-6-luna"'
_CHAT_SOURCE = "openai/types/shared/chat_model.py"
_NO_SPEECH = "OpenAI has no other model for /audio/speech, but for gpt-realtime-2.1 for speech to speech"

DEPRECATIONS = (
    Deprecation(
        "stt", "assemblyai", ("universal-3-6-pro",), source="assemblyai 1.8.2; the default of LiveKit's plugin"
    ),
    Deprecation(
        "stt",
        "assemblyai",
        ("u3-rt-pro", "u3-rt-pro-*", "u3-pro"),
        date(2026, 9, 2),
        'model = "universal-3-6-pro"',
        "universal-3-5-pro answers under this name since then",
        source="AssemblyAI's Universal-3 Pro pages",
    ),
    Deprecation("stt", "deepgram", ("flux-general-en", "flux-general-multi"), source="deepgram-sdk 7.17.0"),
    Deprecation("stt", "cartesia", ("ink-2",), source="cartesia 4.2.0"),
    Deprecation("llm", "openai", ("gpt-6-luna",), source=_CHAT_SOURCE),
    Deprecation(
        "llm",
        "openai",
        (
            *("gpt-4.1", "gpt-4.1-2*", "gpt-4.1-mini", "gpt-4.1-mini-2*"),
            *("gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-4o-mini-2*"),
        ),
        date(2027, 1, 14),
        _CHAT,
        source=_CHAT_SOURCE,
    ),
    Deprecation(
        "llm",
        "openai",
        ("gpt-5.4-nano", "gpt-5.4-nano-2*", "gpt-5.1", "gpt-5.1-2*"),
        date(2027, 4, 1),
        _CHAT,
        source=_CHAT_SOURCE,
    ),
    Deprecation(
        "llm",
        "openai",
        (*("gpt-5", "gpt-5-2*", "gpt-5-mini", "gpt-5-mini-2*", "gpt-5-nano", "gpt-5-nano-2*", "o3", "o3-2*"),),
        date(2026, 12, 11),
        _CHAT,
        source=_CHAT_SOURCE,
    ),
    Deprecation(
        "llm",
        "openai",
        (
            *("gpt-4.1-nano", "gpt-4.1-nano-2*", "o4-mini", "o4-mini-2*", "o3-mini", "o3-mini-2*", "o1", "o1-2*"),
            *("gpt-4o-2024-05-13", "gpt-4-turbo", "gpt-4-turbo-2*", "gpt-4-1106-preview", "gpt-4", "gpt-4-0613"),
            *("gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
        ),
        date(2026, 10, 23),
        _CHAT,
        source=_CHAT_SOURCE,
    ),
    Deprecation(
        "llm", "openai", ("gpt-5.3-chat-latest", "gpt-5.2-chat-latest"), date(2026, 8, 10), _CHAT, source=_CHAT_SOURCE
    ),
    Deprecation(
        "llm", "openai", ("gpt-5.1-chat-latest", "gpt-5-chat-latest"), date(2026, 7, 23), _CHAT, source=_CHAT_SOURCE
    ),
    Deprecation("tts", "elevenlabs", ("eleven_flash_v2_5",), source="elevenlabs 2.78.0"),
    Deprecation("tts", "cartesia", ("sonic-3.5",), source="cartesia 4.2.0"),
    Deprecation("tts", "deepgram", ("aura-2-*",), source="deepgram-sdk 7.17.0"),
    Deprecation("tts", "assemblyai", ("assemblyai-tts-1",), source="assemblyai 1.8.2"),
    Deprecation("tts", "polly", ("standard", "neural", "long-form", "generative"), source="botocore 1.44.5"),
    Deprecation(
        "tts",
        "openai",
        ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2*"),
        date(2027, 1, 6),
        'tts = "elevenlabs", "cartesia" or "deepgram" in [agent], or the url of a server of your own',
        _NO_SPEECH,
        source="openai/types/audio/speech_model.py",
    ),
    Deprecation("realtime", "openai", ("gpt-realtime-2.1",), source="openai/types/realtime"),
    Deprecation(
        "realtime",
        "openai",
        ("gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-mini", "gpt-realtime-mini-2025-12-15"),
        date(2027, 1, 20),
        'model = "gpt-realtime-2.1"',
        source="openai/types/realtime/realtime_session_create_request.py",
    ),
    Deprecation("transcription", "openai", ("gpt-transcribe",), source="openai/types/realtime/audio_transcription.py"),
    Deprecation(
        "transcription",
        "openai",
        ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-*transcribe-*"),
        date(2027, 2, 26),
        'transcription = "gpt-transcribe"',
        source="openai/types/realtime/audio_transcription.py",
    ),
)

_KEYS = {
    ("stt", "assemblyai"): ("assemblyai", "model"),
    ("stt", "deepgram"): ("deepgram", "model"),
    ("stt", "cartesia"): ("cartesia", "model"),
    ("llm", "openai"): ("openai", "model"),
    ("llm", "openai_backup"): ("openai_backup", "model"),
    ("tts", "elevenlabs"): ("elevenlabs", "model"),
    ("tts", "cartesia"): ("cartesia_tts", "model"),
    ("tts", "deepgram"): ("deepgram_tts", "model"),
    ("tts", "assemblyai"): ("assemblyai_tts", "model"),
    ("tts", "polly"): ("polly", "model"),
    ("tts", "openai"): ("openai_tts", "model"),
    ("realtime", "openai"): ("openai_realtime", "model"),
    ("transcription", "openai"): ("openai_realtime", "transcription"),
}
"""Section and key of the configuration that name the model of a part and its provider."""

_OWNERS = {"assemblyai": "AssemblyAI", "openai": "OpenAI", "deepgram": "Deepgram", "cartesia": "Cartesia"}


def today() -> date:
    """The present date, in UTC; tests replace it."""
    return datetime.now(UTC).date()


def deprecation(part: str, provider: str, name: str) -> Deprecation | None:
    """The table's entry for a model; None if there is none."""
    for one in DEPRECATIONS:
        if (one.part, one.provider) == (part, provider) and any(fnmatchcase(name, pattern) for pattern in one.names):
            return one
    return None


def endings(config: AgentConfig, choice: ProviderChoice, on: date) -> list[str]:
    """A sentence on each model in use that ends within `AHEAD` days of the day `on`, or has ended."""
    found = []
    for part, provider in _used(config, choice):
        section, key = _KEYS[part, provider]
        name = getattr(getattr(config, section), key)
        one = deprecation(part, provider.removesuffix("_backup"), name)
        if one is None or one.ends is None or (one.ends - on).days > AHEAD or _is_elsewhere(config, section):
            continue
        place = "" if "[" in one.instead else f" in [{section}]"
        found.append(f"[{section}] {key} = {name!r} {_end(one, on)}: write {one.instead}{place}")
    return found


def _end(one: Deprecation, on: date) -> str:
    assert one.ends is not None  # noqa: S101
    days = (one.ends - on).days
    owner = _OWNERS.get(one.provider, one.provider)
    when = f"ends on {one.ends} at {owner}, in {days} days" if days > 0 else f"has ended on {one.ends} at {owner}"
    return f"{when} ({one.note})" if one.note else when


def _used(config: AgentConfig, choice: ProviderChoice) -> Iterator[tuple[str, str]]:
    """Part and provider of all providers in use, backups included."""
    wanted: list[tuple[str, str]] = [(part, name) for part in choice.parts for name in getattr(choice, part)]
    if not choice.realtime:
        wanted += [("tts", one.tts) for one in config.languages if one.tts]
    elif "openai" in choice.realtime:
        wanted.append(("transcription", "openai"))
    yield from (pair for pair in dict.fromkeys(wanted) if pair in _KEYS)


def _is_elsewhere(config: AgentConfig, section: str) -> bool:
    """Whether a section names another server than the vendor's, where a model may still be served."""
    options = getattr(config, section)
    host = urllib.parse.urlsplit(options.url).hostname or ""
    return section in ("openai", "openai_backup", "openai_tts", "openai_realtime") and host != "api.openai.com"
