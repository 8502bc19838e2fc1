"""STT by Deepgram: Nova and Flux."""

from agent.providers.deepgram_listen import DeepgramOptions, session
from agent.providers.socket_stt import SocketStt


class DeepgramStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: DeepgramOptions) -> None:
        super().__init__(session(options))
