"""Stops the conversation when no human has answered: the agent leaves a message, or hangs up."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from agent.errors import ProviderError
from agent.limits import FIRST_SOUND, GAP, OPEN, within
from agent.line import SAMPLE_RATE, Audio, Finished, Gone
from agent.records import AgentSays, CallerSaid, Outcome, Report, Turn, TurnEnded
from agent.sentences import SentenceCutter
from agent.speakable import speakable
from agent.tts import TextToSpeech
from sipgw.calls.machine_detection import AnsweredParty, AnsweringMachineDetector
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.talk import Talk

log = structlog.get_logger()

UNBEEPED = 3.0
"""Seconds of silence after which a machine without a beep counts as recording."""
LONGEST_GREETING = 60.0
"""Longest greeting of a machine in seconds, counted from its detection; then the call is given up."""
LONGEST_MESSAGE = 60.0
"""Seconds of a message; what is longer is cut."""


@dataclass(frozen=True)
class Screening:
    """The options of answering-machine detection in one call."""

    line: PhoneLine
    tts: Callable[[], TextToSpeech]
    message: str
    """The message for an answering machine, after the beep; empty: hang up."""
    report: Callable[[Report], None]
    found: Callable[[AnsweredParty, str], None]
    """Called with the detected party, and the reason in a few words."""


class ScreenedTalk:
    """A `Talk` around another one. It gets sound and words in parallel to the conversation, and does not delay it."""

    def __init__(self, talk: Talk, needs: Screening) -> None:
        self._talk = talk
        self._needs = needs
        self._judge = AnsweringMachineDetector()
        self._not_human = asyncio.Event()
        # Sound comes in the context of the media process's connection, which belongs to no call.
        self._log = log.bind(**structlog.contextvars.get_contextvars())

    def hear(self, ulaw: bytes) -> None:
        """Take the other side's sound."""
        if not self._judge.decided and self._judge.hear(ulaw):
            self._found()

    def understand(self, report: Report) -> None:
        """Take what the conversation reports."""
        if (
            isinstance(report, CallerSaid)
            and not self._judge.decided
            and self._judge.understand(report.text, final=report.final)
        ):
            self._found()

    def _found(self) -> None:
        who, why = self._judge.who, self._judge.why
        self._log.info("answered", by=who.value, because=why)
        self._needs.found(who, why)
        if who in (AnsweredParty.MACHINE, AnsweredParty.FAX):
            self._not_human.set()

    async def open(self) -> None:
        """See `Talk.open`."""
        await self._talk.open()

    async def close(self) -> None:
        """See `Talk.close`."""
        await self._talk.close()

    async def run(self) -> Outcome:
        """Talk with a human; with a machine leave the message, or hang up."""
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(self._talk.run())
            waiting = group.create_task(self._not_human.wait())
            done, _ = await asyncio.wait({talking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            talking.cancel()
        if talking in done:
            return talking.result()
        self._needs.line.stop()
        why = f"{self._judge.who.value}: {self._judge.why}"
        if self._judge.who is AnsweredParty.FAX:
            return Outcome("fax", why)
        if not self._needs.message:
            return Outcome("machine", why)
        return await self._leave_message(why)

    async def _leave_message(self, why: str) -> Outcome:
        outcome = Outcome("machine", f"{why}; it never listened")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_GREETING + LONGEST_MESSAGE), asyncio.TaskGroup() as group:
                making = group.create_task(self._synthesise())
                outcome = await self._when_it_listens(making, why)
                making.cancel()
        return outcome

    async def _when_it_listens(self, making: asyncio.Task[bytes | ProviderError], why: str) -> Outcome:
        line, judge = self._needs.line, self._judge
        message, waited = 0, 0.0
        async for event in line.events():
            match event:
                case Audio(ulaw) if not message:
                    waited += len(ulaw) / SAMPLE_RATE
                    if waited > LONGEST_GREETING:
                        break
                    sound = making.result() if making.done() else b""
                    if isinstance(sound, ProviderError):
                        return Outcome("machine", f"{why}; the message could not be spoken: {sound}")
                    if sound and (judge.beeped or judge.quiet >= UNBEEPED):
                        message = line.utterance + 1
                        self._needs.report(AgentSays(self._needs.message))
                        line.say(message, sound)
                        line.finish(message)
                case Finished(utterance) if utterance == message:
                    text = self._needs.message
                    self._needs.report(TurnEnded(Turn(said=text, heard=text)))
                    return Outcome("message_left", why)
                case Gone(cause):
                    return Outcome("machine", f"{why}; gone {'during' if message else 'before'} the message: {cause}")
        return Outcome("machine", f"{why}; it never listened")

    async def _synthesise(self) -> bytes | ProviderError:
        tts, sound = self._needs.tts(), bytearray()
        try:
            async with asyncio.timeout(OPEN):
                await tts.open()
            cutter = SentenceCutter()
            for sentence in (*cutter.feed(self._needs.message), *cutter.flush()):
                if not any(map(str.isalnum, sentence)):
                    continue
                spoken = within(tts.speak(speakable(sentence)), tts.name, FIRST_SOUND, GAP)
                async with aclosing(spoken) as pieces:
                    async for piece in pieces:
                        sound += piece
                if len(sound) > LONGEST_MESSAGE * SAMPLE_RATE:
                    break
        except TimeoutError:
            return ProviderError(tts.name, "did not open in time")
        except ProviderError as error:
            return error
        finally:
            with contextlib.suppress(ProviderError):
                await tts.close()
        return bytes(sound[: int(LONGEST_MESSAGE) * SAMPLE_RATE])
