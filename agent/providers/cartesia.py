"""STT by Cartesia: Ink."""

from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.socket_stt import SocketStt


class CartesiaStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: CartesiaOptions) -> None:
        super().__init__(InkSession(options))
