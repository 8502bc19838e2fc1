"""How the tests of the voices speak: each voice with its strict server, and what that one does in its own way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from agent import ulaw
from agent.errors import ProviderError
from agent.providers.assemblyai_speak import AssemblyAIVoiceOptions
from agent.providers.cartesia_sonic import CartesiaVoiceOptions
from agent.providers.deepgram_speak import DeepgramVoiceOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_http import ElevenLabsHttpVoice
from agent.providers.openai_speak import OpenAIVoiceOptions
from agent.providers.polly import PollyOptions
from agent.providers.socket_voice import SocketVoice
from agent.providers.voices import (
    AssemblyAIVoice,
    CartesiaVoice,
    DeepgramVoice,
    ElevenLabsDialogueVoice,
    ElevenLabsVoice,
    OpenAIVoice,
    PollyVoice,
)
from agent.resample import Decimator
from tests.fakes.assemblyai_voice import FakeAssemblyAIVoice
from tests.fakes.aura import FakeAura
from tests.fakes.cartesia import FakeSonic
from tests.fakes.elevenlabs import FakeElevenLabs, FakeElevenLabsHttp, VoiceFaults, sound_of
from tests.fakes.speech_http import FakeDialogue, FakeOpenAISpeech, FakePolly
from tests.waiting import HANG

KEY = "the-key"


@dataclass(frozen=True)
class Kind:
    name: str
    fake: Callable[..., Any]
    voice: type
    options: Callable[..., Any]
    refusal: tuple[str, str]
    """An error of the server that will not pass, and a word of what it becomes."""
    sound: Callable[[str], bytes] = sound_of
    """What the caller is to hear."""
    address: str = "url"

    @property
    def tries(self) -> int:
        """How often a sentence of which there comes no sound is asked for."""
        return 2 if issubclass(self.voice, SocketVoice) else 1


AURA = Kind("aura", FakeAura, DeepgramVoice, DeepgramVoiceOptions, ("DATA-0000", "refused a message"))
SONIC = Kind("sonic", FakeSonic, CartesiaVoice, CartesiaVoiceOptions, ("quota_exceeded", "credits"))
ASSEMBLYAI = Kind(
    "assemblyai", FakeAssemblyAIVoice, AssemblyAIVoice, AssemblyAIVoiceOptions, ("voice_gone", "no longer has")
)


def filtered(text: str) -> bytes:
    """What is left of the 24 kHz sound of OpenAI's fake, in one piece."""
    decimator = Decimator(3)
    return ulaw.from_linear(decimator.feed(FakeOpenAISpeech().sound(text)) + decimator.finish())


OPENAI = Kind("openai", FakeOpenAISpeech, OpenAIVoice, OpenAIVoiceOptions, ("x", "refused the API key"), filtered)
POLLY = Kind(
    "polly", FakePolly, PollyVoice, partial(PollyOptions, secret_key="secret"), ("x", "refused the API key")
)  # fmt: skip
DIALOGUE = Kind(
    "dialogue",
    FakeDialogue,
    ElevenLabsDialogueVoice,
    partial(ElevenLabsOptions, model_id="eleven_v3"),
    ("quota_exceeded", "quota"),
    address="base_url",
)
ELEVENLABS = partial(ElevenLabsOptions, voice_id="george")
WS = Kind("websocket", FakeElevenLabs, ElevenLabsVoice, ELEVENLABS, ("quota_exceeded", "quota"), address="base_url")
HTTP = Kind(
    "http", FakeElevenLabsHttp, ElevenLabsHttpVoice, ELEVENLABS, ("quota_exceeded", "quota"), address="base_url"
)
KINDS = [AURA, SONIC, ASSEMBLYAI, OPENAI, POLLY, DIALOGUE, WS, HTTP]
SOCKETS = [AURA, SONIC, ASSEMBLYAI]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
but_elevenlabs = pytest.mark.parametrize("kind", KINDS[:-2], ids=lambda kind: kind.name)
"""Whose server fails and refuses in a way of its own: see `test_elevenlabs`."""


def speaking(kind: Kind, scenario, faults: VoiceFaults | None = None, fake_options=None, **more):
    """Run `scenario(voice, fake)` with an open voice."""

    async def run():
        async with kind.fake(faults, key=KEY, **(fake_options or {})) as fake:
            voice = kind.voice(kind.options(**{"api_key": KEY, kind.address: fake.url, **more}))
            try:
                await voice.open()
                async with asyncio.timeout(HANG):
                    return await scenario(voice, fake)
            finally:
                await voice.close()
                await voice.close()

    return asyncio.run(run())


async def said(voice, text: str) -> bytes:
    return b"".join([ulaw async for ulaw in voice.speak(text)])


def failure(kind: Kind, faults: VoiceFaults | None, key: str = KEY, **more) -> ProviderError:
    """The error of `open` or of the first sentence."""

    async def run():
        async with kind.fake(faults, key=key) as fake:
            voice = kind.voice(kind.options(**{"api_key": KEY, kind.address: fake.url, **more}))
            with pytest.raises(ProviderError) as caught:
                await voice.open()
                await said(voice, "Hello there.")
            await voice.close()
            return caught.value

    error = asyncio.run(run())
    assert KEY not in f"{error} {error!r} {error.__cause__}"
    return error
