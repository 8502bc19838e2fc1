"""Which providers a gateway uses: what the configuration names, or what there are keys for."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

from agent.ears import Ears
from agent.model import Model
from agent.providers.assemblyai import AssemblyAIEars
from agent.providers.deepgram import DeepgramEars
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
    speech: LocalSpeech | None
    """The embedded speech, if it is used."""


@dataclass(frozen=True)
class _Offer:
    """One provider of the cloud: the variable that holds its key, and how to make it."""

    variable: str
    has_key: Callable[[Config], bool]
    make: Callable[[Config], Any]


def _elevenlabs(config: Config) -> Voice:
    over_http = config.elevenlabs.transport == "http"
    return ElevenLabsHttpVoice(config.elevenlabs) if over_http else ElevenLabsVoice(config.elevenlabs)


# In the order in which `auto` takes them.
_EARS = {
    "assemblyai": _Offer(
        "ASSEMBLYAI_API_KEY", lambda c: bool(c.assemblyai.api_key), lambda c: AssemblyAIEars(c.assemblyai)
    ),
    "deepgram": _Offer("DEEPGRAM_API_KEY", lambda c: bool(c.deepgram.api_key), lambda c: DeepgramEars(c.deepgram)),
}
_MODELS = {
    "openai": _Offer(
        "OPENAI_API_KEY",
        lambda c: bool(c.openai.api_key) or "api.openai.com" not in c.openai.base_url,
        lambda c: OpenAIModel(c.openai),
    ),
}
_VOICES = {
    "elevenlabs": _Offer("ELEVENLABS_API_KEY", lambda c: bool(c.elevenlabs.api_key), _elevenlabs),
}
_PARTS = {
    "ears": (_EARS, "hearing with the embedded Whisper tiny.en (English only)"),
    "model": (_MODELS, "thinking with the embedded demo brain (orders and callbacks only)"),
    "voice": (_VOICES, "speaking with the embedded Hibari voice (English only)"),
}


def choose(config: Config) -> Choice:
    """Decide from keys and configuration. Raises `ConfigError` when a named provider cannot be used."""
    notes: list[str] = []
    chosen = {part: _pick(config, part, notes) for part in _PARTS}
    return Choice(chosen["ears"], chosen["model"], chosen["voice"], tuple(notes))


def _pick(config: Config, part: str, notes: list[str]) -> str:
    offers, without = _PARTS[part]
    wanted = getattr(config.agent, part)
    if wanted == "auto":
        for name, offer in offers.items():
            if offer.has_key(config):
                return name
        notes.append(f"no {next(iter(offers.values())).variable}: {without}")
        return "local"
    if wanted != "local" and not offers[wanted].has_key(config):
        raise ConfigError(f"[agent] {part} = {wanted!r} needs a key: set {offers[wanted].variable} in .env")
    return str(wanted)


@contextlib.asynccontextmanager
async def opened(config: Config, choice: Choice, speech: LocalSpeech | None = None) -> AsyncIterator[Providers]:
    """Start what the chosen providers need; the embedded speech is `speech` if it runs already.

    Raises `agent.errors.ProviderError` when something cannot be started.
    """
    async with contextlib.AsyncExitStack() as stack:
        # Without the speech packages the gateway still starts; each call then hears an apology.
        if "local" in (choice.ears, choice.voice) and speech is None:
            speech = LocalSpeech(config.local)
            if models.missing() is None:
                await stack.enter_async_context(speech)
        model: Model
        if choice.model == "local":
            model = local = LocalModel(business=config.agent.business)
            if models.missing() is None:
                await local.warm()
        else:
            model = _MODELS[choice.model].make(config)
        stack.push_async_callback(model.close)

        def ears() -> Ears:
            return speech.ears() if choice.ears == "local" and speech else cast(Ears, _EARS[choice.ears].make(config))

        def voice() -> Voice:
            if choice.voice == "local" and speech:
                return speech.voice()
            return cast(Voice, _VOICES[choice.voice].make(config))

        yield Providers(ears, model, voice, speech)
