"""Cartesia: STT by Ink, voices by Sonic."""

from datetime import date

from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.provider import Model, Price, Provider
from agent.providers.socket_stt import SocketStt
from agent.providers.socket_tts import SocketTts


class CartesiaStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: CartesiaOptions) -> None:
        super().__init__(InkSession(options))


class CartesiaTts(SocketTts):
    """The voice of one call."""

    def __init__(self, options: CartesiaTtsOptions) -> None:
        super().__init__(SonicSession(options))


_CREDITS = "it is charged in credits, whose price depends on the plan"

SPOKEN = ("en", "es", "fr", "de", "hi", "pt", "it")
"""Languages of Sonic 3, which speaks 37 more (cartesia 4.2.0, ``cartesia/types/supported_language.py``)."""

STT = Provider(
    "cartesia", "stt", CartesiaOptions, CartesiaStt, title="Cartesia", variables={"CARTESIA_API_KEY": "api_key"},
    auto=3, languages=lambda _: ("en",), ends_turns=lambda _: True,
    prices=(Price("ink-*", "seconds", 0.13, 3600, date(2026, 6, 1), f"a note on Cartesia's price page; {_CREDITS}"),),
    models=(Model(("ink-2",), source="cartesia 4.2.0"),),
    renamed={
        "keyterms": "[agent] keyterms",
        "languages": "[[languages]] code",
        "language": "no key: Ink with turns understands English only; leave it out",
        "turn_start_threshold": "extra.turn_start_threshold",
        "turn_eager_end_threshold": "extra.turn_eager_end_threshold",
        "turn_end_threshold": "extra.turn_end_threshold",
        "turn_end_timeout": "extra.turn_end_timeout_ms",
    },
)  # fmt: skip

TTS = Provider(
    "cartesia", "tts", CartesiaTtsOptions, CartesiaTts, "cartesia_tts", title="Cartesia",
    variables={"CARTESIA_API_KEY": "api_key", "CARTESIA_VOICE_ID": "voice_id"}, auto=2, word_times=lambda _: True,
    languages=lambda options: SPOKEN if options.model.startswith("sonic-3") else None,
    prices=(
        Price("sonic-*", "characters", 39, 1_000_000, date(2026, 6, 22),
              f"a comparison that cites Cartesia's price page; {_CREDITS}"),
    ),
    models=(Model(("sonic-3.5",), source="cartesia 4.2.0"),),
    renamed={"emotion": "extra.generation_config.emotion", "speed": "extra.generation_config.speed"},
)  # fmt: skip
