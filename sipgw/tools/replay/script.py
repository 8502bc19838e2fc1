"""The replayed providers: each gives the recorded answer to a request, after the recorded delay.

At a request without a recorded answer, the code departs from the recording. A request that is cancelled at once does
not count, because work that began just before an interruption in one run may begin just after it in the other.
"""

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, NoReturn

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema, Usage
from agent.stt import Onset, SttEvent, Transcript
from agent.tts import Inquiry, Speech, WordTime
from agent.turn_taking.expect import OPEN, Expected
from sipgw.records.bundles.recorder import Frame, question
from sipgw.tools.replay.clock import now, until

GRACE = 0.5
"""Seconds after which a request without a recorded answer is a departure from the recording."""


@dataclass
class RecordedAnswer:
    """One recorded stream of a provider: its request, its pieces and its end."""

    asked: Frame
    opened: Frame = field(default_factory=dict)
    pieces: list[Frame] = field(default_factory=list)
    ended: Frame = field(default_factory=lambda: {"broken_off": True, "waited": 0.0})
    heard: Frame | None = None
    """The voice's recorded answer to the question how much of a sentence was heard; None without an answer."""
    used: bool = False


class ReplayScript:
    """All recorded answers of the providers, tools and transfers of a call."""

    def __init__(self, frames: Iterable[Frame], sound: bytes, redact: Callable[[Any], Any]) -> None:
        """`redact` removes from requests the data that was removed from the recording."""
        self.left: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Its result is why the code departed from the recording; not done as long as it has not."""
        self.redact = redact
        self.sound = sound
        self._answers: dict[str, list[RecordedAnswer]] = {"stt": [], "llm": [], "tts": [], "tool": [], "transfer": []}
        by_number: dict[int, RecordedAnswer] = {}
        for frame in frames:
            match frame:
                case {"of": "stt" | "llm" | "tts" as part, "do": "made" | "asked", "session": number}:
                    self._answers[part].append(by_number.setdefault(number, RecordedAnswer(frame)))
                case {"of": "stt" | "tts", "do": "opened", "session": number} if number in by_number:
                    by_number[number].opened = frame
                case {"of": "stt" | "llm" | "tts", "do": "piece", "session": number} if number in by_number:
                    by_number[number].pieces.append(frame)
                case {"of": "tts", "do": "heard", "session": number} if number in by_number:
                    by_number[number].heard = frame
                case {"of": "stt" | "llm" | "tts", "do": "ended", "session": number} if number in by_number:
                    by_number[number].ended = frame
                case {"of": "tool", "do": "started"} | {"of": "transfer", "do": "asked"}:
                    self._answers[frame["of"]].append(RecordedAnswer(frame))
                case {"of": "tool", "do": "done", "name": name}:
                    runs = (one for one in self._answers["tool"] if one.asked["name"] == name)
                    if begun := next((one for one in runs if one.asked["do"] == "started"), None):
                        begun.asked = frame | {"written": begun.asked["arguments"]}
                case {"of": "line", "do": "step_aside" | "step_back"} if self.connecting:
                    self._answers["transfer"][-1].pieces.append(frame)
                case {"of": "transfer", "do": "ended"} if self.connecting:
                    self._answers["transfer"][-1].ended = frame

    @property
    def connecting(self) -> bool:
        """Whether the last transfer has not ended."""
        return bool(self._answers["transfer"]) and "connected" not in self._answers["transfer"][-1].ended

    def names(self, part: str) -> list[str]:
        """The providers of a part, in the order of their first requests."""
        return list(dict.fromkeys(answer.asked["name"] for answer in self._answers[part]))

    def again(self, part: str) -> bool:
        """Whether a provider of that part was asked more than once."""
        return len(self._answers[part]) > len(self.names(part))

    def find(self, part: str, *fits: Callable[[Frame], bool], again: bool = False) -> RecordedAnswer | None:
        """The first unused answer whose request matches the first of `fits`; if none does, the next of `fits`, and so
        on. Each answer is used once. With `again`, a used answer is used once more if there is no other.
        """
        for fit in fits:
            for answer in self._answers[part]:
                if not answer.used and fit(answer.asked):
                    answer.used = True
                    return answer
        found = (answer for answer in self._answers[part] if again and fits[0](answer.asked))
        return next((answer for answer in found if "broken_off" not in answer.ended), None)

    async def unanswered(self, what: str) -> NoReturn:
        """Wait for the cancellation of a request without a recorded answer. If none comes within `GRACE`, the code has
        departed from the recording. Never returns."""
        await asyncio.sleep(GRACE)
        self.leave(what)
        await asyncio.Event().wait()
        raise AssertionError

    def leave(self, what: str) -> None:
        """Note that the code has departed from the recording, at `what`; only the first departure counts."""
        if not self.left.done():
            self.left.set_result(what)

    async def end(self, answer: RecordedAnswer, what: str) -> None:
        """End a stream as recorded. Raises `ProviderError` if the recorded stream did."""
        ended = answer.ended
        await asyncio.sleep(ended["waited"])
        if "fault" in ended:
            raise ProviderError(**ended["fault"])
        if "broken_off" in ended:
            await self.unanswered(what)


async def _opened(script: ReplayScript, answer: RecordedAnswer | None, what: str) -> None:
    if answer is None or not answer.opened:
        await script.unanswered(f"{what} were opened, which they were not")
    else:
        await script.end(RecordedAnswer({}, ended=answer.opened), f"opening {what} was given up")


class ReplayedStt:
    """STT that reports the recorded words after the recorded amount of sound."""

    def __init__(self, script: ReplayScript, name: str) -> None:
        self.name = name
        self._script = script
        self._answer = script.find("stt", lambda asked: asked["do"] == "made" and asked["name"] == name)
        self.ends_turns = bool(self._answer and self._answer.asked["ends_turns"])
        self.longest_silence = inf
        self._given: list[tuple[int, float]] = [(0, now())]
        self._more = asyncio.Event()

    async def open(self) -> None:
        """See `agent.stt.SpeechToText`."""
        await _opened(self._script, self._answer, f"the STT {self.name!r}")

    def send_audio(self, ulaw: bytes) -> None:
        """See `agent.stt.SpeechToText`."""
        self._given.append((self._given[-1][0] + len(ulaw), now()))
        self._more.set()

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Ignore the language: the recorded words are reported."""

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """See `agent.stt.SpeechToText`."""

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Ignore the voice activity: the recorded words are reported."""

    async def events(self) -> AsyncIterator[SttEvent]:
        """See `agent.stt.SpeechToText`."""
        if self._answer is None:
            return
        for piece in self._answer.pieces:
            await until(await self._given_at(piece["after"]) + piece["delay"])
            self.longest_silence = piece.get("longest_silence", inf)
            if "onset" in piece:
                yield Onset(piece["onset"])
            else:
                yield Transcript(piece["text"], piece["final"], piece["eager"], piece["end"])
        if "broken_off" in self._answer.ended:
            await asyncio.Event().wait()  # the gateway had closed the STT: no more words follow
        await self._script.end(self._answer, "")

    async def _given_at(self, samples: int) -> float:
        """The time by which the STT had been given so many samples of sound."""
        while self._given[-1][0] < samples:
            self._more.clear()
            await self._more.wait()
        return self._given[bisect_left(self._given, (samples, 0.0))][1]

    async def close(self) -> None:
        """See `agent.stt.SpeechToText`."""


class ReplayedLlm:
    """A language model that gives the recorded replies."""

    def __init__(self, script: ReplayScript, name: str) -> None:
        self.name = name
        self._script = script

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `agent.llm.LanguageModel`."""
        script = self._script
        asked = json.loads(json.dumps(script.redact(question(messages))))
        last = asked["messages"][-1:]

        def same(one: Frame) -> bool:
            return bool(one["name"] == self.name and {name: one[name] for name in asked} == asked)

        def alike(one: Frame) -> bool:  # the heard part of earlier replies may differ by a word
            return one["name"] == self.name and bool(one["messages"][-1:] == last)

        answer = script.find("llm", same, alike)
        what = f"the model was asked {_words(last)}"
        if answer is None:
            await script.unanswered(f"{what}, which it was not")
        for piece in answer.pieces:
            await asyncio.sleep(piece["waited"])
            yield _piece(piece)
        await script.end(answer, f"{what}, and its answer was broken off here")

    async def close(self) -> None:
        """See `agent.llm.LanguageModel`."""


def _piece(frame: Frame) -> Piece:
    if "text" in frame:
        return Text(frame["text"])
    return ToolCall(*frame["call"]) if "call" in frame else Usage(*frame["usage"])


def _words(messages: Sequence[Message]) -> str:
    return " ".join(f"{str(message.get('content'))[:200]!r} ({message.get('role')})" for message in messages)


def _tell(answer: RecordedAnswer, _samples: int, told: Callable[[int], None]) -> None:
    """Call `told` with the recorded answer to the question how much was heard."""
    if answer.heard is not None:
        asyncio.get_running_loop().call_later(answer.heard["waited"], told, answer.heard["letters"])


class ReplayedTts:
    """A voice that gives the recorded sound."""

    def __init__(self, script: ReplayScript, name: str) -> None:
        self.name = name
        self._script = script
        self._answer = script.find("tts", lambda asked: asked["do"] == "made" and asked["name"] == name)

    async def open(self) -> None:
        """See `agent.tts.TextToSpeech`."""
        await _opened(self._script, self._answer, f"the voice {self.name!r}")

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `agent.tts.TextToSpeech`."""
        script, wanted = self._script, self._script.redact(text)

        def same(one: Frame) -> bool:
            return bool(one["do"] == "asked" and one["name"] == self.name and one["text"] == wanted)

        answer = script.find("tts", same, again=True)
        if answer is None:
            await script.unanswered(f"the voice was given {wanted[:200]!r}, which it was not")
        for piece in answer.pieces:
            await asyncio.sleep(piece["waited"])
            if "timed" in piece:
                yield WordTime(*piece["timed"])
                continue
            if "asks" in piece:
                yield Inquiry(partial(_tell, answer))
                continue
            start, length = piece["sound"]
            yield script.sound[start : start + length]
        await script.end(answer, f"the voice was given {wanted[:200]!r}, and was broken off here")

    async def close(self) -> None:
        """See `agent.tts.TextToSpeech`."""
