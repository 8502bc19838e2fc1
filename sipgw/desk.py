"""The desk: gives each call an agent and tells the watchers what happens in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from agent.briefing import Briefing, Verdict, summary_of
from agent.briefing_phrases import briefing_in
from agent.conversation import Conversation
from agent.duplex_conversation import DuplexConversation
from agent.meter import MeteredEars, MeteredModel, MeteredVoice
from agent.providers.failover_duplex import FailoverDuplex
from agent.records import Outcome, Report, Used
from agent.steering import CannotSteer
from agent.tools import Tool
from agent.voice import Voice
from media.channel import Quality
from media.engine import MediaEngine
from sipgw.agents import DEFAULT, Agents, call_variables
from sipgw.call import Call, Connect, Host, Talk
from sipgw.call_out import CallOut, Errand
from sipgw.cluster.limits import SharedLimits
from sipgw.consent import notice_of, recording_tools, wanted
from sipgw.cost import Bill, Bridged, Expenses, models
from sipgw.dnc import OwnList
from sipgw.events import (
    AnsweredBy,
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
from sipgw.gate_rules import Dial, Refused
from sipgw.jobs import Jobs
from sipgw.limits import Caller as CallerIn
from sipgw.limits import Declined
from sipgw.live import STOPPED, Held, LiveCall
from sipgw.music import hold_music
from sipgw.orders import about_call, about_call_out, order_tool, persona, voicemail
from sipgw.outbound import Outbound
from sipgw.party import Party, called
from sipgw.people import People, Person
from sipgw.phone_line import PhoneLine
from sipgw.prefetch import Prefetched
from sipgw.promises import Asking, callback_tool
from sipgw.providers import Providers
from sipgw.recordings import Tape
from sipgw.replay.setting import seen_transfer, tell_screening, tell_setting
from sipgw.screening import Screened, Screening
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.identity import is_number
from sipgw.sip.leg import Leg, Referred
from sipgw.sip.offer_answer import LocalMedia, media_host
from sipgw.sip.registrar import Registrar
from sipgw.stop_calling import stop_keys, stop_tools
from sipgw.store import Store
from sipgw.summons import Summons
from sipgw.transfer import Ways, dialling
from sipgw.trunks import TrunkOptions
from sipgw.turned_away import Announcing, Rejection
from sipgw.who_answered import Who

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
    own_list: OwnList
    limits: SharedLimits
    expenses: Expenses

    async def serve(self, leg: Leg, live: LiveCall) -> None:
        """Let the agent that is meant talk with the caller."""
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
            voice = MeteredVoice(self.providers[live.agent].voice(), host.report)
            return self._call(leg, live, Announcing(host, voice, options.sentence, declined), Tape())

        await self.hold(live, begin)

    async def hold(self, live: LiveCall, begin: Callable[["Hosting", Tape], Held]) -> None:
        """Let the agent of `live` talk in the call that `begin` makes, on whatever line."""

        def begun(tape: Tape) -> Held:
            live.call = begin(Hosting(self, live), tape)
            return live.call

        await self._hold(live, begun)

    async def place(self, errand: Errand, live: LiveCall) -> Ending:
        """Call somebody, let the agent talk with them, and tell the watchers; returns how it ended."""

        def begun(tape: Tape) -> CallOut:
            return CallOut(errand, self.outbound, self.engine, Placing(self, live, tape), tape)

        return await self._hold(live, begun)

    async def _hold(self, live: LiveCall, begin: Callable[[Tape], Held | CallOut]) -> Ending:
        tape = self._begun(live)
        call = begin(tape)
        ending = STOPPED
        try:
            ending = await call.run()
        finally:
            ending = live.stopped or ending
            self._over(live, ending, call.stats | tape.as_dict())
        return ending

    def _begun(self, live: LiveCall) -> Tape:
        """Tell of the beginning; returns what the call is recorded by."""
        structlog.contextvars.bind_contextvars(call=live.id)
        who, name = live.identity, live.agent
        bill = Bill(self.expenses.prices, models(self.agents.all[name].config), live.direction, live.other, live.began)
        live.bill = self.expenses.open(live.id, bill)
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

    def _call(self, leg: Leg, live: LiveCall, host: Host, tape: Tape, ways: Ways | None = None) -> Call:
        # A phone may signal over IPv4 and want its sound over IPv6.
        listening = media_host(leg.offer)
        address = self.endpoint.contact_host(leg.source._replace(host=listening) if ":" in listening else leg.source)
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


@dataclass
class Hosting:
    """The desk as the host of one call."""

    desk: Desk
    live: LiveCall

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """See `sipgw.call.Host.converse`."""
        desk, live = self.desk, self.live
        agent, part = desk.agents.all[live.agent], desk.providers[live.agent]
        options = agent.config.agent
        values = self._values()
        calling = live.direction == "out"
        about = about_call_out(live.identity, values) if calling else about_call(live.identity)
        people = desk.people(live.trunk)
        tape = live.tape or Tape()
        line.pressed = tape.pressed
        spoken = persona(options, values, about, calling=calling)
        notice = notice_of(agent.config.recording, tape.consent, spoken.notice)
        spoken = replace(spoken, notice=notice, keys=stop_keys(agent.config.gate.stop_key))
        tools = [
            *(one for server in part.servers for one in server.tools),  # of the same name, the others go before
            order_tool(desk.store),
            self._callback_tool(),
            *recording_tools(tape),
            *stop_tools(desk.own_list, live.other, live.trunk.country, live.id),
            *agent.tools,
        ]
        names, config = people.names if people else {}, agent.config
        common: dict[str, Any] = {
            "tools": tools, "options": config.turns, "people": names, "observer": self.report, "call": live.id,
            "transfer": seen_transfer(connect) if connect else None,
        }  # fmt: skip
        if part.duplex is not None:
            session = FailoverDuplex(part.duplex, self.report)
            live.conversation = DuplexConversation(line, session, spoken, **common)
        else:
            tell_setting(spoken, config.turns, config.failover, tools, names, can_transfer=connect is not None)
            ears, model = MeteredEars(part.ears(), self.report), MeteredModel(part.model, self.report)
            voice = MeteredVoice(part.voice(), self.report)
            live.conversation = Conversation(line, ears, model, voice, spoken, **common)
        ahead, number = config.prefetch, live.other
        if ahead.tool and is_number(number) and (calling or live.identity.verified or not ahead.verified):
            return Prefetched(live.conversation, live.conversation.steering, ahead, number)
        return live.conversation

    def ways(self) -> Ways:
        """The ways from this call to other people."""
        desk, live = self.desk, self.live
        return Ways(
            people=desk.people(live.trunk),
            dial=dialling(desk.endpoint, live.trunk, desk.registrar.seen_at),
            summon=self._summoned,
            brief=self.brief,
            music=hold_music(desk.agents.all[live.agent].config.transfer.music),
            operator=lambda name: desk.summons.operator(name, desk.people(live.trunk)),
            refused=self._refused,
            tell=self._transferred,
            give_back=live.give_back,
        )

    @contextlib.asynccontextmanager
    async def _summoned(self, person: Person) -> AsyncIterator[Party]:
        """See `sipgw.party.called`; what a trunk takes for it is put on the bill."""
        desk, live = self.desk, self.live
        async with called(person, live.caller, desk.engine, desk.summons) as party:
            leg = Bridged(party.trunk, person.uri.user, datetime.now(UTC))
            if live.bill is not None and party.trunk:
                live.bill.bridged.append(leg)
            try:
                yield party
            finally:
                leg.ended = datetime.now(UTC)

    async def _refused(self, number: str) -> str:
        """Why the gate does not let a transfer to `number` out; empty if it does."""
        gate, live = self.desk.outbound.gate, self.live
        if gate is None:
            return ""
        judged = await gate.permit(Dial(number, live.trunk.name, live.agent, "transfer", consent=True))
        return judged.reason if isinstance(judged, Refused) else ""

    async def brief(self, line: PhoneLine) -> str:
        """Tell a person on `line` what the call is about; returns why they do not take it, empty if they do."""
        agent, part = self.desk.agents.all[self.live.agent], self.desk.providers[self.live.agent]
        history = self.live.conversation.steering.messages if self.live.conversation else []
        turns = agent.config.turns
        said = briefing_in(turns.languages[0] if turns.languages else "en")
        briefing = Briefing(line, part.ears(), part.voice(), turns.phrases, said)
        await briefing.open()
        verdict = await briefing.run(lambda: summary_of(part.model, history, said))
        return "" if verdict is Verdict.ACCEPTED else verdict.value

    def _values(self) -> dict[str, str]:
        live = self.live
        options = self.desk.agents.all[live.agent].config.agent
        return call_variables(options, live.identity, live.trunk.name, datetime.now().astimezone(), live.variables)

    def _callback_tool(self) -> Tool:
        live = self.live
        them = live.identity.dialled if live.direction == "out" else live.identity.number
        jobs = Jobs(self.desk.store, "")
        options = self.desk.agents.all[live.agent].config.callbacks
        return callback_tool(jobs, Asking(live.id, live.agent, them, live.trunk), options)

    def answered(self) -> None:
        """See `sipgw.call.Host.answered`."""
        live = self.live
        live.answered = datetime.now(UTC)
        if live.bill is not None:
            live.bill.trunk, live.bill.answered = live.trunk.name, live.answered
        sound = live.call.sound if live.call else None
        self.desk.watchers.tell(CallAnswered(live.id, live.answered, live.trunk.name, sound))

    def measured(self, quality: Quality) -> None:
        """See `sipgw.call.Host.measured`."""
        self.desk.watchers.tell(CallMeasured(self.live.id, datetime.now(UTC), quality))

    def _transferred(self, to: Person, done: Referred) -> None:
        tried = CallTransferred(self.live.id, datetime.now(UTC), to.called, done.accepted, done.status, done.reason)
        self.desk.watchers.tell(tried)

    def report(self, report: Report) -> None:
        """Something happened in the conversation."""
        if isinstance(report, Used):
            self._charge(report)
        self.desk.watchers.tell(CallReported(self.live.id, datetime.now(UTC), report))

    def _charge(self, report: Used) -> None:
        """Put it on the bill; a call that is too dear is ended with a goodbye."""
        live, config = self.live, self.desk.agents.all[self.live.agent].config
        if live.bill is None:
            return
        live.bill.used(report)
        if live.conversation is None or not live.answered:
            return
        most = config.cost.per_call
        total = live.bill.cost(datetime.now(UTC)).total if most else 0.0
        over = self.desk.limits.own.budget()
        cause = f"the call has cost {total:.2f} of {most:.2f} ([cost] per_call)" if 0 < most <= total else ""
        cause = cause or (over.reason if over else "")
        if cause:
            # Not at once: whoever reports is in the midst of what the goodbye breaks off.
            asyncio.get_running_loop().call_soon(self._dismiss, config.cost.goodbye, Outcome("over_budget", cause))

    def _dismiss(self, goodbye: str, outcome: Outcome) -> None:
        if self.live.conversation is not None:
            with contextlib.suppress(CannotSteer):  # it is ending already
                self.live.conversation.steering.dismiss(goodbye, outcome)


@dataclass
class Placing(Hosting):
    """The desk as the host of one call that it makes."""

    tape: Tape
    screened: Screened | None = None
    """What finds out whether a human has answered."""

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """See `sipgw.call.Host.converse`."""
        talk = super().converse(line, connect)
        options = self.desk.agents.all[self.live.agent].config.agent
        if options.answering_machines == "ignore":
            return talk
        message = voicemail(options, self._values())
        made = self.desk.providers[self.live.agent].voice

        def voice() -> Voice:
            return MeteredVoice(made(), self.report)

        tell_screening(message)
        self.screened = Screened(talk, Screening(line, voice, message, self.report, self._answered_by))
        return self.screened

    def hears(self, ulaw: bytes) -> None:
        """See `sipgw.call_out.Caller.hears`."""
        if self.screened is not None:
            self.screened.hear(ulaw)

    def report(self, report: Report) -> None:
        """Something happened in the conversation."""
        super().report(report)
        if self.screened is not None:
            self.screened.understand(report)

    def _answered_by(self, who: Who, why: str) -> None:
        self.desk.watchers.tell(AnsweredBy(self.live.id, datetime.now(UTC), who.value, why))

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
