"""A speech-to-speech session in memory, on the loop's clock: it does what it is prompted to, and what the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from agent.call_control import CallControl
from agent.line import Audio
from agent.llm import ToolCall
from agent.realtime import Answering, Brief, RealtimeEvent, ReplyAudio, ReplyEnded, ReplyWords
from agent.stt import Onset, Transcript
from tests.fakes.line import LETTER, FakeLine, Fault, befall, now, sound_of


class FakeSession:
    """Its time in the caller's sound is that of the loop, from its making on."""

    name = product = "fake-duplex"
    full_duplex = False

    def __init__(self) -> None:
        self.brief: Callable[[], Brief] = lambda: Brief("")
        self.begun: list[Brief] = []
        self.came: asyncio.Queue[RealtimeEvent | Exception] = asyncio.Queue()
        self.did: list[tuple[Any, ...]] = []
        """Everything that the session was told, in order."""
        self.refuses: Fault = None
        self.mute = False
        """Whether prompts come to nothing."""
        self.heard = bytearray()
        self.closed = 0
        self._began, self._count = now(), 0

    async def open(self) -> None:
        await befall(self.refuses)
        self.begun.append(self.brief())
        if self.begun[-1].greeting:
            self.say(self.begun[-1].greeting)

    def send_audio(self, ulaw: bytes) -> None:
        self.heard += ulaw

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        while True:
            event = await self.came.get()
            if isinstance(event, Exception):
                raise event
            yield event

    def cut(self, reply: str, samples: int) -> None:
        self.did.append(("cut", reply, samples))

    def hush(self) -> None:
        pass

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        self.did.append(("answer", call, json.loads(result), failed))

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        self.did.append(("aside" if aside else "prompt", instructions))
        if not self.mute and "nothing else: " in instructions:
            self.say(instructions.partition("nothing else: ")[2])

    def tell(self, text: str) -> None:
        self.did.append(("tell", text))

    def instruct(self, instructions: str) -> None:
        self.did.append(("instruct", instructions))

    def give_up(self, problem: str) -> None:
        self.did.append(("give_up", problem))

    def renew(self, agent: str) -> None:
        self.did.append(("renew", agent))

    async def close(self) -> None:
        self.closed += 1

    # What a test makes it do

    def onset(self) -> None:
        self.came.put_nowait(Onset(now() - self._began))

    def write(self, text: str, *, ago: float = 0.0) -> None:
        """The words of the caller, which ended `ago` seconds before now."""
        self.came.put_nowait(Transcript(text, True, True, now() - self._began - ago))

    def say(self, text: str, *, timed: bool = False, whole: bool = True) -> str:
        """Reply `text`, 70 ms a letter; without `whole`, only its beginning comes."""
        self._count += 1
        reply, letters = f"reply{self._count}", 0
        self.report(Answering())
        for word in text.split():
            letters += len(word) + 1
            self.report(ReplyWords(reply, f"{word} ", letters * LETTER if timed else None))
        sound = sound_of(text)
        self.report(ReplyAudio(reply, sound[: len(sound) // 2]))
        self.report(ReplyAudio(reply, sound[len(sound) // 2 :]), "middle")
        if whole:
            self.report(ReplyEnded(reply, True), "end")
        return reply

    def report(self, event: RealtimeEvent, point: str = "") -> None:
        """Let it be known. At a point of that name something else may happen, in a subclass."""
        self.came.put_nowait(event)

    def call(self, name: str, call: str = "c1", **arguments: object) -> None:
        self.came.put_nowait(Answering())
        self.came.put_nowait(ToolCall(call, name, json.dumps(arguments)))


class SpeakingCaller:
    """The person on the other end; the session notices them 0.3 s after they begin, and 0.5 s after they end."""

    def __init__(self, line: FakeLine, session: FakeSession) -> None:
        self.line, self.session = line, session
        self.call_control: CallControl
        line.incoming.put_nowait(Audio(b"\xff" * 1600, now()))  # the noise floor

    async def sound(self, seconds: float, *, loud: bool = True) -> None:
        for _ in range(round(seconds / 0.06)):
            await asyncio.sleep(0.06)
            self.line.incoming.put_nowait(Audio((b"\x10\x90" if loud else b"\xff\x7f") * 240, now()))

    async def say(self, text: str, seconds: float = 1.2) -> None:
        """`text` is written down at once when the turn is over; empty: later, by the test."""
        await self.sound(0.3)
        self.session.onset()
        await self.sound(seconds - 0.3)
        await self.sound(0.48, loud=False)
        if text:
            self.session.write(text, ago=0.48)
