"""Keeps calls as bundles: in memory while there is room, and in a folder if one is configured."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import structlog

from media.process.engine import MediaEngine
from media.recording.tap import HEADER, Tapped
from sipgw import __version__
from sipgw.bounds import FULL
from sipgw.config.config import AgentConfig
from sipgw.config.records import CaptureOptions
from sipgw.events import (
    AnsweredBy,
    CallAnswered,
    CallBegan,
    CallEnded,
    CallKey,
    CallReported,
    Event,
    MediaAddress,
    PartySaid,
    with_caller,
)
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.files import BUNDLE, KEEPING, absolute, file_names
from sipgw.records.bundles.bundle import PROVIDERS, Bundle, began_of
from sipgw.records.bundles.call_result import CallResult
from sipgw.records.bundles.conversation_setup import ConversationSetup
from sipgw.records.bundles.recorder import RECORDER, BundleRecorder, Frame
from sipgw.records.bundles.redacting import clean
from sipgw.records.captures.capture import SipMessages
from sipgw.records.captures.timeline import sip_as_dict
from sipgw.records.captures.timelines import private
from sipgw.records.store.artifact_states import ArtifactKind

log = structlog.get_logger()

GOOD = (
    "caller_hung_up", "callee_hung_up", "agent_hung_up", "transferred", "silence", "max_duration", "ended_here",
    "over_budget", "machine", "message_left", "fax", "screened", "no_person", "cancelled", "gateway_stopped",
    "answered_elsewhere",
)  # fmt: skip
"""Endings of successful calls, unless a part of the agent failed in them."""
FIRST = 1.0
"""Seconds from the start of the line to the first packet."""
SETTLE = 1.0
"""Seconds after the end of a call until its last messages and packets arrive."""


class NoBundle(Exception):  # noqa: N818  a state of affairs, not a fault
    """There is no bundle of a call; the message says why."""


class BundledAgent(Protocol):
    """The data of an agent for a bundle."""

    @property
    def config(self) -> AgentConfig:
        """The configuration of the agent, with its privacy rules."""
        ...

    @property
    def secrets(self) -> frozenset[str]:
        """The secret texts in the configurations of the agent and of the gateway."""
        ...

    @property
    def providers(self) -> Mapping[str, tuple[str, ...]]:
        """The chosen provider of each part and its backups."""
        ...


class _Seen:
    """A call with a recorder."""

    def __init__(self, began: CallBegan) -> None:
        self.began = began
        self.recorder = BundleRecorder()
        self.sound: MediaAddress | None = None
        self.noted: list[Frame] = []
        """Words that the conversation did not get, as frames ``said``; the sound of these words is in the packets."""

    def note(self, words: str) -> None:
        """Keep words of the caller or a third that were written down for the agent."""
        self.recorder.size += 100 + len(words)
        if self.recorder.whole:
            self.noted.append({"t": round(self.recorder.now, 5), "of": "said", "text": words})


class BundleStore:
    """The bundles of all calls. `watch` must get all events, in the tasks of the calls."""

    def __init__(
        self,
        options: CaptureOptions,
        agent: Callable[[str], BundledAgent],
        sip: Callable[[CallKey], SipMessages | None],
    ) -> None:
        """`agent` finds an agent by its name, `sip` the SIP messages of a call."""
        self._options = options
        self._agent = agent
        self._sip_messages = sip
        self._live: dict[str, _Seen] = {}
        self._ended: dict[CallKey, _Seen] = {}

    def watch(self, event: Event) -> CallKey | None:
        """Take an event; returns the call that it ended if its bundle is to be written."""
        if isinstance(event, CallBegan):
            RECORDER.set(None)
            if self._options.bundles != "off":
                self._live[event.call] = _Seen(event)
                RECORDER.set(self._live[event.call].recorder)
        seen = self._live.get(event.call)
        if seen is None:
            return None
        match event:
            case CallAnswered(sound=sound, trunk=trunk, made=made):
                seen.sound, seen.began = sound, with_caller(seen.began, trunk, made)
                seen.recorder.note("answered")
            case AnsweredBy(who=who, why=why):
                seen.recorder.note("answered_by", who=who, why=why)
            case CallReported(report=report):
                seen.recorder.report(report)
            case PartySaid(words=words, to="caller"):
                seen.note(words)
            case CallEnded(ending=ending, media=media):
                refused = {"refused": media["refused_sources"]} if "refused_sources" in media else {}
                seen.recorder.note("ended", kind=ending.kind, cause=ending.cause, **refused)
                self._end(event.call, seen)
                failed = ending.kind not in GOOD or any(frame["of"] == "failed" for frame in seen.recorder.frames)
                wanted = self._options.bundles
                return seen.began.key if wanted == "always" or (wanted == "failed" and failed) else None
        return None

    def _end(self, call: str, seen: _Seen) -> None:
        del self._live[call]
        self._ended[seen.began.key] = seen
        size = sum(one.recorder.size for one in self._ended.values())
        while size > self._options.megabytes << 19:
            size -= self._ended.pop(next(iter(self._ended))).recorder.size
            FULL["bundles of calls"] += 1

    @property
    def calls(self) -> Iterable[CallKey]:
        """The ended calls in memory."""
        return self._ended.keys()

    def forget(self, calls: Iterable[CallKey]) -> None:
        """Drop these calls from memory."""
        for call in calls:
            self._ended.pop(call, None)

    async def bundle(self, call: CallKey, engine: MediaEngine | None) -> bytes:
        """The bundle of an ended call: from its file, or else from memory. Raises `NoBundle`."""
        written = await self.written(call, lambda path: KEEPING.run(path.read_bytes))
        return await self._made(call, engine) if written is None else written

    async def written(self, call: CallKey, read: Callable[[Path], Awaitable[bytes]]) -> bytes | None:
        """The bundle of a call that was written into the folder; None if `read` raises OSError."""
        if paths := self.paths(call):
            path, earlier = paths
            with contextlib.suppress(OSError):
                return await read(path)
            with contextlib.suppress(OSError):
                content = await read(earlier)
                began = await KEEPING.run(began_of, content)
                return content if began == call.began.isoformat() else None
        return None

    def paths(self, call: CallKey) -> list[Path]:
        """The paths of the bundle's file in this release and in earlier ones; empty if no bundles are written."""
        folder = self._options.bundle_folder
        return [absolute(folder) / f"{name}{BUNDLE}" for name in file_names(call)] if folder else []

    async def none_made(self, call: CallKey, engine: MediaEngine | None) -> str:
        """The reason why memory has no bundle of an ended call, judged by the first packet; empty if it has a
        bundle."""
        try:
            seen, kept = self._held(call, engine)
        except NoBundle as reason:
            return str(reason)
        async with contextlib.aclosing(kept):
            first = await anext(kept, None)
        return _unfit([_kept(first, seen.recorder.zero)] if first else [], seen.recorder)

    def _held(self, call: CallKey, engine: MediaEngine | None) -> tuple[_Seen, AsyncGenerator[Tapped, None]]:
        """The data in memory of an ended call, and its packets. Raises `NoBundle`."""
        seen = self._ended.get(call)
        if seen is None:
            live = self._live.get(call.call)
            going = live is not None and live.began.key == call
            raise NoBundle("the call goes on" if going else "nothing of this call is in memory")
        recorder, sound = seen.recorder, seen.sound
        if not recorder.whole:
            raise NoBundle("there was more of this call than is kept")
        if not recorder.setting or sound is None or engine is None:
            raise NoBundle("no conversation with STT, LLM and TTS was held in this call")
        return seen, engine.packets(sound.channel)

    async def _made(self, call: CallKey, engine: MediaEngine | None) -> bytes:
        seen, kept = self._held(call, engine)
        packets = [_kept(packet, seen.recorder.zero) async for packet in kept]
        if (why := _unfit(packets, seen.recorder)) != "":
            raise NoBundle(why)
        return await KEEPING.run(self._written, seen, packets)

    def _written(self, seen: _Seen, packets: list[Tapped]) -> bytes:
        began, recorder = seen.began, seen.recorder
        agent = self._agent(began.agent)
        config = agent.config
        names = {
            part: {one["name"] for one in recorder.frames if one["of"] == part and "name" in one} for part in PROVIDERS
        }
        about = {
            "call": began.call,
            "began": began.at.isoformat(),
            "direction": began.direction,
            "trunk": began.trunk,
            "agent": began.agent,
            "caller": began.caller,
            "called": began.called,
            "sipgw": __version__,
            "parts": {part: max(len(agent.providers[part]), len(names[part])) for part in PROVIDERS},
            "privacy": json.loads(json.dumps(asdict(config.privacy))),
        }
        sip = sip_as_dict(self._sip_messages(began.key), recorder.zero)["messages"]
        setting, story = ConversationSetup.of(json.loads(json.dumps(recorder.setting))), CallResult.of(recorder.frames)
        made = Bundle(about, setting, story, recorder.frames, sip, packets, bytes(recorder.sound))
        return clean(made, config.privacy, agent.secrets, seen.noted).write()

    async def keep(self, call: CallKey, engine: MediaEngine | None, artifacts: Artifacts) -> None:
        """Write the bundle of a call that has just ended into the folder, readable by us alone."""
        await asyncio.sleep(SETTLE)
        try:
            content = await self._made(call, engine)
            path = self.paths(call)[0]
            async with artifacts.writing(ArtifactKind.BUNDLE, call.call, str(path)):
                await KEEPING.run(_write, path, content)
        except NoBundle as reason:
            log.warning("no bundle kept", cause=str(reason))
        except OSError as error:
            log.warning("bundle not written", cause=error.strerror)


def _kept(packet: Tapped, zero: float) -> Tapped:
    """A packet for a bundle, with its time since the call began at `zero`. Of a sent packet only the header is kept,
    because its sound comes from the TTS."""
    data = packet.data[:HEADER] if packet.out and not packet.control else packet.data
    return packet._replace(at=round(packet.at - zero, 6), data=data)


def _unfit(packets: list[Tapped], recorder: BundleRecorder) -> str:
    """The reason why the packets cannot be replayed; empty if they can."""
    began = next((frame["t"] for frame in recorder.frames if frame["of"] == "line"), 0.0)
    if not packets or packets[0].at > began + FIRST:
        return "its first packets are not in memory any more"
    if any(len(packet.data) < packet.size for packet in packets if not packet.out):
        return "some of its sound was not to be kept"
    if any(not packet.at >= 0 for packet in packets):
        return "its packets came before it"
    return ""


def _write(path: Path, content: bytes) -> None:
    with private(path) as file:
        file.write(content)
