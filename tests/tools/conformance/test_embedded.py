"""The embedded providers pass the conformance kit, with real speech; and it finds out one that does it wrong."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.local import host
from agent.providers.local.providers import LLM, STT, TTS
from agent.providers.provider import Provider
from agent.stt import Transcript
from sipgw.config.registry import every
from sipgw.tools.conformance import embedded
from sipgw.tools.conformance.embedded import CHECKS, EmbeddedTrial, Fresh, SpokenSample
from sipgw.tools.conformance.exercises import SENTENCES, ExerciseResult, NonconformingError
from tests.fakes.servers import speech_of
from tests.waiting import HANG

LIMIT = host.ANSWER_LIMIT
SILENT = 25.0
"""Seconds after which a voice takes its process for silent, on the kit's loop."""


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("record", [STT, LLM, TTS], ids=["stt", "llm", "tts"])
def test_our_embedded_providers_conform(record: Provider, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if check == "bears a process that is silent":
        monkeypatch.setattr(host, "ANSWER_LIMIT", LIMIT)  # tests/conftest.py has made it as long as a hang
    CHECKS[check](EmbeddedTrial(record, speech_of(record)))


@pytest.mark.slow
def test_the_embedded_voice_is_understood_by_the_embedded_stt() -> None:
    said: list[ExerciseResult] = []

    async def speak(fresh: Fresh) -> None:
        said.append(await voice.use(fresh()))

    voice = EmbeddedTrial(TTS, {})
    voice.run(speak)
    CHECKS["knows its languages"](EmbeddedTrial(STT, {"en": SpokenSample(said[0].sound, " ".join(SENTENCES))}))


@pytest.mark.slow
def test_the_command_tries_every_name_of_the_registry() -> None:
    names = [f"--sipgw-provider={record.part}:{record.name}" for record in every()]
    command = (sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *names)
    ran = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=HANG, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for part in ("stt", "llm", "tts"):
        assert f"{part}:local works" in ran.stdout


@dataclass(frozen=True)
class Options:
    """It has none."""


class Voice:
    """A voice in this process. `faults` are what it does wrong."""

    name = "wrong"

    def __init__(self, *faults: str) -> None:
        self._faults, self._left = faults, b""

    async def open(self) -> None:
        if "leaves a task" in self._faults:
            asyncio.get_running_loop().create_task(asyncio.Event().wait())
        if "leaves a process" in self._faults:
            await asyncio.create_subprocess_exec("sleep", "60")

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        kept, self._left = self._left, b""
        if "is late" in self._faults:
            await asyncio.Event().wait()
        sound = kept + b"".join(bytes([len(word)]) * 3000 for word in text.split())
        for at in range(0, len(sound), 1000):
            if "lets old sound stand" in self._faults:
                self._left = sound[at : at + 2000]
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                if "takes its cancellation for a loss" in self._faults:
                    raise ProviderError(self.name, "lost") from None
                if "swallows its cancellation" not in self._faults:
                    raise
            yield b"" if "is mute" in self._faults else sound[at : at + (10 if "is quick" in self._faults else 1000)]
        self._left = b""

    async def close(self) -> None:
        """Nothing is open."""


class Piped(Voice):
    """A voice whose sound a process makes, one for each sentence."""

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        makes = "for one in 1 2 3 4 5 6 7 8; do printf %02000d 0; sleep 0.05; done"
        process = await asyncio.create_subprocess_exec("sh", "-c", makes, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SILENT):
                while piece := await process.stdout.read(1000):
                    yield piece
                if await process.wait() and "takes any end for its own" not in self._faults:
                    raise ProviderError(self.name, "its process died")
        except TimeoutError:
            if "takes silence for its end" not in self._faults:
                raise ProviderError(self.name, "its process is silent") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class Hearing:
    """STT in this process that hears what it likes."""

    name, ends_turns = "wrong", True

    def __init__(self, *faults: str) -> None:
        self._faults, self._kept = faults, list[bytes]()

    async def open(self) -> None:
        """Nothing to do."""

    def send_audio(self, ulaw: bytes) -> None:
        if "hoards" in self._faults:
            self._kept.append(bytes(bytearray(ulaw)))

    async def events(self) -> AsyncIterator[Transcript]:
        text = "go forward ten meters" if "mishears" not in self._faults else "no for tea"
        yield Transcript(text, final=True, eager=False, end=1e6)

    async def close(self) -> None:
        """Nothing is open."""


def trial(part: Any, *faults: str) -> EmbeddedTrial:
    maker = {"tts": Voice, "stt": Hearing, "piped": Piped}[part]
    record = Provider(
        "wrong",
        "tts" if part == "piped" else part,
        Options,
        lambda _: maker(*faults),
        required=(),
        embedded="nothing",
        languages=lambda _: ("en",),
    )
    speech = {} if "has no speech" in faults else {"en": SpokenSample(b"\xff" * 8000, "go forward ten meters")}
    return EmbeddedTrial(record, speech)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["tts", "stt", "piped"])
@pytest.mark.parametrize("check", [one for one in CHECKS if one != "describes itself"])
def test_an_embedded_provider_without_a_fault_passes(check: str, part: str) -> None:
    CHECKS[check](trial(part))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "fault", "check", "says"),
    [
        ("tts", "is mute", "works", "no sound came"),
        ("tts", "is quick", "knows its languages", "a word lasts"),
        ("tts", "leaves a task", "works", "tasks are left over"),
        ("tts", "leaves a process", "works", "processes are left over"),
        ("tts", "is late", "works", "neither done nor failed within 1 s"),
        ("tts", "swallows its cancellation", "can be cancelled", "does not pass that on"),
        ("tts", "takes its cancellation for a loss", "can be cancelled", "does not pass that on"),
        ("piped", "takes any end for its own", "bears a process that is killed", "halfway: it takes"),
        ("piped", "takes silence for its end", "bears a process that is silent", "halfway: it takes"),
        ("tts", "lets old sound stand", "tells no stale sound", "sounds otherwise"),
        ("stt", "mishears", "knows its languages", "it hears 'no for tea'"),
        ("stt", "has no speech", "knows its languages", "gives no speech in 'en'"),
        ("stt", "hoards", "bounds what waits", "bytes for a process that does not read"),
    ],
)
def test_an_embedded_provider_with_a_fault_is_refused(
    part: str, fault: str, check: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "is late":
        monkeypatch.setattr(embedded, "LIMIT", 1.0)
    with pytest.raises(NonconformingError) as caught:
        CHECKS[check](trial(part, fault))
    assert says in str(caught.value)


def test_a_thread_that_ends_while_processes_are_counted_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Path("/proc/self/task/0/children")
    monkeypatch.setattr(Path, "glob", lambda *_: [gone, Path(f"/proc/self/task/{os.getpid()}/children")])
    assert os.getpid() not in embedded._children()
