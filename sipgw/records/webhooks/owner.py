"""Recipients of the messages of an agent by mail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """Recipients of the messages of an agent, and how they get them."""

    to: tuple[str, ...]
    covers: bool = True
    """Whether private words in recordings have to be covered."""
    language: str = "en"
    """ISO 639-1 code of the mail's own words."""
