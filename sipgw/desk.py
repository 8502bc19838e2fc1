"""The desk: gives each call an agent and tells the watchers what happens in it."""

import copy
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from agent.meter import meter
from media.process.engine import MediaEngine
from sipgw.agents.agents import DEFAULT, Agents
from sipgw.agents.providers import Providers
from sipgw.agents.staff import Staff
from sipgw.billing.budget import within_budget
from sipgw.billing.cost import Bill, Expenses
from sipgw.calls.call import Call, Host
from sipgw.calls.live import STOPPED, Held, LiveCall
from sipgw.cluster.limits import SharedLimits
from sipgw.events import (
    CallBegan,
    CallEnded,
    Ending,
    Event,
    Watchers,
)
from sipgw.gate.dnc import OwnList
from sipgw.hosting import Hosting, Placing
from sipgw.inbound.limits import Caller as CallerIn
from sipgw.inbound.limits import Declined
from sipgw.inbound.turned_away import Announcing, Rejection
from sipgw.outbound.call_out import CallOut, Errand
from sipgw.outbound.dial import Outbound
from sipgw.records.consent import wanted
from sipgw.records.recordings import Tape
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import media_host
from sipgw.sip.registrar import Registrar
from sipgw.store import Store
from sipgw.transfer.people import People
from sipgw.transfer.summons import Summons
from sipgw.transfer.transfer import Ways
from sipgw.trunks.trunks import TrunkOptions

log = structlog.get_logger()

Guard = Callable[[Coroutine[Any, Any, Ending]], Coroutine[Any, Any, Ending]]
"""Holds a call to its end, and may end it before."""


async def _as_it_is(work: Coroutine[Any, Any, Ending]) -> Ending:
    return await work


@dataclass(frozen=True)
class Desk:
    """What every call needs. `people` tells whom the callers of a trunk can be transferred to."""

    agents: Agents
    staff: Staff
    providers: dict[str, Providers]
    store: Store
    engine: MediaEngine
    endpoint: Endpoint
    outbound: Outbound
    registrar: Registrar
    watchers: Watchers[Event]
    summons: Summons
    people: Callable[[TrunkOptions], People | None]
    own_list: OwnList
    limits: SharedLimits
    expenses: Expenses

    def as_now(self) -> "Desk":
        """For one call: its agents stay as they are at its beginning, whatever is reloaded."""
        return replace(self, agents=copy.copy(self.agents), providers=dict(self.providers))

    async def serve(self, leg: Leg, live: LiveCall) -> None:
        """Let the agent that is meant talk with the caller."""
        try:
            await self._serve(leg, live)
        finally:  # whatever went wrong before the call was held
            leg.reject(500)
            leg.hangup()

    async def _serve(self, leg: Leg, live: LiveCall) -> None:
        live.agent = self.agents.answering(leg.request, live.identity, live.trunk.name).name
        caller = CallerIn(live.identity.number, live.identity.dialled, leg.source.host)
        declined = await self.limits.admit(caller, live.id, live.trunk)
        if declined is not None:
            await self._turn_away(leg, live, declined)
            return
        try:
            await self.hold(live, lambda host, tape: self._call(leg, live, host, tape, host.ways()))
        finally:
            await self.limits.over(caller, live.id)

    async def _turn_away(self, leg: Leg, live: LiveCall, declined: Declined) -> None:
        """Answer a call that the limits do not let in: with a status, or with one sentence."""
        log.info("call turned away", rule=declined.rule, reason=declined.reason, status=declined.status)
        options = self.agents.all[DEFAULT].config.limits

        def begin(host: Hosting, tape: Tape) -> Held:
            if declined.answer != "spoken":
                return Rejection(leg, declined, options.retry_after)
            meter(host.report)
            voice = self.providers[live.agent].voice("")
            announcing = Announcing(host, voice, options.sentence, declined)
            return self._call(leg, live, announcing, Tape("", "off" if tape.consent == "off" else "key"))  # nobody asks

        await self._hold(live, self._incoming(live, begin), _as_it_is)  # what a day may cost is no reason to cut it off

    async def hold(self, live: LiveCall, begin: Callable[[Hosting, Tape], Held]) -> None:
        """Let the agent of `live` talk in the call that `begin` makes, on whatever line."""
        await self._hold(live, self._incoming(live, begin), self._within_budget(live))

    def _incoming(self, live: LiveCall, begin: Callable[[Hosting, Tape], Held]) -> Callable[[Tape], Held]:
        def begun(tape: Tape) -> Held:
            live.call = begin(Hosting(self, live), tape)
            return live.call

        return begun

    async def place(self, errand: Errand, live: LiveCall) -> Ending:
        """Call somebody, let the agent talk with them, and tell the watchers; returns how it ended."""

        def begun(tape: Tape) -> CallOut:
            return CallOut(errand, self.outbound, self.engine, Placing(self, live, tape), tape)

        return await self._hold(live, begun, self._within_budget(live))

    async def _hold(self, live: LiveCall, begin: Callable[[Tape], Held | CallOut], guard: Guard) -> Ending:
        tape = self._begun(live)
        call: Held | CallOut | None = None
        ending = STOPPED
        try:
            call = begin(tape)
            ending = await guard(call.run())
        except Exception as error:  # the call boundary: who was told that it began is told that it is over
            log.exception("call failed")
            ending = Ending("failed", f"internal error: {type(error).__name__}")
        finally:
            ending = live.stopped or ending
            try:
                self._over(live, ending, (call.stats if call else {}) | tape.as_dict())
            finally:
                tape.end()
        return ending

    def _within_budget(self, live: LiveCall) -> Guard:
        """Hold a call that was let in, or that we make, for as long as it is not too dear."""
        return lambda work: within_budget(live, lambda: self._too_dear(live), lambda: self._goodbye(live), work)

    def _too_dear(self, live: LiveCall) -> str:
        """Why a call must not go on; empty if it may."""
        most = self.agents.all[live.agent].config.cost.per_call
        if live.bill is not None and most and (taken := live.bill.cost(datetime.now(UTC)).most) >= most:
            return f"the call has cost {taken:.2f} of {most:.2f} ([cost] per_call)"
        over = self.limits.own.budget()
        return over.reason if over else ""

    def _goodbye(self, live: LiveCall) -> str:
        return self.agents.all[live.agent].config.cost.goodbye

    def _begun(self, live: LiveCall) -> Tape:
        """Tell of the beginning; returns what the call is recorded by."""
        structlog.contextvars.bind_contextvars(call=live.id)
        who, name = live.identity, live.agent
        bill = Bill(self.expenses.prices, live.direction, live.other, live.began)
        live.bill = self.expenses.open(live.id, bill)
        began = CallBegan(
            live.id, live.began, live.direction, live.trunk.name, name, live.caller, who.dialled, who.as_dict(),
            live.call_id,
        )  # fmt: skip
        self.watchers.tell(began)
        log.info("call began", trunk=live.trunk.name, agent=name, direction=live.direction, carrier=dict(who.call_ids))
        options = self.agents.all[name].config.recording
        consent = wanted(options, who, outbound=live.direction == "out")
        policy = self.agents.privacy(name)
        bleeped = policy.bleep and bool(policy.redact)
        path = options.path(live.id, live.began, live.trunk.name, live.caller)
        live.tape = tape = Tape(path, consent, live.id, bleeped=bleeped, database=self.store.options.name)
        return tape

    def _call(self, leg: Leg, live: LiveCall, host: Host, tape: Tape, ways: Ways | None = None) -> Call:
        # A phone may signal over IPv4 and want its sound over IPv6.
        listening = leg.source._replace(host=media_host(leg.offer))
        other = ":" in listening.host and self.endpoint.reaches(listening)  # if not, the offer is refused
        address = self.endpoint.contact_host(listening if other else leg.source)
        return Call(
            leg, self.engine, host, address=address, ways=ways,
            tape=tape, srtp=live.trunk.srtp, inband_keys=live.trunk.inband_keys,
        )  # fmt: skip

    def _over(self, live: LiveCall, ending: Ending, media: dict[str, Any]) -> None:
        """Tell the ending."""
        ended = datetime.now(UTC)
        log.info("call ended", ending=ending.kind, cause=ending.cause, seconds=(ended - live.began).total_seconds())
        cost = self.expenses.close(live.id)
        told = CallEnded(live.id, ended, ending, media, tuple(live.replaced_by), cost.as_dict() if cost else None)
        self.watchers.tell(told)
