"""Each language that an agent may speak is known to providers, and what does not know it is refused."""

from agent.call_languages import NAMES
from agent.phrases import PHRASES
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from sipgw.agents.provider_choice import knowing, unspoken
from sipgw.agents.providers import choose
from sipgw.config.config import parse


def test_no_language_is_left_out_and_each_can_be_held() -> None:
    assert set(NAMES) == set(PHRASES)
    for code in NAMES:
        assert knowing("stt", code) and knowing("tts", code)


def test_what_check_refuses_names_those_that_know_the_language() -> None:
    text = '[agent]\ntts = "polly"\n[polly]\napi_key = "${A}"\nsecret_key = "${A}"\n[[languages]]\ncode = "de"\n'
    config = parse(text, "sipgw.toml", {"A": "secret"})
    voice, stt = unspoken(config, choose(config))
    assert "Amazon Polly's neural does not: take tts = 'elevenlabs' or " in voice
    assert "'polly' with the voice Vicki" in voice
    assert stt.endswith("does not understand: take stt = 'assemblyai' or 'deepgram' or 'elevenlabs' or 'openai'")
    spoken = parse(text + 'voice_id = "Vicki"\n', "sipgw.toml", {"A": "secret"})
    assert unspoken(spoken, choose(spoken)) == [stt]


def test_what_check_refuses_is_named_again_only_with_the_model_that_knows_the_language() -> None:
    text = '[elevenlabs]\napi_key = "${A}"\nmodel = "eleven_turbo_v2"\n[assemblyai]\napi_key = "${A}"\n'
    text += 'model = "universal-streaming-multilingual"\n[[languages]]\ncode = "hi"\n'
    config = parse(text, "sipgw.toml", {"A": "secret"})
    voice, stt = unspoken(config, choose(config))
    assert f"'elevenlabs' with the model {ElevenLabsOptions().model} or" in voice
    assert f"'assemblyai' with the model {AssemblyAIOptions().model} or" in stt
    english = '[agent]\ntts = "polly"\n[polly]\napi_key = "${A}"\nsecret_key = "${A}"\nvoice_id = "Vicki"\n'
    config = parse(english, "sipgw.toml", {"A": "secret"})
    assert "'polly'" not in unspoken(config, choose(config))[0]
