"""Several STT of a call: if one fails, the next one replaces it, and no words of the caller are lost.

The sound since the last complete turn is kept. STT that fails, or that reports nothing of clear speech (is "deaf"), is
replaced by the next one, which gets this sound again. If there is no other provider, deaf STT is replaced by a new
session of the same provider. Positions are samples since the first `hear`.
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
"""Samples kept during silence, because an onset is detected late."""

TURN_KEPT = 30 * SAMPLE_RATE
"""Maximum samples kept of a turn."""

SPEECH = SAMPLE_RATE * 6 // 10
"""Samples of speech that are longer than a cough, so that words should be recognised."""

ENDING = 2.0
"""Seconds that the STT may take to report the end of a turn, after the silence by which it ends every turn."""

GOODBYE = 0.05
"""Seconds within which STT that failed, or that is no longer needed, may end its session."""

_log = structlog.get_logger()


class Kept:
    """The sound to replay to another STT, and the detection of STT that does not respond to speech. Sans-IO."""

    def __init__(self, options: FailoverOptions) -> None:
        self._options = options
        self._noise = LOUD_ENOUGH / MARGIN  # level of sound without speech; it falls fast and rises slowly
        self._sound = bytearray()
        self._start = 0
        self._spoken = 0  # samples of speech since the last event
        self._quiet = 0  # samples without speech
        self._turn = False  # whether the STT has begun a turn that has not ended
        self._words = ""  # words of this turn so far
        self._settled = 0
        self._may_be_deaf = True

    @property
    def heard(self) -> int:
        """Number of samples heard so far."""
        return self._start + len(self._sound)

    def hear(self, ulaw: bytes, longest_silence: Callable[[], float] = lambda: inf) -> str:
        """Take sound. Returns what is wrong with the STT, or "". After `longest_silence()` seconds of silence the STT
        ends every turn.

        `longest_silence` is called only when a turn seems too long, because it may need some work.
        """
        self._sound += ulaw
        loudness, needed = level(ulaw), max(LOUD_ENOUGH, MARGIN * self._noise)
        if loudness > needed:
            if len(ulaw) > WINDOW:  # a long piece may begin with silence
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
        """Take an event of the STT, which shows that the STT is not deaf."""
        self._spoken = 0
        if isinstance(event, Onset):
            return
        self._may_be_deaf, self._turn = True, not event.final
        if not event.final and event.text != self._words:
            self._quiet = 0  # somebody speaks so quietly that only the STT recognises it
        self._words = "" if event.final else event.text
        if event.final:
            self._settled = max(self._settled, min(round(event.end * SAMPLE_RATE), self.heard))

    def again(self, *, deaf: bool) -> tuple[int, bytes]:
        """Position and sound that another STT must hear. After `deaf` STT, the next one is not called deaf before its
        first event: the sound may be noise."""
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
        self._base = 0  # position of the first sound that the present STT got
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
        """Open the first STT that works. Raises `ProviderError` if none does."""
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
        """Tell the STT what the agent has `said`, and which answer is `wanted`."""
        self._said = said, wanted
        if self._stt is not None:
            self._stt.expect(said, wanted)

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Set the language that is spoken, and the words to listen for."""
        self._told = language, keyterms
        if self._stt is not None:
            self._stt.set_language(language, keyterms)

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Tell the STT whether the caller speaks. STT that replaces another one does not get earlier calls of this."""
        if self._stt is not None:
            self._stt.follow_voice(speaking, ago)

    async def events(self) -> AsyncIterator[SttEvent]:
        """Yield the events of the STT until `close`. Raises `ProviderError` when no STT is left."""
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
        """Note that the present STT has recognised words. If it fails later, the others may be asked again."""
        self._health.worked(number, self._now())
        self._order = [number, *(one for one in self._health.order(self._now()) if one != number)]

    async def _replace(self, failed: SpeechToText, error: ProviderError) -> None:
        self._stt = None
        if not self._deaf:  # it may have been noise: other calls need not know
            self._health.failed(self._order[0], error, self._now())
        elif len(self._order) == 1:
            self._order *= 2  # another session may not be deaf
        try:
            await self._pass_on(error)
        except ProviderError:
            if self._order:
                raise
        finally:
            await _end(failed)

    async def _pass_on(self, error: ProviderError) -> None:
        """Open the STT after the present one. Raises `error` if there is none."""
        if len(self._order) <= 1:
            raise error
        _log.warning("stt_failed_over", provider=self.name, problem=error.problem)
        del self._order[0]
        await self._open_next()

    async def _open_next(self) -> None:
        """Open the first STT in order that works, and send it the sound whose words are not final."""
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
        except asyncio.CancelledError:  # no other task has it
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
        if self._told and self._told != told:  # the language changed while the STT was opened
            stt.set_language(*self._told)
        if self._said[0]:
            stt.expect(*self._said)
        if sound:
            stt.send_audio(sound)


async def _end(stt: SpeechToText) -> None:
    """Close STT that is no longer used. Errors are ignored."""
    with suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            with boundary(stt.name):
                await stt.close()
