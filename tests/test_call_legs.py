"""A call changes its other side: transfers by us, by a PBX, by an INVITE that replaces; over real SIP on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agent import line as agent_line
from agent.records import Outcome
from sipgw.call import Call, Connect, Ending, PhoneLine
from sipgw.sip.endpoint import CallFailed, Endpoint, EndpointOptions
from sipgw.sip.events import Phase
from sipgw.sip.leg import Ended, Leg, Referred, ReferRequested
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.uri import Uri
from sipgw.transfer import Person, dialling
from sipgw.trunks import TrunkOptions

LOCAL = EndpointOptions("127.0.0.1", 0)
TRUNK = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",))


class FakeChannel:
    """A media channel that only remembers where it was connected to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.peers: list[int] = []
        self.closed = False

    def connect(self, form: Any, peer: tuple[str, int], *, send: bool, receive: bool) -> None:
        self.peers.append(peer[1])

    async def stats(self) -> dict[str, Any]:
        return {"connected": len(self.peers)}

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    def __init__(self) -> None:
        self.channels: list[FakeChannel] = []

    async def open(self, sink: Any) -> FakeChannel:
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
        self.media = LocalMedia("127.0.0.1", port)
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
        return leg


class World:
    """A gateway with one call from `caller`, and a third party."""

    def __init__(self, trunk: TrunkOptions = TRUNK, take: Callable[[Leg], None] | None = None) -> None:
        self.engine = FakeEngine()
        self.caller = Phone(4000)
        self.third = Phone(5000, take)
        self.trunk = trunk
        self.person: Person | None = None
        self.talk: Talk
        self.call: Call
        self.leg: Leg
        self.ending: asyncio.Task[Ending]
        self.endpoint = Endpoint(LOCAL, self._on_invite, lambda *_: None)
        self._group = asyncio.TaskGroup()

    @contextlib.asynccontextmanager
    async def up(self, *, attended: bool | None = None, await_bye: float = 0) -> AsyncIterator["World"]:
        async with self.caller.endpoint, self.third.endpoint, self.endpoint, self._group:
            if attended is not None:
                self.person = Person(self.third.uri, attended, await_bye)
            self.leg = await self.caller.call(self.uri)
            await self.talk.running.wait()
            while self.call.leg.phase is not Phase.CONFIRMED:
                await asyncio.sleep(0)
            yield self
            self.leg.hangup()
            await self.ending

    @property
    def uri(self) -> Uri:
        return Uri("sip", "agent", "127.0.0.1", self.endpoint.port)

    @property
    def peers(self) -> list[int]:
        """The ports that the sound of the conversation went to, one after the other."""
        return self.engine.channels[0].peers

    def _on_invite(self, leg: Leg) -> None:
        if leg.replaces is not None:
            assert leg.replaces == self.call.leg.dialog
            self.call.replace(leg)
            return
        if self.trunk.accept_refer:
            leg.let_refer()

        def converse(line: PhoneLine, connect: Connect | None) -> Any:
            self.talk = Talk(line, connect)
            return self.talk

        dial = dialling(self.endpoint, self.trunk)
        self.call = Call(leg, self.engine, converse, address="127.0.0.1", person=self.person, dial=dial)  # type: ignore[arg-type]
        self.ending = self._group.create_task(self.call.run())


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(limited())


async def last(leg: Leg) -> Ended:
    async for event in leg.events():
        if isinstance(event, Ended):
            return event
    raise AssertionError("the events of a leg end with Ended")


async def asked(leg: Leg) -> ReferRequested:
    async for event in leg.events():
        if isinstance(event, ReferRequested):
            return event
    raise AssertionError("the call ended without a REFER")


def busy(leg: Leg) -> None:
    leg.reject(486)


# A PBX sends the agent to somebody

OPEN = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",), accept_refer=True)


def test_the_agent_goes_where_it_is_sent_and_goes_on_talking() -> None:
    async def scenario() -> None:
        async with World(OPEN).up() as world:
            outcome = await world.leg.refer(world.third.uri)
            assert outcome == Referred(True, 200, "OK")
            (leg,) = world.third.legs
            assert leg.request.headers.get("referred-by") == f"<{world.caller.uri}>"
            assert world.peers == [4000, 5000]
            world.leg.hangup()
            leg.send_info_digit("7")
            while world.talk.keys != "7":
                await asyncio.sleep(0)
            leg.hangup()
            assert (await world.ending) == Ending("caller_hung_up", "caller: BYE")
            assert world.engine.channels[0].closed

    run(scenario)


def test_who_is_busy_leaves_the_agent_where_it_was() -> None:
    async def scenario() -> None:
        async with World(OPEN, busy).up() as world:
            assert await world.leg.refer(world.third.uri) == Referred(False, 486, "Busy Here")
            assert world.peers == [4000]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            assert (await last(world.leg)).by == "caller"

    run(scenario)


def test_who_does_not_let_the_agent_be_sent_around_says_so() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            assert await world.leg.refer(world.third.uri) == Referred(False, 603, "Decline")
            assert world.third.legs == []

    run(scenario)


@pytest.mark.parametrize("answers", [True, False])
def test_who_sends_the_agent_away_may_hang_up_at_once(answers: bool) -> None:
    async def scenario() -> None:
        waiting: list[Leg] = []
        async with World(OPEN, waiting.append).up() as world, asyncio.TaskGroup() as tasks:
            refer = tasks.create_task(world.leg.refer(world.third.uri))
            await world.third.came.wait()
            world.leg.hangup()
            assert not (await refer).accepted, "it did not want to wait for the outcome"
            while world.call.leg.phase is not Phase.ENDED:
                await asyncio.sleep(0)
            (leg,) = waiting
            if answers:
                world.third.pick_up(leg)
                while world.peers != [4000, 5000]:
                    await asyncio.sleep(0)
                assert not world.ending.done()
                leg.hangup()
            else:
                leg.reject(480)
            assert await world.ending == Ending("caller_hung_up", "caller: BYE")

    run(scenario)


# An INVITE takes the place of the caller's


def test_the_conversation_goes_on_with_who_takes_the_callers_place() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            leg = await world.third.call(world.uri, (("Replaces", str(world.leg.replacement)),))
            assert await last(world.leg) == Ended("caller", "BYE")
            assert world.peers == [4000, 5000]
            assert not world.ending.done()
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            assert await last(leg) == Ended("caller", "BYE")

    run(scenario)


def test_a_replacement_whose_sound_is_not_ours_changes_nothing() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            offer = make_offer(world.third.media).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18")
            with pytest.raises(CallFailed) as failure:
                await world.third.call(world.uri, (("Replaces", str(world.leg.replacement)),), offer)
            assert failure.value.ended.status == 488
            assert world.peers == [4000]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"

    run(scenario)


# The agent sends the caller to a person


async def blindly(world: World, status: int, reason: str) -> None:
    """What a carrier does with our REFER."""
    await asked(world.leg)
    world.leg.report_refer(status, reason)


@pytest.mark.parametrize("theirs", [True, False], ids=["they hang up", "we hang up"])
def test_a_caller_is_transferred(theirs: bool) -> None:
    async def scenario() -> None:
        async with World().up(attended=False, await_bye=10 if theirs else 0) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()
            tasks.create_task(blindly(world, 200, "OK"))
            assert world.talk.connect
            assert await world.talk.connect()
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            if theirs:
                world.leg.hangup()
            assert await last(world.leg) == Ended("gateway" if theirs else "caller", "BYE")
            assert await world.ending == Ending("transferred", f"to {world.third.uri}: 200 OK")

    run(scenario)


def test_a_carrier_that_hangs_up_first_has_transferred_all_the_same() -> None:
    async def scenario() -> None:
        async with World().up(attended=False, await_bye=10) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()
            tasks.create_task(blindly(world, 200, "OK"))
            assert world.talk.connect
            assert await world.talk.connect()
            world.leg.hangup()  # the conversation hears that nobody is there before it is told to end
            assert (await world.ending).kind == "transferred"

    run(scenario)


@pytest.mark.parametrize("let", [True, False])
def test_a_caller_who_cannot_be_transferred_stays(let: bool) -> None:
    async def scenario() -> None:
        async with World().up(attended=False) as world, asyncio.TaskGroup() as tasks:
            if let:
                world.leg.let_refer()
                tasks.create_task(blindly(world, 404, "Not Found"))
            assert world.talk.connect
            assert not await world.talk.connect()
            assert not world.ending.done()
            world.talk.end()
            assert await world.ending == Ending("agent_hung_up", "done")

    run(scenario)


def test_without_a_person_there_are_no_transfers() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            assert world.talk.connect is None

    run(scenario)


def test_a_person_is_asked_first_and_then_gets_the_caller() -> None:
    async def scenario() -> None:
        async with World().up(attended=True) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()

            async def obey() -> None:
                """What the caller's PBX does."""
                request = await asked(world.leg)
                fields = (("Replaces", str(request.replaces)), ("Require", "replaces"))
                await world.caller.call(request.target, fields)
                consulted, connected = world.third.legs
                assert connected.replaces == consulted.dialog
                consulted.hangup()
                world.leg.report_refer(200, "OK")

            tasks.create_task(obey())
            assert world.talk.connect
            assert await world.talk.connect()
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            assert (await world.ending).kind == "transferred"
            assert [channel.closed for channel in world.engine.channels] == [True, True]

    run(scenario)


def test_a_person_who_does_not_answer_gets_no_caller() -> None:
    async def scenario() -> None:
        async with World(take=busy).up(attended=True) as world:
            assert world.talk.connect
            assert not await world.talk.connect()
            assert len(world.third.legs) == 1
            assert [channel.closed for channel in world.engine.channels] == [False, True]
            world.talk.outcome.set_result(Outcome("failed", "model failed"))
            ending = await world.ending
            assert ending.kind == "transfer_failed"
            assert "486" in ending.cause

    run(scenario)
