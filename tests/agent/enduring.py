# mypy: disable-error-code="union-attr"
"""Whole calls on virtual time in which providers fail at every point; what counts is what the caller hears."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from agent.active_agent import AgentRole, CascadeRole
from agent.conversation import Conversation
from agent.errors import ProviderError
from agent.line import SAMPLE_RATE, Audio, Gone
from agent.llm import LanguageModel, Piece
from agent.persona import Persona
from agent.providers.failover import FailoverOptions
from agent.providers.failover_realtime import FailoverRealtime, RealtimeProviders
from agent.realtime import Brief, RealtimeEvent, RealtimeModel
from agent.realtime_conversation import RealtimeConversation
from agent.records import Outcome, ProviderFailed, Report
from agent.stt import Onset, SpeechToText, Transcript
from agent.tts import TextToSpeech
from agent.turn_taking.table import State
from agent.vad import VoiceActivity
from tests.fakes.line import FakeLine, FakeLlm, FakeStt, FakeTts, Fault, now
from tests.fakes.session import FakeSession
from tests.virtual import run

GREETING = "Hello there."
PERSONA = Persona(prompt="You are a test.", greeting=GREETING)
QUESTION = "Where is my order?"
SENTENCES = ("It left our warehouse this morning.", "It will be with you by six.")
ANSWER = " ".join(SENTENCES)
FOREVER = 1000.0
DOWN = ProviderError("x", "refused the key", temporary=False)
LOST = ProviderError("x", "connection lost")
BUSY = ProviderError("x", "limits the rate", retry_after=30.0)

Trouble = ProviderError | Exception | float | Sequence[Any]
"""What happens at a point: an error, nothing from then on, or nonsense before what should come."""


class Troubled:
    """Reports to a conversation, and at some points something else happens."""

    def __init__(self, came: asyncio.Queue, troubles: dict[str, Trouble], *, once: bool) -> None:
        """`once`: nonsense comes at each point no more than once."""
        self._came, self._troubles, self._once = came, troubles, once
        self._stalled = False

    def report(self, event: object, point: str) -> None:
        """Let it be known, or let happen what happens at this point."""
        trouble = self._troubles.get(point, ())
        if isinstance(trouble, Exception) and not self._stalled:
            self._came.put_nowait(trouble)
        self._stalled = self._stalled or isinstance(trouble, Exception | float)
        if self._stalled:
            return
        for one in (*trouble, event):  # type: ignore[misc]
            if one is not None:
                self._came.put_nowait(one)
        if self._once:
            self._troubles.pop(point, None)


class Listening(FakeStt):
    """STT that notices speech in the sound that comes, and always understand the same question."""

    def __init__(self, name: str = "stt", *, connect: Fault = None, **troubles: Trouble) -> None:
        """`troubles` are by point: ``partial``, ``final``, ``after`` (half a second after a final text)."""
        super().__init__(name, refuses=connect)
        self._trouble = Troubled(self.heard, troubles, once=False)
        self._activity = VoiceActivity()
        self._began: int | None = None
        self._partial = False

    def send_audio(self, ulaw: bytes) -> None:
        for at in range(0, len(ulaw), 160):
            self._take(ulaw[at : at + 160])

    def _take(self, ulaw: bytes) -> None:
        super().send_audio(ulaw)
        for change in self._activity.feed(ulaw):
            if change.onset:
                self._began, self._partial = self.sound, False
            elif self._began is not None:
                end = self.sound - round(change.ago * SAMPLE_RATE)
                self._trouble.report(Transcript(QUESTION, True, False, end / SAMPLE_RATE), "final")
                self._began = None
                asyncio.get_running_loop().call_later(0.5, self._trouble.report, None, "after")
        if self._began is not None and not self._partial and self.sound - self._began >= SAMPLE_RATE // 2:
            self._partial = True
            self._trouble.report(Transcript(QUESTION[:8], False, False, self.sound / SAMPLE_RATE), "partial")

    async def close(self) -> None:
        await super().close()
        self.heard.put_nowait(None)


Pieces = Sequence[Piece | float | Exception]


def thinking(pieces: Pieces, name: str = "llm", times: int = 1_000, well: Pieces = ()) -> FakeLlm:
    """A model that always gives the same reply: so many `times`, after that it answers as it should."""
    replies = chain(repeat(pieces, times), repeat(well))
    return FakeLlm(lambda messages: next(replies), name)


def speaking(fault: Fault | bytes = None, after: int = 0, refuses: Fault = None) -> FakeTts:
    """A voice; `fault` happens in every sentence but the greeting, when `after` letters of it have been spoken."""
    fails = {GREETING: None}
    return FakeTts("tts", 0.15, fails=lambda text: fails.get(text, fault), after=after, refuses=refuses)


class Talking(FakeSession):
    """A speech-to-speech session that notices speech in the sound that comes, and always gives the same answer."""

    def __init__(self, brief: Brief, name: str = "realtime", *, connect: Fault = None, **troubles: Trouble) -> None:
        """`troubles` are by point: ``onset``, ``answer``, ``middle`` (of the answer), ``end``."""
        super().__init__()
        self.name, self.refuses = name, connect
        self.brief = lambda: brief
        self._trouble = Troubled(self.came, troubles, once=True)
        self._activity = VoiceActivity()
        self._greeted = False

    async def open(self) -> None:
        await super().open()
        self._greeted = True

    def send_audio(self, ulaw: bytes) -> None:
        for at in range(0, len(ulaw), 160):
            super().send_audio(ulaw[at : at + 160])
            for change in self._activity.feed(ulaw[at : at + 160]):
                heard = len(self.heard) / SAMPLE_RATE
                if change.onset:
                    self.report(Onset(heard), "onset")
                else:
                    self.report(Transcript(QUESTION, True, True, heard), "answer")
                    self.say(ANSWER)

    def report(self, event: RealtimeEvent, point: str = "") -> None:
        self._trouble.report(event, point if self._greeted else "")

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        self.say(instructions.partition("nothing else: ")[2] or ANSWER)

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        self.say(ANSWER)

    def tell(self, text: str) -> None:
        self.say(ANSWER)


@dataclass
class Story:
    """What the call was."""

    outcome: Outcome
    longest: float
    """Seconds of the longest silence in which the caller waited for the agent."""
    played: bytes
    said: list[str]
    """All that the agent was to have said, by turn."""
    failed: list[ProviderFailed]
    waits: list[tuple[float, float]] = field(default_factory=list)
    """Beginning and end of those silences, in seconds since the caller last spoke."""


class Waiting:
    """How long the caller waits: from their last word until the agent has said something and listens again."""

    def __init__(self, line: FakeLine, state: Callable[[], State]) -> None:
        self._line, self._state = line, state
        self.waits: list[tuple[float, float]] = []
        self.answered = True
        self._stopped = self._silent_since = 0.0

    def stopped(self) -> None:
        """The caller has just said the last word."""
        self.answered, self._stopped, self._silent_since = False, now(), now()

    async def watch(self) -> None:
        """Follow the call to its end."""
        played = 0
        sounded = False
        while True:
            await asyncio.sleep(0.02)
            sound = bytes(self._line.played[played:])
            played += len(sound)
            if self.answered:
                sounded = False
            elif sound.strip(b"\xff"):
                self._note()
                self._silent_since, sounded = now(), True
            elif sounded and self._state() is State.LISTENING:
                self.answered = True
            if not self.answered and now() - self._silent_since > 20:
                self._note()
                self.answered = True

    def over(self) -> None:
        """The call has ended."""
        if not self.answered:
            self._note()

    def _note(self) -> None:
        if now() - self._silent_since > 0.1:
            self.waits.append((self._silent_since - self._stopped, now() - self._stopped))


async def _sound(line: FakeLine, seconds: float, byte: bytes) -> None:
    for _ in range(round(seconds / 0.02)):
        await asyncio.sleep(0.02)
        line.incoming.put_nowait(Audio(byte * 80, now()))


Begin = Callable[[FakeLine, Callable[[Report], None], Callable[[str], Awaitable[bool]]], Conversation]


def endure_realtime(*makers: Callable[[Brief], RealtimeModel]) -> Story:
    """The same call with speech-to-speech sessions; the later ones stand in for those before."""

    def begin(line: FakeLine, report: Callable[[Report], None], connect: object) -> Conversation:
        session = FailoverRealtime(lambda _: RealtimeProviders(makers, FailoverOptions()), "agent", lambda report: None)
        return RealtimeConversation(line, session, AgentRole(persona=PERSONA), observer=report)  # type: ignore[return-value]

    return _endured(begin, 2)


def endure(
    stt: SpeechToText, llm: LanguageModel, tts: TextToSpeech, *, transfer: bool = False, questions: int = 2
) -> Story:
    """Hold a call in which the same question is asked so often; then the caller hangs up."""
    role = CascadeRole(persona=PERSONA, llm=llm, tts=lambda language: tts)
    return _endured(
        lambda line, report, connect: Conversation(
            line, stt, role, observer=report, transfer=connect if transfer else None
        ),
        questions,
    )


def _endured(begin: Begin, questions: int) -> Story:
    async def call() -> Story:
        line, reports = FakeLine(), list[Report]()

        async def connect(to: str) -> bool:
            return True

        conversation = begin(line, reports.append, connect)
        waiting = Waiting(line, lambda: conversation.call_control.state)

        async def person() -> None:
            await _sound(line, 3, b"\xff\x7f")
            for _ in range(questions):
                await _sound(line, 1.2, b"\x10\x90")
                waiting.stopped()
                for _ in range(60):
                    await _sound(line, 0.5, b"\xff\x7f")
                    if waiting.answered:
                        break
                await _sound(line, 0.5, b"\xff\x7f")
            line.incoming.put_nowait(Gone("the caller hung up"))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(line.play()), group.create_task(waiting.watch())]
            await conversation.open()
            tasks.append(group.create_task(person()))
            outcome = await conversation.run()
            waiting.over()
            for task in tasks:
                task.cancel()
        longest = max((end - begin for begin, end in waiting.waits), default=0.0)
        failed = [one for one in reports if isinstance(one, ProviderFailed)]
        said = [one.turn.said for one in reports if hasattr(one, "turn")]
        return Story(outcome, longest, bytes(line.played), said, failed, waiting.waits)

    return run(call())
