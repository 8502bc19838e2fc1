"""A gateway's call with a conversation and media that only remember, over real SIP on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from agent import line as agent_line
from agent.records import Outcome
from sipgw.agents.agents import Agents
from sipgw.calls.info import CallInfo
from sipgw.calls.negotiation import OurSide
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.services import CallServices
from sipgw.calls.session import CallSession
from sipgw.calls.sip_connection import SipConnection
from sipgw.calls.talk import Connect
from sipgw.calls.transfer_legs import Fields, TransferLegs, invite_on_trunk
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition, Watchers
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.cost.prices import PriceTable
from sipgw.policy.cost.tenants import TenantLimits
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Phase
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri

LOCAL = EndpointOptions("127.0.0.1", 0)
TRUNK = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",))
OPEN = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",), accept_refer=True)
"""A trunk that may send the agent to somebody else."""


class Legs(TransferLegs):
    """Further legs that count nowhere and pass no gate."""

    people: TransferTargets | None = None

    @property
    def targets(self) -> TransferTargets | None:
        return self.people

    @property
    def music(self) -> bytes:
        return b"\x11" * 800

    @contextlib.asynccontextmanager
    async def invite(self, uri: Uri, leg: Leg, side: OurSide, fields: Fields = ()) -> AsyncIterator[Leg]:
        yield await invite_on_trunk(self.services.endpoint, self.context.info.trunk, uri, leg, side, fields)

    @contextlib.asynccontextmanager
    async def follow_refer(self, uri: Uri, leg: Leg, side: OurSide, fields: Fields) -> AsyncIterator[Leg]:
        async with self.invite(uri, leg, side, fields) as reached:
            yield reached


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

    def bridge(self, other: "FakeChannel") -> None:
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
            listening = tasks.create_task(self.line.listen(self._take))
            outcome = await self.outcome
            listening.cancel()
        return outcome

    def _take(self, event: agent_line.LineEvent) -> None:
        if isinstance(event, agent_line.Digit):
            self.keys += event.key
        elif isinstance(event, agent_line.Gone) and not self.outcome.done():
            self.outcome.set_result(Outcome("caller_hung_up", event.cause))

    async def close(self) -> None:
        pass

    def end(self) -> None:
        self.outcome.set_result(Outcome("agent_hung_up", "done"))


class Session(CallSession):
    """A call with a conversation that only listens."""

    talk: Talk

    def converse(self) -> Any:
        self.talk = Talk(self.context.line, self.connect if self.transfers.legs.targets else None)
        return self.talk


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

    def __init__(
        self, trunk: TrunkOptions = TRUNK, take: Callable[[Leg], None] | None = None, options: EndpointOptions = LOCAL
    ) -> None:
        self.engine = FakeEngine()
        self.caller = Phone(4000)
        self.third = Phone(5000, take)
        self.trunk = trunk
        self.people: TransferTargets | None = None
        self.legs: type[Legs] = Legs
        self.session: Session
        self.ending: asyncio.Task[Disposition]
        self.first: asyncio.Future[Leg] = asyncio.get_running_loop().create_future()
        """The gateway's leg of the call as it came in."""
        self.heard: list[bytes] = []
        """Every message that the gateway got."""
        self.endpoint = Endpoint(options, self._on_invite, lambda *_: None, self._trace)
        self._group = asyncio.TaskGroup()

    def lead_to(self, person: TransferTarget) -> None:
        """Let the agent transfer callers to `person`."""
        self.people = TransferTargets.of(person, self.trunk)

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
            await self.until_talk()
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

    @property
    def services(self) -> CallServices:
        prices = Expenses(PriceTable(()), lambda: datetime.now().astimezone())
        limits: Any = SimpleNamespace(own=SimpleNamespace(budget=lambda: None))
        nobody: Any = None
        return CallServices(
            Agents(GatewayConfig(), {}), {}, self.engine, self.endpoint, nobody, nobody, limits,  # type: ignore[arg-type]
            TenantLimits(prices, prices.spent), prices, Watchers(),
        )  # fmt: skip

    @property
    def call(self) -> SipConnection:
        """The gateway's side of the call."""
        assert isinstance(self.session.connection, SipConnection)
        return self.session.connection

    @property
    def talk(self) -> Talk:
        return self.session.talk

    async def until_talk(self) -> None:
        """Wait until the conversation runs."""
        while not (hasattr(self.session, "talk") and self.talk.running.is_set()):
            await asyncio.sleep(0)

    def _on_invite(self, leg: Leg) -> None:
        if leg.replaces:
            assert leg.takes(self.call.leg)
            self.call.replace(leg)
            return
        if self.trunk.accept_refer:
            leg.let_refer()
        self.session = Session(CallInfo(leg.id, self.trunk, Identity(), agent="agent"), self.services)
        legs = self.session.transfers.legs = self.legs(self.services, self.session.context, self.session.setup)
        object.__setattr__(legs, "people", self.people)
        connection = SipConnection(leg, self.endpoint, self.session.context, self.session.transfers)
        self.ending = self._group.create_task(self.session.accept(connection))
        self.first.set_result(leg)


def busy(leg: Leg) -> None:
    """What a phone does whose owner is speaking."""
    leg.reject(486)
