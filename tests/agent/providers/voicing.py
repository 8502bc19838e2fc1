"""How the tests of the voices speak: each voice with its strict server, and what that one does in its own way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from agent import ulaw
from agent.errors import ProviderError
from agent.providers.assemblyai import AssemblyAITts
from agent.providers.assemblyai_speak import AssemblyAITtsOptions
from agent.providers.cartesia import CartesiaTts
from agent.providers.cartesia_sonic import CartesiaTtsOptions
from agent.providers.deepgram import DeepgramTts
from agent.providers.deepgram_speak import DeepgramTtsOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_http import ElevenLabsHttpTts
from agent.providers.elevenlabs_tts import ElevenLabsTts
from agent.providers.openai import OpenAITts
from agent.providers.openai_speak import OpenAITtsOptions
from agent.providers.polly import PollyOptions, PollyTts
from agent.providers.socket_tts import SocketTts
from agent.resample import Decimator
from agent.tts import sound_alone
from tests.fakes.assemblyai_tts import FakeAssemblyAITts
from tests.fakes.aura import FakeAura, FakeFluxTts
from tests.fakes.cartesia import FakeSonic
from tests.fakes.elevenlabs import FakeDialogue, FakeElevenLabs, TtsFaults, sound_of
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp
from tests.fakes.speech_http import FakeOpenAISpeech, FakePolly
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
        return 2 if issubclass(self.voice, SocketTts) else 1


AURA = Kind("aura", FakeAura, DeepgramTts, DeepgramTtsOptions, ("DATA-0000", "refused a message"))
FLUX = Kind(
    "flux",
    FakeFluxTts,
    DeepgramTts,
    partial(DeepgramTtsOptions, model="flux-haley-en"),
    ("DATA-0000", "refused a message"),
)
SONIC = Kind("sonic", FakeSonic, CartesiaTts, CartesiaTtsOptions, ("quota_exceeded", "credits"))
ASSEMBLYAI = Kind("assemblyai", FakeAssemblyAITts, AssemblyAITts, AssemblyAITtsOptions, ("tts_gone", "no longer has"))


def filtered(text: str) -> bytes:
    """What is left of the 24 kHz sound of OpenAI's fake, in one piece."""
    decimator = Decimator(3)
    return ulaw.from_linear(decimator.feed(FakeOpenAISpeech().sound(text)) + decimator.finish())


OPENAI = Kind("openai", FakeOpenAISpeech, OpenAITts, OpenAITtsOptions, ("x", "refused the API key"), filtered)
POLLY = Kind(
    "polly", FakePolly, PollyTts, partial(PollyOptions, secret_key="secret"), ("x", "refused the API key")
)  # fmt: skip
DIALOGUE = Kind(
    "dialogue",
    FakeDialogue,
    ElevenLabsTts,
    partial(ElevenLabsOptions, model="eleven_v4_turbo", transport="dialogue"),
    ("quota_exceeded", "quota"),
    address="url",
)
ELEVENLABS = partial(ElevenLabsOptions, voice_id="george")
WS = Kind("websocket", FakeElevenLabs, ElevenLabsTts, ELEVENLABS, ("quota_exceeded", "quota"), address="url")
HTTP = Kind("http", FakeElevenLabsHttp, ElevenLabsHttpTts, ELEVENLABS, ("quota_exceeded", "quota"), address="url")
KINDS = [AURA, FLUX, SONIC, ASSEMBLYAI, OPENAI, POLLY, DIALOGUE, WS, HTTP]
SOCKETS = [AURA, FLUX, SONIC, ASSEMBLYAI]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
but_elevenlabs = pytest.mark.parametrize("kind", KINDS[:-3], ids=lambda kind: kind.name)
"""Whose server fails and refuses in a way of its own: see `test_elevenlabs`."""


def speaking(kind: Kind, scenario, faults: TtsFaults | None = None, fake_options=None, **more):
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
    return b"".join([ulaw async for ulaw in sound_alone(voice.speak(text))])


def failure(kind: Kind, faults: TtsFaults | None, key: str = KEY, **more) -> ProviderError:
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
