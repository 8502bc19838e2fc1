"""The voices that `SocketVoice` and `HttpVoice` drive."""

from agent.providers.assemblyai_speak import AssemblyAIVoiceOptions, AssemblyAIVoiceSession
from agent.providers.cartesia_sonic import CartesiaVoiceOptions, SonicSession
from agent.providers.deepgram_speak import AuraSession, DeepgramVoiceOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSpeech
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.http_voice import HttpVoice
from agent.providers.openai_speak import OpenAISpeech, OpenAIVoiceOptions
from agent.providers.polly import PollyOptions, PollySpeech
from agent.providers.socket_voice import SocketVoice


class DeepgramVoice(SocketVoice):
    """The voice of one call, by Deepgram's Aura."""

    def __init__(self, options: DeepgramVoiceOptions) -> None:
        super().__init__(AuraSession(options))


class CartesiaVoice(SocketVoice):
    """The voice of one call, by Cartesia's Sonic."""

    def __init__(self, options: CartesiaVoiceOptions) -> None:
        super().__init__(SonicSession(options))


class AssemblyAIVoice(SocketVoice):
    """The voice of one call, by AssemblyAI."""

    def __init__(self, options: AssemblyAIVoiceOptions) -> None:
        super().__init__(AssemblyAIVoiceSession(options))


class ElevenLabsVoice(SocketVoice):
    """The voice of one call, by ElevenLabs' websocket."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(ElevenLabsSession(options))


class OpenAIVoice(HttpVoice):
    """The voice of one call, by OpenAI."""

    def __init__(self, options: OpenAIVoiceOptions) -> None:
        super().__init__(OpenAISpeech(options))


class PollyVoice(HttpVoice):
    """The voice of one call, by Amazon Polly."""

    def __init__(self, options: PollyOptions) -> None:
        super().__init__(PollySpeech(options))


class ElevenLabsDialogueVoice(HttpVoice):
    """The voice of one call, by ElevenLabs' v3 and v4 models."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(DialogueSpeech(options))
