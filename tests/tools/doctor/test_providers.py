"""Providers with a wrong key, a wrong format, nothing to say: the strict fakes and one request to each."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from agent.errors import ProviderError
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.cartesia_sonic import CartesiaTtsOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_realtime import OpenAIRealtimeOptions
from agent.providers.provider import Provider
from agent.ulaw import to_linear
from sipgw.config import registry
from sipgw.config.agent import AgentOptions, LanguageOptions
from sipgw.config.config import GatewayConfig
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.doctor import providers
from sipgw.tools.doctor.finding import good
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.relay import RelayServer, answers, text
from tests.tools.doctor.broken import on_loop

VOICES = Path("sipgw/demo_voice")
SOUND = read_ulaw(VOICES / "ask_order.wav")


async def examined(config: GatewayConfig) -> dict[str, str]:
    return {one.about.split()[0]: one.id async for one in providers.examine(config)}


@pytest.mark.slow
@on_loop
async def test_a_sound_cascade_and_wrong_keys() -> None:
    async with (
        FakeAssemblyAI([Said("where is my order", 200, 2000)], key="aai") as stt,
        FakeOpenAI([Reply(("OK",))] * 3, key="sk") as llm,
        FakeElevenLabs(key="xi", sound=lambda text: SOUND) as tts,
        FakeElevenLabs(key="xi", sound=lambda text: to_linear(SOUND)) as noise,
    ):
        good = GatewayConfig().having(
            assemblyai=AssemblyAIOptions(api_key="aai", url=stt.url),
            openai=OpenAIOptions(api_key="sk", url=llm.base_url),
            elevenlabs=ElevenLabsOptions(api_key="xi", url=tts.url),
            agent=AgentOptions(keyterms=("sipgw",)),
        )
        found = await examined(good)
        assert json.loads(stt.sessions[0].query["keyterms_prompt"]) == ["sipgw"], "as in a call"
        assert found["assemblyai"] == "provider.ok"
        assert found["openai"] == "provider.ok"
        assert found["elevenlabs"] == "provider.ok"
        other = replace(good.table("elevenlabs"), url=noise.url)
        spoken = good.having(elevenlabs=other, agent=AgentOptions(stt="local", llm="local"))
        assert await examined(spoken) == {"elevenlabs": "provider.format"}
        wrong = good.having(
            assemblyai=replace(good.table("assemblyai"), api_key="no"),
            openai=replace(good.table("openai"), api_key="no"),
            elevenlabs=replace(good.table("elevenlabs"), api_key="no"),
        )
        found = await examined(wrong)
        assert found == dict.fromkeys(("assemblyai", "openai", "elevenlabs"), "provider.key")
    assert set((await examined(good)).values()) == {"provider.unreachable"}, "the servers are gone"


@on_loop
async def test_the_embedded_providers_are_not_asked() -> None:
    assert not await examined(GatewayConfig(agent=AgentOptions(stt="local", llm="local", tts="local")))


@on_loop
async def test_speech_to_speech_says_a_sentence() -> None:
    async with FakeOpenAIRealtime(key="k") as fake:
        config = GatewayConfig().having(
            agent=AgentOptions(realtime="openai"), openai_realtime=OpenAIRealtimeOptions(api_key="k", url=fake.url)
        )
        with patch("tests.fakes.realtime_server.sound_of", lambda text: SOUND):
            assert await examined(config) == {"openai": "provider.ok"}
        assert await examined(config) == {"openai": "provider.format"}, "the fake's own sound is no speech"
        wrong = config.having(openai_realtime=OpenAIRealtimeOptions(api_key="no", url=fake.url))
        assert await examined(wrong) == {"openai": "provider.key"}
        assert await examined(GatewayConfig(agent=AgentOptions(realtime="openai"))) == {"providers": "provider.missing"}


@pytest.mark.parametrize("name", sorted(path.name for path in VOICES.glob("*.wav")))
def test_speech_in_mu_law_is_known_as_such(name: str) -> None:
    assert not providers.misread(read_ulaw(VOICES / name))


@pytest.mark.parametrize(
    ("what", "sound"),
    [
        ("16-bit linear", to_linear(SOUND)),
        ("a WAV file", b"RIFF" + SOUND),
        ("MP3", b"ID3" + SOUND),
        ("silence", b"\xff" * 8000),
        ("an error in JSON", b'{"detail":'),
        ("bits in the wrong order", SOUND.translate(bytes(int(f"{n:08b}"[::-1], 2) for n in range(256)))),
    ],
)
def test_other_formats_are_known_as_wrong(what: str, sound: bytes) -> None:
    assert providers.misread(sound), what


@pytest.mark.parametrize(
    ("problem", "id_"),
    [
        ("refused the API key", "provider.key"),
        ("wants payment", "provider.payment"),
        ("limits the rate", "provider.limit"),
        ("does not know this address, model or voice", "provider.name"),
        ("answered HTTP 402", "provider.payment"),
        ("cannot connect to 127.0.0.1:44029", "provider.refused"),
    ],
)
def test_refusals_are_told_apart(problem: str, id_: str) -> None:
    assert providers._of_error(ProviderError("x", problem, temporary=False)) == id_


class Dull:
    """STT, LLM and TTS that answer without content."""

    name = "dull"
    sound = b""

    async def open(self) -> None: ...
    def send_audio(self, ulaw: bytes) -> None: ...

    async def events(self) -> Any:
        return
        yield

    async def reply(self, messages: Any, tools: Any) -> Any:
        return
        yield

    async def speak(self, text: str, before: str = "") -> Any:
        if self.sound:
            yield self.sound


@on_loop
async def test_providers_that_have_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "AFTER", 0.0)
    monkeypatch.setattr(providers, "read_ulaw", lambda path: b"\xff" * 800)
    dull: Any = Dull()
    assert (await providers._tts(dull, "x", "[x]")).id == "provider.silent"
    assert (await providers._llm(dull, "x", "[x]")).id == "provider.silent"
    assert (await providers._stt(dull, "x", "[x]")).id == "provider.deaf"


class Fickle(Dull):
    """It takes the connection, and refuses what comes."""

    async def events(self) -> Any:
        raise ProviderError("x", "refused the API key", temporary=False)
        yield

    async def close(self) -> None:
        pass


@on_loop
async def test_stt_that_refuse_in_the_session_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "AFTER", 0.0)
    monkeypatch.setattr(providers, "read_ulaw", lambda path: b"\xff" * 800)
    monkeypatch.setattr(providers, "made", lambda config, part, name: Fickle())
    assert (await providers.examined(GatewayConfig(), "stt", "assemblyai")).id == "provider.key"


def test_what_takes_too_long_is_told() -> None:
    assert providers._timed("tts", "x", "[x]", 1.1, "").id == "provider.slow"
    assert providers._timed("tts", "x", "[x]", 0.9, "").id == "provider.ok"
    assert providers._of_error(ProviderError("x", "refused the request", temporary=False)) == "provider.refused"


@on_loop
async def test_a_provider_without_a_key_is_a_finding() -> None:
    found = [one async for one in providers.examine(GatewayConfig(agent=AgentOptions(tts="cartesia")))]
    assert [one.id for one in found] == ["provider.missing"]
    assert "CARTESIA_API_KEY" in found[0].fix


@on_loop
async def test_the_voices_of_languages_are_asked_with_their_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def note(config: GatewayConfig, part: str, name: str) -> Any:
        section = registry.provider(part, name).section
        asked.append((part, name, config.table(section).language))
        return good("provider.ok", name, "")

    monkeypatch.setattr(providers, "examined", note)
    german = LanguageOptions("de", tts="cartesia", voice_id="anna")
    config = GatewayConfig(agent=AgentOptions(stt="local", llm="local", tts="elevenlabs")).having(
        languages=(LanguageOptions("en"), german, replace(german, code="fr")),
        elevenlabs=ElevenLabsOptions(api_key="xi"),
        cartesia_tts=CartesiaTtsOptions(api_key="c"),
    )
    assert len(await examined(config)) == 2
    assert asked == [("tts", "elevenlabs", "en"), ("tts", "cartesia", "de")]


@on_loop
async def test_a_provider_of_others_needs_no_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def note(config: GatewayConfig, part: str, name: str) -> Any:
        return good("provider.ok", name, "")

    @dataclass(frozen=True)
    class Plain:
        api_key: str = ""

    record = Provider("plain", "tts", Plain, lambda options: None)
    monkeypatch.setattr(providers, "examined", note)
    monkeypatch.setattr(registry, "provider", lambda part, name: record)
    config: Any = SimpleNamespace(table=lambda section: Plain())
    assert (await providers._recorded(config, "tts", "plain", tmp_path)).id == "provider.ok"


@pytest.mark.slow
@on_loop
async def test_a_server_of_ones_own_is_told_of_a_call() -> None:
    local = AgentOptions(stt="local", llm="openai", tts="local", brain_parameters={"shop": "{{business}}"})

    async def found(url: str) -> dict[str, str]:
        options = OpenAIOptions(api_key="never asked")
        return await examined(GatewayConfig(agent=replace(local, brain=url)).having(openai=options))

    async with RelayServer(answers({"setup": [text("Welcome.")]})) as server:
        url = server.url
        assert await found(url) == {"127.0.0.1": "provider.ok"}
        (setup,) = server.messages
        assert setup["customParameters"] == {"shop": "Acme Store"}
        await server.until(lambda: server.sessions[0].ended)
    assert await found(url) == {"127.0.0.1": "provider.unreachable"}
    async with RelayServer(answers({"setup": [1008]})) as server:
        assert await found(server.url) == {"127.0.0.1": "provider.refused"}
    async with RelayServer(answers({}), refuse_status=401) as server:
        assert await found(server.url) == {"127.0.0.1": "provider.key"}
