"""The embedded models as providers: STT, a demo model and a voice, without a key."""

from agent.llm import LanguageModel
from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from agent.providers.provider import CONSTANT, Provider


def _brain(_: LocalSpeechOptions) -> LanguageModel:
    from agent.providers.local.brain.llm import LocalLlm

    return LocalLlm()


def _embedded(part: str, make: object, does: str) -> Provider:
    return Provider(
        "local",
        part,  # type: ignore[arg-type]
        LocalSpeechOptions,
        make,  # type: ignore[arg-type]
        required=(),
        auto=99,
        embedded=does,
        takes_keyterms=lambda _: False,
        languages=lambda _: ("en",) if part != "llm" else None,
        renamed={"guess": CONSTANT, "unfinished": "no key any more: it is 0.5 s more than turn"},
    )


STT = _embedded("stt", LocalSpeech, "hearing with the embedded Whisper tiny.en (English only)")
LLM = _embedded("llm", _brain, "thinking with the demo model (orders, callbacks, a tool at a time)")
TTS = _embedded("tts", LocalSpeech, "speaking with the embedded Hibari voice (English only)")
