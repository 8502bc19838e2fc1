"""The endpoint ``embeddings`` of OpenAI as a local server: texts are alike as far as they share words."""

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http import Exchange, HttpServer


@dataclass
class FakeEmbeddings(HttpServer):
    key: str = "sk"
    status: int = 200
    dimensions: int | None = 64
    """That it must be asked for; None: it takes no such wish."""
    length: int = 64
    """Numbers of a vector."""
    hangs: bool = False
    wrong: bool = False
    """Whether it answers fewer texts than it was asked for."""
    fails_after: int = 1000
    """Requests that it answers."""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def respond(self, exchange: Exchange) -> None:
        assert (exchange.method, exchange.path) == ("POST", "/v1/embeddings")
        asked = json.loads(exchange.body)
        self.requests.append(asked)
        if len(self.requests) > self.fails_after:
            await exchange.answer(400, {"error": {"message": "no"}})
        elif self.hangs:
            await exchange.hang()
        elif exchange.headers["authorization"] != f"Bearer {self.key}":
            await exchange.answer(401, {"error": {"message": "Incorrect API key provided"}})
        elif self.status != 200 or asked.get("dimensions") != self.dimensions:
            await exchange.answer(self.status if self.status != 200 else 400, {"error": {"message": "no"}})
        else:
            texts = asked["input"][self.wrong :]
            rows = [
                {"object": "embedding", "index": at, "embedding": vector(text, self.length)}
                for at, text in enumerate(texts)
            ]
            usage = {"prompt_tokens": sum(map(len, texts)) // 4, "total_tokens": sum(map(len, texts)) // 4}
            await exchange.answer(200, {"object": "list", "data": rows[::-1], "model": asked["model"], "usage": usage})


def vector(text: str, length: int = 64) -> list[float]:
    row = [0.0] * length
    for word in text.lower().replace(".", " ").replace("?", " ").split():
        row[zlib.crc32(word.encode()) % length] += 2.0
    return row
