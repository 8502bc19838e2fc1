"""The agent's line on a telephone call: sound, DTMF and silence of one media channel."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import structlog

from agent import line as agent_line
from media.process import channel as media
from media.rtp.srtp import Keys as SrtpKeys
from media.session.format import Format
from media.session.routing import AGENT_SPEAKS, Route
from sipgw.calls.dtmf_deduplicator import DtmfDeduplicator, Way
from sipgw.calls.line_events import LineEvents
from sipgw.calls.listeners import Listeners
from sipgw.records.bundles.recorder import RECORDER
from sipgw.sip.negotiated import Negotiated

log = structlog.get_logger()

NO_RTP_LIMIT = 30.0
"""Seconds without sound or report from the caller after which the call is given up."""
OTHER_WAY = 0.3
"""Seconds in which a key of INFO may come by RTP, too, before it is sent to the other side of a bridge."""
SILENCE = b"\xff"
"""One mu-law sample of silence."""


class LineRecorder(Protocol):
    """Records the keys of a call, and learns when nothing may be kept."""

    def pressed(self, key: str) -> None:
        """Take a key that the caller has pressed, for the agent or for somebody else."""

    def agree(self, key: str) -> None:
        """Take a key that was for the agent, outside of a collection of digits."""

    def set_private(self, on: bool) -> None:
        """Begin (`on`) or end a part of the call of which nothing may be kept."""


@dataclass
class MuteReasons:
    """The reasons why the agent does not hear the caller."""

    held: bool = False
    """The caller has put us on hold."""
    agent_suspended: bool = False
    """A person speaks with the caller in the agent's place."""
    private: bool = False
    """The caller presses keys that nobody may read."""


@dataclass(frozen=True)
class Joined:
    """The other side of a bridge or a conference."""

    line: "PhoneLine"
    routes: Route = Route(0)  # noqa: RUF009  immutable
    """Routes of sound in a conference; nothing in a bridge."""
    music: bytes = b""
    """Sound for the caller while they do not hear the agent."""
    consults: bool = False
    """Whether the agent speaks with the third alone, so that a hold by the caller does not matter to the agent."""

    @property
    def without_agent(self) -> bool:
        """Whether nobody hears the agent, so that the keys of both sides are for each other."""
        return not self.routes & AGENT_SPEAKS


class PhoneLine:
    """An `agent.line.Line` on a media channel."""

    def __init__(self, *, inband_keys: bool = False) -> None:
        self.inband_keys = inband_keys
        """Whether to detect keys as tones in the sound if no telephone events are agreed: the `inband_keys` of
        the trunk, set before the first `exchange`."""
        self.gone = asyncio.Event()
        """Set when the other side is gone."""
        self.utterance = 0
        """The highest utterance number in use: a sentence may have been given up before it had any sound."""
        self.line_recorder: LineRecorder | None = None
        """Gets each key before the conversation does, and the times at which nothing may be kept."""
        self._events = LineEvents()
        self._channel: media.Channel | None = None
        self._agreed: Negotiated | None = None
        self._keys = DtmfDeduplicator()
        self._mute_reasons = MuteReasons()
        self.listeners = Listeners(lambda on: self._live.listen(on=on))
        """The people who listen live."""
        self.joined: Joined | None = None
        """The person whom the caller speaks with, or who is in a conference with them and the agent."""

    @property
    def mos(self) -> float:
        """Quality of the sound received in the last seconds (ITU-T G.107, 1 to 4.5); 0 if nothing was received."""
        return self._channel.mos if self._channel else 0.0

    async def stats(self) -> dict[str, Any]:
        """All counters of the line's media channel; empty before `attach`. Raises `media.process.channel.MediaDown`."""
        return await self._channel.stats() if self._channel else {}

    @property
    def agreed(self) -> bool:
        """Whether media are negotiated with the other side."""
        return self._agreed is not None

    @property
    def is_private(self) -> bool:
        """Whether only the agent's `Digit` events get what the caller does: see `set_private`."""
        return self._mute_reasons.private

    @property
    def channel(self) -> int:
        """The number of the line's media channel; 0 before `attach`."""
        return self._channel.number if self._channel else 0

    def attach(self, channel: media.Channel) -> None:
        """Use `channel` for sound; to be called before the conversation begins."""
        self._channel = channel

    def exchange(self, negotiated: Negotiated) -> None:
        """Begin to exchange sound as `negotiated`, or follow a later negotiation."""
        if not negotiated.remote_port and self._agreed is not None:  # disabled until it is enabled again
            negotiated = replace(self._agreed, direction="inactive")
        self._agreed = negotiated
        self._hold()
        agreed = negotiated.srtp
        events = negotiated.dtmf_payload_type, negotiated.dtmf_received
        form = Format(negotiated.encoding, negotiated.payload_type, events[0], self.inband_keys, events[1])
        remote = [negotiated.remote_address, negotiated.remote_port]
        self._note("exchange", format=asdict(form), remote=remote, direction=negotiated.direction)
        self._live.connect(
            form,
            (negotiated.remote_address, negotiated.remote_port),
            control=negotiated.control,
            keys=SrtpKeys(agreed.suite, agreed.ours, agreed.theirs, agreed.mki) if agreed else None,
            send=negotiated.direction in ("sendrecv", "sendonly"),
            receive=negotiated.direction in ("sendrecv", "recvonly"),
            ice=negotiated.ice,
        )

    def on_media(self, event: media.MediaEvent) -> None:
        """Take what the media process reports."""
        match event:
            case media.Frames():
                ulaw, at, played = event  # nearly all events are sound; three look-ups by name cost more
                muted = self._mute_reasons
                if muted.held or muted.agent_suspended or muted.private:  # the agent must not hear it
                    ulaw = SILENCE * len(ulaw)
                self._events.give(agent_line.Audio(ulaw, at, played))
            case media.DtmfDigit(key, at) if self._events.has_room():
                self.press(key, "rtp", at)
            case media.Listened(stereo):
                self.listeners.hear(stereo)
            case media.Started(utterance, at):
                reaches = self._channel.remote_delay if self._channel else None
                self._events.put(agent_line.Started(utterance, at, reaches))
            case media.Finished(utterance, at):
                self._events.put(agent_line.Finished(utterance, at))
            case media.NoRtp() if self.on_hold:
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
        if way == "info" and not self._mute_reasons.private:
            self._note("key", key=key)
        if not self._keys.press(key, way, at):
            return
        if self.joined is not None and self.joined.without_agent and way == "info":
            asyncio.get_running_loop().call_later(OTHER_WAY, self._relay, key, at)
        if self.line_recorder is not None and not self._mute_reasons.private:
            self.line_recorder.pressed(key)
        if self._mute_reasons.agent_suspended:
            return
        if self._events.has_room():
            self._events.put(agent_line.Digit(key, at))

    def _relay(self, key: str, at: float) -> None:
        """Send a key of INFO to the other side. One that came by RTP too has been relayed by the media process."""
        if self.joined is not None and self.joined.without_agent and self._keys.unpaired(key, "info", at):
            self.joined.line.send_digits(key)

    def end(self, cause: str, *, lost: bool = False) -> None:
        """Report to the agent that the other side is gone; `lost` if nobody has hung up."""
        self._note("end", cause=cause, lost=lost)
        self.gone.set()
        self.listeners.hear(b"")
        self._events.put(agent_line.Gone(cause, lost))

    # Somebody else speaks

    def suspend_agent(self, music: bytes = b"") -> None:
        """Let the agent neither hear nor be heard; the caller hears `music`, mu-law, in a loop."""
        self._live.music(music)
        self._suspend(on=True)

    def _suspend(self, *, on: bool) -> None:
        self._note("step_aside" if on else "step_back")
        if on is not self._mute_reasons.agent_suspended:
            self._mute_reasons.agent_suspended, self._mute_reasons.held = on, self._holds
            self._events.put(agent_line.Away(on or self._holds, taken=on))

    @property
    def has_person(self) -> bool:
        """Whether a person of our side speaks with the other side or with the agent, or is about to."""
        joined = self.joined
        return self._mute_reasons.agent_suspended or (joined is not None and not joined.routes & Route.COVERT)

    @property
    def on_hold(self) -> bool:
        """Whether the other side has put us on hold."""
        return self._agreed is not None and self._agreed.on_hold

    @property
    def _holds(self) -> bool:
        """Whether the other side has put the agent on hold. It has not while the agent speaks with the third alone."""
        return self.on_hold and not (self.joined is not None and self.joined.consults)

    def _hold(self) -> None:
        """Tell the agent if the caller has left the line by a hold, or has come back."""
        if self._holds is not self._mute_reasons.held:
            self._mute_reasons.held = self._holds
            if not self._mute_reasons.agent_suspended:
                self._events.put(agent_line.Away(self._holds))

    def backdrop(self, ambience: bytes, thinking: bytes, after: float) -> None:
        """Play mu-law `ambience` in a loop under the agent, and `thinking` after `after` seconds without a reply.

        An empty sound ends the sound that was set before.
        """
        self._live.ambience(ambience)
        self._live.thinking(thinking, after)

    def resume_agent(self) -> None:
        """Let the agent hear and speak again."""
        self.part()
        self._suspend(on=False)

    def join(self, other: "PhoneLine") -> None:
        """Bridge the other sides of both lines; the agent of this line does not come back."""
        self.joined, other.joined = Joined(other), Joined(self)
        self._live.bridge(other._live)  # noqa: SLF001  of our own kind

    def confer(self, third: "PhoneLine", routes: Route, music: bytes = b"") -> None:
        """Have the other sides of both lines and the agent of this line hear each other as `routes` say.

        The agent is suspended while nobody hears it. See `media.process.channel.Channel.confer`.
        """
        consults = routes & AGENT_SPEAKS == Route.AGENT_TO_THIRD
        self.joined, third.joined = Joined(third, routes, music, consults), Joined(self, routes)
        self._confer()
        if self.joined.without_agent is not self._mute_reasons.agent_suspended:
            self._suspend(on=self.joined.without_agent)
        self._hold()

    def _confer(self) -> None:
        if (joined := self.joined) is None or not joined.routes:
            return
        routes = joined.routes
        if self.is_private and not joined.without_agent:  # what the caller says or presses is for the agent alone
            routes &= ~Route.CALLER_TO_THIRD
        self._live.confer(joined.line._live, routes, joined.music)  # noqa: SLF001  of our own kind

    def part(self) -> None:
        """End the bridge or the conference, and music."""
        if self.joined is not None:
            self.joined.line.joined = None
        self.joined = None
        self._live.unbridge()
        self._hold()

    async def listen(self, take: Callable[[agent_line.LineEvent], None]) -> None:
        """See `agent.line.Line.listen`."""
        await self._events.listen(take)

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

    def set_private(self, on: bool) -> None:
        """See `agent.line.Line.set_private`."""
        self._mute_reasons.private = on
        self._confer()
        if self.line_recorder is not None:
            self.line_recorder.set_private(on)

    def agree(self, key: str) -> None:
        """See `agent.line.Line.agree`."""
        if self.line_recorder is not None:
            self.line_recorder.agree(key)

    def think(self, on: bool) -> None:
        """See `agent.line.Line.think`."""
        self._live.think(on=on)

    def set_chunk_duration(self, seconds: float, alert: float | None = None) -> None:
        """See `agent.line.Line.set_chunk_duration`."""
        self._live.set_chunk_duration(seconds, alert)

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
        """Note the order `do` with its `values` in the recorder for `sipgw replay`, if the call has one."""
        if (recorder := RECORDER.get()) is not None:
            recorder.note("line", do=do, channel=self._channel.number if self._channel else 0, **values)

    @property
    def _live(self) -> media.Channel:
        if self._channel is None:
            raise RuntimeError("the line has no channel yet")
        return self._channel
