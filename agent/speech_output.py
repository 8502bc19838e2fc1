"""Speech output: gives sentences to the text to speech, and its sound to the line."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from agent.ahead import Ahead, Spawn
from agent.errors import ProviderError
from agent.history import Sentence
from agent.limits import FIRST_SOUND, within
from agent.line import SAMPLE_RATE, Heard, Line
from agent.places import places
from agent.recorded import moment
from agent.speakable import speakable
from agent.tts import Inquiry, Speech, TextToSpeech, WordTime
from agent.ulaw import audible
from agent.utterances import Utterances

COVERED_AFTER = 1.7
"""Seconds of silence within a sentence after which a recorded sentence ("One moment, please.") or a tone is played."""
LEAD = 10.0
"""Seconds of sound that may wait on the line; the voice is asked for more only below that."""
MOST_BEFORE = 300
"""Most characters of the words before a sentence that the TTS gets as context."""


class TtsError(ProviderError):
    """The voice has failed, and not the model that wrote the text."""


class SpeechOutput(Utterances):
    """Speaks one sentence after the other."""

    def __init__(self, line: Line, tts: TextToSpeech, language: str) -> None:
        """`tts` speaks `language` (ISO 639-1) at first."""
        super().__init__(line, language)
        self._tts = tts
        self._covering: asyncio.TimerHandle | None = None
        self._ahead: tuple[str, Ahead[Speech]] | None = None
        self._before = ""
        """Text that the voice was given since the caller last heard everything: the next sentence continues its
        intonation."""

    def begin(self, text: str) -> Sentence:
        """See `Utterances.begin`."""
        if not self.speaking:
            self._before = ""
        return super().begin(text)

    def speak_in(self, language: str) -> None:
        """Speak in `language` (ISO 639-1) from now on."""
        self.forget()
        self.language, self._before = language, ""

    def prefetch(self, text: str, spawn: Spawn) -> None:
        """Synthesise the text that will probably be the next sentence, before it is needed."""
        if spoken := self._spoken(text):
            self.forget()
            self._ahead = (text, Ahead(self._synthesise(spoken, ""), spawn))

    def forget(self) -> None:
        """Throw away the sentence that was synthesised in advance."""
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    async def speak(self, sentence: Sentence, on_sound: Callable[[], None]) -> None:
        """Have `sentence` spoken; returns when all its sound is on the line. Raises `TtsError`."""
        self._cover_later(sentence, asyncio.get_running_loop().time())
        try:
            spoken = self._spoken(sentence.text)
            if spoken:
                place = places(sentence.text, spoken)
                async with aclosing(self._sound_of(sentence, spoken)) as pieces:
                    sounded = False
                    async for piece in pieces:
                        if isinstance(piece, WordTime):
                            sentence.timed.append((place(piece.letters), piece.samples))
                            continue
                        if isinstance(piece, Inquiry):
                            sentence.ask = partial(self._ask, sentence, piece, place)
                            continue
                        on_sound()
                        sounded = sounded or audible(piece)
                        await self._put(sentence, piece)
                    if not sounded and any(map(str.isalnum, sentence.text)):
                        raise ProviderError(self._tts.name, "made no sound")
        except ProviderError as error:
            raise TtsError(error.provider, error.problem, advice=error.advice, temporary=error.temporary) from None
        else:
            sentence.complete = True
        finally:
            if self._covering is not None:
                self._covering.cancel()
            self._line.finish(sentence.utterance)

    async def play_long(self, sound: bytes, times: int = 1) -> None:
        """Play ready-made sound without words so many times; returns when all of it is on the line."""
        sentence = self.begin("")
        try:
            for _ in range(times):
                for at in range(0, len(sound), SAMPLE_RATE):
                    await self._put(sentence, sound[at : at + SAMPLE_RATE])
            sentence.complete = True
        finally:
            self._line.finish(sentence.utterance)

    def _cover_later(self, sentence: Sentence, silent_from: float) -> None:
        loop = asyncio.get_running_loop()
        self._covering = loop.call_at(silent_from + COVERED_AFTER, self._cover, sentence)

    def _cover(self, sentence: Sentence) -> None:
        now, (_, sound) = asyncio.get_running_loop().time(), moment(self.language)
        if now >= self._ends_at + COVERED_AFTER:
            self._ends_at = now + len(sound) / SAMPLE_RATE
            sentence.cover(len(sound))
            self._line.say(sentence.utterance, sound)
        self._cover_later(sentence, self._ends_at)

    def _sound_of(self, sentence: Sentence, spoken: str) -> AsyncGenerator[Speech, None]:
        before, self._before = self._before, f"{self._before} {spoken}"[-MOST_BEFORE:].strip()
        ahead = self._ahead
        if ahead is not None and ahead[0] == sentence.text:
            self._ahead = None
            return ahead[1].pieces()
        if not sentence.aside:  # what is said before a reply leaves it its first sentence
            self.forget()
        return self._synthesise(spoken, before)

    def _spoken(self, text: str) -> str:
        """The form of `text` that the voice gets; empty if it has no letter or digit, since voices
        make no sound of it."""
        spoken = speakable(text, self.language)
        return spoken if any(map(str.isalnum, spoken)) else ""

    def _synthesise(self, spoken: str, before: str) -> AsyncGenerator[Speech, None]:
        return within(self._tts.speak(spoken, before), self._tts.name, FIRST_SOUND, FIRST_SOUND)

    async def _put(self, sentence: Sentence, sound: bytes) -> None:
        self.sound(sentence, sound)
        if self.left > LEAD:
            await asyncio.sleep(self.left - LEAD)

    def stop(self) -> Heard:
        """See `Utterances.stop`. The sentence that was synthesised in advance is thrown away. If the voice may know
        which words were heard, it is asked."""
        self.forget()
        self._before = ""
        heard = super().stop()
        sentence = self.sentences.get(heard.utterance)
        if sentence is not None and sentence.ask is not None and sentence.heard is None:
            sentence.ask(sentence.spoken(heard.samples))
        return heard

    @staticmethod
    def _ask(sentence: Sentence, inquiry: Inquiry, place: Callable[[int], int], samples: int) -> None:
        inquiry.ask(samples, lambda letters: sentence.hear(place(letters), samples))
