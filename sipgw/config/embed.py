"""Options of the talk button on the owner's own web site."""

import re
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, MaxLen

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError

_ORIGIN = re.compile(r"(https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|http://(localhost|127\.0\.0\.1))(:(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class EmbedOptions:
    """A button on your web site with which visitors call an agent from their browser."""

    origins: tuple[str, ...] = ()
    """Web sites that may show the button: ``["https://www.example.com"]``. Empty: there is no button."""
    agent: str = "agent"
    """The agent that answers."""
    label: Annotated[str, MaxLen(60)] = "Talk to us"
    """The text of the button."""
    notice: Annotated[str, MaxLen(400)] = "You will talk to an automated agent."
    """A text that visitors see when the call begins."""
    max_calls: Annotated[int, Interval(ge=1, le=1000)] = 2
    """Maximum calls of all visitors at the same time. They count as calls of ``[browser]``, too."""
    calls_per_hour: int = field(default=6, metadata=FIXED)
    """Maximum calls of one visitor (one IP address) within any hour."""
    calls_per_day: Annotated[int, Interval(ge=1, le=1_000_000)] = 100
    """Maximum calls of all visitors within any 24 hours, at all gateways of one database."""
    at_once_per_visitor: int = field(default=1, metadata=FIXED)
    """Maximum calls of one visitor (one IP address) at the same time."""
    max_duration: Annotated[float, Interval(ge=10, le=86400)] = 600.0
    """Seconds after which a visitor's call is ended."""

    def __post_init__(self) -> None:
        for origin in self.origins:
            found = _ORIGIN.fullmatch(origin)
            if not found or not 1 <= int(found["port"] or 443) <= 65535:
                raise RuleError(
                    f"{origin!r} is not like https://www.example.com (no path, no slash at the end)", "origins"
                )
