"""Where a call may be sent: to people, by us; to whomever a PBX names, by the PBX. And the calls made for that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from agent.steering import CannotSteer
from media.process.channel import Channel, MediaDown, PortsExhausted
from media.process.engine import MediaEngine
from sipgw.calls.negotiation import OurSide, agree
from sipgw.calls.phone_line import PhoneLine
from sipgw.outbound.routes import NotDialled
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.leg import Ended, Leg, Referred, ReferRequested
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.uri import Uri, is_address
from sipgw.transfer.party import Party
from sipgw.transfer.people import People, Person
from sipgw.trunks.trunks import TrunkOptions

log = structlog.get_logger()

Fields = tuple[tuple[str, str], ...]
Reached = tuple[Leg, bytes | None]
"""A leg that was answered, and the answer."""
Invite = Callable[[Uri, Leg, OurSide, Fields], Awaitable[Reached]]
"""Calls a URI on the trunk of a leg, with our side and further headers. Raises `CallFailed`."""
Dial = Callable[[Uri, Leg, OurSide, Fields], contextlib.AbstractAsyncContextManager[Reached]]
"""Does so; the call counts on its trunk and on the bill until the block ends. Raises `CallFailed`, `NotDialled`."""


def dialling(
    endpoint: Endpoint, trunk: TrunkOptions, phones: Callable[[Uri], Peer | None] = lambda uri: None
) -> Invite:
    """Calls go out where the trunk is: a URI that somebody named never makes us send to a host that we do not know.

    `phones` tells where the phone of an account is that has this Contact.
    """

    def offers(side: OurSide, leg: Leg, to: Peer) -> tuple[bytes, ...]:
        known = to if is_address(to.host) else leg.source  # both are where the trunk is
        return side.offers(endpoint.contact_host(known), trunk.srtp, to)

    async def invite(target: Uri, leg: Leg, side: OurSide, fields: Fields) -> Reached:
        if (phone := phones(target)) is not None:
            described = offers(side, leg, phone)
            return await endpoint.invite(target, leg.identity, *described, peer=phone, fields=fields)
        there = trunk.registrar_uri or _place(leg.source)
        if not target.host:  # tel: (RFC 3966) names no server
            target = replace(there, user=target.user)
        ours = {there.host, leg.source.host, leg.target.host}
        person = trunk.transfer_uri
        if person is not None:
            ours.add(person.host)
        proxy = trunk.proxy_uri or (None if target.host in ours else there)
        first = proxy or target
        back = trunk.registrar_uri is None and replace(first, user="") == there
        to = peer_of(first, leg.source if back else None)
        new, answer = await endpoint.invite(
            target, leg.identity, *offers(side, leg, to), credentials=trunk.credentials, proxy=proxy, peer=to,
            fields=fields,
        )  # fmt: skip
        new.authenticate(trunk.credentials)
        if trunk.accept_refer:
            new.let_refer()
        return new, answer

    return invite


def _place(source: Peer) -> Uri:
    """Where who called from `source` is called, as they called: the port of a stream is that of one connection only."""
    if source.transport == "udp":
        return Uri("sip", host=source.host, port=source.port)
    return Uri("sip", host=source.host, params=(("transport", source.transport),))


DASHBOARD = Uri("sip", host="dashboard")
"""Where an operator is who speaks from a page."""
Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
"""Has work done as long as the call lasts."""
Summon = Callable[[Person, int], contextlib.AbstractAsyncContextManager[Party]]
"""Calls a person beside the channel of that number; see `sipgw.transfer.party.called`."""


@dataclass(frozen=True)
class Ways:
    """What the transfers of one call need."""

    people: People | None = None
    dial: Dial | None = None
    """Makes the calls on the caller's trunk to the people whom we know."""
    sent: Dial | None = None
    """Makes those to whom the other side sends us. Once the block ends, the new leg is the one that the call has."""
    summon: Summon | None = None
    """Calls people who are bridged with the caller."""
    brief: Callable[[PhoneLine], Awaitable[str]] | None = None
    """Tells a person on their line what it is about; returns why they do not take the call, empty if they do."""
    music: bytes = b""
    """What the caller hears meanwhile."""
    longest: float = 7200.0
    """Seconds that caller and person may speak through us."""
    operator: Callable[[str], Person | None] = lambda name: None
    """Who takes calls over under that name."""
    tell: Callable[[Person, Referred], None] = lambda person, done: None
    """Is told of every try."""
    give_back: Callable[[], None] = lambda: None
    """Lets the agent speak again and tells it, when an operator on a page is gone."""


class Transfers:
    """The transfers of one call; without a leg, which only a call by SIP has, by bridging."""

    def __init__(self, engine: MediaEngine, ways: Ways, line: PhoneLine, spawn: Spawn) -> None:
        self.outcome: Referred | None = None
        """What came of the last try."""
        self.person: Person | None = None
        """Whom it was with."""
        self.party: Party | None = None
        """The person whom the caller speaks with through us."""
        self.taken = False
        """Whether it is one who has taken the agent's place, and may give it back."""
        self.away = False
        """Whether we are calling somebody to whom the other side sent us."""
        self.ways = ways
        self._engine = engine
        self._line = line
        self._spawn = spawn
        self._stack = contextlib.AsyncExitStack()
        self._ringing = False

    @property
    def possible(self) -> bool:
        """Whether somebody may be called: nobody is being called, and the agent speaks with the caller."""
        return self.party is None and not self._ringing

    @property
    def instead(self) -> str:
        """Who speaks with the caller in the agent's place; empty if nobody does."""
        return (self.person.name or str(self.person.uri)) if self.party and self.person else ""

    def moved(self, spoke: str) -> bool:
        """Whether the caller went to somebody else, `spoke` being what `last` returned."""
        return self.outcome is not None and self.outcome.accepted and (bool(spoke) or not self.taken)

    def told(self, spoke: str) -> str:
        """What the record says of the last try, `spoke` being what `last` returned; empty if there was none."""
        person, done = self.person, self.outcome
        if person is None or done is None:
            return ""
        to = f"to {person.called}: {spoke or f'{done.status} {done.reason}'}"
        return f"taken over: {to}" if self.taken else to

    async def connect(self, leg: Leg | None, to: str = "") -> bool:
        """Connect the other side of `leg` with somebody called `to`, or with anybody: with the first who can.

        Returns whether that succeeded. The caller hears music from when somebody is called by us, and the agent again
        when nobody could be reached.
        """
        if not self.possible:
            log.info("somebody is being called for this call already", to=to)
            return False
        people = self.ways.people.hunt(to, datetime.now(UTC)) if self.ways.people else ()
        if not people:
            log.info("nobody to transfer to is on duty", to=to)
        connected = False
        self._ringing = bool(people)
        try:
            for person in people:
                if leg is None or person.bridged:
                    self._line.step_aside(self.ways.music)
                if connected := await self._tried(leg, person):
                    break
        finally:
            self._ringing = False
            if not connected and any(leg is None or person.bridged for person in people):
                self._line.step_back()
        return connected

    async def take_over(self, leg: Leg | None, who: str, summon: Summon | None = None) -> bool:
        """Call an operator, who takes the agent's place when they answer; until then the agent goes on talking.

        When they hang up the call is over, unless `give_back` came before. Returns whether they did take it. `summon`
        is how they come if they are not called. Raises `CannotSteer` if there is nobody of that name, or if somebody
        else has the call.
        """
        person = Person(DASHBOARD, "bridge", name=who) if summon else self.ways.operator(who)
        if person is None:
            raise CannotSteer(f"{who!r} is none of [[people]] and has no [[accounts]]")
        if not self.possible or self._line.gone.is_set():
            raise CannotSteer("somebody else has this call, or is being called for it")
        taking = self._spawn(self._take(leg, person, summon))
        await asyncio.wait({taking})
        return not taking.cancelled() and bool(taking.result())

    async def _take(self, leg: Leg | None, person: Person, summon: Summon | None) -> bool:
        if not self.possible:
            return False
        self._ringing = True
        try:
            if not await self._tried(leg, replace(person, mode="bridge"), taken=True, summon=summon):
                return False
        finally:
            self._ringing = False
        party = self.party
        assert party is not None  # noqa: S101  it was just joined
        self._spawn(self._until_gone(party, person))
        return True

    async def _until_gone(self, party: Party, person: Person) -> None:
        await party.line.gone.wait()
        if self.party is not party:
            return
        if party.returns:
            self.ways.give_back()
        else:
            self._line.end(f"{person.called} hung up")

    def give_back(self) -> None:
        """Hang up the operator and let the agent speak again. Raises `CannotSteer` if none has taken the call."""
        if self.party is None or not self.taken:
            raise CannotSteer("nobody has taken this call over")
        self.party, self.person, self.outcome, self.taken = None, None, None, False
        self._line.step_back()
        stack, self._stack = self._stack, contextlib.AsyncExitStack()
        self._spawn(stack.aclose())

    async def _tried(
        self, leg: Leg | None, person: Person, *, taken: bool = False, summon: Summon | None = None
    ) -> bool:
        self.person = person
        self.outcome = done = await self._try(leg, person, taken=taken, summon=summon or self.ways.summon)
        log.info("transfer", to=person.called, done=done.accepted, status=done.status, reason=done.reason)
        self.ways.tell(person, done)
        return done.accepted

    async def _try(self, leg: Leg | None, person: Person, *, taken: bool, summon: Summon | None) -> Referred:
        try:
            if leg is None or person.bridged:
                if summon is None:
                    return Referred(False, 403, "no calls are made here")
                return await self._bridge(leg, person, summon, taken=taken)
            return await (self._consult(leg, person) if person.mode == "attended" else leg.refer(person.uri))
        except CallFailed as error:
            return Referred(False, error.ended.status, f"{error.ended.how} {error.ended.text}".strip())
        except (PortsExhausted, MediaDown, NotDialled) as error:
            return Referred(False, 503, str(error))
        except NotAcceptable as error:
            return Referred(False, 488, str(error))

    async def _bridge(self, leg: Leg | None, person: Person, summon: Summon, *, taken: bool) -> Referred:
        """Call the person, have them briefed if that is wanted, and join the two calls."""
        async with contextlib.AsyncExitStack() as stack:
            party = await stack.enter_async_context(summon(person, self._line.channel))
            self._spawn(party.follow())
            refused = await self.ways.brief(party.line) if person.mode == "warm" and self.ways.brief else ""
            if refused:
                return Referred(False, 603, refused)
            if party.line.gone.is_set() or self._line.gone.is_set():
                return Referred(False, 487, "hung up before the calls were joined")
            if person.by_refer and leg and party.leg:
                done = await leg.refer(party.leg.target, party.leg)
                if done.accepted:
                    return done
                log.info("the caller's side does not connect them, so we do", status=done.status)
            if taken:
                self._line.step_aside()
            self._line.join(party.line, heard=taken)
            self.party, self.taken = party, taken
            self._stack.push_async_exit(stack.pop_all())
        return Referred(True, 200, "OK")

    async def last(self) -> str:
        """Wait until the caller or the person hangs up; returns who did, and how long they spoke. Empty if none did."""
        party = self.party
        if party is None or self.person is None:
            return ""
        if self.taken and not (self._line.gone.is_set() or party.line.gone.is_set()):
            return ""  # the call was ended here while an operator had it
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(line.gone.wait()) for line in (self._line, party.line)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=self.ways.longest)
            for wait in waits:
                wait.cancel()
        who = "the longest that was allowed"
        if self._line.gone.is_set() or party.line.gone.is_set():
            who = f"{(self.person.name or 'the person') if party.line.gone.is_set() else 'the caller'} hung up"
        return f"{asyncio.get_running_loop().time() - party.began:.0f} s, {who}"

    async def close(self) -> None:
        """Hang up whoever we called; nobody is joined any more."""
        self._line.gone.set()
        await self._stack.aclose()

    async def _consult(self, leg: Leg, person: Person) -> Referred:
        """Call the person; when they have answered, the caller takes the place of that call."""
        channel = await self._engine.open(lambda event: None)
        with closing(channel):
            side = OurSide(channel.port)
            async with (self.ways.dial or _nobody)(person.uri, leg, side, ()) as (asked, _):
                try:
                    agree(asked, side.local)
                    return await leg.refer(asked.target, asked)
                finally:
                    asked.hangup()

    @contextlib.asynccontextmanager
    async def go(self, asked: ReferRequested, leg: Leg, side: OurSide) -> AsyncIterator[Reached]:
        """Call whom the other side of `leg` sends us to (RFC 3515 §2.4.4, RFC 3892); both legs count until the block
        ends. Raises `CallFailed`."""
        fields: Fields = (("Referred-By", asked.referred_by),) if asked.referred_by else ()
        if asked.replaces is not None:
            fields = (*fields, ("Replaces", str(asked.replaces)), ("Require", "replaces"))
        async with contextlib.AsyncExitStack() as stack:
            self.away = True
            try:
                reached = await stack.enter_async_context((self.ways.sent or _nobody)(asked.target, leg, side, fields))
            except NotDialled as full:
                raise CallFailed(Ended("gateway", "503", str(full), 503)) from None
            finally:
                self.away = False
            yield reached


@contextlib.asynccontextmanager
async def _nobody(target: Uri, leg: Leg, side: OurSide, fields: Fields) -> AsyncIterator[Reached]:
    raise CallFailed(Ended("gateway", "403", "no calls are made here", 403))
    yield leg, None


@contextlib.contextmanager
def closing(channel: Channel) -> Iterator[None]:
    """Give the ports of `channel` back in the end."""
    try:
        yield
    finally:
        channel.close()
