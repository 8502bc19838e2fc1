"""Which providers a gateway uses: what the configuration names, or what there are keys for."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from agent.ears import Ears
from agent.model import Model
from agent.providers.assemblyai import AssemblyAIEars
from agent.providers.elevenlabs_http import ElevenLabsHttpVoice
from agent.providers.elevenlabs_ws import ElevenLabsVoice
from agent.providers.local import models
from agent.providers.local.brain import LocalModel
from agent.providers.local.host import LocalSpeech
from agent.providers.openai_chat import OpenAIModel
from agent.voice import Voice
from sipgw.config import Config, ConfigError


@dataclass(frozen=True)
class Choice:
    """Which providers were chosen, and a sentence on each that is not what a key would have brought."""

    ears: str
    model: str
    voice: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Providers:
    """Makes ears and a voice for each call; the model serves all."""

    ears: Callable[[], Ears]
    model: Model
    voice: Callable[[], Voice]


def choose(config: Config) -> Choice:
    """Decide from keys and configuration. Raises `ConfigError` when a named provider cannot be used."""
    notes: list[str] = []

    def pick(part: str, wanted: str, cloud: str, key: str, variable: str, without: str) -> str:
        if wanted == "local" or (wanted == "auto" and not key):
            if wanted == "auto":
                notes.append(f"no {variable}: {without}")
            return "local"
        if not key:
            raise ConfigError(f"[agent] {part} = {cloud!r} needs a key: set {variable} in .env")
        return cloud

    options = config.agent
    ears = pick(
        "ears", options.ears, "assemblyai", config.assemblyai.api_key, "ASSEMBLYAI_API_KEY",
        "hearing with the embedded Whisper tiny.en (English only)",
    )  # fmt: skip
    has_model = config.openai.api_key or ("own server" if "api.openai.com" not in config.openai.base_url else "")
    model = pick(
        "model", options.model, "openai", has_model, "OPENAI_API_KEY",
        "thinking with the embedded demo brain (orders and callbacks only)",
    )  # fmt: skip
    voice = pick(
        "voice", options.voice, "elevenlabs", config.elevenlabs.api_key, "ELEVENLABS_API_KEY",
        "speaking with the embedded Hibari voice (English only)",
    )  # fmt: skip
    return Choice(ears, model, voice, tuple(notes))


@contextlib.asynccontextmanager
async def opened(config: Config, choice: Choice) -> AsyncIterator[Providers]:
    """Start what the chosen providers need. Raises `agent.errors.ProviderError` when it cannot be started."""
    async with contextlib.AsyncExitStack() as stack:
        speech: LocalSpeech | None = None
        # Without the speech packages the gateway still starts; each call then hears an apology.
        if "local" in (choice.ears, choice.voice):
            speech = LocalSpeech(config.local)
            if models.missing() is None:
                await stack.enter_async_context(speech)
        model: Model
        if choice.model == "local":
            model = local = LocalModel(business=config.agent.business)
            if models.missing() is None:
                await local.warm()
        else:
            model = OpenAIModel(config.openai)
        stack.push_async_callback(model.close)

        def ears() -> Ears:
            return speech.ears() if choice.ears == "local" and speech else AssemblyAIEars(config.assemblyai)

        def voice() -> Voice:
            if choice.voice == "local" and speech:
                return speech.voice()
            over_http = config.elevenlabs.transport == "http"
            return ElevenLabsHttpVoice(config.elevenlabs) if over_http else ElevenLabsVoice(config.elevenlabs)

        yield Providers(ears, model, voice)
