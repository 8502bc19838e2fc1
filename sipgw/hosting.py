"""The desk as the host of one call: its agent, its people, its bill, what is told of it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from agent.briefing import Briefing, Verdict, summary_of
from agent.briefing_phrases import briefing_in
from agent.conversation import Conversation
from agent.duplex_conversation import DuplexConversation
from agent.errors import ProviderError
from agent.meter import ChargedModel, meter
from agent.phrases import phrases_of
from agent.providers.failover_duplex import Duplexes, FailoverDuplex
from agent.records import HandedOver, Report, Used
from agent.stage import CascadeRole
from agent.steering import CannotSteer
from agent.tools import Tool
from agent.voice import Voice
from media.process.channel import Quality
from sipgw.agents.agents import call_variables
from sipgw.agents.orders import about_call, about_call_out, order_tools, persona, purpose, voicemail
from sipgw.agents.prefetch import Prefetched
from sipgw.billing.cost import FurtherLeg
from sipgw.calls.call import Call, Connect, Talk
from sipgw.calls.live import LiveCall
from sipgw.calls.negotiation import OurSide
from sipgw.calls.phone_line import PhoneLine
from sipgw.events import (
    AnsweredBy,
    CallAnswered,
    CallMeasured,
    CallReported,
    CallRinging,
    CallTransferred,
)
from sipgw.gate.rules import Dial, Refused
from sipgw.gate.stop_calling import stop_keys, stop_tools
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.promises import Asking, callback_tool, zone_here
from sipgw.outbound.routes import NotDialled
from sipgw.outbound.screening import Screened, Screening
from sipgw.outbound.target import Target
from sipgw.outbound.who_answered import Who
from sipgw.records.consent import notice_of, recording_tools
from sipgw.records.recordings import Tape
from sipgw.replay.setting import seen_transfer, tell_screening, tell_setting
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.identity import is_number
from sipgw.sip.leg import Ended, Leg, Referred
from sipgw.sip.offer_answer import LocalMedia
from sipgw.sip.uri import Uri
from sipgw.transfer.music import hold_music
from sipgw.transfer.party import Party, called
from sipgw.transfer.people import Person
from sipgw.transfer.transfer import Fields, Reached, Ways, dialling
from sipgw.trunks.trunks import TrunkOptions

if TYPE_CHECKING:
    from sipgw.desk import Desk

log = structlog.get_logger()


@dataclass
class Hosting:
    """The desk as the host of one call."""

    desk: "Desk"
    live: LiveCall

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """See `sipgw.calls.call.Host.converse`."""
        desk, live = self.desk, self.live
        part, people, tape = desk.providers[live.agent], desk.people(live.trunk), live.tape or Tape()
        line.keeper = tape
        role, config = self._role(live.agent), desk.agents.all[live.agent].config
        names = people.names if people else {}
        common: dict[str, Any] = {
            "options": config.turns, "people": names, "observer": self.report, "call": live.id,
            "transfer": seen_transfer(connect) if connect else None,
        }  # fmt: skip
        if part.duplex is not None:
            session = FailoverDuplex(self._duplexes, live.agent, self.report)
            live.conversation = DuplexConversation(line, session, role, cast=self._role, **common)
        else:
            can, codes = connect is not None, config.codes
            setting = (role.persona, config.turns, config.failover, role.tools, names)
            tell_setting(*setting, can_transfer=can, languages=codes)
            meter(self.report)
            ears = part.ears()
            if part.distant:
                part.distant.warm()
            live.conversation = Conversation(line, ears, role, cast=self._role, **common)
        ahead, number = config.prefetch, live.other
        known = live.direction == "out" or live.identity.verified or not ahead.verified
        if ahead.tool and is_number(number) and known:
            return Prefetched(live.conversation, live.conversation.steering, ahead, number)
        return live.conversation

    def _role(self, name: str) -> CascadeRole:
        """The agent of that name, as it speaks in this call."""
        desk, live = self.desk, self.live
        agent, part, tape = desk.agents.all[name], desk.providers[name], live.tape or Tape()
        options, values, calling = agent.config.agent, self._values(name), live.direction == "out"
        about = about_call_out(live.identity, values) if calling else about_call(live.identity)
        spoken = persona(agent.config, values, about, calling=calling)
        notice = notice_of(agent.config.recording, tape.consent, spoken.notice)
        return CascadeRole(
            persona=replace(spoken, notice=notice, keys=stop_keys(agent.config.gate.stop_key)),
            model=ChargedModel(part.model, self.report),
            voice=lambda language: self._voice(name, language),
            name=name,
            tools=[
                *(one for server in part.servers for one in server.tools),  # of the same name, the others go before
                *order_tools(agent.config.agent, desk.store),
                *self._callback_tools(),
                *recording_tools(tape),
                *stop_tools(desk.own_list, lambda: live.other, live.trunk.country, live.id),
                *agent.tools,
            ],
            languages=agent.config.codes,
            colleagues={
                other: desk.agents.all[other].config.agent.about for other in options.hand_over if other != name
            },
            collects=options.collect_digits,
        )

    def _voice(self, agent: str, language: str) -> Voice:
        meter(self.report)
        return self.desk.providers[agent].voice(language)

    def _duplexes(self, name: str) -> Duplexes:
        """The providers of a duplex that plays the agent of that name. Raises `ProviderError`."""
        found = self.desk.providers[name].duplex
        if found is None:
            raise ProviderError("duplex", f"agent {name!r} has none any more")
        return found

    def ways(self) -> Ways:
        """The ways from this call to other people."""
        desk, live = self.desk, self.live
        options = desk.agents.all[live.agent].config.transfer
        return Ways(
            people=desk.people(live.trunk),
            dial=self._dial,
            sent=self._sent,
            summon=self._summoned,
            brief=self.brief,
            music=hold_music(options.music),
            longest=options.longest,
            operator=lambda name: desk.summons.operator(name, desk.people(live.trunk)),
            tell=self._transferred,
            give_back=live.give_back,
        )

    @contextlib.asynccontextmanager
    async def _summoned(self, person: Person, beside: int) -> AsyncIterator[Party]:
        """See `sipgw.transfer.party.called`; what a trunk takes for it is put on the bill."""
        desk, live = self.desk, self.live
        async with called(person, live.caller, desk.engine, desk.summons, beside) as party:
            if live.bill is None or not party.trunk:
                yield party
                return
            leg = live.bill.leg(party.trunk, party.number, datetime.now(UTC))
            try:
                yield party
            finally:
                leg.ended = datetime.now(UTC)

    @contextlib.asynccontextmanager
    async def _dial(self, uri: Uri, leg: Leg, side: OurSide, fields: Fields) -> AsyncIterator[Reached]:
        """Call somebody of ours on the caller's trunk, see `sipgw.transfer.transfer.Dial`."""
        trunk = self.live.trunk
        target = Target.of(uri, trunk) if uri.scheme == "tel" else Target.known(uri, trunk)
        async with self._placed(target, leg, side, fields) as (reached, _):
            yield reached

    @contextlib.asynccontextmanager
    async def _sent(self, uri: Uri, leg: Leg, side: OurSide, fields: Fields) -> AsyncIterator[Reached]:
        """Call whom the other side names: whoever may send us somewhere may not have us pay for any number there is.

        Names and extensions are the business of the PBX that sends us there.
        """
        gate, live = self.desk.outbound.gate, self.live
        dialog = any(name == "Replaces" for name, _ in fields)
        try:
            target = (
                Target.known(uri, live.trunk)
                if self.desk.registrar.seen_at(uri)
                else Target.of(uri, live.trunk, dialog=dialog)
            )
            if target.outside and gate is not None:
                judged = await gate.permit(Dial(target.number, live.trunk.name, live.agent, "transfer", consent=True))
                if isinstance(judged, Refused):
                    raise NotDialled(judged.reason)
                target = target.permitted(judged.number, live.trunk)
        except NotDialled as refused:
            raise CallFailed(Ended("gateway", "403", str(refused), 403)) from None
        async with self._placed(target, leg, side, fields) as (reached, billed):
            yield reached
        if live.bill is not None:
            live.bill.goes_on(billed, datetime.now(UTC))

    @contextlib.asynccontextmanager
    async def _placed(
        self, target: Target, leg: Leg, side: OurSide, fields: Fields
    ) -> AsyncIterator[tuple[Reached, FurtherLeg]]:
        desk, live = self.desk, self.live
        invite = dialling(desk.endpoint, live.trunk, desk.registrar.seen_at)
        async with desk.outbound.counted(live.trunk):
            reached = await invite(target.uri, leg, side, fields)
            billed = FurtherLeg(live.trunk.name, target.number, datetime.now(UTC))
            if live.bill is not None:
                live.bill.further.append(billed)
            try:
                yield reached, billed
            finally:
                billed.ended = datetime.now(UTC)

    async def brief(self, line: PhoneLine) -> str:
        """Tell a person on `line` what the call is about; returns why they do not take it, empty if they do."""
        agent, part = self.desk.agents.all[self.live.agent], self.desk.providers[self.live.agent]
        history = self.live.conversation.steering.messages if self.live.conversation else []
        said = briefing_in(agent.config.codes[0])
        meter(self.report)
        briefing = Briefing(line, part.ears(), part.voice(""), phrases_of(agent.config.codes), said)
        await briefing.open()
        verdict = await briefing.run(lambda: summary_of(ChargedModel(part.model, self.report), history, said))
        return "" if verdict is Verdict.ACCEPTED else verdict.value

    def _values(self, agent: str) -> dict[str, str]:
        live, options = self.live, self.desk.agents.all[agent].config.agent
        here = zone_here(self.desk.agents.all[agent].config.callbacks.time_zone)
        return call_variables(
            options, live.identity, live.trunk.name, datetime.now(UTC).astimezone(here), live.variables
        )

    def _callback_tools(self) -> list[Tool]:
        """The promise of a call back; where nobody can be called from here, a person has to keep it."""
        live, options = self.live, self.desk.agents.all[self.live.agent].config.callbacks
        options = replace(options, dial=options.dial and bool(self.desk.outbound.first()))

        def asking() -> Asking:
            verified = live.direction == "out" or live.identity.verified
            return Asking(live.id, live.agent, live.other, live.trunk, verified)

        return [callback_tool(Jobs(self.desk.store, ""), asking, options, refused=self._never)]

    async def _never(self, number: str, trunk: str, consent: bool) -> str:
        """Why the gate will not let `number` be called back at any hour; empty if it may."""
        gate, first = self.desk.outbound.gate, self.desk.outbound.first(trunk)
        if gate is None:
            return ""
        judged = await gate.judge(Dial(number, first, self.live.agent, "callback", consent=consent or None), later=True)
        return judged.reason if isinstance(judged, Refused) else ""

    def answered(self) -> None:
        """See `sipgw.calls.call.Host.answered`."""
        live = self.live
        live.answered = datetime.now(UTC)
        if live.bill is not None:
            live.bill.trunk, live.bill.answered = live.trunk.name, live.answered
        log.info("call answered", trunk=live.trunk.name, seconds=(live.answered - live.began).total_seconds())
        sound = live.call.sound if live.call else None
        self.desk.watchers.tell(CallAnswered(live.id, live.answered, live.trunk.name, sound))

    def measured(self, quality: Quality) -> None:
        """See `sipgw.calls.call.Host.measured`."""
        self.desk.watchers.tell(CallMeasured(self.live.id, datetime.now(UTC), quality))

    def _transferred(self, to: Person, done: Referred) -> None:
        tried = CallTransferred(self.live.id, datetime.now(UTC), to.called, done.accepted, done.status, done.reason)
        self.desk.watchers.tell(tried)

    def report(self, report: Report) -> None:
        """Something happened in the conversation."""
        if isinstance(report, Used):
            if self.live.bill is not None:
                self.live.bill.used(report)
        elif isinstance(report, HandedOver):
            self.live.agent = report.agent  # whose rules hold from now on
        self.desk.watchers.tell(CallReported(self.live.id, datetime.now(UTC), report))


@dataclass
class Placing(Hosting):
    """The desk as the host of one call that it makes."""

    tape: Tape
    screened: Screened | None = None
    """What finds out whether a human has answered."""

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """See `sipgw.calls.call.Host.converse`."""
        talk = super().converse(line, connect)
        options = self.desk.agents.all[self.live.agent].config.agent
        if options.answering_machines == "ignore":
            return talk
        message, agent = voicemail(options, self._values(self.live.agent)), self.live.agent

        def voice() -> Voice:
            return self._voice(agent, "")

        tell_screening(message)
        self.screened = Screened(talk, Screening(line, voice, message, self.report, self._answered_by))
        return self.screened

    def hears(self, ulaw: bytes) -> None:
        """See `sipgw.outbound.call_out.Caller.hears`."""
        if self.screened is not None:
            self.screened.hear(ulaw)

    def report(self, report: Report) -> None:
        """Something happened in the conversation."""
        super().report(report)
        if self.screened is not None:
            self.screened.understand(report)

    def _answered_by(self, who: Who, why: str) -> None:
        self.desk.watchers.tell(AnsweredBy(self.live.id, datetime.now(UTC), who.value, why))
        if self.live.conversation is not None and who in (Who.SCREEN, Who.HUMAN):
            steering = self.live.conversation.steering
            with contextlib.suppress(CannotSteer):  # it is ending already
                if who is Who.SCREEN:
                    steering.wait(
                        purpose(self.desk.agents.all[self.live.agent].config.agent, self._values(self.live.agent))
                    )
                else:
                    steering.expect(waiting=False)

    def tries(self, trunk: TrunkOptions) -> str:
        """See `sipgw.outbound.call_out.Caller.tries`."""
        self.live.trunk = trunk
        there = trunk.proxy_uri or trunk.domain_uri
        assert there is not None  # noqa: S101  calls go out through trunks that have a domain
        return self.desk.endpoint.contact_host(peer_of(there))

    def ringing(self) -> None:
        """See `sipgw.outbound.call_out.Caller.ringing`."""
        self.desk.watchers.tell(CallRinging(self.live.id, datetime.now(UTC), self.live.trunk.name))

    @property
    def can_transfer(self) -> bool:
        """See `sipgw.outbound.call_out.Caller.can_transfer`."""
        return self.desk.people(self.live.trunk) is not None

    def picked_up(self, leg: Leg, number: str, line: PhoneLine, described: LocalMedia) -> Call:
        """See `sipgw.outbound.call_out.Caller.picked_up`."""
        desk, trunk = self.desk, self.live.trunk
        if self.live.bill is not None:  # it may have been sent on to another number
            self.live.bill.number = number
        leg.authenticate(trunk.credentials)
        if trunk.accept_refer:
            leg.let_refer()
        self.live.call = call = Call(
            leg, desk.engine, self, address=described.address, ways=self.ways(),
            tape=self.tape, line=line, described=described,
        )  # fmt: skip
        return call
