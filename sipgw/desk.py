"""The desk: gives each call an agent and tells the watchers what happens in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from agent.briefing import Briefing, Verdict, summary_of
from agent.conversation import Conversation
from agent.records import Report
from media.channel import Quality
from media.engine import MediaEngine
from sipgw.agents import Agents, call_variables
from sipgw.call import Call, Connect
from sipgw.call_out import CallOut, Errand
from sipgw.consent import notice_of, recording_tools, wanted
from sipgw.events import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CallMeasured,
    CallReported,
    CallRinging,
    CallTransferred,
    Ending,
    Watchers,
)
from sipgw.live import STOPPED, Held, LiveCall
from sipgw.music import hold_music
from sipgw.orders import about_call, about_call_out, order_tools, persona
from sipgw.outbound import Outbound
from sipgw.party import called
from sipgw.people import People, Person
from sipgw.phone_line import PhoneLine
from sipgw.providers import Providers
from sipgw.recordings import Tape
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.leg import Leg, Referred
from sipgw.sip.offer_answer import LocalMedia, media_host
from sipgw.sip.registrar import Registrar
from sipgw.store import Store
from sipgw.summons import Summons
from sipgw.transfer import Ways, dialling
from sipgw.trunks import TrunkOptions

log = structlog.get_logger()


@dataclass(frozen=True)
class Desk:
    """What every call needs. `people` tells whom the callers of a trunk can be transferred to."""

    agents: Agents
    providers: dict[str, Providers]
    store: Store
    engine: MediaEngine
    endpoint: Endpoint
    outbound: Outbound
    registrar: Registrar
    watchers: Watchers
    summons: Summons
    people: Callable[[TrunkOptions], People | None]

    async def serve(self, leg: Leg, live: LiveCall) -> None:
        """Let the agent that is meant talk with the caller."""
        live.agent = self.agents.answering(leg.request, live.identity, live.trunk.name).name
        await self.hold(live, lambda host, tape: self._call(leg, live, host, tape))

    async def hold(self, live: LiveCall, begin: Callable[["Hosting", Tape], Held]) -> None:
        """Let the agent of `live` talk in the call that `begin` makes, on whatever line."""
        tape = self._begun(live)
        live.call = call = begin(Hosting(self, live), tape)
        ending = STOPPED
        try:
            ending = await call.run()
        finally:
            self._over(live, live.stopped or ending, call.stats | tape.as_dict())

    async def place(self, errand: Errand, live: LiveCall) -> Ending:
        """Call somebody, let the agent talk with them, and tell the watchers; returns how it ended."""
        tape = self._begun(live)
        call = CallOut(errand, self.outbound, self.engine, Placing(self, live, tape), tape)
        ending = STOPPED
        try:
            ending = await call.run()
        finally:
            ending = live.stopped or ending
            self._over(live, ending, (live.call.stats if live.call else {}) | tape.as_dict())
        return ending

    def _begun(self, live: LiveCall) -> Tape:
        """Tell of the beginning; returns what the call is recorded by."""
        structlog.contextvars.bind_contextvars(call=live.id)
        who, name = live.identity, live.agent
        log.info("call began", trunk=live.trunk.name, agent=name, direction=live.direction, carrier=dict(who.call_ids))
        self.watchers.tell(
            CallBegan(
                live.id, live.began, live.direction, live.trunk.name, name, live.caller, who.dialled, who.as_dict()
            )
        )
        options = self.agents.all[name].config.recording
        consent = wanted(options, who, outbound=live.direction == "out")
        live.tape = tape = Tape(options.path(live.id, live.began, live.trunk.name, live.caller), consent)
        return tape

    def _call(self, leg: Leg, live: LiveCall, host: "Hosting", tape: Tape) -> Call:
        # A phone may signal over IPv4 and want its sound over IPv6.
        listening = media_host(leg.offer)
        address = self.endpoint.contact_host(leg.source._replace(host=listening) if ":" in listening else leg.source)
        return Call(
            leg, self.engine, host, address=address, ways=host.ways(),
            tape=tape, srtp=live.trunk.srtp, inband_keys=live.trunk.inband_keys,
        )  # fmt: skip

    def _over(self, live: LiveCall, ending: Ending, media: dict[str, Any]) -> None:
        """Tell the ending."""
        ended = datetime.now(UTC)
        log.info("call ended", ending=ending.kind, cause=ending.cause, seconds=(ended - live.began).total_seconds())
        self.watchers.tell(CallEnded(live.id, ended, ending, media, tuple(live.replaced_by)))


@dataclass(frozen=True)
class Hosting:
    """The desk as the host of one call."""

    desk: Desk
    live: LiveCall

    def converse(self, line: PhoneLine, connect: Connect | None) -> Conversation:
        """See `sipgw.call.Host.converse`."""
        desk, live = self.desk, self.live
        agent, part = desk.agents.all[live.agent], desk.providers[live.agent]
        options = agent.config.agent
        now = datetime.now().astimezone()
        values = call_variables(options, live.identity, live.trunk.name, now, live.variables)
        calling = live.direction == "out"
        about = about_call_out(live.identity, values) if calling else about_call(live.identity)
        people = desk.people(live.trunk)
        tape = live.tape or Tape()
        line.pressed = tape.pressed
        spoken = persona(options, values, about, calling=calling)
        notice = notice_of(agent.config.recording, tape.consent, spoken.notice)
        live.conversation = Conversation(
            line,
            part.ears(),
            part.model,
            part.voice(),
            replace(spoken, notice=notice),
            tools=[*order_tools(desk.store, live.id), *recording_tools(tape), *agent.tools],
            options=agent.config.turns,
            transfer=connect,
            people=people.names if people else {},
            observer=self._report,
            call=live.id,
        )
        return live.conversation

    def ways(self) -> Ways:
        """The ways from this call to other people."""
        desk, live = self.desk, self.live
        return Ways(
            people=desk.people(live.trunk),
            dial=dialling(desk.endpoint, live.trunk, desk.registrar.seen_at),
            summon=lambda person: called(person, live.caller, desk.engine, desk.summons),
            brief=self.brief,
            music=hold_music(desk.agents.all[live.agent].config.transfer.music),
            operator=lambda name: desk.summons.operator(name, desk.people(live.trunk)),
            tell=self._transferred,
        )

    async def brief(self, line: PhoneLine) -> str:
        """Tell a person on `line` what the call is about; returns why they do not take it, empty if they do."""
        agent, part = self.desk.agents.all[self.live.agent], self.desk.providers[self.live.agent]
        history = self.live.conversation.steering.messages if self.live.conversation else []
        briefing = Briefing(line, part.ears(), part.voice(), agent.config.turns.phrases)
        await briefing.open()
        verdict = await briefing.run(lambda: summary_of(part.model, history))
        return "" if verdict is Verdict.ACCEPTED else verdict.value

    def answered(self) -> None:
        """See `sipgw.call.Host.answered`."""
        live = self.live
        live.answered = datetime.now(UTC)
        sound = live.call.sound if live.call else None
        self.desk.watchers.tell(CallAnswered(live.id, live.answered, live.trunk.name, sound))

    def measured(self, quality: Quality) -> None:
        """See `sipgw.call.Host.measured`."""
        self.desk.watchers.tell(CallMeasured(self.live.id, datetime.now(UTC), quality))

    def _transferred(self, to: Person, done: Referred) -> None:
        tried = CallTransferred(self.live.id, datetime.now(UTC), to.called, done.accepted, done.status, done.reason)
        self.desk.watchers.tell(tried)

    def _report(self, report: Report) -> None:
        self.desk.watchers.tell(CallReported(self.live.id, datetime.now(UTC), report))


@dataclass(frozen=True)
class Placing(Hosting):
    """The desk as the host of one call that it makes."""

    tape: Tape

    def tries(self, trunk: TrunkOptions) -> str:
        """See `sipgw.call_out.Caller.tries`."""
        self.live.trunk = trunk
        there = trunk.proxy_uri or trunk.domain_uri
        assert there is not None  # noqa: S101  calls go out through trunks that have a domain
        return self.desk.endpoint.contact_host(peer_of(there))

    def ringing(self) -> None:
        """See `sipgw.call_out.Caller.ringing`."""
        self.desk.watchers.tell(CallRinging(self.live.id, datetime.now(UTC), self.live.trunk.name))

    @property
    def can_transfer(self) -> bool:
        """See `sipgw.call_out.Caller.can_transfer`."""
        return self.desk.people(self.live.trunk) is not None

    def picked_up(self, leg: Leg, line: PhoneLine, described: LocalMedia) -> Call:
        """See `sipgw.call_out.Caller.picked_up`."""
        desk, trunk = self.desk, self.live.trunk
        leg.authenticate(trunk.credentials)
        if trunk.accept_refer:
            leg.let_refer()
        self.live.call = call = Call(
            leg, desk.engine, self, address=described.address, ways=self.ways(),
            tape=self.tape, line=line, described=described,
        )  # fmt: skip
        return call
