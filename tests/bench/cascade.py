"""``python -m tests.bench.cascade [options of sipgw load]``: a load on the whole cascade, played by the strict fakes.

The fakes run in this process; what they take of the CPU is printed, since it is not the gateway's.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from agent.ulaw import level
from tests.fakes import assemblyai
from tests.fakes.assemblyai import FakeAssemblyAI, Said, Transcriber
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai import FakeOpenAI, Reply

LOUD = 100.0
QUIET_MS = 300.0
SPEECH = b"\x10\x90\x20\xa0" * 2400
"""1.2 s of a loud tone, in place of each sentence."""
CONFIG = """
[agent]
greeting = "Hello."
ears = "assemblyai"
model = "openai"
voice = "elevenlabs"
[assemblyai]
api_key = "${AAI}"
url = "%s"
[openai]
api_key = "${OAI}"
base_url = "%s"
[elevenlabs]
api_key = "${XI}"
base_url = "%s"
"""


class Listening(Transcriber):
    """Hears when somebody speaks, instead of following a script made in advance."""

    def __init__(self, server: FakeAssemblyAI, session: assemblyai.Session, script: list[Said]) -> None:
        super().__init__(server, session, script)
        self._taken, self._began, self._until = 0, None, 0.0

    async def advance(self, ms: float) -> None:
        sound = bytes(self._session.audio[self._taken :])
        self._taken += len(sound)
        if level(sound) > LOUD:
            self._began = ms - len(sound) / 8 if self._began is None else self._began
            self._until = ms
        elif self._began is not None and ms - self._until >= QUIET_MS:
            self._script.append(Said("Where is my order?", round(self._began), round(self._until)))
            self._began = None
        await super().advance(ms)


async def main() -> int:
    assemblyai.Transcriber = Listening  # type: ignore[misc]
    async with (
        FakeAssemblyAI(key="aai") as ears,
        FakeOpenAI([Reply(text=["It is on ", "its way."])], key="sk") as model,
        FakeElevenLabs(key="xi", delay=0.08, sound=lambda text: SPEECH) as voice,
    ):
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "cascade.toml"
            config.write_text(CONFIG % (ears.url, model.base_url, voice.url))
            environment = os.environ | {"AAI": "aai", "OAI": "sk", "XI": "xi"}
            before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sipgw", "load", "-c", str(config), *sys.argv[1:], env=environment
            )
            status = await process.wait()
            after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"the fakes took {spent:.1f} s of CPU in {took:.0f} s ({len(ears.sessions)} sessions of the ears)")
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
