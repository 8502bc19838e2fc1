"""The table `extra` of each provider goes into its request."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.providers import deepgram_listen, deepgram_speak
from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.providers.assemblyai_speak import AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSession
from agent.providers.elevenlabs_scribe import ScribeOptions, ScribeSession
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.extra import check
from agent.providers.gemini_live import DETECTION, GeminiOptions
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_live import OpenAILiveOptions, OpenAILiveSession
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.providers.polly import PollyOptions, PollySpeech
from agent.providers.realtime import RealtimeSession
from agent.providers.voice_agent_session import VoiceAgentOptions, VoiceAgentSession
from agent.providers.xai_realtime import XaiOptions, XaiSession
from agent.realtime import Brief
from agent.rules.rule_error import RuleError

URLS: dict[str, Callable[[Any], tuple[str, dict[str, str]]]] = {
    "assemblyai": lambda extra: AssemblyAISttSession(AssemblyAIOptions(extra=extra)).request(),
    "assemblyai_tts": lambda extra: AssemblyAITtsSession(AssemblyAITtsOptions(extra=extra)).request(),
    "cartesia": lambda extra: InkSession(CartesiaOptions(extra=extra)).request(),
    "deepgram flux": lambda extra: deepgram_listen.session(DeepgramOptions(extra=extra)).request(),
    "deepgram nova": lambda extra: deepgram_listen.session(DeepgramOptions(model="nova-3", extra=extra)).request(),
    "deepgram_tts": lambda extra: AuraSession(DeepgramTtsOptions(extra=extra)).request(),
    "deepgram_tts flux": lambda extra: deepgram_speak.session(
        DeepgramTtsOptions(model="flux-haley-en", extra=extra)
    ).request(),
    "elevenlabs": lambda extra: ElevenLabsSession(ElevenLabsOptions(extra=extra)).request(),
    "elevenlabs dialogue": lambda extra: DialogueSession(
        ElevenLabsOptions(model="eleven_v3", transport="dialogue", extra=extra)
    ).request(),
    "elevenlabs_stt": lambda extra: ScribeSession(ScribeOptions(extra=extra)).request(),
}
NOVA = partial(DeepgramOptions, model="nova-3")
BODIES: dict[str, Callable[[Any], str | bytes]] = {
    "cartesia_tts": lambda extra: SonicSession(CartesiaTtsOptions(extra=extra)).say("s", "Hello.", 0.0)[0],
    "openai_tts": lambda extra: OpenAISpeech(OpenAITtsOptions(extra=extra)).request("Hello.")[2],
    "polly": lambda extra: PollySpeech(PollyOptions(api_key="a", secret_key="s", extra=extra)).request("Hello.")[2],
}
SESSIONS: dict[str, Callable[[Any], RealtimeSession]] = {
    "xai_realtime": lambda extra: XaiSession(XaiOptions(extra=extra), Brief("Be kind.")),
    "openai_live": lambda extra: OpenAILiveSession(OpenAILiveOptions(extra=extra), Brief("Be kind.")),
    "openai_realtime": lambda extra: OpenAIRealtimeSession(OpenAIRealtimeOptions(extra=extra), Brief("Be kind.")),
    "assemblyai_agent": lambda extra: VoiceAgentSession(VoiceAgentOptions(extra=extra), Brief("Be kind.")),
}


@pytest.mark.parametrize("name", URLS)
def test_it_goes_into_the_url(name: str) -> None:
    usual = parse_qs(urlsplit(URLS[name]({})[0]).query)
    taken = parse_qs(urlsplit(URLS[name]({"tag": ["a", "b"], "numerals": True, "sure": 0.5})[0]).query)
    assert taken == usual | {"tag": ["a", "b"], "numerals": ["true"], "sure": ["0.5"]}
    first = {"cartesia": "turn_eager_end_threshold", "deepgram flux": "eot_threshold"}.get(name, "tag")
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
        return next(message["session"] for message in told if message["type"] in ("session.update", "session.start"))

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


def test_elevenlabs_gets_dictionaries_in_the_first_message() -> None:
    locators = [{"pronunciation_dictionary_id": "d", "version_id": "v"}]
    given = ElevenLabsOptions(extra={"pronunciation_dictionary_locators": locators})
    socket = ElevenLabsSession(given)
    assert json.loads(socket.begin()[0])["pronunciation_dictionary_locators"] == locators
    assert "pronunciation" not in socket.request()[0]
    extra = {"voice_settings": {"stability": 0.5, "speed": 1.1}, **given.extra}
    dialogue = DialogueSession(ElevenLabsOptions(voice_id="v", model="eleven_v3", transport="dialogue", extra=extra))
    assert json.loads(dialogue.begin()[0]) == {
        "context_id": "c1",
        "voices": ["v"],
        "voice_settings": {"stability": 0.5},
        "pronunciation_dictionary_locators": locators,
    }
    assert "pronunciation" not in dialogue.request()[0]


def test_an_empty_text_leaves_a_parameter_out() -> None:
    for model in ("universal-3-6-pro", "universal-streaming-english"):
        options = AssemblyAIOptions(model=model, extra={"prompt": "", "vad_threshold": ""})
        assert "prompt" not in AssemblyAISttSession(options).request()[0]
    assert OpenAIRealtimeOptions(extra={"audio": {"input": {"a": ""}}}).extra == {"audio": {"input": {}}}


def nested(path: str, value: object) -> dict[str, Any]:
    """A table that has the value at the path."""
    name, _, rest = path.partition(".")
    return {name: nested(rest, value) if rest else value}


TURNS = "audio.input.turn_detection"
WRONG = [
    *(
        (AssemblyAIOptions, name, value)
        for name in ("min_turn_silence", "max_turn_silence")
        for value in (0.3, "300ms")
    ),
    (AssemblyAIOptions, "min_turn_silence", 5),
    (AssemblyAIOptions, "min_turn_silence", 300.5),
    (AssemblyAIOptions, "max_turn_silence", 60_001),
    (AssemblyAIOptions, "interruption_delay", 0.25),
    (AssemblyAIOptions, "vad_threshold", 1.5),
    (AssemblyAIOptions, "mode", "fast"),
    (AssemblyAIOptions, "prompt", ["Orders."]),
    (AssemblyAIOptions, "webhook_url", "https://elsewhere"),
    (AssemblyAIOptions, "redact_pii_audio", True),
    (AssemblyAIOptions, "language_codes", '["de"]'),
    (DeepgramOptions, "eot_timeout_ms", 7),
    (DeepgramOptions, "eot_timeout_ms", 60_001),
    (DeepgramOptions, "eot_threshold", 0.4),
    (DeepgramOptions, "eager_eot_threshold", 0.95),
    (DeepgramOptions, "endpointing", 300),  # is of Nova
    (DeepgramOptions, "language_hint", "de"),
    (NOVA, "eot_threshold", 0.7),  # is of Flux
    (NOVA, "endpointing", 0.3),
    (NOVA, "endpointing", "300ms"),
    (NOVA, "endpointing", True),
    (NOVA, "utterance_end_ms", 1),
    (NOVA, "utterance_end_ms", 999),
    (NOVA, "interim_results", False),
    (NOVA, "channels", 2),
    (CartesiaOptions, "turn_start_threshold", 0.4),
    (CartesiaOptions, "turn_eager_end_threshold", 0.7),
    (CartesiaOptions, "turn_end_threshold", 0.6),
    (CartesiaOptions, "turn_end_timeout_ms", 5.6),
    (CartesiaOptions, "turn_end_timeout_ms", 11_201),
    (CartesiaOptions, "language", "de"),
    (CartesiaTtsOptions, "generation_config.speed", 2),
    (CartesiaTtsOptions, "generation_config.volume", 3),
    (CartesiaTtsOptions, "max_buffer_delay_ms", 0.5),
    (CartesiaTtsOptions, "voice", {"mode": "id", "id": "x"}),
    (AssemblyAITtsOptions, "inactivity_timeout", 5),
    (ElevenLabsOptions, "inactivity_timeout", 200),
    (ElevenLabsOptions, "voice_settings.style", 2),
    (ElevenLabsOptions, "previous-text", "k"),
    (OpenAITtsOptions, "speed", 5),
    (OpenAITtsOptions, "input", "Hello."),
    (PollyOptions, "TextType", "ssml"),
    (PollyOptions, "SpeechMarkTypes", ["word"]),
    (OpenAIOptions, "temperature", 3),
    (OpenAIOptions, "top_p", "0.5"),
    (OpenAIOptions, "input", "Hello."),
    (OpenAIOptions, "n", 2),
    (OpenAIOptions, "tool_choice", "required"),
    (OpenAIRealtimeOptions, "instructions", "Be rude."),
    (OpenAIRealtimeOptions, "output_modalities", ["text"]),
    (OpenAIRealtimeOptions, "audio.input.format", {"type": "audio/pcm"}),
    (OpenAIRealtimeOptions, "audio.output.format", {"type": "audio/pcm"}),
    (OpenAIRealtimeOptions, "audio.output.voice", "cedar"),
    (OpenAIRealtimeOptions, "audio.output.speed", 2),
    (OpenAIRealtimeOptions, "audio.input.transcription.model", "whisper-1"),
    (OpenAIRealtimeOptions, f"{TURNS}.create_response", False),
    (OpenAIRealtimeOptions, f"{TURNS}.interrupt_response", False),
    (OpenAIRealtimeOptions, f"{TURNS}.silence_duration_ms", 0.5),
    (OpenAIRealtimeOptions, f"{TURNS}.eagerness", "high"),  # is of semantic_vad
    (OpenAIRealtimeOptions, f"{TURNS}.type", "none"),
    (OpenAIRealtimeOptions, f"{TURNS}.idle_timeout_ms", 8),
    (OpenAIRealtimeOptions, "audio.input.noise_reduction.type", "telephone"),
    (OpenAIRealtimeOptions, "reasoning.effort", "none"),
    (OpenAIRealtimeOptions, "audio", "pcm"),
    (GeminiOptions, "systemInstruction", "Be rude."),
    (GeminiOptions, "generationConfig.responseModalities", ["TEXT"]),
    (GeminiOptions, f"{DETECTION}.silenceDurationMs", 0.5),
    (GeminiOptions, f"{DETECTION}.endOfSpeechSensitivity", "HIGH"),
    (XaiOptions, "voice", "ara"),
    (XaiOptions, "turn_detection.type", "semantic_vad"),
    (XaiOptions, "turn_detection.threshold", 0.95),
    (XaiOptions, "audio.output.speed", 2),
    (XaiOptions, "audio.input.transport", "binary"),
    (XaiOptions, "reasoning.effort", "low"),
    (VoiceAgentOptions, "system_prompt", "Be rude."),
    (VoiceAgentOptions, "greeting", "Hello."),
    (VoiceAgentOptions, "transcription_mode", "balanced"),  # belongs into `input`
    (VoiceAgentOptions, "input.format", {"encoding": "audio/pcm"}),
    (VoiceAgentOptions, "input.keyterms", ["Sipgw"]),
    (VoiceAgentOptions, "output.voice", "paul"),
    (VoiceAgentOptions, "output.volume", 200),
    (VoiceAgentOptions, "input.turn_detection.min_silence", 0.5),
]


@pytest.mark.parametrize(("options", "path", "value"), WRONG, ids=lambda one: str(getattr(one, "__name__", one)))
def test_what_the_service_would_refuse_or_the_gateway_decides_is_refused_here(
    options: Callable[..., Any], path: str, value: object
) -> None:
    with pytest.raises(RuleError) as caught:
        options(extra=nested(path, value))
    assert ".".join(map(str, caught.value.keys[0])) == f"extra.{path}"
    assert caught.value.problem


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (partial(AssemblyAIOptions, model="whisper-rt"), "whisper-rt is not supported"),
        (partial(CartesiaOptions, model="ink-whisper"), "ink-whisper is not supported"),
        (partial(DeepgramTtsOptions, model="flux-alexis-en", extra={"speed": 1.6}), "from 0.5 to 1.5"),
        *(
            (partial(one, url="https://eu"), "url: must begin with wss://")
            for one in (AssemblyAIOptions, CartesiaOptions)
        ),
        (partial(OpenAIRealtimeOptions, url="api.openai.com"), "url: must begin with wss://"),
        (partial(AssemblyAITtsOptions, url="tts.eu.assemblyai.com"), "url: must begin with wss://"),
        *((partial(one, url="wss://eu"), "url: must begin with https://") for one in (OpenAIOptions, PollyOptions)),
        *(
            (partial(one, url=f"{scheme}://{place}"), f"url: must be like {scheme}s://example.com")
            for one, scheme in ((OpenAIOptions, "http"), (DeepgramOptions, "ws"))
            for place in ("", "h:99999", "h:x", "h:0", "[::1", "a b", "\U0001f600", "x" * 70)
        ),
        (partial(OpenAITtsOptions, url="wss://eu"), "url: must begin with https://"),
        (
            partial(OpenAIRealtimeOptions, transcription="", extra=nested("audio.input.transcription.language", "de")),
            "model",
        ),
    ],
)
def test_a_model_or_a_url_with_which_no_session_could_begin_is_refused(options: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        options()


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (AssemblyAIOptions, {"min_turn_silence": 700, "max_turn_silence": 300}),
        (DeepgramOptions, {"eager_eot_threshold": 0.8}),
        (DeepgramOptions, {"eot_threshold": 0.5, "eager_eot_threshold": 0.6}),
        (CartesiaOptions, {"turn_end_threshold": 0.45}),
        (CartesiaOptions, {"turn_start_threshold": 0.5, "turn_eager_end_threshold": 0.55}),
        (OpenAIRealtimeOptions, nested(TURNS, {"type": "semantic_vad", "silence_duration_ms": 500})),
    ],
)
def test_values_that_do_not_go_together_are_refused(options: Callable[..., Any], extra: dict[str, Any]) -> None:
    with pytest.raises(RuleError):
        options(extra=extra)


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (AssemblyAIOptions, {"min_turn_silence": 10, "max_turn_silence": 60_000, "voice_focus": "near-field"}),
        (DeepgramOptions, {"eot_threshold": 1, "eager_eot_threshold": 0.3, "eot_timeout_ms": 500, "numerals": True}),
        (NOVA, {"endpointing": False, "utterance_end_ms": 5000, "smart_format": True, "vad_events": False}),
        (CartesiaOptions, {"turn_start_threshold": 0.9, "turn_end_threshold": 0.05, "turn_end_timeout_ms": 640}),
        (OpenAIRealtimeOptions, nested(TURNS, {"type": "server_vad", "silence_duration_ms": 300, "threshold": 0})),
        (OpenAIRealtimeOptions, nested(TURNS, {"type": "semantic_vad", "eagerness": "high"})),
        (OpenAIRealtimeOptions, nested("audio.input.transcription", {"language": "de"})),
        (OpenAIRealtimeOptions, nested("audio.input.noise_reduction", {"type": "near_field"})),
        (OpenAIRealtimeOptions, nested("reasoning.effort", "minimal")),
        (GeminiOptions, nested(f"{DETECTION}.endOfSpeechSensitivity", "END_SENSITIVITY_HIGH")),
        (XaiOptions, {"turn_detection": {"silence_duration_ms": 300}, "reasoning": {"effort": "none"}}),
        (VoiceAgentOptions, nested("input.turn_detection", {"min_silence": 500, "max_silence": 3000})),
        (OpenAIOptions, {"temperature": 0, "reasoning": {"summary": "auto"}, "parallel_tool_calls": False}),
    ],
)
def test_what_the_service_takes_is_taken(options: Callable[..., Any], extra: dict[str, Any]) -> None:
    assert options(extra=extra).extra == extra


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
