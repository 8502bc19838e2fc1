"""OpenAI and compatible servers: a language model, voices, and speech to speech by Realtime.

The dates on which models end are those of OpenAI's package (`openai.types`, 3.54.0), which names
https://developers.openai.com/api/docs/deprecations.
"""

from dataclasses import replace
from datetime import date

from agent.llm import LanguageModel
from agent.providers.http_tts import HttpTts
from agent.providers.model_ends import ENDS
from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import SDK, OpenAIOptions
from agent.providers.openai_listen import OpenAISttOptions, OpenAISttSession
from agent.providers.openai_live import OpenAILiveOptions, OpenAILiveSession
from agent.providers.openai_realtime import HINTED, OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.openai_responses import ResponsesLlm
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.providers.provider import CONSTANT, Model, Price, Provider, imported
from agent.providers.socket_realtime import SocketRealtime
from agent.providers.socket_stt import SocketStt


class OpenAIStt(SocketStt):
    """The STT of one call."""

    def __init__(self, options: OpenAISttOptions) -> None:
        super().__init__(OpenAISttSession(options))


class OpenAITts(HttpTts):
    """The voice of one call."""

    def __init__(self, options: OpenAITtsOptions) -> None:
        super().__init__(OpenAISpeech(options))


def _made(options: OpenAIOptions) -> LanguageModel:
    return ResponsesLlm(options) if options.api == "responses" else OpenAILlm(options)


HOST = "api.openai.com"
_MILLION = 1_000_000
_PAGE = "notes on OpenAI's price page"
_MODEL = "developers.openai.com/api/docs/models"
_LISTED = "a note on developers.openai.com/api/docs/pricing, of LiteLLM 1.109.1"

_TRANSCRIBES = tuple(
    Price(model, "seconds", price, 60, date(2026, 11, 23), f"{_MODEL}/{model}", estimate=False)
    for model, price in (("gpt-transcribe", 0.0045), ("gpt-live-transcribe", 0.017))
)


def _transcribing(key: str) -> tuple[Model, ...]:
    """The models that transcribe, for the option `key`."""
    new = Model(HINTED, source="openai/types/realtime/audio_transcription.py", key=key)
    return (new, *(replace(one, key=key, instead=one.instead.replace("model", key, 1)) for one in ENDS["openai stt"]))


LLM = Provider(
    "openai", "llm", OpenAIOptions, _made, title="OpenAI",
    variables={"OPENAI_API_KEY": "api_key", "OPENAI_BASE_URL": "url", "OPENAI_MODEL": "model"}, host=HOST,
    keyless=True, auto=1,
    prices=(
        Price("gpt-6-luna", "tokens_in", 0.10, _MILLION, date(2026, 9, 22),
              f"three independent {_PAGE}; cached tokens cost a tenth, which is not counted"),
        Price("gpt-6-luna", "tokens_out", 0.50, _MILLION, date(2026, 9, 22), f"three independent {_PAGE}"),
        Price("gpt-4.1-mini", "tokens_in", 0.40, _MILLION, date(2026, 4, 2),
              f"{_PAGE}; cached tokens cost a quarter, which is not counted"),
        Price("gpt-4.1-mini", "tokens_out", 1.60, _MILLION, date(2026, 4, 2), _PAGE),
        Price("text-embedding-3-small", "tokens_in", 0.02, _MILLION, date(2026, 11, 23), _PAGE),
        Price("text-embedding-3-large", "tokens_in", 0.13, _MILLION, date(2026, 11, 23), _PAGE),
    ),
    models=(
        Model(("gpt-6-luna",), source="openai/types/shared/chat_model.py"),
        *ENDS["openai llm"],
    ),
    renamed={"base_url": "url", "temperature": "extra.temperature", "first_token_limit": CONSTANT},
    load=lambda _: imported(*SDK),
)  # fmt: skip

BACKUP = replace(LLM, name="openai_backup", section="openai_backup", variables={}, auto=0, prices=())
"""A second server or model, for `llm_backup`."""

SPOKEN = ("en", "es", "fr", "de", "hi", "pt", "it")
"""Languages of the voices, which were made for English. They speak Whisper's languages, 50 more than these
(developers.openai.com/api/docs/guides/text-to-speech, a copy of 2026)."""

STT = Provider(
    "openai", "stt", OpenAISttOptions, OpenAIStt, "openai_stt", title="OpenAI",
    variables={"OPENAI_API_KEY": "api_key"}, host=HOST,
    languages=lambda options: SPOKEN if HOST in options.url else None,
    takes_keyterms=lambda options: options.model in HINTED,
    prices=_TRANSCRIBES, models=_transcribing("model"),
)  # fmt: skip

TTS = Provider(
    "openai", "tts", OpenAITtsOptions, OpenAITts, "openai_tts", title="OpenAI",
    variables={"OPENAI_API_KEY": "api_key"}, host=HOST,
    languages=lambda options: SPOKEN if HOST in options.url else None,
    prices=(
        Price("tts-1", "characters", 15, _MILLION, date(2025, 11, 2),
              "a bill that somebody published; gpt-4o-mini-tts is charged by tokens, about 0.015 a minute"),
    ),
    models=ENDS["openai tts"],
    renamed={
        "language": "no key: the voice speaks the language of the text; leave it out",
        "voice": "voice_id",
        "speed": "extra.speed",
        "instructions": "extra.instructions",
    },
)  # fmt: skip

REALTIME = Provider(
    "openai", "realtime", OpenAIRealtimeOptions, SocketRealtime.of(OpenAIRealtimeSession), "openai_realtime",
    title="OpenAI", variables={"OPENAI_API_KEY": "api_key"}, host=HOST,
    takes_keyterms=lambda _: False, units=("tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out"),
    further=lambda options: {f"openai/{options.transcription}": ("seconds",)} if options.transcription else {},
    prices=(
        *(
            Price(model, "seconds", 0, 1, date(2026, 6, 1), "charged by tokens, see the next lines", estimate=False)
            for model in ("gpt-realtime-2.1", *(name for one in ENDS["openai realtime"] for name in one.names))
        ),
        Price("gpt-realtime-2.1", "audio_tokens_in", 32, _MILLION, date(2026, 6, 1),
              f"{_PAGE}; cached tokens cost less, which is not counted"),
        Price("gpt-realtime-2.1", "audio_tokens_out", 64, _MILLION, date(2026, 6, 1), _PAGE),
        Price("gpt-realtime-2.1", "tokens_in", 4, _MILLION, date(2026, 11, 23), _LISTED),
        Price("gpt-realtime-2.1", "tokens_out", 24, _MILLION, date(2026, 11, 23), _LISTED),
        *_TRANSCRIBES,
    ),
    models=(
        Model(("gpt-realtime-2.1",), source="openai/types/realtime"),
        *ENDS["openai realtime"],
        *_transcribing("transcription"),
    ),
    renamed={
        "keyterms": "[agent] keyterms",
        "voice": "voice_id",
        "turn_detection": "extra.audio.input.turn_detection.type",
        "silence": "extra.audio.input.turn_detection.silence_duration_ms",
        "eagerness": "extra.audio.input.turn_detection.eagerness",
    },
)  # fmt: skip

LIVE = Provider(
    "openai_live", "realtime", OpenAILiveOptions, SocketRealtime.of(OpenAILiveSession), title="OpenAI GPT-Live",
    family="openai", variables={"OPENAI_API_KEY": "api_key"}, host=HOST, takes_keyterms=lambda _: False,
    further=lambda options: {f"openai/{options.backend}": ("tokens_in", "tokens_out")},
    prices=(
        *(
            Price(model, "seconds", 0.05, 60, date(2026, 11, 20), "a note on OpenAI's price page, of apidog.com")
            for model in ("gpt-live-1", "gpt-live-1.1")
        ),
        *(one for one in LLM.prices if one.model in ("gpt-6-luna", "gpt-4.1-mini")),
    ),
    models=(
        Model(("gpt-live-1", "gpt-live-1.1"), source="openai/types/live, and OpenAI's pages of the models"),
        *(
            replace(one, key="backend", instead=one.instead.replace("model", "backend", 1))
            for one in LLM.models
        ),
    ),
)  # fmt: skip
