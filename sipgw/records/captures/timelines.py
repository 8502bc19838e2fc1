"""The timelines of all calls: in memory while a call goes on, then one small file for each call in a folder."""

import asyncio
import contextlib
import gzip
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import structlog

from agent.records import HandedOver
from sipgw.events import CallBegan, CallEnded, CallKey, CallReported, Event
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.files import ENDING, KEEPING, absolute, file_names, make_folder
from sipgw.records.captures.capture import SipMessages
from sipgw.records.captures.timeline import Timeline
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.sip.boundaries import bounded

log = structlog.get_logger()

SETTLE = 1.0
"""Seconds after the end of a call until its last SIP messages arrive."""
LARGEST = 64 << 20
"""Bytes of a timeline that are read at most."""


class Timelines:
    """The timelines of all calls. `watch` must get all events."""

    def __init__(
        self,
        sip: Callable[[CallKey], SipMessages | None],
        kept: int,
        redactor: Callable[[str], Callable[[str], str]] = lambda agent: str,
    ) -> None:
        """`sip` returns the SIP messages of a call; `kept` is the maximum number of files, 0 for none. `redactor`
        returns the redactor of texts for an agent's name.
        """
        self.redactor = redactor
        self._sip_messages = sip
        self._kept = kept
        self._folder: Path | None = None
        self._artifacts = Artifacts()
        self._live: dict[str, Timeline] = {}
        """Timelines by the identity of their call, until the file is written."""
        self._group = asyncio.TaskGroup()
        self._closing = asyncio.Event()
        self._open = False

    @contextlib.asynccontextmanager
    async def kept_in(self, folder: Path, artifacts: Artifacts) -> AsyncIterator[Self]:
        """Keep files in `folder`, made when it does not exist, until the block ends."""
        self._folder, self._artifacts = absolute(folder), artifacts
        if self._kept:
            await make_folder(folder, "[store] path")
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
                    keep = self._keep(timeline)
                    self._group.create_task(bounded(keep, None, "timeline not made"))
                else:
                    del self._live[event.call]

    def going(self, identity: str) -> CallKey | None:
        """The call with this identity, if it is in progress or has just ended."""
        timeline = self._live.get(identity)
        return timeline.began.key if timeline else None

    def version(self, call: CallKey) -> str:
        """A version that changes with the timeline of a running call; "" for other calls."""
        timeline, sip = self._of(call), self._sip_messages(call)
        return f"{timeline.version}.{len(sip.messages) if sip else 0}" if timeline else ""

    async def of(self, call: CallKey) -> dict[str, Any] | None:
        """The timeline of a call, from memory or its file: see `Timeline.as_dict`. None if there is none."""
        if timeline := self._of(call):
            return timeline.as_dict(self._sip_messages(call))
        return await KEEPING.run(self._read, call)

    def _of(self, call: CallKey) -> Timeline | None:
        timeline = self._live.get(call.call)
        return timeline if timeline and timeline.began.key == call else None

    async def _keep(self, timeline: Timeline) -> None:
        call = timeline.began.key
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._closing.wait()
        try:
            text = json.dumps(timeline.as_dict(self._sip_messages(call)), default=str, separators=(",", ":"))
            if paths := self._paths(call):
                async with self._artifacts.writing(ArtifactKind.TIMELINE, call.call, str(paths[0])):
                    await KEEPING.run(_write, paths[0], text.encode())
        except OSError as error:
            log.warning("timeline not kept", cause=str(error))
        finally:
            if self._live.get(call.call) is timeline:
                del self._live[call.call]

    def _paths(self, call: CallKey) -> list[Path]:
        """The paths of the timeline's file in this release and in earlier ones."""
        return [self._folder / f"{name}{ENDING}" for name in file_names(call)] if self._folder and self._kept else []

    def _read(self, call: CallKey) -> dict[str, Any] | None:
        for path in self._paths(call):
            with contextlib.suppress(OSError, EOFError, ValueError), gzip.open(path) as file:
                found = json.loads(file.read(LARGEST))
                if isinstance(found, dict) and found.get("began") == call.began.isoformat():
                    return found
        return None


def private(path: Path) -> Any:
    """A new file that we alone can read, open for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write(path: Path, text: bytes) -> None:
    with private(path) as file:
        file.write(gzip.compress(text, 6))
