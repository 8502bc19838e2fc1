"""The agent's line on a telephone call: sound, DTMF and silence of one media channel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import structlog

from agent import line as agent_line
from media.process import channel as media
from media.rtp.srtp import Keys as SrtpKeys
from media.session.format import Format
from sipgw.calls.dtmf_deduplicator import DtmfDeduplicator, Way
from sipgw.calls.listeners import Listeners
from sipgw.records.bundles.recorder import RECORDER
from sipgw.sip.offer_answer import Negotiated

log = structlog.get_logger()

EVENTS_KEPT = 500
"""Events that may wait for the conversation (30 s of sound); beyond that new sound and keys are dropped."""
NO_RTP_LIMIT = 30.0
"""Seconds without sound or report from the caller after which the call is given up."""
SILENCE = b"\xff"
"""Mu-law."""


class LineRecorder(Protocol):
    """Records a call, without its private parts."""

    def pressed(self, key: str, *, asked: bool = False) -> None:
        """The caller has pressed a key; `asked` if the agent asked for it and it goes to the agent only."""

    def seclude(self, on: bool) -> None:
        """Keep nothing of what follows, or go on."""


@dataclass
class MuteReasons:
    """The reasons why the agent does not hear the caller."""

    held: bool = False
    """The caller has put us on hold."""
    aside: bool = False
    """A person speaks with the caller in the agent's place."""
    secluded: bool = False
    """The caller presses keys that nobody may read."""

    @property
    def any(self) -> bool:
        """Whether one of these is so."""
        return self.held or self.aside or self.secluded


class PhoneLine:
    """An `agent.line.Line` on a media channel."""

    def __init__(self, *, inband_keys: bool = False) -> None:
        """`inband_keys` listens for keys in the sound when no telephone events are agreed."""
        self.dropped = 0
        self.gone = asyncio.Event()
        """Set when the other side is gone."""
        self.utterance = 0
        """The highest utterance number in use: a sentence may have been given up before it had any sound."""
        self.line_recorder: LineRecorder | None = None
        """Gets each key before the conversation does, and the times at which nothing may be kept."""
        self._inband_keys = inband_keys
        self._events: asyncio.Queue[agent_line.LineEvent] = asyncio.Queue()
        self._channel: media.Channel | None = None
        self._agreed: Negotiated | None = None
        self._keys = DtmfDeduplicator()
        self._mute_reasons = MuteReasons()
        self.listeners = Listeners(lambda on: self._live.listen(on=on))
        """The people who listen live."""
        self.joined: PhoneLine | None = None
        """The line of the person that the caller is bridged with."""

    @property
    def mos(self) -> float:
        """Quality of the sound received in the last seconds (ITU-T G.107, 1 to 4.5); 0 if nothing was received."""
        return self._channel.mos if self._channel else 0.0

    @property
    def agreed(self) -> bool:
        """Whether media are negotiated with the other side."""
        return self._agreed is not None

    @property
    def channel(self) -> int:
        """The number of its channel; 0 before there is one."""
        return self._channel.number if self._channel else 0

    def attach(self, channel: media.Channel) -> None:
        """Use `channel` for sound; to be called before the conversation begins."""
        self._channel = channel

    def exchange(self, negotiated: Negotiated) -> None:
        """Exchange sound as `negotiated` from now on."""
        if not negotiated.remote_port and self._agreed is not None:  # disabled until it is enabled again
            negotiated = replace(self._agreed, direction="inactive")
        self._agreed = negotiated
        if negotiated.on_hold is not self._mute_reasons.held:
            self._mute_reasons.held = negotiated.on_hold
            if not self._mute_reasons.aside:
                self._events.put_nowait(agent_line.Away(self._mute_reasons.held))
        agreed = negotiated.srtp
        events = negotiated.dtmf_payload_type, negotiated.dtmf_received
        form = Format(negotiated.encoding, negotiated.payload_type, events[0], self._inband_keys, events[1])
        remote = [negotiated.remote_address, negotiated.remote_port]
        self._note("exchange", format=asdict(form), remote=remote, direction=negotiated.direction)
        self._live.connect(
            form,
            (negotiated.remote_address, negotiated.remote_port),
            control=negotiated.control,
            keys=SrtpKeys(agreed.suite, agreed.ours, agreed.theirs, agreed.mki) if agreed else None,
            send=negotiated.direction in ("sendrecv", "sendonly"),
            receive=negotiated.direction in ("sendrecv", "recvonly"),
        )

    def on_media(self, event: media.MediaEvent) -> None:
        """Take what the media process reports."""
        match event:
            case media.Frames() | media.Digit() if self._events.qsize() >= EVENTS_KEPT:
                self.dropped += 1
            case media.Frames(ulaw, at, played):
                heard = SILENCE * len(ulaw) if self._mute_reasons.any else ulaw  # the agent must not hear it
                self._events.put_nowait(agent_line.Audio(heard, at, played))
            case media.Digit(key, at):
                self.press(key, "rtp", at)
            case media.Listened(stereo):
                self.listeners.hear(stereo)
            case media.Started(utterance, at):
                reaches = self._channel.remote_delay if self._channel else None
                self._events.put_nowait(agent_line.Started(utterance, at, reaches))
            case media.Finished(utterance, at):
                self._events.put_nowait(agent_line.Finished(utterance, at))
            case media.NoRtp() if self._mute_reasons.held:
                pass  # a side that holds us may play music, but need not
            case media.NoRtp(seconds, lost):
                reports = lost < seconds  # some phones send nothing while nobody speaks, but they report
                log.warning("no sound comes from the caller", seconds=round(seconds), reports=reports)
                if lost >= NO_RTP_LIMIT:
                    self.end(f"no sound arrived for {seconds:.0f} s", lost=True)
            case media.Dead(cause):
                self.end(cause, lost=True)

    def press(self, key: str, way: Way, at: float) -> None:
        """Report a key to the agent, once for each press by RTP and INFO; in a bridge send it to the other side."""
        if way == "info" and not self._mute_reasons.secluded:
            self._note("key", key=key)
        if not self._keys.press(key, way, at):
            return
        if self.joined is not None and way == "info":  # the media process has relayed keys of the sound
            self.joined.send_digits(key)
        if self.line_recorder is not None and not self._mute_reasons.secluded:
            self.line_recorder.pressed(key, asked=not self._mute_reasons.aside)
        if self._mute_reasons.aside:
            return
        if self._events.qsize() < EVENTS_KEPT:
            self._events.put_nowait(agent_line.Digit(key, at))

    def end(self, cause: str, *, lost: bool = False) -> None:
        """Report to the agent that the other side is gone; `lost` if nobody has hung up."""
        self._note("end", cause=cause, lost=lost)
        self.gone.set()
        self.listeners.hear(b"")
        self._events.put_nowait(agent_line.Gone(cause, lost))

    # Somebody else speaks

    def step_aside(self, music: bytes = b"") -> None:
        """Let the agent neither hear nor be heard; the caller hears `music`, mu-law, in a loop."""
        self._note("step_aside")
        self._live.music(music)
        if not self._mute_reasons.aside:
            self._mute_reasons.aside = True
            self._events.put_nowait(agent_line.Away(away=True, taken=True))

    def backdrop(self, ambience: bytes, thinking: bytes, after: float) -> None:
        """Let the caller hear mu-law sound in a loop under the agent, and another `after` seconds of waiting for it.

        An empty one ends what was to be heard before.
        """
        self._live.ambience(ambience)
        self._live.thinking(thinking, after)

    def step_back(self) -> None:
        """Let the agent hear and speak again."""
        self._note("step_back")
        self.part()
        if self._mute_reasons.aside:
            self._mute_reasons.aside = False
            self._events.put_nowait(agent_line.Away(away=self._mute_reasons.held))

    def join(self, other: "PhoneLine", *, heard: bool = False) -> None:
        """Bridge the other sides of both lines; `heard` if the agent of this line comes back later."""
        self.joined, other.joined = other, self
        self._live.bridge(other._live, heard=heard)  # noqa: SLF001  of our own kind

    def part(self) -> None:
        """End the bridge, and music."""
        if self.joined is not None:
            self.joined.joined = None
        self.joined = None
        self._live.unbridge()

    async def events(self) -> AsyncIterator[agent_line.LineEvent]:
        """See `agent.line.Line.events`."""
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, agent_line.Gone):
                return

    def say(self, utterance: int, ulaw: bytes) -> None:
        """See `agent.line.Line.say`."""
        self.utterance = max(self.utterance, utterance)
        self._live.say(utterance, ulaw)

    def finish(self, utterance: int) -> None:
        """See `agent.line.Line.finish`."""
        self.utterance = max(self.utterance, utterance)
        self._live.finish(utterance)

    def send_digits(self, keys: str) -> None:
        """See `agent.line.Line.send_digits`."""
        self._note("sent", keys=keys)
        self._live.send_digits(keys)

    def seclude(self, on: bool) -> None:
        """See `agent.line.Line.seclude`."""
        self._mute_reasons.secluded = on
        if self.line_recorder is not None:
            self.line_recorder.seclude(on)

    def think(self, on: bool) -> None:
        """See `agent.line.Line.think`."""
        self._live.think(on=on)

    def attend(self, piece: float) -> None:
        """See `agent.line.Line.attend`."""
        self._live.set_chunk_duration(piece)

    def pause(self) -> None:
        """See `agent.line.Line.pause`."""
        self._note("pause")
        self._live.pause()

    def resume(self) -> None:
        """See `agent.line.Line.resume`."""
        self._note("resume")
        self._live.resume()

    def stop(self) -> agent_line.Heard:
        """See `agent.line.Line.stop`."""
        self._note("stop")
        return agent_line.Heard(*self._live.stop())

    def _note(self, do: str, **values: Any) -> None:
        """Note it in the recorder of this call for `sipgw replay`, if there is one."""
        if (recorder := RECORDER.get()) is not None:
            recorder.note("line", do=do, channel=self._channel.number if self._channel else 0, **values)

    @property
    def _live(self) -> media.Channel:
        if self._channel is None:
            raise RuntimeError("the line has no channel yet")
        return self._channel
