"""The timelines of all calls: in memory while they go on, then in a folder, one small file each."""

import asyncio
import contextlib
import gzip
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import structlog

from agent.records import HandedOver
from sipgw.events import CallBegan, CallEnded, CallReported, Event
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.files import ENDING, KEEPING, absolute, file_name
from sipgw.records.captures.capture import Ladder
from sipgw.records.captures.timeline import TEXT, Timeline, ladder_as_dict
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.sip.boundaries import bounded

log = structlog.get_logger()

SETTLE = 1.0
"""Seconds after the end of a call until its last SIP messages arrive."""
_NAMED = {
    "caller": re.compile(r"(?im)^(?:from|f)[ \t]*:[ \t]*([^\r\n;]+)"),
    "called": re.compile(r"(?im)^(?:to|t)[ \t]*:[ \t]*([^\r\n;]+)"),
}
"""Caller and called party of the INVITE."""
LARGEST = 64 << 20
"""Bytes of a timeline that are read at most."""


class Timelines:
    """The timelines of all calls. `watch` must get all events."""

    def __init__(
        self,
        ladder: Callable[[str], Ladder | None],
        kept: int,
        redactor: Callable[[str], Callable[[str], str]] = lambda agent: str,
    ) -> None:
        """`ladder` returns the SIP messages of a call; `kept` is the maximum number of files, 0 for none. `redactor`
        returns the redactor of texts for an agent's name.
        """
        self.redactor = redactor
        self._ladder = ladder
        self._kept = kept
        self._folder: Path | None = None
        self._artifacts = Artifacts()
        self._live: dict[str, Timeline] = {}
        self._group = asyncio.TaskGroup()
        self._closing = asyncio.Event()
        self._open = False

    @contextlib.asynccontextmanager
    async def kept_in(self, folder: Path, artifacts: Artifacts) -> AsyncIterator[Self]:
        """Keep files in `folder`, made when it does not exist, until the block ends."""
        self._folder, self._artifacts = absolute(folder), artifacts
        if self._kept:
            await KEEPING.run(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        async with self._group:
            self._open = True
            try:
                yield self
            finally:
                self._open = False
                self._closing.set()

    def watch(self, event: Event) -> None:
        """Take an event of any call."""
        now = asyncio.get_running_loop().time()
        if isinstance(event, CallBegan):
            self._live[event.call] = Timeline(event, now, redact=self.redactor(event.agent))
        elif timeline := self._live.get(event.call):
            if isinstance(event, CallReported) and isinstance(event.report, HandedOver):
                timeline.redact = self.redactor(event.report.agent)
            timeline.tell(event, now)
            if isinstance(event, CallEnded):
                if self._open and self._kept:
                    keep = self._keep(event.call, timeline)
                    self._group.create_task(bounded(keep, None, "timeline not made"))
                else:
                    del self._live[event.call]

    def version(self, call: str) -> str:
        """A version that changes with the timeline of a running call; "" for other calls."""
        timeline, ladder = self._live.get(call), self._ladder(call)
        return f"{timeline.version}.{len(ladder.messages) if ladder else 0}" if timeline else ""

    async def of(self, call: str) -> dict[str, Any] | None:
        """The timeline of a call: see `Timeline.as_dict`; of an INVITE that was refused its messages alone; or None."""
        ladder = self._ladder(call)
        if timeline := self._live.get(call):
            return timeline.as_dict(ladder)
        if (found := await KEEPING.run(self._read, call)) is not None:
            return found
        if ladder is None:
            return None
        first = ladder.messages[0]
        seen = datetime.now(UTC) - timedelta(seconds=asyncio.get_running_loop().time() - first.at)
        names = {name: _NAMED[name].search(first.data.decode("utf-8", "replace")) for name in _NAMED}
        return {
            "call": call,
            "seen": seen.isoformat(),
            **{name: found[1][:TEXT] if found else "" for name, found in names.items()},
            "sip": ladder_as_dict(ladder, first.at),
        }

    async def _keep(self, call: str, timeline: Timeline) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._closing.wait()
        try:
            text = json.dumps(timeline.as_dict(self._ladder(call)), default=str, separators=(",", ":"))
            if path := self._path(call):
                async with self._artifacts.writing(ArtifactKind.TIMELINE, call, str(path)):
                    await KEEPING.run(_write, path, text.encode())
        except OSError as error:
            log.warning("timeline not kept", cause=str(error))
        finally:
            if self._live.get(call) is timeline:
                del self._live[call]

    def _path(self, call: str) -> Path | None:
        return self._folder / f"{file_name(call)}{ENDING}" if self._folder and self._kept else None

    def _read(self, call: str) -> dict[str, Any] | None:
        path = self._path(call)
        if path is None:
            return None
        try:
            with gzip.open(path) as file:
                found = json.loads(file.read(LARGEST))
        except (OSError, EOFError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("call") == call else None


def private(path: Path) -> Any:
    """A new file that we alone can read, open for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write(path: Path, text: bytes) -> None:
    with private(path) as file:
        file.write(gzip.compress(text, 6))
