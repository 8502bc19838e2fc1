"""ElevenLabs: STT by Scribe."""

from datetime import date

from agent.providers.elevenlabs_scribe import ScribeOptions, ScribeSession
from agent.providers.provider import Model, Price, Provider
from agent.providers.socket_stt import SocketStt


class ElevenLabsStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: ScribeOptions) -> None:
        super().__init__(ScribeSession(options))


STT = Provider(
    "elevenlabs", "stt", ScribeOptions, ElevenLabsStt, "elevenlabs_stt", title="ElevenLabs",
    variables={"ELEVENLABS_API_KEY": "api_key"}, word_times=lambda _: True,
    prices=(
        Price("scribe_v2_realtime", "seconds", 0.39, 3600, date(2026, 11, 23),
              "a note of Vercel, which bills at ElevenLabs' rates"),
    ),
    models=(Model(("scribe_v2_realtime",), source="elevenlabs 2.78.0"),),
)  # fmt: skip
