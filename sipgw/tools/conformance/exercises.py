"""Uses a provider of each part, from `open` to its result, as a call uses it."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from enum import Enum
from typing import Any, NamedTuple

from agent.history import INTERRUPTED, History, Sentence
from agent.limits import FIRST_SOUND, FIRST_TOKEN, GAP, OPEN
from agent.line import SAMPLE_RATE
from agent.llm import Message, Text, ToolCall, ToolSchema
from agent.providers.provider import Provider
from agent.realtime import Brief, ReplyAudio, ReplyEnded, exactly
from agent.stt import Transcript
from agent.tts import WordTime, sound_alone

SENTENCES = ("Hello, this is the first sentence.", "And this is the second.")
PIECE = SAMPLE_RATE // 10
"""Bytes of sound that are sent at a time (100 ms)."""
SPEECH = 40
"""Pieces of sound of a caller's speech, before the caller is silent: 4 s."""
HEARD = 15.0
"""Seconds to wait for the words that the provider recognises."""
AGAIN, GONE_ON = 25.0, 2.0
"""Seconds of sound after which a caller speaks again while a tool runs, and seconds of this speech."""
MARGIN = 0.5
"""Seconds that a provider may exceed the limits of a call (`agent.limits`), because its own limits may be equal."""
PROMPT, QUESTION = "Be brief.", "Where is my order 7346?"
MESSAGES: list[Message] = [{"role": "system", "content": PROMPT}, {"role": "user", "content": QUESTION}]
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
RESULT, FAILURE = '{"status": "shipped"}', '{"error": "it failed (KeyError)"}'
"""The result of the tool, and the message of a tool that raises."""
ENDED = "its events end before `close`, and without a `ProviderError`"


class Given(Enum):
    """When and how the provider gets the result of a tool."""

    AT_ONCE = "that comes at once"
    FAILED = "that says that the tool has failed"
    LATE = "that comes late"
    INTERRUPTED = "of a tool into which the caller has gone on"


GIVEN_AT = {Given.AT_ONCE: 0.0, Given.FAILED: 0.0, Given.LATE: 14.0, Given.INTERRUPTED: AGAIN + GONE_ON}
"""Seconds from the beginning until a session gets the result, or as soon as it has called the tool after that."""
FILLED = 2.0
"""Seconds of a slow tool after which the session is asked to say that the tool takes a moment."""


class NonconformingError(Exception):
    """The provider does something that a call cannot use; the text is a clause that says what."""


class ExerciseResult(NamedTuple):
    """The outcome of an exercise."""

    text: str = ""
    sound: bytes = b""
    times: int = 0
    """Number of words whose times the provider gave."""
    calls: tuple[tuple[str, str], ...] = ()
    """The tool calls: names and arguments (JSON)."""
    done: bool = True
    """Whether the provider reported the end. If not, the exercise stopped waiting, or the provider reported that a
    reply broke off."""

    def lacks(self, whole: "ExerciseResult") -> bool:
        """Whether the provider reported the end, although words or calls differ from `whole`, or sound is missing."""
        told = (self.text, self.calls) != (whole.text, whole.calls)
        return self.done and (told or len(self.sound) < len(whole.sound))


@contextlib.asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises `NonconformingError` if the block takes longer than `seconds`, as long as a call waits for `what`."""
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
    """Call `open` of a provider, with the time limit of a call."""
    async with within(OPEN, "an open session"):
        await made.open()


async def _timely(stream: AsyncGenerator[Any, None], first: float, what: str) -> AsyncGenerator[Any, None]:
    """The pieces of a reply or a sentence. Raises `NonconformingError` if a piece is too late for a call."""
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


def _reply(llm: Any, messages: list[Message]) -> AsyncGenerator[Any, None]:
    return _timely(llm.reply(messages, [TOOL]), FIRST_TOKEN, "the first word")


def make(record: Provider, options: Any) -> Any:
    """Make the provider for one call."""
    made = record.make(options)
    return made(Brief(PROMPT, SENTENCES[0], [TOOL])) if record.part == "realtime" else made


async def use(record: Provider, made: Any, called: Callable[[], object] = lambda: None) -> ExerciseResult:
    """Use the provider `made` once; `called` is called when a session calls its tool. Raises
    `agent.errors.ProviderError` or `NonconformingError`."""
    try:
        return await (_conversed(made, called=called) if record.part == "realtime" else _USES[record.part](made))
    except ExceptionGroup as group:  # the time limit of `_sending`
        raise group.exceptions[0] from None


async def told(record: Provider, given: Given, made: Any) -> ExerciseResult:
    """Let the provider call the tool, and give it the result. Raises as `use` does."""
    try:
        return await (answered if record.part == "llm" else _conversed)(made, given)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _stt(stt: Any) -> ExerciseResult:
    await opened(stt)
    async with _sending(stt):
        async for event in stt.events():
            if isinstance(event, Transcript) and event.final and event.text.strip():
                return ExerciseResult(event.text, times=len(event.words))
        raise NonconformingError(ENDED)
    return ExerciseResult(done=False)


async def _conversed(
    realtime: Any, given: Given = Given.AT_ONCE, called: Callable[[], object] = lambda: None
) -> ExerciseResult:
    """The caller asks, the session calls the tool, and it says something when it has the result. Returns all of
    that."""
    sound, calls, before, after = b"", dict[str, ToolCall](), set[str](), set[str]()
    results = 0
    await opened(realtime)
    began = asyncio.get_running_loop().time()

    async def run(call: ToolCall) -> None:
        nonlocal results
        if given is Given.LATE:
            await asyncio.sleep(FILLED)
            realtime.prompt(exactly(SENTENCES[1]), aside=True)
        await asyncio.sleep(began + GIVEN_AT[given] - asyncio.get_running_loop().time())
        failed = given is Given.FAILED
        realtime.answer(call.id, FAILURE if failed else RESULT, failed=failed)
        results += 1

    async with _sending(realtime, again=given is Given.INTERRUPTED, until=HEARD + GIVEN_AT[given]) as spawn:
        async for event in realtime.events():
            match event:
                case ReplyAudio(reply, ulaw):
                    sound += ulaw
                    (before if not results or reply in before else after).add(reply)
                case ToolCall():
                    if event.id in calls:
                        raise NonconformingError(f"it passes on the call {event.id!r} twice")
                    calls[event.id] = event
                    _whole([event])
                    called()
                    spawn(run(event))
                case ReplyEnded(reply, complete) if complete and results and reply not in before:
                    if reply not in after:
                        raise NonconformingError(f"it says nothing of a result {given.value}")
                    return ExerciseResult(sound=sound, calls=_whole(calls.values()))
        raise NonconformingError(ENDED)
    return ExerciseResult(sound=sound, calls=_whole(calls.values()), done=False)


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


async def answered(
    llm: Any, given: Given = Given.AT_ONCE, called: Callable[[], object] = lambda: None
) -> ExerciseResult:
    """The outcome of two replies: the first calls the tool, the second tells its result. The messages are those of a
    call. `called` is called between the two.
    """
    history = History(PROMPT)
    history.ask(QUESTION)
    if given is Given.INTERRUPTED:  # and then a reply of which the caller hears nothing
        async with aclosing(_reply(llm, history.messages())) as stream:
            await anext(stream, None)
    text, calls = await _said(llm, history)
    if not calls:
        return ExerciseResult(text)
    said = history.say()
    said.sentences, said.calls = [Sentence(1, text)] if text else [], calls
    called()
    match given:
        case Given.AT_ONCE | Given.FAILED:
            said.results[calls[0].id] = FAILURE if given is Given.FAILED else RESULT
        case Given.INTERRUPTED:
            said.results[calls[0].id] = INTERRUPTED
            history.ask("Wait. Can you help me at all?")
        case Given.LATE:  # until then the messages say that the tool is still running
            history.ask("Are you still there?")
            history.say().sentences.append(Sentence(2, (await _said(llm, history))[0]))
            history.recall(calls[0], RESULT)
    result, _ = await _said(llm, history)
    if not result.strip():
        raise NonconformingError(f"it says nothing of a result {given.value}")
    return ExerciseResult(text + result, calls=_whole(calls))


async def _replied(llm: Any) -> ExerciseResult:
    history = History(PROMPT)
    history.ask(QUESTION)
    text, calls = await _said(llm, history)
    return ExerciseResult(text, calls=_whole(calls))


async def _said(llm: Any, history: History) -> tuple[str, list[ToolCall]]:
    """The words and the tool calls of a reply."""
    text, calls = "", list[ToolCall]()
    async with aclosing(_reply(llm, history.messages())) as stream:
        async for piece in stream:
            text += piece.delta if isinstance(piece, Text) else ""
            if isinstance(piece, ToolCall):
                calls.append(piece)
                _whole(calls)
    if len({call.id for call in calls}) < len(calls):
        raise NonconformingError(f"it passes on two calls of one id: {', '.join(call.id for call in calls)}")
    return text, calls


def _whole(calls: Iterable[ToolCall]) -> tuple[tuple[str, str], ...]:
    """Names and arguments of `calls`. Raises `NonconformingError` for an incomplete call: a conversation may carry out
    a call at once."""
    found = []
    for call in calls:
        try:
            given = json.loads(call.arguments)
        except ValueError:
            given = None
        if call.name != TOOL["function"]["name"] or not isinstance(given, dict) or "order_number" not in given:
            raise NonconformingError(f"it passes on half a tool call: {call.name}({call.arguments[:200]})")
        found.append((call.name, json.dumps(given)))
    return tuple(found)


_USES: dict[str, Callable[[Any], Awaitable[ExerciseResult]]] = {
    "stt": _stt,
    "tts": _tts,
    "llm": _replied,
}


async def begin(record: Provider, made: Any) -> Any:
    """Use the provider until its first result, and read no further. Returns the stream to close, or None."""
    if record.part == "llm":
        stream = _reply(made, MESSAGES)
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
    """Stop the first sentence at its first sound. Returns the sound of the second sentence."""
    await opened(tts)
    async with aclosing(_spoken(tts, SENTENCES[0])) as stream:
        await anext(stream, None)
    return await said(tts)


async def said(tts: Any) -> bytes:
    """Returns the sound of the second sentence."""
    return b"".join([piece async for piece in sound_alone(_spoken(tts, SENTENCES[1]))])


@contextlib.asynccontextmanager
async def _sending(
    made: Any, *, again: bool = False, until: float = HEARD
) -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], object]]:
    """Send the sound of a caller who speaks, is silent, perhaps speaks `again`, and waits until second `until`. Gives a
    function that starts other work beside it."""
    noise = random.Random(1)

    async def speak() -> None:
        for at in range(round(until * SAMPLE_RATE / PIECE)):
            second = at * PIECE / SAMPLE_RATE
            speaks = at < SPEECH or (again and AGAIN <= second < AGAIN + GONE_ON)
            made.send_audio(noise.randbytes(PIECE) if speaks else b"\xff" * PIECE)
            await asyncio.sleep(PIECE / SAMPLE_RATE)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(until), asyncio.TaskGroup() as group:
            begun = [group.create_task(speak())]
            yield lambda work: begun.append(group.create_task(work))
            for task in begun:
                task.cancel()
