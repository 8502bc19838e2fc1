"""The conformance kit refuses models, STT and speech to speech that do what callers would hear; one fault in each."""

import asyncio
import contextlib
import itertools
import json
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.llm import Text, ToolCall
from agent.providers.extra import ProviderOptions
from agent.providers.provider import Provider
from agent.realtime import ReplyAudio, ReplyEnded
from agent.stt import Transcript
from sipgw.tools.conformance import trials
from sipgw.tools.conformance.checks import CHECKS
from sipgw.tools.conformance.exercises import SPEECH, NonconformingError
from sipgw.tools.conformance.proxy import ConnectionFault
from sipgw.tools.conformance.trials import Server, Trial

KEY = "the-key-of-the-test"
ANSWERED = 3.0
"""Seconds that an answer is waited for, on the kit's loop."""
BACKLOG = 40_000
"""Bytes of sound that wait for the server."""
ASKED = 10_000
"""Bytes of sound after which the server has heard what it hears."""
WORDS = ["It ", "is ", "on ", "its ", "way."]
CALLED = ["get_order_status", '{"order_number"', ": ", '"7346"', "}"]
"""The tool that is called, with its arguments: by a model after the words."""
TOLD = b"!told!"
"""Before the result of a tool, amid the sound."""


@dataclass(frozen=True)
class Options(ProviderOptions):
    url: str = "http://service.example"
    token: str = field(default="", repr=False)


class Service:
    """A connection by lines: a key, then words as ``+word`` and an empty line after the last one."""

    name, ends_turns = "example", True

    def __init__(self, options: Options, *faults: str) -> None:
        self._options, self._faults = options, faults
        self._reader: Any = None
        self._writer: Any = None
        self._over = False

    async def open(self) -> None:
        url = urllib.parse.urlsplit(self._options.url)
        try:
            self._reader, self._writer = await asyncio.open_connection(url.hostname, url.port)
        except OSError as error:
            raise ProviderError(self.name, f"no connection: {error}") from None
        self._writer.write(f"{self._options.token}\n".encode())
        if await self._line(ANSWERED) != b"+ok\n" and "takes any key" not in self._faults:
            raise ProviderError(self.name, "refused", temporary=False)

    async def _line(self, limit: float | None = None) -> bytes:
        """A line. Empty, if the connection has ended and that is the fault."""
        try:
            async with asyncio.timeout(limit):
                line: bytes = await self._reader.readline()
        except (OSError, ValueError, TimeoutError) as error:
            line = b""
            if isinstance(error, TimeoutError):
                raise ProviderError(self.name, "silent") from None
        if not line.endswith(b"\n"):
            if "takes any end for its own" in self._faults:
                self._over = True
                return b""
            raise ProviderError(self.name, "lost")
        if line != b"\n" and not line.startswith(b"+") and "takes nonsense for words" not in self._faults:
            raise ProviderError(self.name, "sent nonsense")
        return line

    async def words(self, limit: float | None = None) -> AsyncIterator[str]:
        try:
            while (line := await self._line(limit)).strip():
                yield line.decode(errors="replace")[1:-1]
        except asyncio.CancelledError:
            if "takes its cancellation for the end" in self._faults:
                self._over = True
                return
            if "takes its cancellation for a loss" in self._faults:
                raise ProviderError(self.name, "lost") from None
            raise

    async def close(self) -> None:
        if self._writer:
            self._writer.transport.abort()


class Model(Service):
    """One connection for each reply."""

    async def reply(self, messages: Any, tools: Any) -> AsyncIterator[Text | ToolCall]:
        name, arguments = "", ""
        results = [json.loads(one["content"]) for one in messages if one["role"] == "tool"]
        if "fails at failures" in self._faults and any("error" in one for one in results):
            raise ProviderError(self.name, "refused the messages", temporary=False)
        if "says nothing of results" in self._faults and results:
            return
        try:
            await self.open()
            async for word in self.words(10 * ANSWERED if "is patient" in self._faults else ANSWERED):
                if name or word == CALLED[0]:
                    name, arguments = CALLED[0], arguments + word * bool(name)
                else:
                    yield Text(word)
        except ProviderError:
            if name and "calls by halves" in self._faults:
                yield ToolCall("1", name, arguments)
            raise
        finally:
            await self.close()
        if arguments == "".join(CALLED[1:]) and "hides tools" not in self._faults:
            yield ToolCall("1", name, arguments)
            if "calls twice" in self._faults:
                yield ToolCall("1", name, arguments)


class Hearing(Service):
    """It hears by `send_audio`, and each line is an event."""

    def __init__(self, options: Options, *faults: str) -> None:
        super().__init__(options, *faults)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None

    def send_audio(self, ulaw: bytes) -> None:
        full = self._writer.transport.get_write_buffer_size() > BACKLOG
        if "sleeps" in self._faults:
            time.sleep(0.002)
        if "sleeps long" in self._faults:
            time.sleep(0.1)
        if "waits for ever" in self._faults and full:
            threading.Event().wait()
        if "queues without a bound" in self._faults:
            self._sending = self._sending or asyncio.get_running_loop().create_task(self._send())
            self._queue.put_nowait(bytes(bytearray(ulaw)))
        elif not full:
            self._writer.write(ulaw)

    async def _send(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._writer.write(await self._queue.get())
                await self._writer.drain()

    async def close(self) -> None:
        if self._sending:
            self._sending.cancel()
        await super().close()


class Stt(Hearing):
    async def events(self) -> AsyncIterator[Transcript]:
        text = "".join([word async for word in self.words()])
        if text or "takes any end for its own" not in self._faults:
            yield Transcript(text, final=True, eager=False, end=1.0)


class Realtime(Hearing):
    """Each answer of the server ends with an empty line: first a call of the tool, then words."""

    def __init__(self, options: Options, *faults: str) -> None:
        super().__init__(options, *faults)
        self._asides = self._loud = 0

    def send_audio(self, ulaw: bytes) -> None:
        self._loud += ulaw.strip(b"\xff") != b""
        super().send_audio(ulaw)

    async def events(self) -> AsyncIterator[ToolCall | ReplyAudio | ReplyEnded]:
        for reply in itertools.count():
            words = [word async for word in self.words()]
            if self._over and "takes its cancellation for the end" in self._faults:
                await asyncio.Event().wait()
            if words[:1] == CALLED[:1]:
                for _ in range(1 + ("calls twice" in self._faults) - ("hides tools" in self._faults)):
                    yield ToolCall("1", CALLED[0], "".join(words[1:]))
                continue
            for word in words:
                yield ReplyAudio(str(reply), word.encode() * 200)
            yield ReplyEnded(str(reply), complete=True)
            if self._over:
                await asyncio.Event().wait()

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        if failed and "fails at failures" in self._faults:
            raise ProviderError(self.name, "has no result")
        if self._asides and "forgets its tools" in self._faults:
            return
        if self._loud > SPEECH and "is mute after interruptions" in self._faults:
            return
        self._writer.write(TOLD)

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        self._asides += 1


def serving(part: str) -> Server:
    """A server that answers: a model at once, STT and speech to speech after some sound, and again after a result."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if (await reader.readline()).decode().strip() == KEY:
                writer.write(b"+ok\n")
                if part != "llm":
                    await reader.readexactly(ASKED)
                if part == "realtime":
                    await _write(writer, CALLED)
                    await reader.readuntil(TOLD)
                await _write(writer, WORDS + CALLED if part == "llm" else WORDS)
                await reader.read()
            writer.write(b"+no\n")
        writer.close()

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[dict[str, Any]]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20) as found:
            yield {"url": f"http://127.0.0.1:{found.sockets[0].getsockname()[1]}", "token": KEY}

    return server


async def _write(writer: asyncio.StreamWriter, words: list[str]) -> None:
    for line in [*(f"+{word}" for word in words), ""]:
        await asyncio.sleep(0.1)
        writer.write(f"{line}\n".encode())


MAKERS: dict[str, Callable[..., Any]] = {"llm": Model, "stt": Stt, "realtime": Realtime}


def trial(part: Any, *faults: str) -> Trial:
    def make(options: Options) -> Any:
        made = MAKERS[part](options, *faults)
        return (lambda brief: made) if part == "realtime" else made

    record = Provider("example", part, Options, make, required=("token",), ends_turns=lambda _: part == "stt")
    return Trial(record, serving(part))


@pytest.mark.slow
@pytest.mark.parametrize("part", MAKERS)
@pytest.mark.parametrize("check", CHECKS)
def test_a_provider_without_a_fault_passes(check: str, part: str) -> None:
    CHECKS[check](trial(part))


def bears(fault: ConnectionFault) -> str:
    return f"bears a connection that is {fault.value}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "fault", "check", "says"),
    [
        ("llm", "takes its cancellation for the end", "can be cancelled", "does not pass that on"),
        ("stt", "takes its cancellation for the end", "can be cancelled", "does not pass that on"),
        ("realtime", "takes its cancellation for the end", "can be cancelled", "does not pass that on"),
        ("llm", "takes its cancellation for a loss", "can be cancelled", "does not pass that on"),
        ("llm", "takes any end for its own", bears(ConnectionFault.CLOSE), "for the whole, 'It is on its way.'"),
        ("llm", "takes any end for its own", bears(ConnectionFault.CUT), "for the whole, 'It is on its way.'"),
        ("stt", "takes any end for its own", bears(ConnectionFault.CLOSE), "its events end before `close`"),
        ("stt", "takes any end for its own", bears(ConnectionFault.CUT), "its events end before `close`"),
        ("realtime", "takes any end for its own", bears(ConnectionFault.CLOSE), "half a tool call: get_order_status("),
        ("llm", "takes nonsense for words", bears(ConnectionFault.GARBLE), "for the whole, 'It is on its way.'"),
        ("stt", "takes nonsense for words", bears(ConnectionFault.GARBLE), "for the whole, 'It is on its way.'"),
        ("llm", "calls by halves", bears(ConnectionFault.CUT), "half a tool call: get_order_status("),
        ("llm", "calls by halves", bears(ConnectionFault.STALL), "half a tool call: get_order_status("),
        ("llm", "is patient", bears(ConnectionFault.STALL), "within 6 s, as long as a call waits for the first word"),
        ("llm", "hides tools", "works", "it called no tool"),
        ("realtime", "hides tools", "works", "it called no tool"),
        ("llm", "calls twice", "takes results of tools", "two calls of one id: 1, 1"),
        ("realtime", "calls twice", "takes results of tools", "the call '1' twice"),
        ("llm", "says nothing of results", "takes results of tools", "nothing of a result that comes at once"),
        ("llm", "fails at failures", "takes results of tools", "a result that says that the tool has failed: example:"),
        ("realtime", "fails at failures", "takes results of tools", "a result that says that the tool has failed: "),
        ("realtime", "forgets its tools", "takes results of tools", "it says nothing of a result that comes late"),
        ("realtime", "is mute after interruptions", "takes results of tools", "into which the caller has gone on"),
        ("llm", "takes any key", "refuses wrong keys", "a wrong token is no `ProviderError`"),
        ("stt", "takes any key", "refuses wrong keys", "a wrong token is no `ProviderError`"),
        ("stt", "sleeps", "bounds what waits", "send_audio blocks"),
        ("realtime", "sleeps", "bounds what waits", "send_audio blocks"),
        ("stt", "queues without a bound", "bounds what waits", "bytes for a server that does not read"),
        ("realtime", "queues without a bound", "bounds what waits", "bytes for a server that does not read"),
    ],
)
def test_a_provider_with_a_fault_is_refused(part: str, fault: str, check: str, says: str) -> None:
    with pytest.raises(NonconformingError) as caught:
        CHECKS[check](trial(part, fault))
    assert says in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says"),
    [("waits for ever", "it blocks the event loop for more than 1 s"), ("sleeps long", "send_audio blocks")],
)
def test_a_provider_that_blocks_does_not_hold_the_kit_up(
    fault: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "STUCK", 1.0)
    with pytest.raises(NonconformingError, match=says):
        CHECKS["bounds what waits"](trial("stt", fault))
