"""Deepgram: STT by Nova and Flux, voices by Aura and Flux."""

import re
from datetime import date

from agent.providers import deepgram_listen, deepgram_speak
from agent.providers.deepgram_listen import ENGLISH, FLUX_LANGUAGES, MULTI, DeepgramOptions
from agent.providers.deepgram_speak import DeepgramTtsOptions
from agent.providers.provider import Model, Price, Provider
from agent.providers.socket_stt import SocketStt
from agent.providers.socket_tts import SocketTts


class DeepgramStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: DeepgramOptions) -> None:
        super().__init__(deepgram_listen.session(options))


class DeepgramTts(SocketTts):
    """The voice of one call."""

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(deepgram_speak.session(options))


_VOICE = re.compile(r"(?:aura|flux).*-([a-z]{2})")
"""Names of voices end with the language that the voice speaks."""
NOVA_REDACTS = {"cards": "pci", "ssn": "ssn"}
FLUX_REDACTS = {"cards": "numbers", "ssn": "numbers"}
"""Flux cannot distinguish kinds of numbers: it removes every number of several digits."""
_PAGE = "a note on Deepgram's price page, pay as you go"


def _spoken(options: DeepgramTtsOptions) -> tuple[str, ...] | None:
    found = _VOICE.fullmatch(options.model)
    return (found[1],) if found else None


HEARD = ("en", "es", "fr", "de", "hi", "pt", "it")
"""Languages of Nova-3's multilingual model, which also knows ru, ja and nl (github.com/orgs/deepgram/discussions/1097,
a copy of 2026)."""


def _heard(options: DeepgramOptions) -> tuple[str, ...] | None:
    if options.is_flux:
        return FLUX_LANGUAGES
    return HEARD if options.model.startswith("nova-3") else None


STT = Provider(
    "deepgram", "stt", DeepgramOptions, DeepgramStt, title="Deepgram", variables={"DEEPGRAM_API_KEY": "api_key"},
    auto=2, languages=_heard, takes_keyterms=lambda options: options.takes_keyterms,
    redacts=lambda options: FLUX_REDACTS if options.is_flux else NOVA_REDACTS, word_times=lambda _: True,
    ends_turns=lambda options: options.is_flux,
    prices=(
        Price(ENGLISH, "seconds", 0.0065, 60, date(2026, 4, 1), _PAGE),
        Price(MULTI, "seconds", 0.0078, 60, date(2026, 4, 1), _PAGE),
    ),
    models=(Model((ENGLISH, MULTI), source="deepgram-sdk 7.17.0"),),
    renamed={
        "keyterms": "[agent] keyterms",
        "languages": "[[languages]] code",
        "endpointing": "extra.endpointing, in milliseconds",
        "eot_threshold": "extra.eot_threshold",
        "eager_eot_threshold": "extra.eager_eot_threshold",
        "utterance_end": "extra.utterance_end_ms",
        "eot_timeout": "extra.eot_timeout_ms",
        "smart_format": "extra.smart_format",
    },
)  # fmt: skip

TTS = Provider(
    "deepgram", "tts", DeepgramTtsOptions, DeepgramTts, "deepgram_tts", title="Deepgram",
    variables={"DEEPGRAM_API_KEY": "api_key"}, auto=3, languages=_spoken, voice_key="model",
    voices={
        "es": "aura-2-celeste-es", "de": "aura-2-aurelia-de", "fr": "aura-2-agathe-fr", "it": "aura-2-cesare-it",
    },
    prices=(
        Price("aura-2-*", "characters", 30, 1_000_000, date(2026, 6, 22),
              "a comparison that cites Deepgram's price page"),
    ),
    models=(Model(("aura-2-*", "flux-*-en"), source="deepgram-sdk 7.17.0"),),
    renamed={
        "language": "no key: the model is the voice, and its name ends with its language; write model",
        "voice_id": "no key: the model is the voice; write model",
    },
)  # fmt: skip
