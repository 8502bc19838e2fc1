# mypy: disable-error-code="union-attr"
"""Each check of the conformance kit finds what it is there for, in a provider that does it wrong."""

import asyncio
import contextlib
import random
import urllib.parse
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.extra import ProviderOptions
from agent.providers.provider import Provider
from sipgw.tools.conformance.checks import CHECKS
from sipgw.tools.conformance.exercises import SENTENCES, NonconformingError
from sipgw.tools.conformance.proxy import ConnectionFault
from sipgw.tools.conformance.trials import Trial

KEY = "the-key-of-the-test"
ANSWERED = 3.0
"""Seconds that the voice waits for an answer, on the kit's loop."""
LINES = 5
"""Pieces of sound of a sentence."""


@dataclass(frozen=True)
class Options(ProviderOptions):
    url: str = "http://voice.example"
    voice_id: str = ""


class Voice:
    """A voice by lines: it sends its key and sentences, and gets pieces of sound. `faults` are what it does wrong."""

    name = "example"

    def __init__(self, options: Options, *faults: str) -> None:
        self._options, self._faults = options, faults
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._kept: list[bytes] = []

    def _error(self, problem: str, *, temporary: bool = True) -> ProviderError:
        if "tells its key" in self._faults:
            problem += self._options.api_key
        return ProviderError(self.name, problem, temporary=temporary)

    async def open(self) -> None:
        url = urllib.parse.urlsplit(self._options.url)
        try:
            self._reader, self._writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 16)
        except OSError as error:
            if "raises OSError" in self._faults:
                raise
            raise self._error(f"no connection: {error}") from None
        self._writer.write(f"{self._options.api_key}\n".encode())
        if await self._line() != b"ok\n":
            if "takes refusals for passing" in self._faults:
                raise self._error("refused")
            raise self._error("refused", temporary=False)
        if "leaves a task" in self._faults:
            self._tasks.append(asyncio.get_running_loop().create_task(asyncio.sleep(1e6)))

    async def _hoard(self) -> None:
        while data := await self._reader.read(1 << 16):
            self._kept.append(data)

    async def _line(self, limit: float = ANSWERED) -> bytes:
        try:
            async with asyncio.timeout(None if "waits for ever" in self._faults else limit):
                line = await self._reader.readline()
        except TimeoutError:
            raise self._error("silent") from None
        except (OSError, ValueError) as error:
            if "raises OSError" in self._faults:
                raise
            raise self._error(f"lost: {error}") from None
        except asyncio.CancelledError:
            if "swallows its cancellation" not in self._faults:
                raise
            await asyncio.sleep(1e6)
        if not line.endswith(b"\n"):
            raise self._error("closed")
        return line

    async def speak(self, text: str, before: str = "") -> AsyncIterator[bytes]:
        self._writer.write(f"{text}\n".encode())
        if "fails a second sentence" in self._faults and text == SENTENCES[1]:
            raise self._error(f"busy {id(self)}")
        if "never sounds alike" in self._faults:
            yield random.randbytes(400)
        if "hoards" in self._faults:
            self._tasks.append(asyncio.get_running_loop().create_task(self._hoard()))
            yield b""
        left = LINES
        try:
            while left:
                try:
                    line = await self._line(10 * ANSWERED if "is patient" in self._faults else ANSWERED)
                except ProviderError:
                    if "takes what came for all" in self._faults:
                        return
                    raise
                left -= 1
                if "is mute" not in self._faults:
                    yield line * 100
        finally:
            if left and "lets old sound stand" not in self._faults:
                self._writer.transport.abort()
                with contextlib.suppress(ProviderError, OSError):
                    await self.open()

    async def close(self) -> None:
        if "closes slowly" in self._faults:
            await asyncio.sleep(10)
        for task in self._tasks if "leaves a task" not in self._faults else ():
            task.cancel()
        if self._writer and "leaves a connection" not in self._faults:
            self._writer.transport.abort()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[dict[str, Any]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if (await reader.readline()).decode().strip() == KEY:
                writer.write(b"ok\n")
                while text := await reader.readline():
                    for at in range(LINES):
                        writer.write(b"%d %s" % (at, text))
                        await writer.drain()
                        await asyncio.sleep(0.1)
            writer.write(b"no\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "api_key": KEY}
    finally:
        server.close()


def record(*faults: str, **more: Any) -> Provider:
    return replace(Provider("example", "tts", Options, lambda options: Voice(options, *faults)), **more)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_a_provider_that_does_it_right_passes(check: str) -> None:
    CHECKS[check](Trial(record(), serving))


@dataclass(frozen=True)
class Shown(Options):
    api_key: str = ""
    more: str = field(default="", repr=False)


def bears(fault: ConnectionFault) -> str:
    return f"bears a connection that is {fault.value}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "provider", "says"),
    [
        ("describes itself", record(options=Shown), "'api_key' is a secret"),
        ("describes itself", record(redacts=lambda _: {"cards": "pci"}), "no option `redact`"),
        ("works", record("is mute"), "no sound came"),
        ("works", record(word_times=lambda _: True), "no time of a word came"),
        ("refuses wrong keys", record("takes refusals for passing"), "temporary=False"),
        ("refuses wrong keys", record("tells its key"), "an error holds a secret"),
        ("bears no server", record("raises OSError"), "ConnectionRefusedError"),
        (bears(ConnectionFault.CUT), record("raises OSError"), "after 0 pieces of the server: ConnectionResetError"),
        (bears(ConnectionFault.CUT), record("takes what came for all"), "bytes of sound for the whole"),
        (bears(ConnectionFault.STALL), record("takes what came for all"), "bytes of sound for the whole"),
        (bears(ConnectionFault.CUT), record("leaves a connection"), "a connection is still open after close"),
        (bears(ConnectionFault.CLOSE), record("leaves a task"), "tasks are left over"),
        (
            bears(ConnectionFault.STALL),
            record("waits for ever"),
            "within 5 s, as long as a call waits for an open session",
        ),
        (bears(ConnectionFault.STALL), record("is patient"), "within 4 s, as long as a call waits for the first sound"),
        (bears(ConnectionFault.GARBLE), record("closes slowly"), "close takes longer than 5 s"),
        ("can be cancelled", record("swallows its cancellation"), "neither done nor failed"),
        ("bounds what comes", record("hoards"), "bytes that nobody reads"),
        ("tells no stale sound", record("lets old sound stand"), "sounds otherwise"),
        ("tells no stale sound", record("never sounds alike"), "not the same each time"),
        ("tells no stale sound", record("fails a second sentence"), "it fails with a server that serves it"),
    ],
)
def test_a_provider_that_does_it_wrong_is_found_out(check: str, provider: Provider, says: str) -> None:
    with pytest.raises((NonconformingError, OSError)) as caught:
        CHECKS[check](Trial(provider, serving))
    assert says in f"{type(caught.value).__name__}: {caught.value}"


class Hoarder:
    """STT that keeps whatever it is given."""

    name, ends_turns = "hoarder", True

    def __init__(self, options: Options) -> None:
        self._kept: list[bytes] = []

    async def open(self) -> None:
        pass

    def send_audio(self, ulaw: bytes) -> None:
        self._kept.append(bytes(bytearray(ulaw)))

    async def close(self) -> None:
        pass


@pytest.mark.slow
def test_stt_that_hoards_sound_is_found_out() -> None:
    hoarder: Callable[[Any], Any] = Hoarder
    with pytest.raises(NonconformingError, match="for a server that does not read"):
        CHECKS["bounds what waits"](Trial(record(part="stt", make=hoarder, ends_turns=lambda _: True), serving))
