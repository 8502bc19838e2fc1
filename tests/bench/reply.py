"""``python -m tests.bench.reply``: what the SDK of the model takes of the CPU for one streamed reply, over TLS."""

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from tests.bench.cascade import encrypted
from tests.fakes.openai import FakeOpenAI, Reply

AT_ONCE, ROUNDS = 10, 100
ASKED = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Where is my order?"}]


def serve(folder: str, told: Connection) -> None:
    """Be the server, in a process of its own."""

    async def run() -> None:
        encrypted(Path(folder))
        async with FakeOpenAI([Reply(text=["It is on ", "its way."])], key="sk") as fake:
            told.send(fake.base_url)
            await asyncio.Event().wait()

    asyncio.run(run())


async def measure(base_url: str) -> list[float]:
    """Milliseconds of CPU for a reply in each round; the first one, which connects, does not count."""
    llm = OpenAILlm(OpenAIOptions(api_key="sk", url=base_url))

    async def reply() -> None:
        async for _ in llm.reply(ASKED, []):
            pass

    spent = list[float]()
    for _ in range(ROUNDS + 1):
        began = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(reply())
        spent.append(1000 * (time.process_time() - began) / AT_ONCE)
    await llm.close()
    return spent[1:]


def main() -> None:
    """Print the figure."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        server.start()
        base_url = ours.recv()
        os.environ["SSL_CERT_FILE"] = str(Path(folder) / "authority.pem")
        spent = asyncio.run(measure(base_url))
        print(f"{statistics.median(spent):.2f} ms of CPU for one streamed reply, at least {min(spent):.2f}")
        server.kill()


if __name__ == "__main__":
    main()
