"""Stops the conversation when no human has answered. The agent then leaves a message, or hangs up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.call_control import CallControl, CallControlRefused
from agent.errors import ProviderError
from agent.limits import FIRST_SOUND, GAP, OPEN, within
from agent.line import SAMPLE_RATE, Audio, Finished, Gone, LineEvent
from agent.records import AgentSays, CallerSaid, Outcome, Report, Turn, TurnEnded
from agent.sentences import SentenceCutter
from agent.speakable import speakable
from agent.tts import TextToSpeech, sound_alone
from sipgw.calls.machine_detection import AnsweredParty, AnsweringMachineDetector, names_screen
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.screening import Screening
from sipgw.calls.talk import Talk

if TYPE_CHECKING:
    from media.tones import Tones

log = structlog.get_logger()

UNBEEPED = 3.0
"""Seconds of silence after which a machine without a beep counts as recording."""
LONGEST_GREETING = 60.0
"""Longest greeting of a machine in seconds, counted from its detection; then the call is given up."""
SENTENCES = 20
"""Sentences that wait to be compared with those of call screens; patterns alone decide about more."""
LONGEST_MESSAGE = 60.0
"""Longest message in seconds; a longer one is cut."""
RECORDED = (AnsweredParty.SCREEN, AnsweredParty.MENU)
"""Machines after which a person may come on the line."""


Resembles = Callable[[str, bool], Awaitable[bool | None]]
"""Tells whether words mean what a call screen says; None if the meaning is not known."""


@dataclass(frozen=True)
class AmdSetup:
    """The options of answering-machine detection in one call."""

    line: PhoneLine
    tts: Callable[[], TextToSpeech]
    message: str
    """The message for an answering machine, after the beep; empty: hang up."""
    report: Callable[[Report], None]
    found: Callable[[AnsweredParty, str], None]
    """Called with the detected party, and the reason in a few words."""
    language: str
    """The language of the message (ISO 639-1)."""
    tell: Callable[[str], bool] = lambda purpose: True
    """Has the agent say `purpose` to a call screen; False if the screen does not hear the agent now."""
    purpose: str = ""
    """Text for a call screen. Words that follow it can be the person's. Empty: words after the screen's can be."""
    menus: bool = False
    """Whether a menu does not count as a machine, because the agent walks through menus."""
    resembles: Resembles | None = None
    """See `sipgw.calls.screen_classifier.resembles_screen`; None: patterns alone decide."""
    known: Callable[[str, bool], bool | None] = lambda text, final: None
    """Like `resembles`, but answers at once: see `sipgw.calls.screen_classifier.known_screen`."""
    heard: Callable[[], bool] = lambda: True
    """Whether the screen hears the agent now."""
    tones: "Callable[[], Tones | None] | None" = None
    """See `AnsweringMachineDetector`."""


def follow(control: CallControl, who: AnsweredParty) -> None:
    """Let the conversation know who answered: behind a call screen it waits for a person."""
    with contextlib.suppress(CallControlRefused):  # it is ending already
        if who is AnsweredParty.SCREEN:
            control.wait()
        elif who is AnsweredParty.HUMAN:
            control.stop_waiting()


def tell_screen(control: CallControl, purpose: str) -> bool:
    """Have the agent say `purpose` and go on waiting; False if the call screen does not hear the agent now."""
    if not control.is_heard:
        return False
    with contextlib.suppress(CallControlRefused):  # it is ending already
        control.wait(purpose)
    return True


class AmdTalk:
    """A `Talk` around another `Talk`. It gets the same sound and words as the conversation, and does not delay it.

    While a person of our side is in the call it judges nothing: they know who answered, and their voice may be heard.
    """

    def __init__(self, talk: Talk, needs: AmdSetup) -> None:
        self._talk = talk
        self._needs = needs
        self._judge = AnsweringMachineDetector(menus=needs.menus, tones=needs.tones)
        self._not_human = asyncio.Event()
        self._screening = Screening(
            needs.purpose, needs.tell, lambda: needs.heard() and not needs.line.has_person, self._give_up
        )
        self._given_up = ""
        """Why the call stops waiting for a person."""
        self._sentences: asyncio.Queue[tuple[CallerSaid, bool]] = asyncio.Queue(SENTENCES)
        """Sentences to compare, each with whether the call screen had been told who calls before it."""
        self._looked_up = False
        """Whether the classifier has looked up the first words of the present sentence."""
        self._growing: CallerSaid | None = None
        """The words of the present sentence so far; None between sentences."""
        # Sound comes in the context of the media process's connection, which belongs to no call.
        self._log = log.bind(**structlog.contextvars.get_contextvars())

    def hear(self, ulaw: bytes) -> None:
        """Take the other side's sound."""
        if self._needs.line.has_person:
            return
        over = self._judge.is_over
        if not self._judge.decided and self._judge.hear(ulaw):
            self._found()
        if self._growing and self._judge.is_over and not over:
            self._looked_up = False
            self._listen_for_screen(self._growing)
        if self._judge.who is AnsweredParty.SCREEN:
            self._screening.hear(self._judge.quiet, toned=self._judge.ends_in_tone)

    def understand(self, report: Report) -> None:
        """Take what the conversation reports."""
        if isinstance(report, TurnEnded) and report.turn.said:
            self._screening.answered()
        if isinstance(report, CallerSaid) and self._undecided:
            self._growing = None if report.final else report
            self._listen_for_screen(report)

    def _listen_for_screen(self, said: CallerSaid) -> None:
        """Compare the words with the patterns at once, so that the LLM does not get what a screen has said. A
        person's words may match a pattern, too: the classifier decides by their meaning. After a screen the classifier
        is not needed. Words that may go on change nothing yet; the judge remembers its doubt.

        The classifier looks up the first words of a sentence at once, which delays all calls by some milliseconds. It
        compares later states of the sentence in a thread, one at a time, and skips those that come meanwhile. It looks
        up the sentence again at a tone or a pause, because a screen does not wait until the recogniser is sure that
        these are the last words.
        """
        found = names_screen(said.text)
        if self._needs.resembles is None or self._judge.who in RECORDED or not (found or self._is_whole(said)):
            self._take(said, self._screening.told, None)
        elif found and not self._looked_up:
            meant = self._needs.known(said.text, self._is_whole(said))
            self._looked_up = True
            self._take_compared(said, self._screening.told, meant)
        elif said.final and self._sentences.full():
            self._take(said, self._screening.told, None)
        elif said.final or self._sentences.empty():
            self._sentences.put_nowait((said, self._screening.told))
        self._looked_up = self._looked_up and not said.final

    def _is_whole(self, said: CallerSaid) -> bool:
        """Whether the sentence `said` is complete: it is final, or a tone or a pause has ended it."""
        return said.final or self._judge.is_over

    def _take(self, said: CallerSaid, told: bool, meant: bool | None) -> None:
        judge = self._judge
        asks, refused = judge.asks, judge.refused
        if judge.understand(said.text, final=said.final, told=told, meant=meant):
            self._found()
        if judge.who is AnsweredParty.SCREEN:
            if judge.asks != asks:
                self._screening.ask()
            self._screening.read(said.text)
            if judge.refused and not refused:
                self._screening.refuse()

    def _take_compared(self, said: CallerSaid, told: bool, meant: bool | None) -> None:
        if said.final or meant is not False:
            self._take(said, told, meant)
        elif self._is_whole(said) and self._judge.dispel():
            self._found()

    def _give_up(self, why: str) -> None:
        self._given_up = why
        self._not_human.set()

    @property
    def _undecided(self) -> bool:
        """Whether words still decide who answered."""
        return not (self._judge.decided or self._needs.line.has_person)

    async def _compare(self, resembles: Resembles) -> None:
        """Take sentences from the queue, and judge each by its meaning; runs until cancelled."""
        while True:
            said, told = await self._sentences.get()
            meant = await resembles(said.text, self._is_whole(said))
            # Words that came before a screen or a menu are not words of the person who follows it.
            if self._undecided and self._judge.who not in RECORDED:
                self._take_compared(said, told, meant)

    def _found(self) -> None:
        who, why = self._judge.who, self._judge.why
        self._log.info("answered", by=who.value, because=why)
        self._needs.found(who, why)  # this stops the agent's sentence: the agent says next who calls and why
        if who is AnsweredParty.SCREEN:
            self._screening.begin()
        else:
            self._screening.end()
        if who in RECORDED:
            while not self._sentences.empty():  # sentences from before the screen or menu need no comparison
                self._sentences.get_nowait()
        if who in (AnsweredParty.MACHINE, AnsweredParty.FAX):
            self._not_human.set()

    async def open(self) -> None:
        """See `Talk.open`."""
        await self._talk.open()

    async def close(self) -> None:
        """See `Talk.close`."""
        self._screening.end()
        await self._talk.close()

    async def run(self) -> Outcome:
        """Talk with a human; with a machine leave the message, or hang up."""
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(self._talk.run())
            waiting = group.create_task(self._not_human.wait())
            comparing = group.create_task(self._compare(self._needs.resembles)) if self._needs.resembles else None
            done, _ = await asyncio.wait({talking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in filter(None, (waiting, talking, comparing)):
                task.cancel()
        self._screening.end()
        screened = self._judge.who is AnsweredParty.SCREEN
        if talking in done:
            outcome = talking.result()
            gone = screened and outcome.kind in ("caller_hung_up", "silence", "max_duration")
            return Outcome("screened", f"screen: {self._judge.why}; {outcome.text}") if gone else outcome
        self._needs.line.stop()
        why = f"{self._judge.who.value}: {self._judge.why}"
        if screened:
            return Outcome("screened", f"{why}; {self._given_up}")
        if self._judge.who is AnsweredParty.FAX:
            return Outcome("fax", why)
        if not self._needs.message:
            return Outcome("machine", why)
        return await self._leave_message(why)

    async def _leave_message(self, why: str) -> Outcome:
        if self._needs.line.gone.is_set():  # the conversation, which was about to end, may have taken the last event
            return Outcome("machine", f"{why}; gone before the message")
        outcome = Outcome("machine", f"{why}; it never listened")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_GREETING + LONGEST_MESSAGE), asyncio.TaskGroup() as group:
                making = group.create_task(self._synthesise())
                over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                listening = group.create_task(self._needs.line.listen(self._when_it_listens(making, why, over)))
                outcome = await over
                making.cancel()
                listening.cancel()
        return outcome

    def _when_it_listens(
        self, making: asyncio.Task[bytes | ProviderError], why: str, over: asyncio.Future[Outcome]
    ) -> Callable[[LineEvent], None]:
        """Returns a function that takes the events of the line, says the message, and sets the outcome in `over`."""
        line, judge = self._needs.line, self._judge
        message, waited = 0, 0.0

        def end(outcome: Outcome) -> None:
            if not over.done():
                over.set_result(outcome)

        def take(event: LineEvent) -> None:
            nonlocal message, waited
            match event:
                case Audio(ulaw) if not message and not over.done():
                    waited += len(ulaw) / SAMPLE_RATE
                    sound = making.result() if making.done() else b""
                    if waited > LONGEST_GREETING:
                        end(Outcome("machine", f"{why}; it never listened"))
                    elif isinstance(sound, ProviderError):
                        end(Outcome("machine", f"{why}; the message could not be spoken: {sound}"))
                    elif sound and (judge.beeped or judge.quiet >= UNBEEPED):
                        message = line.utterance + 1
                        self._needs.report(AgentSays(self._needs.message))
                        line.say(message, sound)
                        line.finish(message)
                case Finished(utterance) if utterance == message:
                    text = self._needs.message
                    self._needs.report(TurnEnded(Turn(said=text, heard=text)))
                    end(Outcome("message_left", why))
                case Gone(cause):
                    when = "during" if message else "before"
                    end(Outcome("machine", f"{why}; gone {when} the message: {cause}"))

        return take

    async def _synthesise(self) -> bytes | ProviderError:
        tts, sound = self._needs.tts(), bytearray()
        try:
            async with asyncio.timeout(OPEN):
                await tts.open()
            language = self._needs.language
            cutter = SentenceCutter(language)
            for sentence in (*cutter.feed(self._needs.message), *cutter.flush()):
                if not any(map(str.isalnum, sentence)):
                    continue
                spoken = within(sound_alone(tts.speak(speakable(sentence, language))), tts.name, FIRST_SOUND, GAP)
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
