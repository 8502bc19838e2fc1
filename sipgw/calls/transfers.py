"""Transfers of one call to people; for a third who joins it see `sipgw.calls.conference`."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import structlog

from agent.errors import internal
from media.process.channel import Channel, MediaDown, PortsExhausted
from media.process.engine import MediaEngine
from sipgw.calls.consult_leg import ConsultLeg
from sipgw.calls.context import CallContext
from sipgw.calls.info import SessionEvent, SessionState
from sipgw.calls.negotiation import OurSide, agree
from sipgw.calls.transfer_legs import Consult, TransferLegs
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.events import CallTransferred
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.events import Referred
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import NotDialled

log = structlog.get_logger()

DASHBOARD = Uri("sip", host="dashboard")
"""The address of an operator who speaks from a page."""
HUNG_UP = Referred(False, 487, "hung up before the calls were joined")
Enter = Callable[[ConsultLeg, contextlib.AsyncExitStack], None]
"""Takes a person who has answered, and the stack that hangs up this person."""
Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
"""Starts a task that ends with the call at the latest."""


class TransferState(Enum):
    """The state of the transfers of a call."""

    FREE = "free"
    CALLING = "calling"
    """A person is being called or briefed, or the caller's carrier is connecting them."""
    JOINED = "joined"
    """The caller speaks with a person through the gateway; the agent does not return."""
    SHARED = "shared"
    """A third is in the call, and may leave it again."""


FOLLOWING: dict[TransferState, tuple[TransferState, ...]] = {
    TransferState.FREE: (TransferState.CALLING,),
    TransferState.CALLING: (TransferState.FREE, TransferState.JOINED, TransferState.SHARED),
    TransferState.JOINED: (),
    TransferState.SHARED: (TransferState.FREE, TransferState.JOINED),
}
"""The states that may follow each state; any other change is an error in our code."""


MOST_LEGS = 10
"""People whose sound statistics are in the record at the end of a call: the last ones."""


class Transfers:
    """The transfers of one call. Calls without a SIP leg are transferred by bridging."""

    def __init__(self, engine: MediaEngine, context: CallContext, legs: TransferLegs, spawn: Spawn) -> None:
        self.outcome: Referred | None = None
        """The outcome of the last try."""
        self.target: TransferTarget | None = None
        """The person of the last try."""
        self.person: ConsultLeg | None = None
        """The person whom the caller speaks with through the gateway."""
        self.state = TransferState.FREE
        self.sound: list[dict[str, Any]] = []
        """Sound statistics of each person whose line is closed, for the record: see `sipgw.events.sounds`."""
        self.legs = legs
        self.spawn = spawn
        self._engine = engine
        self._context = context
        self._stack = contextlib.AsyncExitStack()

    def advance(self, state: TransferState) -> None:
        """Change the state. Raises `RuntimeError` where that cannot happen."""
        if state not in FOLLOWING[self.state]:
            raise RuntimeError(f"a transfer that is {self.state.value} cannot become {state.value}")
        self.state = state

    @property
    def possible(self) -> bool:
        """Whether a transfer may begin: no other is in progress, and the agent speaks with the caller."""
        return self.state is TransferState.FREE

    @property
    def taken(self) -> bool:
        """Whether the person who speaks in the agent's place may give the call back to the agent."""
        return self.state is TransferState.SHARED

    def stand_in(self, person: ConsultLeg | None, target: TransferTarget | None) -> None:
        """Note that the third `person` speaks with the caller in the agent's place; None if the agent speaks again."""
        self.person, self.target = person, target
        self.outcome = Referred(True, 200, "OK") if person else None

    @property
    def instead(self) -> str:
        """The person who speaks with the caller in the agent's place; empty if nobody does."""
        return (self.target.name or str(self.target.uri)) if self.person and self.target else ""

    def moved(self, spoke: str) -> bool:
        """Whether the caller was transferred; `spoke` is the result of `last`."""
        return self.outcome is not None and self.outcome.accepted and (bool(spoke) or not self.taken)

    def told(self, spoke: str) -> str:
        """The last attempt for the record; `spoke` is the result of `last`. Empty without an attempt."""
        target, done = self.target, self.outcome
        if target is None or done is None:
            return ""
        to = f"to {target.called}: {spoke or f'{done.status} {done.reason}'}"
        return f"taken over: {to}" if self.taken else to

    async def connect(self, leg: Leg | None, to: str = "") -> bool:
        """Connect the other side of `leg` with a person named `to`, or with the first person who can take the call.

        Returns whether that succeeded. The caller hears music while the gateway calls somebody, and the agent again if
        nobody could be reached.
        """
        if not self.possible:
            log.info("somebody is being called for this call already", to=to)
            return False
        line, targets = self._context.line, self.legs.targets
        chosen = targets.hunt(to, datetime.now(UTC)) if targets else ()
        if not chosen:
            log.info("nobody to transfer to is on duty", to=to)
            return False
        connected = False
        self.advance(TransferState.CALLING)
        try:
            for target in chosen:
                if leg is None or target.bridged:
                    line.suspend_agent(self.legs.music)
                if connected := await self._tried(leg, target):
                    break
        finally:
            self._called()
            if not connected and any(leg is None or target.bridged for target in chosen):
                line.resume_agent()
        return connected

    def _called(self) -> None:
        """Note that the attempt is over: the carrier has connected the caller, or nobody was reached."""
        if self.state is TransferState.CALLING:
            self.advance(TransferState.FREE)

    async def _tried(self, leg: Leg | None, target: TransferTarget) -> bool:
        self.target = target
        self.outcome = done = await self.reach(leg, target)
        log.info("transfer", to=target.called, done=done.accepted, status=done.status, reason=done.reason)
        self.tell(target, done)
        return done.accepted

    def tell(self, target: TransferTarget, done: Referred) -> None:
        """Tell the outcome of a try to watchers."""
        tried = (self._context.info.id, datetime.now(UTC), target.called, done.accepted, done.status, done.reason)
        self._context.tell(CallTransferred(*tried))

    async def reach(
        self, leg: Leg | None, target: TransferTarget, consult: Consult | None = None, enter: Enter | None = None
    ) -> Referred:
        """Try to connect the other side of `leg` with `target`; returns the outcome.

        `consult` reaches a person in another way than by calling them. With `enter` a person whom the gateway calls is
        not bridged with the caller when they have answered: `enter` takes them, and what hangs them up.
        """
        try:
            if leg is None or target.bridged:
                return await self._bridge(leg, target, consult or self.legs.consult, enter or self._join)
            return await (self._attended(leg, target) if target.mode == "attended" else leg.refer(target.uri))
        except CallFailed as error:
            return Referred(False, error.ended.status, f"{error.ended.how} {error.ended.text}".strip())
        except NotDialled as error:
            log.info("a transfer target was not called", call=self._context.info.id, cause=str(error))
            return Referred(False, 503, error.told(self._context.info.tenant))
        except (PortsExhausted, MediaDown) as error:
            return Referred(False, 503, str(error))
        except NotAcceptable as error:
            return Referred(False, 488, str(error))
        except Exception as error:  # the boundary of one try: the agent still speaks with the caller
            log.exception("a transfer failed by an error of ours")
            return Referred(False, 500, internal(error))

    async def _bridge(self, leg: Leg | None, target: TransferTarget, consult: Consult, enter: Enter) -> Referred:
        """Call the person, brief them if configured, and have them `enter` the call."""
        line = self._context.line
        async with contextlib.AsyncExitStack() as stack:
            person = await stack.enter_async_context(consult(target, line.channel))
            stack.push_async_callback(self._end, person)
            self.spawn(person.follow())
            refused = await self.legs.brief(person.line) if target.mode == "warm" else ""
            if refused:
                return Referred(False, 603, refused)
            if person.line.gone.is_set() or not self.is_up:
                return HUNG_UP
            if target.by_refer and leg and person.leg:
                done = await leg.refer(person.leg.target, person.leg)
                if done.accepted:
                    return done
                log.info("the caller's side does not connect them, so we do", status=done.status)
                if person.line.gone.is_set() or not self.is_up:
                    return HUNG_UP
            person.come_in()
            enter(person, stack.pop_all())
        return Referred(True, 200, "OK")

    async def _end(self, person: ConsultLeg) -> None:
        """Hang up `person`, then read the statistics of their sound, before their channel is closed.

        A media process that hangs answers late, and nobody may stay on the line meanwhile.
        """
        if person.leg is not None:
            person.leg.hangup()
        with contextlib.suppress(MediaDown):
            counts = await person.line.stats()
            judged = {name: one for name, one in counts.items() if isinstance(one, int | float | list)}
            judged.pop("mos_by_interval", None)
            self.sound.append({"trunk": person.trunk, **judged})
            del self.sound[:-MOST_LEGS]

    def _join(self, person: ConsultLeg, stack: contextlib.AsyncExitStack) -> None:
        """Bridge caller and person for good."""
        self._stack.push_async_exit(stack)
        self._context.line.join(person.line)
        self._context.advance(SessionEvent.JOIN)
        self.advance(TransferState.JOINED)
        self.person = person

    @property
    def is_up(self) -> bool:
        """Whether the call is still up: an ending call is not bridged."""
        return self._context.state is SessionState.ANSWERED and not self._context.line.gone.is_set()

    async def last(self) -> str:
        """Wait until the caller or the person hangs up; returns who did, and how long they spoke. Empty if none did."""
        person, line = self.person, self._context.line
        if person is None or self.target is None:
            return ""
        if self.taken and not (line.gone.is_set() or person.line.gone.is_set()):
            return ""  # the call was ended here while an operator had it
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(one.gone.wait()) for one in (line, person.line)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=self.legs.longest)
            for wait in waits:
                wait.cancel()
        how = "the longest that was allowed"
        if line.gone.is_set() or person.line.gone.is_set():
            how = f"{(self.target.name or 'the person') if person.line.gone.is_set() else 'the caller'} hung up"
        return f"{asyncio.get_running_loop().time() - person.began:.0f} s, {how}"

    async def close(self) -> None:
        """Hang up the people whom we called; no bridge begins any more."""
        self._context.line.gone.set()
        await self._stack.aclose()

    async def _attended(self, leg: Leg, target: TransferTarget) -> Referred:
        """Call the person; when they have answered, the caller takes the place of that call."""
        channel = await self._engine.open(lambda event: None)
        with closing(channel):
            side = OurSide(channel.port)
            async with self.legs.invite(target.uri, leg, side) as asked:
                try:
                    agree(asked, side)
                    return await leg.refer(asked.target, asked)
                finally:
                    asked.hangup()


@contextlib.contextmanager
def closing(channel: Channel) -> Iterator[None]:
    """Give the ports of `channel` back in the end."""
    try:
        yield
    finally:
        channel.close()
