"""Ears by AssemblyAI streaming, version 3."""

from agent.providers.assemblyai_session import AssemblyAIOptions, Session
from agent.providers.socket_ears import SocketEars


class AssemblyAIEars(SocketEars):
    """The ears of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: AssemblyAIOptions) -> None:
        super().__init__(Session(options))
