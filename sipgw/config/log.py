"""Options of the log."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LogOptions:
    """How the gateway logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is written."""
    format: Literal["console", "json"] = "console"
    """Format of a line: `console` for people, `json` (one object a line) for programs."""
