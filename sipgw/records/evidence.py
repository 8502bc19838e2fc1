"""Evidence of each call: SIP messages, packets, capture file, timeline and bundle."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self

import structlog

from media.process.engine import MediaEngine
from media.recording.tap import HEADER
from sipgw.bounds import FULL, BoundedTable
from sipgw.config.records import CaptureOptions, Sink
from sipgw.events import CallAnswered, CallEnded, CallKey, Event, MediaAddress, SoundWithheld, Watchers
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.files import KEEPING, PACKETS, absolute, file_names, make_folder
from sipgw.records.bundles.bundle_store import BundledAgent, BundleStore
from sipgw.records.captures.capture import SipCapture, SipMessages
from sipgw.records.captures.pcap import Pcap
from sipgw.records.captures.timeline import TEXT, sip_as_dict
from sipgw.records.captures.timelines import Timelines, private
from sipgw.records.privacy.redaction import Redact
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.sip.boundaries import bounded
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.trace import Traced
from sipgw.telemetry.tracing import tracing

log = structlog.get_logger()

CALLS = 2000
"""Number of calls whose packet locations are remembered."""
AT_ONCE = 64 * 1024
"""Bytes of a capture file per block."""
WRITERS = 64
"""Capture files that may wait to be written; with any more an ending call gets no capture file."""

_NAMED = {
    "caller": re.compile(r"(?im)^(?:from|f)[ \t]*:[ \t]*([^\r\n;]+)"),
    "called": re.compile(r"(?im)^(?:to|t)[ \t]*:[ \t]*([^\r\n;]+)"),
}
"""Caller and called party of the INVITE."""


def _whose() -> str:
    """The call of the present task: see `structlog.contextvars`."""
    return str(structlog.contextvars.get_contextvars().get("call", ""))


class KeptAgents(Protocol):
    """The privacy rules of the agents of a gateway."""

    def redact(self, sink: Sink) -> Callable[[str], Redact]:
        """For an agent's name: the function that removes private words from texts for `sink`."""
        ...

    def known(self, name: str) -> BundledAgent:
        """The agent `name`, also after a reload has removed it."""
        ...


@dataclass
class _Packets:
    """The location of the packets of a call."""

    sound: MediaAddress
    whole: bool = True
    """Whether whole packets may be handed out. After private words were said, only headers may."""


class CallEvidence:
    """The evidence of all calls. Use it as an async context manager, inside that of the media engine."""

    def __init__(self, options: CaptureOptions, agents: KeptAgents) -> None:
        """`agents` know which words must not be kept."""
        self.options = options
        self.sip = SipCapture(options.megabytes << 18, _whose)
        self.tracers = Watchers[Traced](self.sip.trace)
        """The tracers; each gets every SIP message."""
        self.timelines = Timelines(self.sip.of, options.timelines, agents.redact("records"))
        self.bundles = BundleStore(options, agents.known, self.sip.of)
        self._watchers = Watchers[Event](self.sip.watch, self._follow, self.timelines.watch)
        self._packets = BoundedTable[CallKey, _Packets]("packets of calls", CALLS)
        self._engine: MediaEngine | None = None
        self._endpoint: Endpoint | None = None
        self._group = asyncio.TaskGroup()
        self._writing = 0
        self._artifacts = Artifacts()

    @contextlib.asynccontextmanager
    async def gathering(
        self, engine: MediaEngine, endpoint: Endpoint, folder: Path, artifacts: Artifacts
    ) -> AsyncIterator[Self]:
        """Collect evidence until the block ends; `folder` is for timelines, `artifacts` creates a row for each file."""
        self._engine, self._endpoint, self._artifacts = engine, endpoint, artifacts
        if self.options.traces and (traced := tracing()):
            self._watchers.add(traced)
        for one in self.options.folders:
            await make_folder(Path(one), f"[capture] {'folder' if one == self.options.folder else 'bundle_folder'}")
        async with self.timelines.kept_in(folder, artifacts), self._group:
            yield self

    @property
    def engine(self) -> MediaEngine | None:
        """The media process, while there is one."""
        return self._engine

    def dropped(self) -> Mapping[str, int]:
        """The number of dropped or refused SIP messages, by reason."""
        return self._endpoint.counts if self._endpoint else {}

    def trace(self, traced: Traced) -> None:
        """Take a SIP message whose credentials are masked."""
        self.tracers.tell(traced)

    def watch(self, event: Event) -> None:
        """Follow the calls."""
        self._watchers.tell(event)

    def _follow(self, event: Event) -> None:
        """Note the location of a call's packets, and write its files when it is over."""
        if key := self.timelines.going(event.call):
            if isinstance(event, CallAnswered) and event.sound:
                self._packets[key] = _Packets(event.sound)
            elif isinstance(event, SoundWithheld) and (packets := self._packets.get(key)):
                packets.whole = False
            elif isinstance(event, CallEnded) and self.options.folder:
                self._spawn(self._write(key), "capture not made")
        if kept := self.bundles.watch(event):
            self._spawn(self.bundles.keep(kept, self._engine, self._artifacts), "bundle not made")

    def _spawn(self, writing: Coroutine[Any, Any, None], failed: str) -> None:
        if self._writing >= WRITERS:
            FULL["capture files"] += 1
            writing.close()
            return
        self._writing += 1
        self._group.create_task(bounded(writing, None, failed)).add_done_callback(self._written)

    def _written(self, _: object) -> None:
        self._writing -= 1

    def calls(self) -> set[CallKey]:
        """The calls with data in memory."""
        return {*self.sip.calls, *self.bundles.calls, *self._packets}

    def forget(self, calls: Collection[CallKey]) -> None:
        """Drop the data of these calls in memory, except of running calls."""
        over = [call for call in calls if self.timelines.going(call.call) != call]
        self.sip.forget(over)
        self.bundles.forget(over)
        for call in over:
            self._packets.pop(call, None)

    def messages(self, call: CallKey | None, refused: str = "") -> dict[str, Any] | None:
        """The SIP messages of a call, in the form of a timeline; or, without a `call`, of the INVITE with the Call-ID
        `refused`. None if there are none.
        """
        sip = self._sip_messages(call, refused)
        if sip is None:
            return None
        first = sip.messages[0]
        seen = datetime.now(UTC) - timedelta(seconds=asyncio.get_running_loop().time() - first.at)
        names = {name: _NAMED[name].search(first.data.decode("utf-8", "replace")) for name in _NAMED}
        return {
            "call": call.call if call else refused,
            "seen": seen.isoformat(),
            **{name: found[1][:TEXT] if found else "" for name, found in names.items()},
            "sip": sip_as_dict(sip, first.at),
        }

    def _sip_messages(self, call: CallKey | None, refused: str) -> SipMessages | None:
        return self.sip.of(call) if call else self.sip.refused(refused)

    def captured(self, call: CallKey | None, refused: str = "") -> bool:
        """Whether `pcap` finds messages or packets."""
        return self._sip_messages(call, refused) is not None or bool(call and self._packets.get(call))

    async def pcap(self, call: CallKey | None, refused: str = "") -> AsyncGenerator[bytes, None]:
        """The capture file of a call (or refused INVITE: see `messages`), in blocks; empty if nothing of it is kept."""
        sip = self._sip_messages(call, refused)
        kept = self._packets.get(call) if call else None
        if sip is None and kept is None:
            return
        offset = datetime.now(UTC).timestamp() - asyncio.get_running_loop().time()
        file, messages = Pcap(), list(sip.messages if sip else ())
        piece = bytearray(file.header())
        if kept and self._engine:
            sound = kept.sound
            async for packet in self._engine.packets(sound.channel):
                while messages and messages[0].at <= packet.at:
                    piece += self._message(file, messages.pop(0), offset)
                ours = sound.host, sound.port + packet.control
                source, target = (ours, packet.remote) if packet.out else (packet.remote, ours)
                whole = packet.control or kept.whole
                data = packet.data if whole else packet.data[:HEADER]
                piece += file.udp(packet.at + offset, source, target, data, packet.size)
                if len(piece) >= AT_ONCE:
                    yield bytes(piece)
                    piece.clear()
        for message in messages:
            piece += self._message(file, message, offset)
        yield bytes(piece)

    async def bundle(self, call: CallKey) -> bytes:
        """The bundle of an ended call, for `sipgw replay`. Raises `sipgw.records.bundles.bundle_store.NoBundle`."""
        return await self.bundles.bundle(call, self._engine)

    async def no_bundle(self, call: CallKey) -> str:
        """The reason why `bundle` finds no bundle in memory; empty if it finds one."""
        return await self.bundles.none_made(call, self._engine)

    def _message(self, file: Pcap, message: Traced, offset: float) -> bytes:
        here = self._endpoint
        ours = (here.contact_host(message.peer), here.port) if here else ("", 0)
        theirs = message.peer.host, message.peer.port
        source, target = (theirs, ours) if message.direction == "in" else (ours, theirs)
        return file.sip(message.at + offset, message.peer.transport, source, target, message.data)

    async def _write(self, call: CallKey) -> None:
        """Write the capture file of a call that has ended, readable by us alone."""
        path = absolute(self.options.folder) / f"{file_names(call)[0]}{PACKETS}"
        try:
            async with self._artifacts.writing(ArtifactKind.CAPTURE, call.call, str(path)):
                file = await KEEPING.run(private, path)
                try:
                    async for piece in self.pcap(call):
                        await KEEPING.run(file.write, piece)
                finally:
                    await KEEPING.run(file.close)
        except OSError as error:
            log.warning("capture not written", file=str(path), cause=error.strerror)
