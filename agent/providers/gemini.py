"""Google's Gemini: speech to speech by Gemini Live."""

from datetime import date

from agent.providers.gemini_live import GeminiOptions, GeminiSession
from agent.providers.model_ends import ENDS
from agent.providers.provider import Model, Price, Provider, Unit
from agent.providers.socket_realtime import SocketRealtime

_ENDS = "ai.google.dev/gemini-api/docs"
_MODELS = "gemini-3.8-live*"
_SEEN = date(2026, 11, 23)


def _price(unit: Unit, price: float) -> Price:
    source = f"notes on {_ENDS}/pricing, of LiteLLM 1.109.1 and genai-prices 0.2.3"
    return Price(_MODELS, unit, price, 1_000_000, _SEEN, source)


REALTIME = Provider(
    "gemini", "realtime", GeminiOptions, SocketRealtime.of(GeminiSession), "gemini_live", title="Google",
    variables={"GEMINI_API_KEY": "api_key"}, host="generativelanguage.googleapis.com",
    units=("tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out"),
    prices=(
        Price(_MODELS, "seconds", 0, 1, _SEEN, "charged by tokens, see the next lines", estimate=False),
        _price("tokens_in", 0.75), _price("tokens_out", 4.50),
        _price("audio_tokens_in", 3), _price("audio_tokens_out", 12),
    ),
    models=(
        Model(("gemini-3.8-live", "gemini-3.8-live-extended-thinking"), source=f"{_ENDS}/deprecations"),
        *ENDS["gemini realtime"],
    ),
)  # fmt: skip
