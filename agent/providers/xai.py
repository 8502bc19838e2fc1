"""xAI: speech to speech by the Voice Agent."""

from datetime import date

from agent.providers.provider import Model, Price, Provider
from agent.providers.socket_realtime import SocketRealtime
from agent.providers.xai_realtime import XaiOptions, XaiSession

REALTIME = Provider(
    "xai", "realtime", XaiOptions, SocketRealtime.of(XaiSession), "xai_realtime", title="xAI",
    variables={"XAI_API_KEY": "api_key"}, host="api.x.ai",
    prices=(
        Price("*", "seconds", 0.08, 60, date(2026, 11, 23),
              "a note on docs.x.ai/developers/pricing, of LiteLLM 1.109.1; a text that is told counts as 3 s"),
    ),
    models=(
        Model(
            ("grok-voice-latest", "grok-voice-3.0", "grok-voice-think-fast-1.0", "grok-voice-fast-1.0"),
            source="the models of LiveKit's plugin for xAI, 1.8.9",
        ),
    ),
)  # fmt: skip
