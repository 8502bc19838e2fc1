"""The documents that an agent answers from."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from agent.providers.extra import FIXED


@dataclass(frozen=True)
class KnowledgeOptions:
    """A folder of documents; the agent gets the passages of it that fit the caller's words."""

    folder: str = ""
    """A folder with .md, .txt, .pdf, .html and .htm files, also in folders within it. Empty: none."""
    embeddings: Literal["local", "service"] = "local"
    """The encoder that finds passages by their meaning: the embedded sentence encoder, which knows 16 languages, or the
    endpoint ``embeddings`` of OpenAI or a compatible server."""
    url: str = ""
    """The service's address, such as ``https://api.openai.com/v1``; empty: that of [openai], with its key."""
    api_key: str = field(default="", repr=False)
    """The service's key, with `url`."""
    model: str = "text-embedding-3-small"
    """The service's model."""
    dimensions: Annotated[int, Ge(0), Le(4096)] = 512
    """Numbers in one vector of the service; 0: the model's default, for models that accept no other."""
    passages: int = field(default=4, metadata=FIXED)
    """Passages that the agent gets for one turn of the caller, at most."""
    least: Annotated[float, Ge(0), Le(1)] = 0.15
    """Similarity of a passage to the caller's words below which the agent does not get it. Shared words count too."""
    cost: Annotated[float, Gt(0)] = 1.0
    """The highest cost of reading the folder in, each time, if a service makes the vectors; in the currency of the
    prices. If it may cost more, nothing is read in."""
