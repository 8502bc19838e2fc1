"""The briefing of a person before a transfer: one sentence about the call, and whether the person takes it.

A small conversation of its own on the person's line. They accept by a word or key 1, and decline by a word or key 2.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import SequenceMatcher
from enum import Enum
from itertools import accumulate
from typing import Any

import structlog

from agent.briefing_phrases import BriefingPhrases, briefing_in
from agent.consent import plain_answer
from agent.errors import ProviderError
from agent.floor import Listening
from agent.history import SAMPLES_PER_CHARACTER
from agent.limits import boundary, whole
from agent.line import SAMPLE_RATE, Audio, Digit, Finished, Gone, Line, LineEvent, Started
from agent.llm import LanguageModel, Message
from agent.parts import close_parts, open_parts
from agent.phrases import Phrases, phrases_of
from agent.speech_output import SpeechOutput
from agent.stt import SpeechToText, Transcript
from agent.tts import TextToSpeech
from agent.turn_taking.words import words_of

log = structlog.get_logger()

ANSWER = 8.0
"""Seconds that the person has for an answer to each question."""
TIMES = 2
"""How often the question is asked."""
LONGEST = 60.0
"""Seconds that the briefing may take."""
SUMMARY_LIMIT = 8.0
"""Seconds that the model has for its sentence; after that the person is only told that a caller is waiting."""
LETTERS = 400
"""Characters of the summary that are said."""
ECHO = 1.5
"""Seconds within which an echo of our words may come from the person's loudspeaker."""
INEXACT = 0.5
"""Seconds by which the place of a word may be wrong."""
A_WORD = 0.35
"""Seconds that a word is assumed to take, if its time is not known."""
ROW = 3
"""Number of words in a row from which on words that are the same as ours are an echo, whenever they come."""


class BriefingVerdict(Enum):
    """The person's answer."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNDECIDED = "no decision"
    GONE = "hung up"
    FAILED = "could not be briefed"


async def summary_of(llm: LanguageModel, messages: Sequence[Message], said: BriefingPhrases) -> str:
    """Topic of the conversation, in one sentence by the model; empty if it fails or takes too long."""
    # In a conversation of its own: inside the conversation with the caller, a model goes on speaking to the caller.
    asked: list[Message] = [
        {"role": "system", "content": said.summarise},
        {"role": "user", "content": "\n".join(_transcript(messages))},
    ]
    try:
        text = await whole(llm, asked, SUMMARY_LIMIT)
    except ProviderError as error:
        log.warning("no summary", cause=str(error))
        return ""
    return " ".join(text.split())[:LETTERS]


def _transcript(messages: Sequence[Message]) -> Iterator[str]:
    speakers = {"user": "Caller", "assistant": "Agent"}
    for message in messages:
        speaker, words = speakers.get(str(message.get("role"))), message.get("content")
        if speaker and isinstance(words, str) and words.strip():
            yield f"{speaker}: {words.strip()}"


def verdict_of(text: str, phrases: Phrases) -> BriefingVerdict | None:
    """The person's verdict in these words; None if there is neither a yes nor a no. A "no" counts more than a "yes".

    A yes counts only if nothing else is said: "okay, who is calling" and "sorry, I cannot right now" connect nobody.
    """
    if not phrases.refusal.isdisjoint(words_of(text)):
        return BriefingVerdict.DECLINED
    willing = replace(phrases, consent=phrases.consent | phrases.readiness)
    return BriefingVerdict.ACCEPTED if plain_answer(text, willing) else None


def without_echo(heard: Sequence[tuple[str, float]], said: Sequence[tuple[str, float]], phrases: Phrases) -> str:
    """Words of `heard` that are not an echo of `said`. Each word comes with the time of its end.

    A word may be misheard. So a word that says yes may be the echo of any word in `said` that says yes, and likewise
    with a no and with digits.
    """
    ours, theirs = ([_kind(word, phrases) for word, _ in words] for words in (said, heard))
    rows = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    echoed = {row.b + at for row in rows if row.size >= ROW for at in range(row.size)}
    return " ".join(
        word
        for at, (word, time) in enumerate(heard)
        if at not in echoed
        and not any(
            kind == theirs[at] and -INEXACT <= time - spoken <= ECHO
            for kind, (_, spoken) in zip(ours, said, strict=True)
        )
    )


def _kind(word: str, phrases: Phrases) -> str:
    kinds = {"yes": phrases.assent, "no": phrases.refusal, "digit": phrases.digits | phrases.teens | phrases.tens}
    return "digit" if word.isdigit() else next((kind for kind, words in kinds.items() if word in words), word)


class Briefing:
    """The briefing of one person, in the first of `languages` (ISO 639-1); a yes or no counts in any of them."""

    def __init__(self, line: Line, stt: SpeechToText, tts: TextToSpeech, languages: Sequence[str]) -> None:
        self._line = line
        self._stt = stt
        self._tts = tts
        self._phrases = phrases_of(languages)
        self._said = briefing_in(languages[0])
        self._speech_output = SpeechOutput(line, tts, languages[0])
        self._verdict: asyncio.Future[BriefingVerdict] = asyncio.get_running_loop().create_future()
        self._listening = Listening()
        self._began: dict[int, float] = {}
        """When the person began to hear each utterance."""

    async def open(self) -> None:
        """Get STT and TTS ready; best while it rings."""
        broken = await open_parts({"stt": self._stt, "tts": self._tts})
        if broken is not None and broken[0] == "tts":
            self._decide(BriefingVerdict.FAILED)

    async def run(self, summarise: Callable[[], Coroutine[Any, Any, str]]) -> BriefingVerdict:
        """Brief the person with the sentence that `summarise` makes; returns what they said.

        Never raises but on cancellation.
        """
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._line.listen(self._take))
                summary = group.create_task(summarise())
                work: list[asyncio.Task[Any]] = [
                    summary,
                    group.create_task(self._follow_events()),
                    group.create_task(self._ask(summary)),
                ]
                try:
                    async with asyncio.timeout(LONGEST):
                        verdict = await asyncio.shield(self._verdict)
                except TimeoutError:
                    verdict = BriefingVerdict.UNDECIDED
                for task in work:
                    task.cancel()
                self._speech_output.stop()
                await self._part(verdict)
                listening.cancel()
        finally:
            await close_parts(self._stt, self._tts)
        return verdict

    async def _ask(self, summary: asyncio.Task[str]) -> None:
        said = self._said
        try:
            await self._say(said.opening)  # which covers the time that the model needs
            if text := await summary:
                await self._say(text)
            for _ in range(TIMES):
                await self._say(said.question)
                await self._speech_output.silent()
                await asyncio.sleep(ANSWER)
        except ProviderError as error:
            log.warning("briefing failed", cause=str(error))
            self._decide(BriefingVerdict.FAILED)
        self._decide(BriefingVerdict.UNDECIDED)

    async def _part(self, verdict: BriefingVerdict) -> None:
        """Tell the person what happens now, if the person is still there."""
        text = {BriefingVerdict.ACCEPTED: self._said.accepted, BriefingVerdict.DECLINED: self._said.declined}.get(
            verdict, ""
        )
        if not text:
            return
        try:
            async with asyncio.timeout(ANSWER):
                await self._say(text)
                await self._speech_output.silent()
        except (ProviderError, TimeoutError) as error:
            log.warning("briefing failed", cause=str(error))

    async def _say(self, text: str) -> None:
        self._stt.expect(text)
        await self._speech_output.speak(self._speech_output.begin(text), lambda: None)

    def _take(self, event: LineEvent) -> None:
        match event:
            case Audio(ulaw, at):
                self._listening.hear(ulaw, at)
                with suppress(ProviderError), boundary(self._stt.name):
                    self._stt.send_audio(ulaw)
            case Digit("1", _):
                self._decide(BriefingVerdict.ACCEPTED)
            case Digit("2", _):
                self._decide(BriefingVerdict.DECLINED)
            case Started(utterance, at):
                self._began[utterance] = at
            case Finished():
                self._speech_output.finished(event)
            case Gone():
                self._decide(BriefingVerdict.GONE)
                self._speech_output.stop()

    async def _follow_events(self) -> None:
        """Take the person's words from the STT; without STT only keys count."""
        try:
            with boundary(self._stt.name):
                async for event in self._stt.events():
                    if isinstance(event, Transcript):
                        self._listening.note(event)
                        if event.final and self._accepts(event.text):
                            self._decide(BriefingVerdict.ACCEPTED)
                        elif (event.final or event.eager) and self._declines(event.text):
                            self._decide(BriefingVerdict.DECLINED)
        except ProviderError as error:
            log.warning("briefing goes on without STT", cause=str(error))

    def _declines(self, text: str) -> bool:
        """Whether the person has said no: that counts as soon as it is likely."""
        theirs = without_echo(self._timed(text), self._ours(list(self._began)[-2:]), self._phrases)
        return verdict_of(theirs, self._phrases) is BriefingVerdict.DECLINED

    def _accepts(self, text: str) -> bool:
        """Whether the person has said yes to the question, once it is certain that these were the person's words.

        Before the yes only an echo of the question may stand: "okay, about an invoice" asks something.
        """
        asked = [one for one in self._began if self._speech_output.sentences[one].text == self._said.question]
        if not asked or self._listening.stopped_at() < self._began[asked[0]] or "?" in text:
            return False
        theirs = without_echo(self._timed(text), self._ours(asked[-1:]), self._phrases)
        last = " ".join(words_of(text)[-len(words_of(theirs)) :])
        return theirs == last and verdict_of(theirs, self._phrases) is BriefingVerdict.ACCEPTED

    def _timed(self, text: str) -> list[tuple[str, float]]:
        """The words that were just heard, each with the time of its end."""
        end, words = self._listening.stopped_at(), words_of(text)
        return [(word, end - (len(words) - 1 - at) * A_WORD) for at, word in enumerate(words)]

    def _ours(self, utterances: Sequence[int]) -> list[tuple[str, float]]:
        """The words of these utterances of ours, each with the time at which the person heard its end."""
        found: list[tuple[str, float]] = []
        for utterance in utterances:
            sentence, began = self._speech_output.sentences[utterance], self._began[utterance]
            words = words_of(sentence.text)
            letters = list(accumulate(len(word) + 1 for word in words))
            seconds = max(sentence.samples, SAMPLES_PER_CHARACTER * len(sentence.text)) / SAMPLE_RATE
            found += [(word, began + seconds * at / letters[-1]) for word, at in zip(words, letters, strict=True)]
        return found

    def _decide(self, verdict: BriefingVerdict) -> None:
        if not self._verdict.done():
            self._verdict.set_result(verdict)
