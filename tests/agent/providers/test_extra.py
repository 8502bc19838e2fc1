"""The table `extra` of each provider goes into its request."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.providers import deepgram_listen
from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.providers.assemblyai_speak import AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSpeech
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.extra import RESERVED, check
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.providers.polly import PollyOptions, PollySpeech
from agent.providers.realtime import RealtimeSession
from agent.providers.voice_agent_session import VoiceAgentOptions, VoiceAgentSession
from agent.realtime import Brief

URLS: dict[str, Callable[[Any], tuple[str, dict[str, str]]]] = {
    "assemblyai": lambda extra: AssemblyAISttSession(AssemblyAIOptions(extra=extra)).request(),
    "assemblyai_tts": lambda extra: AssemblyAITtsSession(AssemblyAITtsOptions(extra=extra)).request(),
    "cartesia": lambda extra: InkSession(CartesiaOptions(extra=extra)).request(),
    "deepgram flux": lambda extra: deepgram_listen.session(DeepgramOptions(extra=extra)).request(),
    "deepgram nova": lambda extra: deepgram_listen.session(DeepgramOptions(model="nova-3", extra=extra)).request(),
    "deepgram_tts": lambda extra: AuraSession(DeepgramTtsOptions(extra=extra)).request(),
    "elevenlabs": lambda extra: ElevenLabsSession(ElevenLabsOptions(extra=extra)).request(),
}
BODIES: dict[str, Callable[[Any], str | bytes]] = {
    "cartesia_tts": lambda extra: SonicSession(CartesiaTtsOptions(extra=extra)).say("s", "Hello.", 0.0)[0],
    "elevenlabs dialogue": lambda extra: DialogueSpeech(ElevenLabsOptions(extra=extra)).request("Hello.")[2],
    "openai_tts": lambda extra: OpenAISpeech(OpenAITtsOptions(extra=extra)).request("Hello.")[2],
    "polly": lambda extra: PollySpeech(PollyOptions(api_key="a", secret_key="s", extra=extra)).request("Hello.")[2],
}
SESSIONS: dict[str, Callable[[Any], RealtimeSession]] = {
    "openai_realtime": lambda extra: OpenAIRealtimeSession(OpenAIRealtimeOptions(extra=extra), Brief("Be kind.")),
    "assemblyai_agent": lambda extra: VoiceAgentSession(VoiceAgentOptions(extra=extra), Brief("Be kind.")),
}


@pytest.mark.parametrize("name", URLS)
def test_it_goes_into_the_url(name: str) -> None:
    usual = parse_qs(urlsplit(URLS[name]({})[0]).query)
    taken = parse_qs(urlsplit(URLS[name]({"tag": ["a", "b"], "numerals": True, "sure": 0.5})[0]).query)
    assert taken == usual | {"tag": ["a", "b"], "numerals": ["true"], "sure": ["0.5"]}
    first = next((one for one in usual if one not in RESERVED), "tag")
    assert parse_qs(urlsplit(URLS[name]({first: 0.6})[0]).query) == usual | {first: ["0.6"]}


@pytest.mark.parametrize("name", BODIES)
def test_it_goes_into_the_body(name: str) -> None:
    usual = json.loads(BODIES[name]({}))
    assert json.loads(BODIES[name]({"further": {"a": [1]}})) == usual | {"further": {"a": [1]}}


@pytest.mark.parametrize("name", SESSIONS)
def test_it_goes_into_the_session_table_by_table(name: str) -> None:
    def session_of(extra: dict[str, Any]) -> dict[str, Any]:
        session = SESSIONS[name](extra)
        session.begin()
        if isinstance(session, OpenAIRealtimeSession):
            session.receive(json.dumps({"type": "session.created", "session": {}}))
        told = [json.loads(message) for message in session.outbox]
        return next(message["session"] for message in told if message["type"] == "session.update")

    usual = session_of({})
    table = "audio" if "audio" in usual else "input"
    taken = session_of({table: {"further": 1}})
    assert taken == usual | {table: usual[table] | {"further": 1}}


def test_elevenlabs_settings_of_the_voice_stand_in_the_first_message() -> None:
    options = ElevenLabsOptions(extra={"voice_settings": {"speed": 1.1, "style": 0.2}, "seed": 7})
    session = ElevenLabsSession(options)
    assert json.loads(session.begin()[0])["voice_settings"] == {"speed": 1.1, "style": 0.2}
    assert parse_qs(urlsplit(session.request()[0]).query)["seed"] == ["7"]
    assert "voice_settings" not in session.request()[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Model": "x"},
        {"OutputFormat": "mp3"},
        {"messages": []},
        {"store": True},
        {"redact_pii": "false"},
        {"a": float("inf")},
    ],
)
def test_it_takes_nothing_that_the_gateway_decides_on_and_only_json(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="extra"):
        check(wrong)
