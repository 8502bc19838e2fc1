"""Builds the conversation of one call: the agent with its providers, its tools and the variables of the call."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from agent.active_agent import CascadeRole
from agent.announcement import Announcement
from agent.briefing import Briefing, BriefingVerdict, summary_of
from agent.briefing_phrases import briefing_in
from agent.call_control import CallControlRefused
from agent.consent import judged
from agent.conversation import Conversation
from agent.errors import ProviderError
from agent.meter import ChargedLlm, meter
from agent.phrases import phrases_of
from agent.providers.failover_realtime import FailoverRealtime, RealtimeProviders
from agent.realtime_conversation import RealtimeConversation
from agent.records import HandedOver, Outcome, Report
from agent.tts import TextToSpeech
from sipgw.agents.agents import AgentDefinition, call_variables
from sipgw.agents.music import sounds_under
from sipgw.agents.orders import about_call, about_call_out, persona, purpose, voicemail
from sipgw.calls.context import CallContext
from sipgw.calls.machine_detection import AnsweredParty
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.prefetch import Prefetched
from sipgw.calls.screening import ScreenedTalk, Screening
from sipgw.calls.services import CallServices
from sipgw.calls.talk import Connect, Talk
from sipgw.events import AnsweredBy
from sipgw.policy.gate.stop_calling import stop_keys
from sipgw.records.artifacts.consent import notice_of
from sipgw.records.bundles.conversation_setup import seen_transfer, tell_screening, tell_setting
from sipgw.sip.identity import is_number


@dataclass(frozen=True)
class AgentSetup:
    """Builds the conversation of the call of `context`."""

    services: CallServices
    context: CallContext

    def talk(self, connect: Connect | None, people: Mapping[str, str]) -> Talk:
        """The conversation on the line of the call.

        `connect` transfers the caller to one of `people`; it is None if nobody can be transferred to.
        """
        talk = self._prefetched(self._conversation(connect, people))
        info = self.context.info
        if info.direction == "in" or self._agent.config.agent.answering_machines == "ignore":
            return talk
        message, agent = voicemail(self._agent.config.agent, self.values(info.agent)), info.agent
        tell_screening(message)
        screening = Screening(
            self.context.line, lambda: self._tts(agent, ""), message, self.context.report, self._answered_by
        )
        self.context.screened = ScreenedTalk(talk, screening)
        return self.context.screened

    def announcement(self, sentence: str, reason: str) -> Talk:
        """Says one sentence and hangs up: the limits refuse the call because of `reason`."""
        meter(self.context.report)
        tts = self.services.providers[self.context.info.agent].tts("")
        return Announcement(self.context.line, tts, sentence, Outcome("refused", reason))

    async def brief(self, line: PhoneLine) -> str:
        """Brief a person on `line` about the call. Returns the reason why they decline; empty if they accept."""
        agent, part, report = self._agent, self.services.providers[self.context.info.agent], self.context.report
        history = self.context.conversation.call_control.messages if self.context.conversation else []
        said = briefing_in(agent.config.codes[0])
        meter(report)
        briefing = Briefing(line, part.stt(), part.tts(""), phrases_of(agent.config.codes), said)
        await briefing.open()
        verdict = await briefing.run(lambda: summary_of(ChargedLlm(part.llm, report), history, said))
        return "" if verdict is BriefingVerdict.ACCEPTED else verdict.value

    def values(self, agent: str) -> dict[str, str]:
        """The values of the ``{{name}}`` in the texts of the agent of that name."""
        info, config = self.context.info, self.services.agents.all[agent].config
        here = ZoneInfo(config.callbacks.time_zone) if config.callbacks.time_zone else None  # None: the machine's
        now = datetime.now(UTC).astimezone(here)
        return call_variables(config.agent, info.identity, info.trunk.name, now, info.variables)

    @property
    def _agent(self) -> AgentDefinition:
        return self.services.agents.all[self.context.info.agent]

    def _conversation(self, connect: Connect | None, people: Mapping[str, str]) -> Conversation | RealtimeConversation:
        context, config, agent = self.context, self._agent.config, self.context.info.agent
        part, role = self.services.providers[agent], self._role(agent)
        transfer = seen_transfer(connect) if connect else None
        context.line.line_recorder = context.call_recording
        context.line.backdrop(*sounds_under(self._agent.config.agent))

        def observe(report: Report) -> None:
            if isinstance(report, HandedOver):
                context.line.backdrop(*sounds_under(self.services.agents.all[report.agent].config.agent))
            context.report(report)

        made: Conversation | RealtimeConversation
        if part.realtime is not None:
            session = FailoverRealtime(self._realtimes, agent, context.report)
            made = RealtimeConversation(
                context.line, session, role, find_agent=self._role, options=config.turns, people=people,
                observer=observe, call=context.info.id, transfer=transfer,
            )  # fmt: skip
        else:
            can = connect is not None
            setting = (role.persona, config.turns, config.failover, role.tools, people)
            tell_setting(*setting, can_transfer=can, languages=config.codes)
            meter(context.report)
            stt = part.stt()
            if part.distant:
                part.distant.warm()
            made = Conversation(
                context.line, stt, role, find_agent=self._role, options=config.turns, people=people,
                observer=observe, call=context.info.id, transfer=transfer,
            )  # fmt: skip
        context.conversation = made
        return made

    def _prefetched(self, made: Conversation | RealtimeConversation) -> Talk:
        """`made`, with a lookup of the other side's number that starts with the call."""
        info, ahead = self.context.info, self._agent.config.prefetch
        if ahead.tool and is_number(info.other) and (info.verified or not ahead.verified):
            return Prefetched(made, made.call_control, ahead, info.other)
        return made

    def _role(self, name: str) -> CascadeRole:
        """The agent of that name, as it speaks in this call."""
        services, context, info = self.services, self.context, self.context.info
        agent, part = services.agents.all[name], services.providers[name]
        options, values, calling = agent.config.agent, self.values(name), info.direction == "out"
        about = about_call_out(info.identity, values) if calling else about_call(info.identity)
        spoken = persona(agent.config, values, about, calling=calling)
        notice = notice_of(agent.config.recording, context.call_recording.consent, spoken.notice)
        llm = ChargedLlm(part.llm, context.report)
        return CascadeRole(
            persona=replace(spoken, notice=notice, keys=stop_keys(agent.config.gate.stop_key)),
            llm=llm,
            judge=partial(judged, llm) if part.distant else None,  # the embedded model knows English only
            tts=lambda language: self._tts(name, language),
            name=name,
            tools=[
                *(one for server in part.servers for one in server.tools),  # those behind replace tools of their name
                *(one for feature in services.tools for one in feature(context, agent)),
                *agent.tools,
            ],
            languages=agent.config.codes,
            colleagues={
                other: services.agents.all[other].config.agent.about for other in options.hand_over if other != name
            },
            collects=options.collect_digits,
            paces=options.expect_answers and bool(part.distant) and part.realtime is None,
        )

    def _tts(self, agent: str, language: str) -> TextToSpeech:
        meter(self.context.report)
        return self.services.providers[agent].tts(language)

    def _realtimes(self, name: str) -> RealtimeProviders:
        """The speech-to-speech providers of the agent of that name. Raises `ProviderError`."""
        found = self.services.providers[name].realtime
        if found is None:
            raise ProviderError("realtime", f"agent {name!r} has none any more")
        return found

    def _answered_by(self, who: AnsweredParty, why: str) -> None:
        """Our call was answered by `who`; `why` is the evidence."""
        context = self.context
        context.tell(AnsweredBy(context.info.id, datetime.now(UTC), who.value, why))
        if context.conversation is not None and who in (AnsweredParty.SCREEN, AnsweredParty.HUMAN):
            call_control = context.conversation.call_control
            with contextlib.suppress(CallControlRefused):  # it is ending already
                if who is AnsweredParty.SCREEN:
                    call_control.wait(purpose(self._agent.config.agent, self.values(context.info.agent)))
                else:
                    call_control.expect(waiting=False)
