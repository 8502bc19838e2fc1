"""Sends utterances to STT in real time, as in a call, and measures the time to the final transcript."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from agent.errors import ProviderError
from agent.stt import SpeechToText, Transcript
from agent.ulaw import level
from sipgw.tools.caller import AUDIBLE
from sipgw.tools.evaluation.eval_set import UtteranceOptions
from sipgw.tools.evaluation.words import WordComparison, compared

PIECE = 480
"""Samples that STT is given at a time: 60 ms."""
LISTEN = 1.5
"""Seconds of silence to wait for more words after the end of a turn, so that a pause does not split the utterance."""
LONGEST = 12.0
"""Seconds after the last sound within which the final words must come."""
_SILENCE = b"\xff" * PIECE


@dataclass(frozen=True)
class Hearing:
    """The result of one utterance with one STT."""

    utterance: UtteranceOptions
    heard: WordComparison
    seconds: float | None
    """Seconds from the caller's last sound to the last words; None if no words came."""
    listened: float
    """Seconds for which the session was open, for its cost."""
    fault: str = ""
    """Why the STT failed; empty if it did not."""


async def hear(make: Callable[[], SpeechToText], utterance: UtteranceOptions, ulaw: bytes) -> Hearing:
    """Send one utterance to a new STT session in real time, then silence. Returns what the STT recognised."""
    clock = asyncio.get_running_loop().time
    stt, finals, last = make(), list[str](), [0.0]
    begun = clock()

    async def listen() -> None:
        async for event in stt.events():
            if isinstance(event, Transcript) and event.final and event.text.strip():
                finals.append(event.text.strip())
                last[0] = clock()

    fault, spoken_until = "", begun
    try:
        await stt.open()
        begun = clock()
        spoken_until = begun + _voiced(ulaw)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listen())
            await _speak(stt, ulaw, begun, lambda: _enough(clock(), spoken_until, last[0]))
            await stt.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(listening), 1.0)
            listening.cancel()
    except ProviderError as error:
        fault = str(error)
    except ExceptionGroup as group_error:
        fault = str(group_error.exceptions[0])
        if group_error.split(ProviderError)[1]:
            raise
    finally:
        await stt.close()
    heard = compared(utterance.text, " ".join(finals), utterance.entities)
    return Hearing(utterance, heard, last[0] - spoken_until if finals else None, clock() - begun, fault)


def _voiced(ulaw: bytes) -> float:
    """Seconds from the start of `ulaw` to the end of the last sound that is louder than the line's noise."""
    end = len(ulaw)
    while end > 0 and level(ulaw[max(0, end - 160) : end]) <= AUDIBLE:
        end -= 160
    return max(0, end) / 8000


def _enough(now: float, spoken_until: float, last: float) -> bool:
    if now - spoken_until > LONGEST:
        return True
    return last > spoken_until - 1.0 and now - max(last, spoken_until) > LISTEN


async def _speak(stt: SpeechToText, ulaw: bytes, begun: float, enough: Callable[[], bool]) -> None:
    clock, sent = asyncio.get_running_loop().time, 0
    while sent < len(ulaw) or not enough():
        stt.send_audio(ulaw[sent : sent + PIECE].ljust(PIECE, b"\xff") if sent < len(ulaw) else _SILENCE)
        sent += PIECE
        await asyncio.sleep(max(0.0, begun + sent / 8000 - clock()))


async def hear_all(
    make: Callable[[], SpeechToText],
    spoken: Sequence[tuple[UtteranceOptions, bytes]],
    at_once: int,
    tell: Callable[[Hearing], None],
) -> list[Hearing]:
    """Recognise all utterances, `at_once` at the same time; `tell` gets each result. The result is in the order of
    `spoken`."""
    free = asyncio.Semaphore(at_once)

    async def one(utterance: UtteranceOptions, ulaw: bytes) -> Hearing:
        async with free:
            found = await hear(make, utterance, ulaw)
            tell(found)
            return found

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*each)) for each in spoken]
    return [task.result() for task in tasks]
