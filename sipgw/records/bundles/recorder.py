"""Records one call while it goes on: the answers of its providers with their times, and the commands of its line.

The recorder of a call is in a context variable, which every task of the call inherits. It observes single providers
below the failover, so that a replay exercises the failover, too. How long an answer was
waited for is kept, and for STT how much sound it had been given. So a replay ties an answer to its request, not to a
moment of the clock.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import asdict
from functools import partial
from itertools import count
from math import inf
from typing import Any, TypeVar

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema
from agent.records import AgentSays, CallerSaid, Interrupted, ProviderFailed, Report, ToolDone, ToolStarted, TurnEnded
from agent.stt import Onset, SpeechToText, SttEvent
from agent.tts import Inquiry, Speech, TextToSpeech, WordTime
from agent.wrappers import LlmWrapper, SttWrapper, TtsWrapper

LIMIT = 8 << 20
"""Maximum bytes of one call, sound of the TTS included; a larger call is not kept."""
TAIL = 4
"""Number of the latest messages that are kept of a request to the LLM; earlier requests have the earlier messages."""
T = TypeVar("T")
Part = TypeVar("Part", SpeechToText, TextToSpeech)

Frame = dict[str, Any]
"""``t``: seconds since the call began; ``of``: the kind; further values as the docs list them."""


class BundleRecorder:
    """The recording of one call."""

    def __init__(self) -> None:
        self.zero = asyncio.get_running_loop().time()
        """The start of the call, on the clock of the loop."""
        self.frames: list[Frame] = []
        self.sound = bytearray()
        """The sound of the TTS, one piece after the other."""
        self.setting: dict[str, Any] = {}
        """The setup of the conversation: see `sipgw.records.bundles.conversation_setup`."""
        self.numbers = count(1)
        self.size = 0

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return asyncio.get_running_loop().time() - self.zero

    @property
    def whole(self) -> bool:
        """Whether the recording is complete, so that no frame had to be left out."""
        return self.size <= LIMIT

    def note(self, of: str, **values: Any) -> None:
        """Keep a frame of the kind `of` with `values`, at the present time."""
        self.size += 100 + sum(len(str(value)) for value in values.values())
        if self.whole:
            self.frames.append({"t": round(self.now, 5), "of": of, **values})

    def report(self, report: Report) -> None:
        """Keep a report of the conversation."""
        match report:
            case CallerSaid(text, final=True):
                self.note("said", text=text)
            case AgentSays(text):
                self.note("says", text=text)
            case ToolStarted(name, arguments):
                self.note("tool", do="started", name=name, arguments=arguments)
            case ToolDone(run):
                self.note("tool", do="done", **json.loads(json.dumps(asdict(run), default=str)))
            case Interrupted(heard):
                self.note("interrupted", heard=heard)
            case TurnEnded(turn):
                self.note("turn", **json.loads(json.dumps(turn.as_dict(), default=str)))
            case ProviderFailed(part, cause):
                self.note("failed", part=part, cause=cause)

    def keep(self, sound: bytes) -> list[int]:
        """Keep sound; returns its offset and length in bytes."""
        self.size += len(sound)
        if not self.whole:
            return [0, 0]
        self.sound += sound
        return [len(self.sound) - len(sound), len(sound)]


RECORDER: ContextVar[BundleRecorder | None] = ContextVar("recorder", default=None)


def note(of: str, **values: Any) -> None:
    """Send a frame to the recorder of the present call, if there is one."""
    recorder = RECORDER.get()
    if recorder is not None:
        recorder.note(of, **values)


def _now() -> float:
    return asyncio.get_running_loop().time()


def fault(error: ProviderError) -> dict[str, Any]:
    """An error of a provider, in a form that can be raised again."""
    return {
        "provider": error.provider, "problem": error.problem, "advice": error.advice,
        "temporary": error.temporary, "retry_after": error.retry_after,
    }  # fmt: skip


async def _opened(recorder: BundleRecorder, of: str, session: int, opening: Awaitable[None]) -> None:
    began = _now()
    outcome: dict[str, Any] = {"broken_off": True}
    try:
        await opening
        outcome = {}
    except ProviderError as error:
        outcome = {"fault": fault(error)}
        raise
    finally:
        recorder.note(of, do="opened", session=session, waited=round(_now() - began, 5), **outcome)


async def _seen(
    recorder: BundleRecorder, of: str, session: int, stream: AsyncIterator[T], shown: Callable[[T], dict[str, Any]]
) -> AsyncGenerator[T, None]:
    """Yield the pieces of `stream`; record each piece, its waiting time, and the end of the stream."""
    outcome: dict[str, Any] = {"broken_off": True}
    began = _now()
    try:
        while True:
            began = _now()
            try:
                piece = await anext(stream)
            except StopAsyncIteration:
                outcome = {}
                return
            recorder.note(of, do="piece", session=session, waited=round(_now() - began, 5), **shown(piece))
            yield piece
    except ProviderError as error:
        outcome = {"fault": fault(error)}
        raise
    finally:
        recorder.note(of, do="ended", session=session, waited=round(_now() - began, 5), **outcome)
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


class ObservedStt(SttWrapper):
    """A wrapper that records the events of an STT."""

    def __init__(self, stt: SpeechToText, recorder: BundleRecorder) -> None:
        super().__init__(stt)
        self._recorder = recorder
        self._session = next(recorder.numbers)
        self._samples = 0
        self._heard_at = 0.0
        recorder.note("stt", do="made", session=self._session, name=stt.name, ends_turns=stt.ends_turns)

    async def open(self) -> None:
        """See `SpeechToText.open`."""
        await _opened(self._recorder, "stt", self._session, self._stt.open())

    def send_audio(self, ulaw: bytes) -> None:
        """See `SpeechToText.send_audio`."""
        self._samples += len(ulaw)
        self._heard_at = _now()
        self._stt.send_audio(ulaw)

    async def events(self) -> AsyncIterator[SttEvent]:
        """See `SpeechToText.events`."""
        stream = _seen(self._recorder, "stt", self._session, self._stt.events(), self._shown)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    def _shown(self, event: SttEvent) -> dict[str, Any]:
        """The values of an event for its frame. `after` is the length of the sound sent so far, `delay` the time since
        its last piece."""
        since = {"after": self._samples, "delay": round(_now() - self._heard_at, 5) if self._samples else 0.0}
        if self.longest_silence < inf:
            since["longest_silence"] = self.longest_silence
        if isinstance(event, Onset):
            return since | {"onset": event.at}
        return since | {"text": event.text, "final": event.final, "eager": event.eager, "end": event.end}


def question(messages: Sequence[Message]) -> dict[str, Any]:
    """A request to the LLM: the latest messages, and the number of earlier ones; the prompt is in the setup."""
    asked = [message for message in messages if message.get("role") != "system"]
    return {"messages": asked[-TAIL:], "before": max(0, len(asked) - TAIL)}


class ObservedLlm(LlmWrapper):
    """A wrapper that records the requests and replies of an LLM for the call that asks."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.reply`."""
        recorder, stream = RECORDER.get(), self._llm.reply(messages, tools)
        if recorder is not None:
            session = next(recorder.numbers)
            asked = question(messages)
            recorder.note("llm", do="asked", session=session, name=self.name, **asked)
            recorder.size += len(str(asked))
            stream = _seen(recorder, "llm", session, stream, _shown_piece)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                yield piece


def _shown_piece(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"text": piece.delta}
    return {"call" if isinstance(piece, ToolCall) else "usage": list(piece)}


class ObservedTts(TtsWrapper):
    """A wrapper that records the texts and the sound of a TTS."""

    def __init__(self, tts: TextToSpeech, recorder: BundleRecorder) -> None:
        super().__init__(tts)
        self._recorder = recorder
        self._session = next(recorder.numbers)
        recorder.note("tts", do="made", session=self._session, name=tts.name)

    async def open(self) -> None:
        """See `TextToSpeech.open`."""
        await _opened(self._recorder, "tts", self._session, self._tts.open())

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `TextToSpeech.speak`."""
        recorder, session = self._recorder, next(self._recorder.numbers)
        recorder.note("tts", do="asked", session=session, name=self.name, text=text)

        def shown(piece: Speech) -> dict[str, Any]:
            if isinstance(piece, Inquiry):
                return {"asks": True}
            return {"timed": list(piece)} if isinstance(piece, WordTime) else {"sound": recorder.keep(piece)}

        stream = _seen(recorder, "tts", session, self._tts.speak(text, before), shown)
        async with aclosing(stream) as sounds:
            async for sound in sounds:
                yield sound._replace(ask=partial(self._ask, session, sound)) if isinstance(sound, Inquiry) else sound

    def _ask(self, session: int, inquiry: Inquiry, samples: int, told: Callable[[int], None]) -> None:
        asked = _now()

        def heard(letters: int) -> None:
            waited = round(_now() - asked, 5)
            self._recorder.note("tts", do="heard", session=session, waited=waited, letters=letters)
            told(letters)

        inquiry.ask(samples, heard)


def observed(make: Callable[[], Part], wrap: Callable[[Part, BundleRecorder], Part]) -> Callable[[], Part]:
    """Returns a function that makes parts. If the call has a recorder, `wrap` (such as `ObservedStt`) lets it observe
    them."""

    def made() -> Part:
        recorder = RECORDER.get()
        return make() if recorder is None else wrap(make(), recorder)

    return made
