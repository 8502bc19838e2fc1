"""What is done with a provider of each part, from `open` to its first result, as a call does it."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from agent.limits import FIRST_SOUND, FIRST_TOKEN, GAP, OPEN
from agent.line import SAMPLE_RATE
from agent.llm import Message, ToolCall, ToolSchema
from agent.providers.provider import Provider
from agent.realtime import Brief, ReplyAudio, ReplyEnded
from agent.stt import Transcript
from agent.tts import WordTime, sound_alone

SENTENCES = ("Hello, this is the first sentence.", "And this is the second.")
PIECE = SAMPLE_RATE // 10
"""Bytes of sound that are sent at a time."""
SPEECH, SILENCE = 40, 40
"""Pieces of sound, then of silence, that a caller sends: 4 s of each."""
HEARD = 15.0
"""Seconds after which what it hears is waited for no longer."""
MARGIN = 0.5
"""Seconds that a provider has beyond the limits of a call (`agent.limits`): its own limits may be the same ones."""
MESSAGES: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is my order 7346?"},
]
TOOL: ToolSchema = {
    "type": "function",
    "function": {
        "name": "get_order_status",
        "description": "Find out where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"order_number": {"type": "string"}},
            "required": ["order_number"],
            "additionalProperties": False,
        },
    },
}
ENDED = "its events end before `close`, and without a `ProviderError`"


class NonconformingError(Exception):
    """What the provider does wrong."""


class ExerciseResult(NamedTuple):
    """What came of it."""

    text: str = ""
    sound: bytes = b""
    times: int = 0
    """Times of words."""
    calls: tuple[tuple[str, str], ...] = ()
    """The tools that were called, and with what."""
    done: bool = True
    """Whether the provider takes this for all. Without it nothing more was waited for, or a reply was told as broken
    off."""

    def lacks(self, whole: "ExerciseResult") -> bool:
        """Whether this is told as all, and is other than the words and calls or less than the sound of `whole`."""
        told = (self.text, self.calls) != (whole.text, whole.calls)
        return self.done and (told or len(self.sound) < len(whole.sound))


@contextlib.asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises `NonconformingError` if that takes longer than a call waits for `what`."""
    timer = asyncio.timeout(seconds + MARGIN)
    try:
        async with timer:
            yield
    except (TimeoutError, asyncio.CancelledError):
        if timer.expired():
            problem = f"neither done nor failed within {seconds:g} s, as long as a call waits for {what}"
            raise NonconformingError(problem) from None
        raise


async def opened(made: Any) -> None:
    """Get it ready."""
    async with within(OPEN, "an open session"):
        await made.open()


async def _timely(stream: AsyncGenerator[Any, None], first: float, what: str) -> AsyncGenerator[Any, None]:
    """The pieces of a reply or a sentence, each in its time."""
    limit = first
    async with aclosing(stream):
        while True:
            async with within(limit, what):
                try:
                    piece = await anext(stream)
                except StopAsyncIteration:
                    return
            yield piece
            limit, what = GAP, "the next piece"


def _spoken(tts: Any, sentence: str, before: str = "") -> AsyncGenerator[Any, None]:
    return _timely(tts.speak(sentence, before), FIRST_SOUND, "the first sound")


def _replied(llm: Any) -> AsyncGenerator[Any, None]:
    return _timely(llm.reply(MESSAGES, [TOOL]), FIRST_TOKEN, "the first word")


def make(record: Provider, options: Any) -> Any:
    """What serves one call."""
    made = record.make(options)
    return made(Brief("Be brief.", SENTENCES[0])) if record.part == "realtime" else made


async def use(record: Provider, made: Any) -> ExerciseResult:
    """Use it once. Raises `agent.errors.ProviderError` or `NonconformingError`."""
    try:
        return await _USES[record.part](made)
    except ExceptionGroup as group:  # that of `_sending`
        raise group.exceptions[0] from None


async def _stt(stt: Any) -> ExerciseResult:
    await opened(stt)
    async with _sending(stt):
        async for event in stt.events():
            if isinstance(event, Transcript) and event.final and event.text.strip():
                return ExerciseResult(event.text, times=len(event.words))
        raise NonconformingError(ENDED)
    return ExerciseResult(done=False)


async def _realtime(realtime: Any) -> ExerciseResult:
    sound = b""
    await opened(realtime)
    async with _sending(realtime):
        async for event in realtime.events():
            if isinstance(event, ReplyAudio):
                sound += event.ulaw
            if isinstance(event, ReplyEnded):
                return ExerciseResult(sound=sound, done=event.complete)
        raise NonconformingError(ENDED)
    return ExerciseResult(sound=sound, done=False)


async def _tts(tts: Any) -> ExerciseResult:
    sound, times = b"", 0
    await opened(tts)
    for at, sentence in enumerate(SENTENCES):
        async with aclosing(_spoken(tts, sentence, " ".join(SENTENCES[:at]))) as stream:
            async for piece in stream:
                if isinstance(piece, WordTime):
                    times += 1
                elif isinstance(piece, bytes):
                    sound += piece
    return ExerciseResult(sound=sound, times=times)


async def _llm(llm: Any) -> ExerciseResult:
    """A reply in words that calls a tool."""
    text, calls = "", list[tuple[str, str]]()
    async with aclosing(_replied(llm)) as stream:
        async for piece in stream:
            text += getattr(piece, "delta", "")
            if isinstance(piece, ToolCall):
                calls.append((piece.name, _whole(piece)))
    return ExerciseResult(text, calls=tuple(calls))


def _whole(call: ToolCall) -> str:
    """Its arguments. A conversation may act on a call at once, so whatever happens after it, it has to be whole."""
    try:
        given = json.loads(call.arguments)
    except ValueError:
        given = None
    if call.name != TOOL["function"]["name"] or not isinstance(given, dict) or "order_number" not in given:
        raise NonconformingError(f"it passes on half a tool call: {call.name}({call.arguments[:200]})")
    return json.dumps(given)


_USES: dict[str, Callable[[Any], Awaitable[ExerciseResult]]] = {
    "stt": _stt,
    "tts": _tts,
    "llm": _llm,
    "realtime": _realtime,
}


async def begin(record: Provider, made: Any) -> Any:
    """Use it until its first result, and read no further: that which is to be closed, or None."""
    if record.part == "llm":
        stream = _replied(made)
    else:
        await opened(made)
        if record.part != "tts":
            for _ in range(SPEECH):
                made.send_audio(b"\xff" * PIECE)
                await asyncio.sleep(PIECE / SAMPLE_RATE)
            return None
        stream = _spoken(made, SENTENCES[0])
    await anext(stream, None)
    return stream


async def interrupted(tts: Any) -> bytes:
    """Stop the first sentence at its first sound; the sound of the second one."""
    await opened(tts)
    async with aclosing(_spoken(tts, SENTENCES[0])) as stream:
        await anext(stream, None)
    return await said(tts)


async def said(tts: Any) -> bytes:
    """The sound of the second sentence."""
    return b"".join([piece async for piece in sound_alone(_spoken(tts, SENTENCES[1]))])


@contextlib.asynccontextmanager
async def _sending(made: Any) -> AsyncIterator[None]:
    """A caller speaks and falls silent; after that nobody waits any longer."""
    noise = random.Random(1)

    async def speak() -> None:
        for at in range(SPEECH + SILENCE):
            made.send_audio(noise.randbytes(PIECE) if at < SPEECH else b"\xff" * PIECE)
            await asyncio.sleep(PIECE / SAMPLE_RATE)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HEARD), asyncio.TaskGroup() as group:
            speaking = group.create_task(speak())
            yield
            speaking.cancel()
