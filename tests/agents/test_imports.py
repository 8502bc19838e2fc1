"""What takes seconds to be imported is imported in a thread, before the first call."""

import subprocess
import sys
from pathlib import Path

import pytest

HELD = """
import asyncio, contextlib, sys, threading
from agent.errors import ProviderError
from sipgw.agents.providers import choose, opened
from sipgw.config.config import parse

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("openai", "elevenlabs"):
            (held if threading.current_thread() is threading.main_thread() else beside).append(name)

async def main():
    keys = dict.fromkeys(("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "ELEVENLABS_VOICE_ID", "DEEPGRAM_API_KEY"), "k")
    config = parse(sys.argv[1], "sipgw.toml", keys)
    async with opened(config, choose(config)) as providers:
        voice = providers.tts("es")
        await voice.open()
        with contextlib.suppress(ProviderError):
            async for _ in voice.speak("hello"):
                pass

held, beside = [], []
sys.meta_path.insert(0, Finder())
asyncio.run(main())
print(sorted({name.split(".")[0] for name in beside}), held)
"""
NOWHERE = """
[openai]
url = "http://127.0.0.1:9/v1"
[openai_backup]
url = "http://127.0.0.1:9/v1"
[deepgram_tts]
url = "ws://127.0.0.1:9"
[elevenlabs]
transport = "http"
url = "http://127.0.0.1:9"
"""
FIRST = '[agent]\nstt = "deepgram"\nllm = "openai"\ntts = "elevenlabs"\n'
BACKUP = '[agent]\nstt = "deepgram"\nllm = "local"\nllm_backup = ["openai_backup"]\ntts = "deepgram"\n'
OF_A_LANGUAGE = '[[languages]]\ncode = "en"\n[[languages]]\ncode = "es"\ntts = "elevenlabs"\n'


@pytest.mark.slow
@pytest.mark.faults("A3")
@pytest.mark.parametrize(
    "config",
    [
        FIRST + NOWHERE,
        FIRST + NOWHERE.replace("[openai]", '[openai]\napi = "responses"'),
        BACKUP + NOWHERE + OF_A_LANGUAGE,
    ],
    ids=["chat", "responses", "backup"],
)  # fmt: skip
def test_no_package_of_a_provider_is_imported_on_the_loop(config: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD, config], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.splitlines()[-1:] == ["['elevenlabs', 'openai'] []"], done.stderr[-2000:]
