"""Options of the documents from which an agent answers."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from agent.providers.extra import FIXED


@dataclass(frozen=True)
class KnowledgeOptions:
    """A folder of documents. The agent gets the passages of these documents that fit the caller's words."""

    folder: str = ""
    """A folder with .md, .txt, .pdf, .html and .htm files, also in folders within it. Empty: none."""
    embeddings: Literal["local", "service"] = "local"
    """The encoder that finds passages by their meaning: the embedded sentence encoder, which knows 16 languages, or the
    endpoint ``embeddings`` of OpenAI or a compatible server."""
    url: str = ""
    """The service's address, such as ``https://api.openai.com/v1``; empty: the address and the key of [openai]."""
    api_key: str = field(default="", repr=False)
    """The service's key, if `url` is set."""
    model: str = "text-embedding-3-small"
    """The service's model."""
    dimensions: Annotated[int, Ge(0), Le(4096)] = 512
    """Numbers in one vector of the service; 0: the model's default, for models that accept no other."""
    passages: int = field(default=4, metadata=FIXED)
    """Maximum passages that the agent gets for one turn of the caller."""
    least: Annotated[float, Ge(0), Le(1)] = 0.15
    """Least similarity of a passage to the caller's words, 0 to 1; the agent does not get passages below it. Shared
    words count too."""
    cost: Annotated[float, Gt(0)] = 1.0
    """The highest cost of reading the folder once, if a service makes the vectors; in the currency of the prices. If it
    may cost more, nothing is read."""
