"""The mouth: gives sentences to the voice, its sound to the line, and knows what has been said."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from agent.ahead import Ahead, Spawn
from agent.errors import ProviderError
from agent.history import Sentence
from agent.limits import FIRST_SOUND, within
from agent.line import SAMPLE_RATE, Finished, Heard, Line
from agent.sounds import recorded
from agent.speakable import speakable
from agent.ulaw import audible
from agent.voice import Voice

COVERED_AFTER = 1.7
"""Seconds of silence within a sentence after which a recorded "One moment, please." is played."""
LEAD = 10.0
"""Seconds of sound that may wait on the line; the voice is asked for more only below that."""


class VoiceError(ProviderError):
    """The voice failed, rather than what it was given to say."""


class Mouth:
    """Speaks one sentence after the other; each is an utterance of the line."""

    def __init__(self, line: Line, voice: Voice) -> None:
        self.sentences: dict[int, Sentence] = {}
        """Every utterance so far, by number."""
        self._line = line
        self._voice = voice
        self.next = 1
        """The number of the next utterance."""
        self._finished = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._ends_at = 0.0
        self._covering: asyncio.TimerHandle | None = None
        self._ahead: tuple[str, Ahead[bytes]] | None = None
        self._language = "en"

    def speak_in(self, language: str) -> None:
        """What is said from now on is in `language` (ISO 639-1)."""
        self.forget()
        self._language = language

    def prefetch(self, text: str, spawn: Spawn) -> None:
        """Have what will probably be the next sentence synthesised before it is wanted."""
        if spoken := speakable(text, self._language):
            self.forget()
            self._ahead = (text, Ahead(self._synthesise(spoken), spawn))

    def forget(self) -> None:
        """Throw away what was prefetched."""
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    def begin(self, text: str) -> Sentence:
        """A new sentence, not yet spoken."""
        sentence = Sentence(self.next, text)
        self.sentences[self.next] = sentence
        self.next += 1
        self._silent.clear()
        return sentence

    async def speak(self, sentence: Sentence, on_sound: Callable[[], None]) -> None:
        """Have `sentence` spoken; returns when all its sound is on the line. Raises `VoiceError`."""
        self._cover_later(sentence, asyncio.get_running_loop().time())
        try:
            if (stream := self._sound_of(sentence.text)) is not None:
                async with aclosing(stream) as pieces:
                    sounded = False
                    async for sound in pieces:
                        on_sound()
                        sounded = sounded or audible(sound)
                        await self._put(sentence, sound)
                    if not sounded and any(map(str.isalnum, sentence.text)):
                        raise ProviderError(self._voice.name, "made no sound")
        except ProviderError as error:
            raise VoiceError(error.provider, error.problem, advice=error.advice, temporary=error.temporary) from None
        else:
            sentence.complete = True
        finally:
            if self._covering is not None:
                self._covering.cancel()
            self._line.finish(sentence.utterance)

    @property
    def left(self) -> float:
        """Seconds of sound that are still to be played."""
        return max(0.0, self._ends_at - asyncio.get_running_loop().time())

    def _cover_later(self, sentence: Sentence, silent_from: float) -> None:
        loop = asyncio.get_running_loop()
        self._covering = loop.call_at(silent_from + COVERED_AFTER, self._cover, sentence)

    def _cover(self, sentence: Sentence) -> None:
        now, sound = asyncio.get_running_loop().time(), recorded("moment")
        if now >= self._ends_at + COVERED_AFTER:
            self._ends_at = now + len(sound) / SAMPLE_RATE
            sentence.cover(len(sound))
            self._line.say(sentence.utterance, sound)
        self._cover_later(sentence, self._ends_at)

    def _sound_of(self, text: str) -> AsyncGenerator[bytes, None] | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            if ahead[0] == text:
                return ahead[1].pieces()
            ahead[1].cancel()
        spoken = speakable(text, self._language)
        return self._synthesise(spoken) if spoken else None

    def _synthesise(self, spoken: str) -> AsyncGenerator[bytes, None]:
        return within(self._voice.speak(spoken), self._voice.name, FIRST_SOUND, FIRST_SOUND)

    def play(self, sentence: Sentence, sound: bytes) -> None:
        """Say ready-made sound."""
        sentence.samples = len(sound)
        sentence.complete = True
        self._line.say(sentence.utterance, sound)
        self._line.finish(sentence.utterance)

    async def _put(self, sentence: Sentence, sound: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self._ends_at = max(self._ends_at, now) + len(sound) / SAMPLE_RATE
        sentence.samples += len(sound)
        self._line.say(sentence.utterance, sound)
        if self._ends_at - now > LEAD:
            await asyncio.sleep(self._ends_at - now - LEAD)

    def finished(self, event: Finished) -> None:
        """The line has played an utterance to its end."""
        for utterance in range(self._finished + 1, event.utterance + 1):
            self.sentences[utterance].played()
        self._finished = max(self._finished, event.utterance)
        if self._finished >= self.next - 1:
            self._silent.set()

    async def silent(self) -> None:
        """Wait until everything begun has been played or discarded."""
        await self._silent.wait()

    def stop(self) -> Heard:
        """Discard what is not played; tells how far it came."""
        self.forget()
        heard = self._line.stop()
        self._finished = self.next - 1
        self._ends_at = 0.0
        self._silent.set()
        return heard
