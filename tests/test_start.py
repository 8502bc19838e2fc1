"""What a gateway with cloud providers has in its memory while nobody calls: modules are counted, for time and memory
would be those of the machine (`make bench AREA=start` measures them).
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.agents.providers import Providers
from sipgw.config.config import GatewayConfig
from sipgw.tools.load.host import ParrotGateway
from sipgw.tools.load.parrot import parrot
from sipgw.tools.trial import EMBEDDED, trial
from tests.bench.cascade import below
from tests.bench.start import CONFIG
from tests.databases import copy_of_newest
from tests.waiting import until

ROOT = Path(__file__).parent.parent
UNUSED = {
    "numpy": "documents, tones and waveforms",
    "cryptography": "signed caller numbers",
    "httpx": "the HTTP voice of ElevenLabs",
    "elevenlabs": "the HTTP voice of ElevenLabs",
    "agent.providers.local.brain.llm": "the embedded brain",
    "alembic": "a database of another version",
    "botocore": "Polly",
    "openai.resources.chat.chat": "chats by a method of the SDK, which the gateway does not use",
    "openai.resources.responses.responses": "the same of OpenAI's Responses",
    "aiortc": "calls from browsers",
}
"""Modules that an idle gateway with cloud providers does not use, and what uses them."""
MODULES = 2350
RUN = """
import asyncio, sys
from sipgw.cli.serve import load_all
from sipgw.gateway.gateway import Gateway
from sipgw.web.server import Dashboard
from sipgw.web.local_key import key_file
from agent.hearing import voice
voice.load = lambda: None  # the voice model is a local one
async def serve():
    settings, agents = load_all(None)
    async with Gateway(settings, agents=agents) as gateway:
        async with Dashboard(gateway, settings.web, key_file(settings.store.path)):
            print(*sys.modules)
asyncio.run(serve())
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a gateway whose database is there."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "sipgw.toml").write_text(CONFIG)
    environment = os.environ | {"BENCH_KEY": "none", "PYTHONPATH": str(ROOT)}
    copy_of_newest(folder / "sipgw.db")
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", UNUSED)
def test_an_idle_gateway_has_not_imported_what_it_does_not_use(modules: set[str], name: str) -> None:
    assert name not in modules, f"this is for {UNUSED[name]}"


def test_an_idle_gateway_has_few_modules(modules: set[str]) -> None:
    assert "fastapi" in modules, "the dashboard runs"
    assert len(modules) < MODULES


def media_processes() -> list[int]:
    return [one for one in below(os.getpid()) if b"media.process.start" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_the_media_process_starts_while_packages_of_providers_are_imported(tmp_path: Path) -> None:
    class Gateway(ParrotGateway):
        def open_providers(self, *_: Any) -> AbstractAsyncContextManager[Providers]:
            @contextlib.asynccontextmanager
            async def opened() -> AsyncIterator[Providers]:
                await until(media_processes)
                yield parrot()

            return opened()

    async def scenario() -> list[str]:
        config = GatewayConfig(agent=replace(EMBEDDED, greeting="Hello."))
        async with Gateway(trial(config, tmp_path)) as gateway:
            assert gateway.endpoint.port
            return [Path(f"/proc/{one}/maps").read_text() for one in media_processes()]

    running = asyncio.run(scenario())
    assert running and all("pylibsrtp" in files for files in running), "no call waits for what encrypts"
    assert not media_processes(), "they end with the gateway"


def test_media_processes_end_with_a_gateway_that_does_not_start(tmp_path: Path) -> None:
    class Gateway(ParrotGateway):
        def open_providers(self, *_: Any) -> AbstractAsyncContextManager[Providers]:
            @contextlib.asynccontextmanager
            async def opened() -> AsyncIterator[Providers]:
                await until(media_processes)
                raise OSError("no provider")
                yield parrot()

            return opened()

    async def scenario() -> None:
        async with Gateway(trial(GatewayConfig(agent=EMBEDDED), tmp_path)):
            pass

    with pytest.raises(OSError, match="no provider"):
        asyncio.run(scenario())
    assert not media_processes()
