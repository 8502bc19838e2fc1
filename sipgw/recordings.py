"""Recordings of calls: which are made, where they are kept, and what became of each."""

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import structlog

from media.channel import Channel, Recorded

log = structlog.get_logger()

PLACES = ("call", "began", "trunk", "caller")
"""What may stand in braces in the name of a file."""
LONGEST = 120
"""Characters of a file's name without its ending."""
_UNSAFE = re.compile(r"[^A-Za-z0-9@+_-]+")


@dataclass(frozen=True)
class RecordingOptions:
    """Whether calls are recorded. Ask your callers first: in many places the law wants that."""

    folder: str = ""
    """Where recordings are kept, made when it does not exist; empty: no call is recorded."""
    name: str = "{began}-{call}"
    """Name of a file; {call} is its Call-ID, {began} its start in UTC, {trunk} and {caller} as in its record."""
    format: Literal["wav", "opus"] = "wav"
    """`wav` is G.711 as it was, 58 MB per hour; `opus` is 14 MB and costs 10 ms of CPU per second (pip install av)."""

    def __post_init__(self) -> None:
        if self.format == "opus" and find_spec("av") is None:
            raise ValueError("format 'opus' needs PyAV: pip install 'sipgw[opus]'")
        try:
            places = [place for _, place, _, _ in string.Formatter().parse(self.name) if place is not None]
        except ValueError as error:
            raise ValueError(f"name {self.name!r} cannot be read: {error}") from None
        if unknown := [place for place in places if place not in PLACES]:
            raise ValueError(f"name has {{{unknown[0]}}}; known: {', '.join(PLACES)}")
        if "call" not in places:
            raise ValueError("name needs {call}, or one call would take the file of another")

    def path(self, call: str, began: datetime, trunk: str, caller: str) -> str:
        """The file of a call, always inside the folder whatever the other side chose as Call-ID; "" for none."""
        if not self.folder:
            return ""
        start = began.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        name = self.name.format(call=call, began=start, trunk=trunk, caller=caller)
        return str(Path(self.folder).resolve() / f"{_UNSAFE.sub('_', name)[:LONGEST]}.{self.format}")

    def prepare(self) -> None:
        """Make the folder, readable by us alone. Raises OSError."""
        if self.folder:
            Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)


class Tape:
    """The recording of one call; without a path every method does nothing."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.problem = ""
        self._channel: Channel | None = None

    def begin(self, channel: Channel) -> None:
        """Record what `channel` exchanges from now on."""
        if self.path and self._channel is None:
            self._channel = channel
            channel.record(self.path)

    def pause(self) -> None:
        """Keep silence in place of what follows: card numbers, and what the caller does not want kept."""
        if self._channel:
            self._channel.pause_recording()

    def resume(self) -> None:
        """Keep sound again."""
        if self._channel:
            self._channel.resume_recording()

    def on_recorded(self, event: Recorded) -> None:
        """The media process told the end."""
        if event.problem:
            self.problem = event.problem
            log.error("recording ended", file=self.path, seconds=round(event.seconds), cause=event.problem)

    def as_dict(self) -> dict[str, dict[str, str]]:
        """What stands in the record of the call."""
        if self._channel is None:
            return {}
        return {"recording": {"file": self.path} | ({"problem": self.problem} if self.problem else {})}
