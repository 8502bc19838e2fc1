"""``python -m tests.bench.reply``: what the SDK of the model takes of the CPU for one streamed reply, over TLS."""

import asyncio
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from tests.bench.cascade import encrypted
from tests.fakes.openai import FakeOpenAI, Reply

AT_ONCE, ROUNDS = 10, 30
ASKED = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Where is my order?"}]


def serve(folder: str, told: Connection) -> None:
    """Be the server, in a process of its own."""

    async def run() -> None:
        encrypted(Path(folder))
        async with FakeOpenAI([Reply(text=["It is on ", "its way."])], key="sk") as fake:
            told.send(fake.base_url)
            await asyncio.Event().wait()

    asyncio.run(run())


async def measure(base_url: str) -> float:
    """Milliseconds of CPU for a reply; the first round, which connects, does not count."""
    llm = OpenAILlm(OpenAIOptions(api_key="sk", url=base_url))

    async def reply() -> None:
        async for _ in llm.reply(ASKED, []):
            pass

    began = 0.0
    for number in range(ROUNDS + 1):
        began = time.process_time() if number == 1 else began
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(reply())
    spent = time.process_time() - began
    await llm.close()
    return 1000 * spent / (ROUNDS * AT_ONCE)


def main() -> None:
    """Print the figure."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        server.start()
        base_url = ours.recv()
        os.environ["SSL_CERT_FILE"] = str(Path(folder) / "authority.pem")
        print(f"{asyncio.run(measure(base_url)):.2f} ms of CPU for one streamed reply")
        server.kill()


if __name__ == "__main__":
    main()
