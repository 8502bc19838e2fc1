"""The checks for an embedded provider: it has no server, and computes in this process or in processes that it
starts."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.provider import Provider
from agent.stt import Transcript
from agent.tts import sound_alone
from agent.turn_taking.words import words_of
from sipgw.tools.conformance import exercises
from sipgw.tools.conformance.checks import UNREAD, WAITING, describes_itself, flooded, measured, told_of
from sipgw.tools.conformance.exercises import ENDED, PIECE, SENTENCES, ExerciseResult, Given, NonconformingError
from sipgw.tools.conformance.time_skipping_loop import WATCHED, TimeSkippingLoop
from sipgw.tools.conformance.trials import LIMIT, watched

FASTER = 10
"""How many times faster than real time a caller's speech is sent."""
SILENCE = 2 * SAMPLE_RATE
"""Samples of silence after the speech, which end the turn."""
ALL_BUT = 0.6
"""Share of the speech after which the end of a turn is the end of the last turn: recordings have some silence at their
end."""
MISHEARD = 1 / 3
"""Share of the words that may be misheard, because telephone sound has a narrow band."""
WORD = (0.08, 1.5)
"""Minimum and maximum seconds of a spoken word, on average over the speech."""
MOMENTS = (0.0, 0.02, 0.3)
"""Seconds of work after which a check cancels it."""
OPENED, HALFWAY = "before its work", "halfway"
"""Points of the work at which a check stops or kills the provider's processes."""


class SpokenSample(NamedTuple):
    """A recording of a caller's speech, with its words."""

    ulaw: bytes
    words: str


Speech = Mapping[str, SpokenSample]
"""Speech for each ISO 639-1 code."""
Fresh = Callable[[], Any]
"""Makes the provider for one call."""
Reached = Callable[[str], object]
"""A function that is called at each point of the work, with the point's name."""


class EmbeddedTrial:
    """An embedded provider, its processes, and speech for it."""

    def __init__(self, record: Provider, speech: Speech) -> None:
        self.record, self.speech = record, speech
        self.loop = TimeSkippingLoop()
        self._others = set[int]()
        self._stopped = set[int]()

    def run(self, work: Callable[[Fresh], Awaitable[None]]) -> None:
        """Let the provider do `work`. Raises `NonconformingError` if tasks or processes are left afterwards."""
        self.loop = TimeSkippingLoop(skips=self._halts)
        self._others, self._stopped = _children(), set()
        watched(partial(self._run, work), self.loop)
        if left := _children() - self._others:
            raise NonconformingError(f"processes are left over: {sorted(left)}")

    async def _run(self, work: Callable[[Fresh], Awaitable[None]]) -> None:
        WATCHED.set(True)
        made = self.record.make(self.record.options())
        try:
            async with asyncio.timeout(LIMIT), contextlib.AsyncExitStack() as stack:
                if hasattr(made, "__aenter__"):  # one object for all calls, such as a speech process
                    await stack.enter_async_context(made)
                    await work(getattr(made, self.record.part))
                else:
                    await work(lambda: made)
        except TimeoutError:
            raise NonconformingError(f"neither done nor failed within {LIMIT:g} s") from None

    def _halts(self) -> bool:
        """Whether a process is stopped, so that the check need not wait long for it."""
        return any(_state(pid) == "T" for pid in self._stopped)

    @property
    def spoken(self) -> SpokenSample:
        """A speech that the provider must understand."""
        if not self.speech:
            raise NonconformingError("the hook pytest_sipgw_provider_speech gives no speech to be heard")
        return next(iter(self.speech.values()))

    def signal(self, number: signal.Signals) -> bool:
        """Send the signal to the processes that the provider has started. Returns whether there are any."""
        found = _children() - self._others
        if number is signal.SIGSTOP:
            self._stopped |= found
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(found)

    async def use(
        self, made: Any, spoken: SpokenSample | None = None, *, reached: Reached = lambda _: None
    ) -> ExerciseResult:
        """Use the provider `made` as a call does. Raises `ProviderError`."""
        try:
            if hasattr(made, "open"):  # a language model has no `open`
                await made.open()
            reached(OPENED)
            match self.record.part:
                case "stt":
                    return await _heard(made, (spoken or self.spoken).ulaw, reached)
                case "tts":
                    return ExerciseResult(
                        sound=await _said(made, SENTENCES[0], reached) + await _said(made, SENTENCES[1])
                    )
                case _:
                    return await exercises.answered(made, called=partial(reached, HALFWAY))
        except ExceptionGroup as group:  # the time limit of `_heard`
            raise group.exceptions[0] from None
        finally:
            await made.close()
            await made.close()


async def _heard(stt: Any, ulaw: bytes, reached: Reached) -> ExerciseResult:
    """The recognised words until the turn ends, after the speech."""
    text: list[str] = []
    sound = ulaw + b"\xff" * SILENCE

    async def speak() -> None:
        half = len(ulaw) // 2
        for at in range(0, len(sound), PIECE):
            if at <= half < at + PIECE:
                reached(HALFWAY)
            stt.send_audio(sound[at : at + PIECE])
            await asyncio.sleep(PIECE / SAMPLE_RATE / FASTER)

    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(speak())
        async for event in stt.events():
            if isinstance(event, Transcript) and event.final:
                text.append(event.text)
                if event.end * SAMPLE_RATE > len(ulaw) * ALL_BUT:
                    speaking.cancel()
                    return ExerciseResult(" ".join(text))
        raise NonconformingError(ENDED)


async def _said(tts: Any, sentence: str, reached: Reached = lambda _: None) -> bytes:
    sound = b""
    async for piece in sound_alone(tts.speak(sentence)):
        if not sound:
            reached(HALFWAY)
        sound += piece
    return sound


def _children() -> set[int]:
    """The ids of the child processes of this process."""
    found = set[int]()
    for one in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended in the meantime
            found.update(map(int, one.read_text(encoding="ascii").split()))
    return found


def _state(pid: int) -> str:
    """The letter of the process's state in ``/proc``; empty without such a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def works(trial: EmbeddedTrial) -> None:
    """Check that the provider recognises words, speaks, or calls a tool and tells its result."""
    found: list[ExerciseResult] = []

    async def work(fresh: Fresh) -> None:
        found.append(await trial.use(fresh()))

    trial.run(work)
    (used,) = found
    part = trial.record.part
    if part in ("stt", "llm") and not used.text.strip():
        raise NonconformingError("no words came")
    if part == "tts" and len(used.sound) < SAMPLE_RATE // 10:
        raise NonconformingError("no sound came")
    if part == "llm" and [json.loads(arguments) for _, arguments in used.calls] != [{"order_number": "7346"}]:
        raise NonconformingError(f"it did not call the tool once, for order 7346: {used.calls}")


def takes_results_of_tools(trial: EmbeddedTrial) -> None:
    """Check that a model calls a tool and says something about each result, whenever it comes, also if the tool
    fails."""
    if trial.record.part != "llm":
        return

    async def work(fresh: Fresh) -> None:
        for given in Given:
            made = fresh()
            await exercises.answered(made, given)
            await made.close()

    trial.run(work)


def knows_its_languages(trial: EmbeddedTrial) -> None:
    """Check that STT understands each language of its record, and that a voice takes as long for words as people do."""
    languages = trial.record.languages(trial.record.options()) or ()

    async def hear(fresh: Fresh) -> None:
        for code in languages:
            if code not in trial.speech:
                raise NonconformingError(f"the hook pytest_sipgw_provider_speech gives no speech in {code!r}")
            spoken = trial.speech[code]
            heard, wanted = words_of((await trial.use(fresh(), spoken)).text), words_of(spoken.words)
            missing = [word for word in wanted if word not in heard]
            if len(missing) > MISHEARD * len(wanted):
                raise NonconformingError(f"of {spoken.words!r} in {code!r} it hears {' '.join(heard)!r}")

    async def speak(fresh: Fresh) -> None:
        seconds = len((await trial.use(fresh())).sound) / SAMPLE_RATE / len(words_of(" ".join(SENTENCES)))
        if not WORD[0] <= seconds <= WORD[1]:
            raise NonconformingError(f"a word lasts {seconds:.2g} s")

    if trial.record.part == "stt":
        trial.run(hear)
    elif trial.record.part == "tts" and "en" in languages:
        trial.run(speak)


def can_be_cancelled(trial: EmbeddedTrial) -> None:
    """Check that the work can be cancelled at any moment, and that the next call is served."""

    async def work(fresh: Fresh) -> None:
        for moment in MOMENTS:
            with contextlib.suppress(ExceptionGroup):  # the failure is reported below
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(trial.use(fresh()))
                    await asyncio.sleep(moment)
                    asked = task.cancel()
            if asked and not task.cancelled():
                problem = "it was cancelled, and does not pass that on"
                raise NonconformingError(problem) from task.exception()
            if not asked:
                task.result()
        await trial.use(fresh())

    trial.run(work)


def bounds_what_waits(trial: EmbeddedTrial) -> None:
    """Check that sound for a process that does not read is dropped, and that `send_audio` never blocks."""
    if trial.record.part != "stt":
        return

    async def work(fresh: Fresh) -> None:
        made = fresh()
        await made.open()
        trial.signal(signal.SIGSTOP)
        try:
            await flooded(made, 600)
            grown = min([await flooded(made, 200), await flooded(made, 200)])
        finally:
            trial.signal(signal.SIGCONT)
            await made.close()
        if grown > WAITING:
            raise NonconformingError(f"it holds {grown} bytes for a process that does not read")

    trial.run(work)


def bounds_what_comes(trial: EmbeddedTrial) -> None:
    """Check that the sound of a long sentence that nobody reads does not fill the memory."""
    if trial.record.part != "tts":
        return

    async def work(fresh: Fresh) -> None:
        made = fresh()
        await made.open()
        with measured() as grown:
            stream = made.speak(" ".join(SENTENCES * 20))
            await anext(stream)
            await asyncio.sleep(3.0)
        await stream.aclose()
        await made.close()
        if grown[0] > UNREAD:
            raise NonconformingError(f"it holds {grown[0]} bytes that nobody reads")

    trial.run(work)


def tells_no_stale_sound(trial: EmbeddedTrial) -> None:
    """Check that after a stopped sentence the next one has no sound of the first."""
    if trial.record.part != "tts":
        return

    async def work(fresh: Fresh) -> None:
        made = fresh()
        await made.open()
        wanted, again = await _said(made, SENTENCES[1]), await _said(made, SENTENCES[1])
        if wanted != again:
            raise NonconformingError("a sentence is not the same each time: stale sound cannot be told from its own")
        async with aclosing(made.speak(" ".join(SENTENCES * 20))) as stream:
            await anext(stream)
        if (found := await _said(made, SENTENCES[1])) != wanted:
            raise NonconformingError(f"the sentence after one that was broken off sounds otherwise: {told_of(found)}")
        await made.close()

    trial.run(work)


def bears_a_process_that(does: signal.Signals, trial: EmbeddedTrial) -> None:
    """Check what the provider does if its process gets the signal `does` before or during its work. It must do all of
    its work, or raise `ProviderError`, in time. A provider without processes passes."""
    for point in (OPENED, HALFWAY):
        trial.run(partial(_borne, trial, does, point))


async def _borne(trial: EmbeddedTrial, does: signal.Signals, point: str, fresh: Fresh) -> None:
    whole = await trial.use(fresh())

    def reached(now: str) -> None:
        if now == point:
            trial.signal(does)

    with contextlib.suppress(ProviderError):
        found = await trial.use(fresh(), reached=reached)
        if found.lacks(whole):
            raise NonconformingError(f"{point}: it takes {told_of(found)} for the whole, {told_of(whole)}")


CHECKS: dict[str, Callable[[EmbeddedTrial], None]] = {
    "describes itself": describes_itself,
    "works": works,
    "takes results of tools": takes_results_of_tools,
    "knows its languages": knows_its_languages,
    "can be cancelled": can_be_cancelled,
    "bounds what waits": bounds_what_waits,
    "bounds what comes": bounds_what_comes,
    "tells no stale sound": tells_no_stale_sound,
    "bears a process that is killed": partial(bears_a_process_that, signal.SIGKILL),
    "bears a process that is silent": partial(bears_a_process_that, signal.SIGSTOP),
}
