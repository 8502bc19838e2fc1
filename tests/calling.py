"""A gateway's call with a conversation and media that only remember, over real SIP on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from agent import line as agent_line
from agent.records import Outcome
from sipgw.calls.call import Call, Connect
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.calls.transfers import Dial, Reached, Ways, dialling
from sipgw.events import Disposition
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Phase
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri
from sipgw.trunks.trunks import TrunkOptions

LOCAL = EndpointOptions("127.0.0.1", 0)
TRUNK = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",))
OPEN = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",), accept_refer=True)
"""A trunk that may send the agent to somebody else."""


def uncounted(endpoint: Endpoint, trunk: TrunkOptions) -> Dial:
    """Calls that count nowhere."""

    @contextlib.asynccontextmanager
    async def dial(*wanted: Any) -> AsyncIterator[Reached]:
        yield await dialling(endpoint, trunk)(*wanted)

    return dial


class FakeChannel:
    """A media channel that only remembers where it was connected to."""

    def __init__(self, port: int) -> None:
        self.number = 1
        self.port = port
        self.peers: list[int] = []
        self.did: list[str] = []
        """What was sent to the other side in place of the agent's words."""
        self.closed = False

    def connect(self, form: Any, peer: tuple[str, int], **more: Any) -> None:
        self.peers.append(peer[1])

    def music(self, ulaw: bytes) -> None:
        self.did.append("music")

    def bridge(self, other: "FakeChannel", *, heard: bool = False) -> None:
        self.did.append("bridge")

    def unbridge(self) -> None:
        self.did.append("unbridge")

    def pause_recording(self) -> None:
        pass

    def resume_recording(self) -> None:
        pass

    async def stats(self) -> dict[str, Any]:
        return {"connected": len(self.peers)}

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    def __init__(self) -> None:
        self.channels: list[FakeChannel] = []

    async def open(self, sink: Any, *, ipv6: bool = False) -> FakeChannel:
        self.channels.append(FakeChannel(20000 + 2 * len(self.channels)))
        return self.channels[-1]


class Talk:
    """A conversation that lasts until the line is dead or somebody says how it ends."""

    def __init__(self, line: PhoneLine, connect: Connect | None) -> None:
        self.line = line
        self.connect = connect
        self.keys = ""
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.running = asyncio.Event()

    async def open(self) -> None:
        pass

    async def run(self) -> Outcome:
        self.running.set()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            outcome = await self.outcome
            listening.cancel()
        return outcome

    async def _listen(self) -> None:
        async for event in self.line.events():
            if isinstance(event, agent_line.Digit):
                self.keys += event.key
            elif isinstance(event, agent_line.Gone) and not self.outcome.done():
                self.outcome.set_result(Outcome("caller_hung_up", event.cause))

    async def close(self) -> None:
        pass

    def end(self) -> None:
        self.outcome.set_result(Outcome("agent_hung_up", "done"))


class Phone:
    """Another side with a SIP endpoint of its own; what it does with calls is up to the test."""

    def __init__(self, port: int, take: Callable[[Leg], None] | None = None) -> None:
        self.media = LocalMedia("127.0.0.1", port, tls=False)
        self.legs: list[Leg] = []
        self.came = asyncio.Event()
        self._take = take or self.pick_up
        self.endpoint = Endpoint(LOCAL, self._on_invite, lambda *_: None)

    def _on_invite(self, leg: Leg) -> None:
        self.legs.append(leg)
        self._take(leg)
        self.came.set()

    def pick_up(self, leg: Leg) -> None:
        leg.answer(answer(leg.offer or b"", self.media).sdp)

    @property
    def uri(self) -> Uri:
        return Uri("sip", "somebody", "127.0.0.1", self.endpoint.port)

    async def call(self, target: Uri, fields: tuple[tuple[str, str], ...] = (), offer: bytes = b"") -> Leg:
        leg, _ = await self.endpoint.invite(target, f"<{self.uri}>", offer or make_offer(self.media), fields=fields)
        self.legs.append(leg)
        return leg


class World:
    """A gateway with one call from `caller`, and a third party."""

    def __init__(self, trunk: TrunkOptions = TRUNK, take: Callable[[Leg], None] | None = None) -> None:
        self.engine = FakeEngine()
        self.caller = Phone(4000)
        self.third = Phone(5000, take)
        self.trunk = trunk
        self.ways: Ways | None = None
        self.talk: Talk
        self.call: Call
        self.ending: asyncio.Task[Disposition]
        self.first: asyncio.Future[Leg] = asyncio.get_running_loop().create_future()
        """The gateway's leg of the call as it came in."""
        self.heard: list[bytes] = []
        """Every message that the gateway got."""
        self.endpoint = Endpoint(LOCAL, self._on_invite, lambda *_: None, self._trace)
        self._group = asyncio.TaskGroup()

    def lead_to(self, person: TransferTarget) -> None:
        """Let the agent transfer callers to `person`."""
        self.ways = Ways(people=TransferTargets.of(person, self.trunk), dial=uncounted(self.endpoint, self.trunk))

    @contextlib.asynccontextmanager
    async def alone(self, *, attended: bool | None = None, await_bye: float = 0) -> AsyncIterator["World"]:
        """The gateway and the third party; the caller is somebody else."""
        async with self.third.endpoint, self.endpoint, self._group:
            if attended is not None:
                self.lead_to(TransferTarget(self.third.uri, "attended" if attended else "refer", await_bye))
            yield self

    @contextlib.asynccontextmanager
    async def up(self, *, attended: bool | None = None, await_bye: float = 0) -> AsyncIterator["World"]:
        async with self.caller.endpoint, self.alone(attended=attended, await_bye=await_bye):
            await self.caller.call(self.uri)
            await self.talk.running.wait()
            while self.call.leg.phase is not Phase.CONFIRMED:
                await asyncio.sleep(0)
            yield self
            self.leg.hangup()
            await self.ending

    @property
    def leg(self) -> Leg:
        """The caller's leg."""
        return self.caller.legs[0]

    @property
    def uri(self) -> Uri:
        return Uri("sip", "agent", "127.0.0.1", self.endpoint.port)

    @property
    def peers(self) -> list[int]:
        """The ports that the sound of the conversation went to, one after the other."""
        return self.engine.channels[0].peers

    def _trace(self, traced: Traced) -> None:
        if traced.direction == "in":
            self.heard.append(traced.data)

    def converse(self, line: PhoneLine, connect: Connect | None) -> Any:
        self.talk = Talk(line, connect)
        return self.talk

    def answered(self) -> None:
        pass

    def measured(self, quality: Any) -> None:
        pass

    def _on_invite(self, leg: Leg) -> None:
        if leg.replaces:
            assert leg.takes(self.call.leg)
            self.call.replace(leg)
            return
        if self.trunk.accept_refer:
            leg.let_refer()
        dial = uncounted(self.endpoint, self.trunk)
        ways = self.ways or Ways(dial=dial, sent=dial)
        self.call = Call(leg, self.engine, self, address="127.0.0.1", ways=ways, srtp=self.trunk.srtp)  # type: ignore[arg-type]
        self.ending = self._group.create_task(self.call.run())
        self.first.set_result(leg)


def busy(leg: Leg) -> None:
    """What a phone does whose owner is speaking."""
    leg.reject(486)
