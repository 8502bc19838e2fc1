"""``python -m tests.bench.reply``: what a streamed reply and each token of a long one take of the CPU, over TLS."""

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from tests.bench.cascade import encrypted
from tests.fakes.openai import FakeOpenAI, Reply

AT_ONCE = 10
ROUNDS, LONG_ROUNDS = 100, 20
TOKENS = 500
"""Of a long reply; each comes in an event of its own, as models send them."""
SHORT, LONG = "Where is my order?", "Tell me all about it."


def serve(folder: str, told: Connection) -> None:
    """Be the server, in a process of its own."""

    async def run() -> None:
        encrypted(Path(folder))
        short, long = Reply(text=["It is on ", "its way."]), Reply(text=["word "] * TOKENS)

        def script(request: dict[str, Any]) -> Reply:
            return long if request["messages"][-1]["content"] == LONG else short

        async with FakeOpenAI([short], key="sk", script=script) as fake:
            told.send(fake.base_url)
            await asyncio.Event().wait()

    asyncio.run(run())


async def measure(base_url: str, question: str, rounds: int) -> list[float]:
    """Milliseconds of CPU for a reply in each round; the first one, which connects, does not count."""
    llm = OpenAILlm(OpenAIOptions(api_key="sk", url=base_url))
    asked = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": question}]

    async def reply() -> None:
        async for _ in llm.reply(asked, []):
            pass

    spent = list[float]()
    for _ in range(rounds + 1):
        began = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(reply())
        spent.append(1000 * (time.process_time() - began) / AT_ONCE)
    await llm.close()
    return spent[1:]


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        server.start()
        base_url = ours.recv()
        os.environ["SSL_CERT_FILE"] = str(Path(folder) / "authority.pem")
        spent = asyncio.run(measure(base_url, SHORT, ROUNDS))
        print(f"{statistics.median(spent):.2f} ms of CPU for one streamed reply, at least {min(spent):.2f}")
        long = [1000 * one / TOKENS for one in asyncio.run(measure(base_url, LONG, LONG_ROUNDS))]
        print(f"{statistics.median(long):.1f} µs of CPU for a token of {TOKENS}, at least {min(long):.1f}")
        server.kill()


if __name__ == "__main__":
    main()
