"""Ears by Cartesia: Ink."""

from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.socket_ears import SocketEars


class CartesiaEars(SocketEars):
    """The ears of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: CartesiaOptions) -> None:
        super().__init__(InkSession(options))
