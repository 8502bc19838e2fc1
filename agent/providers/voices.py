"""The voices that `SocketVoice` drives."""

from agent.providers.cartesia_sonic import CartesiaVoiceOptions, SonicSession
from agent.providers.deepgram_speak import AuraSession, DeepgramVoiceOptions
from agent.providers.socket_voice import SocketVoice


class DeepgramVoice(SocketVoice):
    """The voice of one call, by Deepgram's Aura."""

    def __init__(self, options: DeepgramVoiceOptions) -> None:
        super().__init__(AuraSession(options))


class CartesiaVoice(SocketVoice):
    """The voice of one call, by Cartesia's Sonic."""

    def __init__(self, options: CartesiaVoiceOptions) -> None:
        super().__init__(SonicSession(options))
