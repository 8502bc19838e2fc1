"""Whole calls on virtual time in which providers fail at every point; what counts is what the caller hears."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agent.conversation import Conversation
from agent.duplex import Answering, Brief, Duplex, DuplexEvent, ReplyEnded, Speech, Words
from agent.duplex_conversation import DuplexConversation
from agent.ears import Ears, EarsEvent, Onset, Transcript
from agent.errors import ProviderError
from agent.line import SAMPLE_RATE, Audio, Gone
from agent.model import Message, Model, Piece, ToolSchema
from agent.persona import Persona
from agent.providers.failover import FailoverOptions
from agent.providers.failover_duplex import Duplexes, FailoverDuplex
from agent.records import Outcome, ProviderFailed, Report
from agent.stage import Role
from agent.turns import State
from agent.vad import VoiceActivity
from agent.voice import Voice
from tests.fakes.line import FakeLine, now
from tests.virtual import run

GREETING = "Hello there."
PERSONA = Persona(prompt="You are a test.", greeting=GREETING)
QUESTION = "Where is my order?"
SENTENCES = ("It left our warehouse this morning.", "It will be with you by six.")
ANSWER = " ".join(SENTENCES)
FOREVER = 1000.0
LETTER = 400
"""Samples that a letter takes."""
DOWN = ProviderError("x", "refused the key", temporary=False)
LOST = ProviderError("x", "connection lost")
BUSY = ProviderError("x", "limits the rate", retry_after=30.0)

Fault = ProviderError | Exception | float | Sequence[EarsEvent]
"""What happens at a point: an error, seconds in which nothing happens, or nonsense."""


class Listening:
    """Ears that notice speech in the sound that comes, and always understand the same question."""

    patient = False

    def __init__(self, name: str = "ears", **faults: Fault) -> None:
        """`faults` are by point: ``connect``, ``partial``, ``final``, ``after`` (half a second after a final text)."""
        self.name = name
        self._faults = faults
        self._events: asyncio.Queue[EarsEvent | Exception | None] = asyncio.Queue()
        self._activity = VoiceActivity()
        self._given = 0
        self._began: int | None = None
        self._partial = self._stalled = False

    async def open(self) -> None:
        match self._faults.get("connect"):
            case Exception() as error:
                raise error
            case float(seconds):
                await asyncio.sleep(seconds)

    def hear(self, ulaw: bytes) -> None:
        for at in range(0, len(ulaw), 160):
            self._take(ulaw[at : at + 160])

    def _take(self, ulaw: bytes) -> None:
        self._given += len(ulaw)
        for change in self._activity.feed(ulaw):
            if change.onset:
                self._began, self._partial = self._given, False
            elif self._began is not None:
                end = self._given - round(change.ago * SAMPLE_RATE)
                self._tell("final", Transcript(QUESTION, True, False, end / SAMPLE_RATE))
                self._began = None
                asyncio.get_running_loop().call_later(0.5, self._tell, "after", None)
        if self._began is not None and not self._partial and self._given - self._began >= SAMPLE_RATE // 2:
            self._partial = True
            self._tell("partial", Transcript(QUESTION[:8], False, False, self._given / SAMPLE_RATE))

    def _tell(self, point: str, event: EarsEvent | None) -> None:
        if self._stalled:
            return
        match self._faults.get(point):
            case Exception() as error:
                self._events.put_nowait(error)
            case float():
                self._stalled = True
            case nonsense:
                for one in (*(nonsense or ()), *([event] if event else ())):
                    self._events.put_nowait(one)

    def expect(self, said: str) -> None:
        """Nothing."""

    def attend(self, language: str) -> None:
        """Nothing."""

    async def events(self) -> AsyncIterator[EarsEvent]:
        while (event := await self._events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self) -> None:
        self._events.put_nowait(None)


@dataclass
class Thinking:
    """A model that always gives the same reply: pieces, seconds in between, errors."""

    script: Sequence[Piece | float | Exception]
    name: str = "model"
    times: int = 1_000
    """How many replies are like that; after that it answers as it should."""
    well: Sequence[Piece | float | Exception] = ()

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        self.times -= 1
        for piece in self.script if self.times >= 0 else self.well:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif isinstance(piece, Exception):
                raise piece
            else:
                yield piece

    async def close(self) -> None:
        """Nothing."""


@dataclass
class Speaking:
    """A voice; `fault` happens in every sentence but the greeting, when `after` letters of it have been spoken."""

    fault: Exception | float | bytes | None = None
    after: int = 0
    refuses: Exception | float | None = None
    name: str = "voice"

    async def open(self) -> None:
        if isinstance(self.refuses, float):
            await asyncio.sleep(self.refuses)
        elif self.refuses is not None:
            raise self.refuses

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(0.15)
        for at, letter in enumerate(text):
            if at == self.after and text != GREETING:
                if isinstance(self.fault, float):
                    await asyncio.sleep(self.fault)
                elif isinstance(self.fault, Exception):
                    raise self.fault
                elif self.fault is not None:
                    yield self.fault
                    return
            sound = bytes([ord(letter) & 0x7F]) * LETTER
            yield sound[:333]
            yield sound[333:]

    async def close(self) -> None:
        """Nothing."""


class Talking:
    """A speech-to-speech session that notices speech in the sound that comes, and always gives the same answer."""

    def __init__(self, brief: Brief, name: str = "duplex", **faults: Fault | Sequence[DuplexEvent]) -> None:
        """`faults` are by point: ``connect``, ``onset``, ``answer``, ``middle`` (of the answer), ``end``."""
        self.name = name
        self._faults = faults
        self._brief = brief
        self._events: asyncio.Queue[DuplexEvent | Exception | None] = asyncio.Queue()
        self._activity = VoiceActivity()
        self._given = self._count = 0
        self._stalled = False

    async def open(self) -> None:
        match self._faults.get("connect"):
            case Exception() as error:
                raise error
            case float(seconds):
                await asyncio.sleep(seconds)
        if self._brief.greeting:
            self._say(self._brief.greeting, greeting=True)

    def hear(self, ulaw: bytes) -> None:
        for at in range(0, len(ulaw), 160):
            self._given += 160
            for change in self._activity.feed(ulaw[at : at + 160]):
                if change.onset:
                    self._tell("onset", Onset(self._given / SAMPLE_RATE))
                else:
                    self._tell("answer", Transcript(QUESTION, True, True, self._given / SAMPLE_RATE))
                    self._say(ANSWER)

    def _say(self, text: str, *, greeting: bool = False) -> None:
        self._count += 1
        reply = f"reply{self._count}"
        self._tell("", Answering())
        for word in text.split():
            self._tell("", Words(reply, f"{word} ", None))
        sound = bytes([0x10, 0x90]) * (len(text) * LETTER // 2)
        self._tell("", Speech(reply, sound[: len(sound) // 2]))
        self._tell("" if greeting else "middle", Speech(reply, sound[len(sound) // 2 :]))
        self._tell("" if greeting else "end", ReplyEnded(reply, True))

    def _tell(self, point: str, event: DuplexEvent) -> None:
        if self._stalled:
            return
        match self._faults.get(point):
            case Exception() as error:
                self._events.put_nowait(error)
                self._stalled = True
            case float():
                self._stalled = True
            case nonsense:
                for one in (*(nonsense or ()), event):
                    self._events.put_nowait(one)
                self._faults.pop(point, None)  # once: each call is answered, and answers are said

    async def events(self) -> AsyncIterator[DuplexEvent]:
        while (event := await self._events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        self._say(instructions.partition("nothing else: ")[2] or ANSWER)

    def cut(self, reply: str, samples: int) -> None:
        """Nothing."""

    def hush(self) -> None:
        """Nothing."""

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        self._say(ANSWER)

    def tell(self, text: str) -> None:
        self._say(ANSWER)

    def instruct(self, instructions: str) -> None:
        """Nothing."""

    async def close(self) -> None:
        self._events.put_nowait(None)


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


def endure_duplex(*makers: Callable[[Brief], Duplex]) -> Story:
    """The same call with speech-to-speech sessions; the later ones stand in for those before."""

    def begin(line: FakeLine, report: Callable[[Report], None], connect: object) -> Conversation:
        session = FailoverDuplex(Duplexes(makers, FailoverOptions()), lambda report: None)
        return DuplexConversation(line, session, PERSONA, observer=report)

    return _endured(begin, 2)


def endure(ears: Ears, model: Model, voice: Voice, *, transfer: bool = False, questions: int = 2) -> Story:
    """Hold a call in which the same question is asked so often; then the caller hangs up."""
    role = Role(PERSONA, model, lambda language: voice)
    return _endured(
        lambda line, report, connect: Conversation(
            line, ears, role, observer=report, transfer=connect if transfer else None
        ),
        questions,
    )


def _endured(begin: Begin, questions: int) -> Story:
    async def call() -> Story:
        line, reports = FakeLine(), list[Report]()

        async def connect(to: str) -> bool:
            return True

        conversation = begin(line, reports.append, connect)
        waiting = Waiting(line, lambda: conversation.steering.state)

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
