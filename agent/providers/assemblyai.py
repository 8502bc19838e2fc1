"""STT by AssemblyAI streaming, version 3."""

from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.providers.socket_stt import SocketStt


class AssemblyAIStt(SocketStt):
    """The STT of one call. A lost session is replaced within the call, without losing words."""

    def __init__(self, options: AssemblyAIOptions) -> None:
        super().__init__(AssemblyAISttSession(options))
