"""What an agent looks up as a call begins."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PrefetchOptions:
    """The tool that is run with the number of the other side; its result stands in the prompt."""

    tool: str = ""
    """Its name: of the file of tools or of an MCP server, and not one that changes something. Empty: none."""
    argument: str = "number"
    """The tool's parameter that takes the number, as in ``+15551234567``."""
    limit: float = 3.0
    """Seconds after which the call goes on without it."""
    verified: bool = False
    """Whether it is done only for numbers that the telephone company vouches for: others can be forged."""

    def __post_init__(self) -> None:
        if self.limit <= 0:
            raise ValueError("limit must be positive")
