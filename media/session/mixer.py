"""A conference of three: the caller, the agent, and a third who speaks on a channel of their own. Sans-IO.

One `Mixer` serves the sessions of the caller and of the third. It has no clock and no task: each session asks it in its
own 20 ms slot. Every source is taken once in each slot, by the first who needs it:

| sound of   | waits in                             | is taken by                                             |
|------------|--------------------------------------|---------------------------------------------------------|
| the caller | the jitter buffer of their listener  | the third's slot (the recogniser has a buffer of its own) |
| the third  | the jitter buffer of their listener  | the caller's slot, which keeps it for the agent         |
| the agent  | the queue of the caller's `Playout`  | the caller's slot, which keeps it for the third         |

Nobody hears themselves (mix-minus). Where only one speaks, their mu-law bytes pass unchanged; two who speak at once
are added in linear samples, and what is too loud is clipped. A source that has nothing gives silence at once.
"""

from collections import deque
from collections.abc import Callable, Sequence

from media.fast import base
from media.g711 import FRAME, SILENCE, ULAW_SILENCE, mixed
from media.session.inbound import Counts, Inbound
from media.session.playout import NO_MARKS, Mark, Playout
from media.session.relay import Music
from media.session.routing import AGENT_SPEAKS, Route

PARTIES = 3
"""The most who speak in a call: the caller, the agent and one third."""
KEPT = 3
"""Frames of the agent that may wait for the third (60 ms). The slots of both are 0 to 20 ms apart."""
KEPT_UP = 10 * FRAME
"""Samples of the third that may wait for the agent (200 ms). The agent takes them with the caller's packets, which have
up to 60 ms or come late."""

# Plain numbers for what is done in each slot: the operators of an `IntFlag` take ten times as long.
(
    _AGENT_TO_CALLER, _THIRD_TO_CALLER, _CALLER_TO_THIRD, _AGENT_TO_THIRD,
    _CALLER_TO_AGENT, _THIRD_TO_AGENT, _, _COVERT,
) = map(int, Route)  # fmt: skip
_AGENT_SPEAKS = int(AGENT_SPEAKS)


def together(one: bytes, other: bytes) -> bytes:
    """The sum of two mu-law frames. If one is silence, the other frame is returned as the same object."""
    if other is SILENCE or other == SILENCE:
        return one
    if one is SILENCE or one == SILENCE:
        return other
    return mixed(one, other)


class ThirdSide:
    """Source of the sound for the third party: the `media.session.relay.FrameSource` of their session."""

    __slots__ = ("take",)

    def __init__(self, take: Callable[[float], bytes]) -> None:
        self.take = take
        """Returns the next 20 ms of mu-law sound at a time in seconds."""


class Mixer(base.Mixer):
    """The sound of one conference: the `media.session.relay.FrameSource` of the caller's session."""

    __slots__ = ("_agent", "_bits", "_caller", "_counts", "_for_agent", "_music", "_third", "muted")

    def __init__(self, caller: Inbound, third: Inbound, counts: Counts) -> None:
        """`counts` are those of the caller's session."""
        self._bits = 0
        self.muted = True
        """Whether sound may not be kept now: see `Route.COVERT`."""
        self._caller = caller.listen()
        self._third = third.listen()
        self._counts = counts
        self._music: Music | None = None
        self._agent: deque[bytes] = deque()
        self._for_agent = bytearray()

    def route(self, routes: Route, music: bytes = b"") -> None:
        """Apply `routes` from the next slot on; a caller who does not hear the agent hears `music`."""
        self._bits = int(routes)
        self._music = Music(music) if music else None
        if not routes & Route.AGENT_TO_THIRD:
            self._agent.clear()
        if not routes & Route.THIRD_TO_AGENT:
            self._for_agent.clear()

    @property
    def agent_speaks(self) -> bool:
        """Whether somebody hears the agent; otherwise the agent's queue waits."""
        return self._bits & _AGENT_SPEAKS > 0

    @property
    def consults(self) -> bool:
        """Whether the third hears the agent and the caller does not. Then the agent goes on speaking while the caller
        holds."""
        return self._bits & _AGENT_SPEAKS == _AGENT_TO_THIRD

    @property
    def relays_keys(self) -> bool:
        """Whether the keys of caller and third are for each other: the agent is silent."""
        bits = self._bits
        return bool(bits & _CALLER_TO_THIRD and bits & _THIRD_TO_CALLER) and not self.agent_speaks

    def take(self, now: float) -> bytes:
        """Take the next 20 ms of the third, which the agent gets, too; call it in each slot, also if nothing is
        sent."""
        third = self._third.take(now)
        if self._bits & _THIRD_TO_AGENT:
            if len(self._for_agent) >= KEPT_UP:
                del self._for_agent[:FRAME]
                self._counts.mix_dropped += 1
            self._for_agent += third
        return third

    def to_caller(self, frame: bytes, sent: bytes, third: bytes, now: float) -> tuple[bytes, bytes]:
        """The sound for the caller in two forms: from the agent's `frame`, and from `sent`, the same frame with sounds
        under it.

        `third` is the sound of the third that `take` has returned for this slot.
        """
        if self._bits & _AGENT_TO_THIRD:
            self._keep(frame)
        if not self._bits & _AGENT_TO_CALLER:
            frame = sent = self._music.take(now) if self._music else SILENCE
        if not self._bits & _THIRD_TO_CALLER or third == SILENCE:
            return frame, sent
        alone = sent is frame
        frame = self._sum(frame, third)
        return frame, (frame if alone else together(sent, third))

    def next(self, playout: Playout, now: float) -> tuple[bytes, Sequence[Mark]]:
        """The sound for the caller in the next slot, if no sounds lie under the agent's; and the marks of the agent's
        sound."""
        third = self.take(now)
        frame, marks = playout.take() if self.agent_speaks else (SILENCE, NO_MARKS)
        return self.to_caller(frame, frame, third, now)[0], marks

    def third_side(self) -> ThirdSide:
        """The source of sound for the third's session."""
        return ThirdSide(self._to_third)

    def _to_third(self, now: float) -> bytes:
        caller = self._caller.take(now)
        agent = self._agent.popleft() if self._agent else SILENCE
        if self._bits & _COVERT and self.muted:
            return SILENCE
        return self._sum(caller, agent) if self._bits & _CALLER_TO_THIRD else agent

    def to_agent(self, sound: bytes) -> bytes:
        """The sound for the agent: the caller's `sound` of any length, with the sound of the third that has come
        meanwhile."""
        if not self._bits & _CALLER_TO_AGENT:
            sound = bytes((ULAW_SILENCE,)) * len(sound)
        third = bytes(self._for_agent[: len(sound)])
        del self._for_agent[: len(sound)]
        if third.count(ULAW_SILENCE) == len(third):
            return sound
        head = sound[: len(third)]
        if head.count(ULAW_SILENCE) != len(head):
            self._counts.mixed += 1
            third = mixed(head, third)
        return third + sound[len(third) :]

    def _keep(self, frame: bytes) -> None:
        if len(self._agent) >= KEPT:
            self._agent.popleft()
            self._counts.mix_dropped += 1
        self._agent.append(frame)

    def _sum(self, one: bytes, other: bytes) -> bytes:
        found = together(one, other)
        if found is not one and found is not other:
            self._counts.mixed += 1
        return found
