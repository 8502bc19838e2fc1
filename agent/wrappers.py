"""Wrappers of providers: they forward everything, and a subclass overrides what it changes."""

from collections.abc import AsyncIterator, Sequence

from agent.llm import LanguageModel
from agent.stt import SpeechToText, SttEvent
from agent.tts import TextToSpeech
from agent.turn_taking.expect import OPEN, Expected


class SttWrapper:
    """STT around `stt`. See `SpeechToText` for its methods."""

    def __init__(self, stt: SpeechToText) -> None:
        self._stt = stt

    @property
    def name(self) -> str:
        """The present name of the wrapped STT."""
        return self._stt.name

    @property
    def ends_turns(self) -> bool:
        """See `SpeechToText.ends_turns`."""
        return self._stt.ends_turns

    @property
    def longest_silence(self) -> float:
        """See `SpeechToText.longest_silence`."""
        return self._stt.longest_silence

    async def open(self) -> None:
        """See `SpeechToText.open`."""
        await self._stt.open()

    def send_audio(self, ulaw: bytes) -> None:
        """See `SpeechToText.send_audio`."""
        self._stt.send_audio(ulaw)

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """See `SpeechToText.expect`."""
        self._stt.expect(said, wanted)

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """See `SpeechToText.set_language`."""
        self._stt.set_language(language, keyterms)

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """See `SpeechToText.follow_voice`."""
        self._stt.follow_voice(speaking, ago)

    def events(self) -> AsyncIterator[SttEvent]:
        """See `SpeechToText.events`."""
        return self._stt.events()

    async def close(self) -> None:
        """See `SpeechToText.close`."""
        await self._stt.close()


class LlmWrapper:
    """A model around `llm`; a subclass has the `reply`."""

    def __init__(self, llm: LanguageModel) -> None:
        self._llm = llm

    @property
    def name(self) -> str:
        """The present name of the wrapped model."""
        return self._llm.name

    async def close(self) -> None:
        """See `LanguageModel.close`."""
        await self._llm.close()


class TtsWrapper:
    """A voice around `tts`; a subclass has the `speak`."""

    def __init__(self, tts: TextToSpeech) -> None:
        self._tts = tts

    @property
    def name(self) -> str:
        """The present name of the wrapped voice."""
        return self._tts.name

    async def open(self) -> None:
        """See `TextToSpeech.open`."""
        await self._tts.open()

    async def close(self) -> None:
        """See `TextToSpeech.close`."""
        await self._tts.close()
