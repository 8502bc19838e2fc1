"""``python -m tests.bench.cascade [options of sipgw load]``: a load on the whole cascade, played by the strict fakes.

Over TLS. The fakes run in this process; what they take of the CPU is printed, since it is not the gateway's. Of that,
its own process and the media process are printed apart: the median of all seconds in which every call was up.
"""

import asyncio
import os
import resource
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import trustme

from agent.ulaw import level
from tests.fakes import assemblyai
from tests.fakes.assemblyai import FakeAssemblyAI, Said, Transcriber
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.http import HttpServer
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.websocket import SocketServer

LOUD = 100.0
QUIET_MS = 300.0
SPEECH = b"\x10\x90\x20\xa0" * 2400
"""1.2 s of a loud tone, in place of each sentence."""
CONFIG = """
[agent]
greeting = "Hello."
stt = "assemblyai"
llm = "openai"
tts = "elevenlabs"
[assemblyai]
api_key = "${AAI}"
url = "%s"
[openai]
api_key = "${OAI}"
url = "%s"
[elevenlabs]
api_key = "${XI}"
url = "%s"
"""


class Listening(Transcriber):
    """Hears when somebody speaks, instead of following a script made in advance."""

    def __init__(self, server: FakeAssemblyAI, session: assemblyai.Session, script: list[Said]) -> None:
        super().__init__(server, session, script)
        self._taken, self._speaks, self._until = 0, False, 0.0

    async def advance(self, ms: float) -> None:
        sound = bytes(self._session.audio[self._taken :])
        self._taken += len(sound)
        if level(sound) > LOUD:
            self._until = ms
            if not self._speaks:
                self._speaks = True
                self._script.append(Said("Where is my order?", round(ms - len(sound) / 8), round(ms)))
        if self._speaks:
            self._speaks = ms - self._until < QUIET_MS
            parts = self._turn.parts or self._script  # where it is as soon as the first of it has been heard
            parts[-1] = replace(parts[-1], end_ms=round(ms if self._speaks else self._until))
        await super().advance(ms)


def encrypted(folder: Path) -> Path:
    """Have all fakes speak TLS; returns the file of the authority that vouches for them."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    SocketServer.tls = HttpServer.tls = context
    return folder / "authority.pem"


def below(process: int) -> list[int]:
    """The processes that it has started, and those that these have."""
    found = [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return found + [further for number in found for further in below(number)]


def spent(process: int) -> float:
    """Seconds of CPU, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch(process: int, up: Callable[[], int], found: dict[str, list[float]]) -> None:
    """Note milliseconds of CPU for a call-second, every second in which the number of calls stays what it is."""
    before: tuple[int, float, dict[str, float]] = 0, 0.0, {}
    while True:
        await asyncio.sleep(1)
        calls, now, used = up(), time.monotonic(), {}
        for number in below(process):
            try:
                command = Path(f"/proc/{number}/cmdline").read_text()
                for name in ("sipgw.tools.load.host", "media.process.start"):
                    if name in command:
                        used[name] = spent(number)
            except OSError:
                continue
        if calls and calls == before[0]:
            for name in used.keys() & before[2].keys():
                found.setdefault(name, []).append((used[name] - before[2][name]) * 1000 / calls / (now - before[1]))
        before = calls, now, used


async def main() -> int:
    assemblyai.Transcriber = Listening  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        return await load(Path(folder))


async def load(folder: Path) -> int:
    authority = encrypted(folder)
    found: dict[str, list[float]] = {}
    async with (
        FakeAssemblyAI(key="aai") as stt,
        FakeOpenAI([Reply(text=["It is on ", "its way."])], key="sk") as llm,
        FakeElevenLabs(key="xi", delay=0.08, sound=lambda text: SPEECH) as tts,
    ):
        config = folder / "cascade.toml"
        config.write_text(CONFIG % (stt.url, llm.base_url, tts.url))
        environment = os.environ | {"AAI": "aai", "OAI": "sk", "XI": "xi", "SSL_CERT_FILE": str(authority)}
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sipgw", "load", "-c", str(config), *sys.argv[1:], env=environment
        )
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(process.pid, lambda: sum(not one.ended for one in stt.sessions), found))
            status = await process.wait()
            watching.cancel()
        after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"the fakes took {own:.1f} s of CPU in {took:.0f} s ({len(stt.sessions)} sessions of the STT)")
    for name, figures in sorted(found.items()):
        print(f"{name}: {statistics.median(figures):.2f} ms of CPU per call-second over {len(figures)} s")
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
