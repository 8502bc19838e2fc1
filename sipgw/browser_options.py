"""The browser phone's options."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BrowserOptions:
    """Calls from the page ``/phone``."""

    max_calls: int = 10
    """Calls at the same time; one more is told to try later. 0 turns the browser phone off."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_calls <= 1000:
            raise ValueError("max_calls must be from 0 to 1000")
