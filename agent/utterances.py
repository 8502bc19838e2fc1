"""The utterances of the agent: which have begun, how far they are played, what was heard of them."""

import asyncio

from agent.history import Sentence
from agent.line import SAMPLE_RATE, Finished, Heard, Line


class Utterances:
    """All utterances of one call, in their order."""

    def __init__(self, line: Line, language: str) -> None:
        """The words are in `language` (ISO 639-1) until it changes."""
        self.sentences: dict[int, Sentence] = {}
        """Every utterance so far, by number."""
        self.next = 1
        """The number of the next utterance."""
        self.language = language
        """Language of the words from now on (ISO 639-1)."""
        self._line = line
        self._finished = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._ends_at = 0.0

    def begin(self, text: str) -> Sentence:
        """A new sentence, not yet spoken."""
        sentence = Sentence(self.next, text)
        self.sentences[self.next] = sentence
        self.next += 1
        self._silent.clear()
        return sentence

    @property
    def left(self) -> float:
        """Seconds of sound that are still to be played."""
        return max(0.0, self._ends_at - asyncio.get_running_loop().time())

    @property
    def speaking(self) -> bool:
        """Whether a sentence has begun and is not played to its end."""
        return not self._silent.is_set()

    def think(self, *, on: bool) -> None:
        """See `agent.line.Line.think`."""
        self._line.think(on)

    def play(self, sentence: Sentence, sound: bytes) -> None:
        """Say the sentence with ready-made sound, which is complete."""
        sentence.samples = len(sound)
        sentence.complete = True
        self._line.say(sentence.utterance, sound)
        self._line.finish(sentence.utterance)

    def sound(self, sentence: Sentence, sound: bytes) -> None:
        """Say the next piece of the sentence's sound."""
        sentence.samples += len(sound)
        self._ends_at = max(self._ends_at, asyncio.get_running_loop().time()) + len(sound) / SAMPLE_RATE
        self._line.say(sentence.utterance, sound)

    def finished(self, event: Finished) -> None:
        """Note that the line has played an utterance to its end."""
        for utterance in range(self._finished + 1, event.utterance + 1):
            self.sentences[utterance].played()
        self._finished = max(self._finished, event.utterance)
        if self._finished >= self.next - 1:
            self._silent.set()

    async def silent(self) -> None:
        """Wait until everything begun has been played or discarded."""
        await self._silent.wait()

    def stop(self) -> Heard:
        """Discard what is not played; returns how far the playout came."""
        heard = self._line.stop()
        self._finished = self.next - 1
        self._ends_at = 0.0
        self._silent.set()
        return heard
