"""STT that stand in for each other within a call, without losing the caller's words.

The sound since the last complete turn is kept; STT that fails, or turn out to be deaf, are replaced by the next ones,
which hear it again. If there are no others, deaf ones are replaced by another session of the same. Positions are
samples since the first `hear`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from math import inf

import structlog

from agent.errors import ProviderError
from agent.limits import OPEN, boundary
from agent.line import SAMPLE_RATE
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverOptions
from agent.stt import Onset, SpeechToText, SttEvent, Transcript
from agent.turn_taking.expect import OPEN as ANYTHING
from agent.turn_taking.expect import Expected
from agent.ulaw import level
from agent.vad import LOUD_ENOUGH, MARGIN, WINDOW

KEPT = 2 * SAMPLE_RATE
"""Samples kept while nothing is being said: an onset is noticed late."""

TURN_KEPT = 30 * SAMPLE_RATE
"""Samples kept of a turn."""

SPEECH = SAMPLE_RATE * 6 // 10
"""Samples of speech that are more than a cough: words should come of it."""

ENDING = 2.0
"""Seconds that the STT has to tell the end of a turn, beyond the silence after which it ends any."""

GOODBYE = 0.05
"""Seconds that STT which failed, or is not needed any more, get to say goodbye."""

_log = structlog.get_logger()


class Kept:
    """Audio to replay to a backup STT, and whether the current ones respond to speech. Sans-IO."""

    def __init__(self, options: FailoverOptions) -> None:
        self._options = options
        self._noise = LOUD_ENOUGH / MARGIN  # the level of what is not speech, followed down fast and up slowly
        self._sound = bytearray()
        self._start = 0
        self._spoken = 0  # samples of speech since the last event
        self._quiet = 0  # samples without speech
        self._turn = False  # whether the STT has begun a turn and not ended it
        self._words = ""  # of that turn so far
        self._settled = 0
        self._may_be_deaf = True

    @property
    def heard(self) -> int:
        """Samples so far."""
        return self._start + len(self._sound)

    def hear(self, ulaw: bytes, longest_silence: Callable[[], float] = lambda: inf) -> str:
        """Take sound; returns what is wrong with the STT, "" if nothing. It ends any turn after `longest_silence`.

        That is asked only when the turn seems to last for too long: to answer may be work.
        """
        self._sound += ulaw
        loudness, needed = level(ulaw), max(LOUD_ENOUGH, MARGIN * self._noise)
        if loudness > needed:
            if len(ulaw) > WINDOW:  # a piece may begin with silence, and be long
                self._spoken += sum(len(slot) for slot in _slots(ulaw) if level(slot) > needed)
            else:
                self._spoken += len(ulaw)
            self._quiet = 0
        else:
            self._quiet += len(ulaw)
        seconds = len(ulaw) / SAMPLE_RATE
        self._noise += min(1.0, seconds * (5.0 if loudness < self._noise else 0.1)) * (loudness - self._noise)
        going_on = self._turn or (self._spoken and self._quiet < 3 * SAMPLE_RATE)
        unneeded = len(self._sound) - (TURN_KEPT if going_on else KEPT)
        if unneeded > SAMPLE_RATE:
            del self._sound[:unneeded]
            self._start += unneeded
        if not going_on:
            self._spoken = 0
        if not self._may_be_deaf:
            return ""
        if not self._turn and self._spoken >= self._options.deaf_after * SAMPLE_RATE:
            return f"reported nothing of {self._options.deaf_after:g} s of speech"
        if not self._turn and self._spoken >= SPEECH and self._quiet >= self._options.unheard_after * SAMPLE_RATE:
            return f"reported nothing of what was said until {self._options.unheard_after:g} s ago"
        if self._turn and self._quiet >= self._options.stuck_after * SAMPLE_RATE:
            longest = longest_silence()
            stuck = max(longest + ENDING if longest < inf else 0.0, self._options.stuck_after)
            if self._quiet >= stuck * SAMPLE_RATE:
                return f"did not end a turn for {stuck:g} s"
        return ""

    def note(self, event: SttEvent) -> None:
        """The STT does hear."""
        self._spoken = 0
        if isinstance(event, Onset):
            return
        self._may_be_deaf, self._turn = True, not event.final
        if not event.final and event.text != self._words:
            self._quiet = 0  # somebody speaks whom only the STT can tell from the line
        self._words = "" if event.final else event.text
        if event.final:
            self._settled = max(self._settled, min(round(event.end * SAMPLE_RATE), self.heard))

    def again(self, *, deaf: bool) -> tuple[int, bytes]:
        """Position and sound of what another STT has to hear. Noise is heard by nobody: `deaf` is not said twice."""
        if deaf:
            self._may_be_deaf = False
        self._spoken, self._turn, self._words = 0, False, ""
        start = max(self._start, self._settled)
        return start, bytes(self._sound[start - self._start :])


def _slots(ulaw: bytes) -> list[bytes]:
    return [ulaw[at : at + WINDOW] for at in range(0, len(ulaw), WINDOW)]


class FailoverStt:
    """Several STT as one, for one call."""

    def __init__(
        self, makers: Sequence[Callable[[], SpeechToText]], health: CircuitBreaker, options: FailoverOptions
    ) -> None:
        self._makers = makers
        self._health = health
        self._options = options
        self._kept = Kept(options)
        self._order: list[int] = []  # the present STT first; empty once closed
        self._stt: SpeechToText | None = None
        self._base = 0  # position of the first sound that the present STT heard
        self._said = "", ANYTHING
        self._told: tuple[str, Sequence[str]] | None = None
        self._patience: asyncio.Timeout | None = None
        self._deaf = ""
        self.name = ""

    @property
    def ends_turns(self) -> bool:
        """See `agent.stt.SpeechToText.ends_turns`: that of the STT in use."""
        return self._stt is None or self._stt.ends_turns

    @property
    def longest_silence(self) -> float:
        """See `agent.stt.SpeechToText.longest_silence`: that of the STT in use."""
        return inf if self._stt is None else self._stt.longest_silence

    def _longest_silence(self) -> float:
        return self.longest_silence

    async def open(self) -> None:
        """Get the first STT that can be had ready. Raises `ProviderError` when there are none."""
        self._order = self._health.order(self._now())
        await self._open_next()

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound of any length."""
        problem = self._kept.hear(ulaw, self._longest_silence)
        if self._stt is not None:
            self._stt.send_audio(ulaw)
            if problem and self._patience is not None and not self._deaf:
                self._deaf = problem
                self._patience.reschedule(self._now())

    def expect(self, said: str, wanted: Expected = ANYTHING) -> None:
        """Hint at the answer by the question."""
        self._said = said, wanted
        if self._stt is not None:
            self._stt.expect(said, wanted)

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Be told which language is spoken, and which words to listen for."""
        self._told = language, keyterms
        if self._stt is not None:
            self._stt.set_language(language, keyterms)

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Be told whether the caller speaks; one that stands in begins without it."""
        if self._stt is not None:
            self._stt.follow_voice(speaking, ago)

    async def events(self) -> AsyncIterator[SttEvent]:
        """Yield what is heard until `close`. Raises `ProviderError` when no STT is left."""
        while self._stt is not None:
            stt, stream = self._stt, self._stt.events()
            try:
                while True:
                    event = await self._next(stream)
                    if event is None:
                        break
                    event = self._shifted(event)
                    self._kept.note(event)
                    if isinstance(event, Transcript) and event.final and self._order:
                        self._worked(self._order[0])
                    yield event
            except ProviderError as error:
                if self._order:
                    await self._replace(stt, error)
            else:
                return

    async def close(self) -> None:
        """End the session."""
        stt, self._stt = self._stt, None
        self._order = []
        if stt is not None:
            await stt.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _shifted(self, event: SttEvent) -> SttEvent:
        base = self._base / SAMPLE_RATE
        if isinstance(event, Onset):
            return Onset(event.at + base)
        words = tuple(word._replace(start=word.start + base, end=word.end + base) for word in event.words)
        return event._replace(end=event.end + base, words=words)

    async def _next(self, stream: AsyncIterator[SttEvent]) -> SttEvent | None:
        """The next event, None at the end. Raises `ProviderError`, also when the STT turns out to be deaf."""
        self._deaf = ""
        try:
            async with asyncio.timeout(None) as self._patience:
                with boundary(self.name):
                    return await anext(stream, None)
        except TimeoutError:
            raise ProviderError(self.name, self._deaf or "was too slow") from None
        finally:
            self._patience = None

    def _worked(self, number: int) -> None:
        """The present STT has understood something: the others may be asked again when it fails."""
        self._health.worked(number, self._now())
        self._order = [number, *(one for one in self._health.order(self._now()) if one != number)]

    async def _replace(self, failed: SpeechToText, error: ProviderError) -> None:
        self._stt = None
        if not self._deaf:  # of what may have been noise no other call needs to know
            self._health.failed(self._order[0], error, self._now())
        elif len(self._order) == 1:
            self._order *= 2  # another session may hear
        try:
            await self._pass_on(error)
        except ProviderError:
            if self._order:
                raise
        finally:
            await _end(failed)

    async def _pass_on(self, error: ProviderError) -> None:
        """Open the STT after the present ones. Raises `error` when there are none."""
        if len(self._order) <= 1:
            raise error
        _log.warning("stt_failed_over", provider=self.name, problem=error.problem)
        del self._order[0]
        await self._open_next()

    async def _open_next(self) -> None:
        """Open the first STT in order that can be had, and have them hear what is not settled."""
        number = self._order[0]
        stt = self._makers[number]()
        patience = self._options.open_limit if len(self._makers) > 1 else OPEN
        self.name = stt.name
        if told := self._told:
            stt.set_language(*told)
        try:
            async with asyncio.timeout(patience):
                with boundary(stt.name):
                    await stt.open()
        except asyncio.CancelledError:  # nobody else knows of it
            await _end(stt)
            raise
        except (ProviderError, TimeoutError) as error:
            limit = f"not ready within {patience:g} s"
            fault = error if isinstance(error, ProviderError) else ProviderError(stt.name, limit)
            self._health.failed(number, fault, self._now())
            await _end(stt)
            await self._pass_on(fault)
            return
        if not self._order:
            await _end(stt)
            return
        self._base, sound = self._kept.again(deaf=bool(self._deaf))
        self._stt = stt
        if self._told and self._told != told:  # while it was opened
            stt.set_language(*self._told)
        if self._said[0]:
            stt.expect(*self._said)
        if sound:
            stt.send_audio(sound)


async def _end(stt: SpeechToText) -> None:
    """End STT that nobody hears any more, however that goes."""
    with suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            with boundary(stt.name):
                await stt.close()
