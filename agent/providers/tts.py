"""The voices that `SocketTts` and `HttpTts` drive."""

from agent.providers.assemblyai_speak import AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSpeech
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.http_tts import HttpTts
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.providers.polly import PollyOptions, PollySpeech
from agent.providers.socket_tts import SocketTts


class DeepgramTts(SocketTts):
    """The voice of one call, by Deepgram's Aura."""

    def __init__(self, options: DeepgramTtsOptions) -> None:
        super().__init__(AuraSession(options))


class CartesiaTts(SocketTts):
    """The voice of one call, by Cartesia's Sonic."""

    def __init__(self, options: CartesiaTtsOptions) -> None:
        super().__init__(SonicSession(options))


class AssemblyAITts(SocketTts):
    """The voice of one call, by AssemblyAI."""

    def __init__(self, options: AssemblyAITtsOptions) -> None:
        super().__init__(AssemblyAITtsSession(options))


class ElevenLabsTts(SocketTts):
    """The voice of one call, by ElevenLabs' websocket."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(ElevenLabsSession(options))


class OpenAITts(HttpTts):
    """The voice of one call, by OpenAI."""

    def __init__(self, options: OpenAITtsOptions) -> None:
        super().__init__(OpenAISpeech(options))


class PollyTts(HttpTts):
    """The voice of one call, by Amazon Polly."""

    def __init__(self, options: PollyOptions) -> None:
        super().__init__(PollySpeech(options))


class ElevenLabsDialogueTts(HttpTts):
    """The voice of one call, by ElevenLabs' v3 and v4 models."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(DialogueSpeech(options))
