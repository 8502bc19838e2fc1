"""Builds the conversation of one call: the agent with its providers, its tools and the variables of the call."""

from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from agent.active_agent import CascadeRole
from agent.announcement import Announcement
from agent.briefing import Briefing, BriefingVerdict, summary_of
from agent.briefing_phrases import briefing_in
from agent.consent import judged
from agent.conversation import Conversation
from agent.errors import ProviderError
from agent.forms.fields import FormSetting
from agent.meter import ChargedLlm, meter
from agent.passages import TOLD, nothing
from agent.providers.failover_realtime import FailoverRealtime, RealtimeProviders
from agent.realtime_conversation import RealtimeConversation
from agent.records import HandedOver, Outcome, Report
from agent.relay.call import RelayCall
from agent.relay.conversation import RelayConversation
from agent.relay.session import Relay
from agent.stt import SpeechToText
from agent.tools import collecting
from agent.tts import TextToSpeech
from sipgw.agents.agents import AgentDefinition, call_variables
from sipgw.agents.music import sounds_under
from sipgw.agents.orders import about_call, about_call_out, persona, purpose, voicemail
from sipgw.calls.amd import AmdSetup, AmdTalk, follow, tell_screen
from sipgw.calls.context import CallContext
from sipgw.calls.machine_detection import AnsweredParty
from sipgw.calls.messages import about_messages
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.prefetch import Prefetched
from sipgw.calls.relay_call import relay_call
from sipgw.calls.screen_classifier import installed, known_screen, prepare, resembles_screen, tones
from sipgw.calls.services import CallServices
from sipgw.calls.talk import Connect, Talk
from sipgw.config.emergency import told_number
from sipgw.config.numbers import country_of
from sipgw.config.stock import REFUSED
from sipgw.events import AnsweredBy, DocumentsUnread
from sipgw.policy.gate.stop_calling import stop_keys
from sipgw.records.artifacts.consent import notice_of
from sipgw.records.bundles.conversation_setup import seen_transfer, tell_amd, tell_setting
from sipgw.records.bundles.recorder import RECORDER
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
        config, agent = self._agent.config, info.agent
        message = voicemail(config, self.values(agent))
        screening = purpose(config, self.values(agent))
        tell_amd(message, screening)
        setup = AmdSetup(
            self.context.line, lambda: self._tts(agent, ""), message, self.context.report, self._answered_by,
            config.codes[0], self._tell_screen, screening, menus=self._navigates,
            resembles=resembles_screen if installed() else None, known=known_screen, heard=self._is_heard, tones=tones,
        )  # fmt: skip
        prepare()
        self.context.amd = AmdTalk(talk, setup)
        return self.context.amd

    def announcement(self, sentence: str, reason: str) -> Talk:
        """Says one sentence and hangs up: the limits refuse the call because of `reason`."""
        language = self._agent.config.codes[0]
        meter(self.context.report)
        tts = self.services.providers[self.context.info.agent].tts("")
        return Announcement(self.context.line, tts, sentence or REFUSED[language], Outcome("refused", reason), language)

    def stt(self) -> SpeechToText:
        """A session of the agent's STT for a scribe. The bundle of the call does not have the words of this session."""
        meter(self.context.report)
        return copy_context().run(self._unrecorded)

    def _unrecorded(self) -> SpeechToText:
        RECORDER.set(None)
        return self.services.providers[self.context.info.agent].stt()

    async def brief(self, line: PhoneLine) -> str:
        """Brief a person on `line` about the call. Returns the reason why they decline; empty if they accept."""
        agent, part, report = self._agent, self.services.providers[self.context.info.agent], self.context.report
        history = self.context.conversation.call_control.messages if self.context.conversation else []
        said = briefing_in(agent.config.codes[0])
        meter(report)
        briefing = Briefing(line, part.stt(), part.tts(""), agent.config.codes)
        await briefing.open()
        verdict = await briefing.run(lambda: summary_of(ChargedLlm(part.llm, report), history, said))
        return "" if verdict is BriefingVerdict.ACCEPTED else verdict.value

    def values(self, agent: str) -> dict[str, str]:
        """The values of the ``{{name}}`` in the texts of the agent of that name."""
        info, config = self.context.info, self.services.agents.all[agent].config
        now = datetime.now(UTC).astimezone(config.callbacks.zone)
        given = {**info.variables, "emergency_number": told_number(info.other, info.trunk.country)}
        return call_variables(config.agent, info.identity, info.trunk.name, now, given)

    @property
    def _navigates(self) -> bool:
        """Whether the agent walks through telephone menus in this call."""
        config = self._agent.config
        cascade = not config.agent.brain and not config.agent.realtime
        return self.context.info.direction == "out" and config.ivr.press_keys and cascade

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
                observer=observe, call=context.info.key.name, transfer=transfer,
            )  # fmt: skip
        elif config.agent.brain:
            meter(context.report)
            brain = Relay(self._told_brain(agent))
            made = RelayConversation(
                context.line, part.stt(), replace(role, llm=brain, judge=None, paces=False), brain,
                options=config.turns, partial_prompts=config.agent.brain_partials, people=people,
                observer=observe, call=context.info.key.name, transfer=transfer,
            )  # fmt: skip
        else:
            can = connect is not None
            setting = (role.persona, config.turns, config.failover, role.tools, people)
            ivr = config.ivr if self._navigates else None
            tell_setting(*setting, can_transfer=can, languages=config.codes, ivr=ivr)
            meter(context.report)
            stt = part.stt()
            if part.distant:
                part.distant.warm()
            made = Conversation(
                context.line, stt, role, find_agent=self._role, options=config.turns, people=people,
                ivr=ivr,
                observer=observe, call=context.info.key.name, transfer=transfer,
            )  # fmt: skip
        context.conversation = made
        return made

    def _told_brain(self, agent: str) -> RelayCall:
        """The request by which the server that is the brain of the agent `agent` learns of this call."""
        info, options = self.context.info, self.services.agents.all[agent].config.agent
        return relay_call(info.key.name, info.identity, info.direction, options, self.values(agent))

    def _prefetched(self, made: Conversation | RealtimeConversation) -> Talk:
        """The conversation `made`, with a lookup of the other side's number that starts with the call."""
        info, ahead = self.context.info, self._agent.config.prefetch

        async def number() -> str:
            allowed = not ahead.verified or await self.context.verified()
            return info.other if allowed and is_number(info.other) else ""

        return Prefetched(made, made.call_control, ahead, number) if ahead.tool else made

    def _role(self, name: str) -> CascadeRole:
        """The agent of that name, as it speaks in this call."""
        services, context, info = self.services, self.context, self.context.info
        agent, part = services.agents.all[name], services.providers[name]
        options, values, calling = agent.config.agent, self.values(name), info.direction == "out"
        about = about_call_out(info.identity, values) if calling else about_call(info.identity)
        about = f"{about} {about_messages(agent.config.messages, datetime.now(UTC), calling=calling)}".strip()
        spoken = persona(agent.config, values, about, calling=calling)
        notice = notice_of(agent.config.recording, context.call_recording.consent, spoken.notice, agent.config.codes[0])
        llm = ChargedLlm(part.llm, context.report)
        knowledge_base = services.knowledge
        find = knowledge_base.finder(name, context.report) if knowledge_base else nothing
        if knowledge_base and (files := knowledge_base.unread(name)):
            context.tell(DocumentsUnread(info.id, datetime.now(UTC), name, files))
        if find is not nothing and part.realtime is None:
            spoken = replace(spoken, prompt=f"{spoken.prompt}\n\n{TOLD}")
        tools = [
            *(one for server in part.servers for one in server.tools),  # later tools replace earlier ones of that name
            *(one for feature in services.tools for one in feature(context, agent)),
            *agent.tools,
        ]
        forms = collecting(tools)
        country = (country_of(info.other) if forms else "") or info.trunk.country.upper()
        return CascadeRole(
            persona=replace(spoken, notice=notice, keys=stop_keys(agent.config.gate.stop_key)),
            llm=llm,
            judge=partial(judged, llm) if part.distant else None,  # the embedded model knows English only
            tts=lambda language: self._tts(name, language),
            name=name,
            find=find,
            tools=[*tools, *forms],
            form=FormSetting(country=country, zone=agent.config.callbacks.zone),
            languages=agent.config.codes,
            keyterms=options.keyterms,
            colleagues={
                other: services.agents.all[other].config.agent.about for other in options.hand_over if other != name
            },
            collects=options.collect_digits,
            paces=options.expect_answers and part.paces and part.realtime is None,
        )

    def _tts(self, agent: str, language: str) -> TextToSpeech:
        meter(self.context.report)
        return self.services.providers[agent].tts(language)

    def _realtimes(self, name: str) -> RealtimeProviders:
        """The speech-to-speech providers of the agent of that name. Raises `ProviderError`."""
        found = self.services.providers[name].realtime
        if found is None:
            raise ProviderError("realtime", f"agent {name!r} no longer has a realtime provider")
        return found

    def _answered_by(self, who: AnsweredParty, why: str) -> None:
        """Our call was answered by `who`; `why` is the evidence."""
        context = self.context
        context.tell(AnsweredBy(context.info.id, datetime.now(UTC), who.value, why))
        if context.conversation is not None:
            follow(context.conversation.call_control, who)

    def _tell_screen(self, purpose: str) -> bool:
        """Say to a call screen who calls and why; False if it does not hear that now."""
        conversation = self.context.conversation
        return conversation is not None and tell_screen(conversation.call_control, purpose)

    def _is_heard(self) -> bool:
        conversation = self.context.conversation
        return conversation is not None and conversation.call_control.is_heard
