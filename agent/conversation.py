"""The conversation with a cascade of STT, LLM and TTS. One object per call."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from agent.active_agent import ActiveAgent, CascadeRole
from agent.base_conversation import BaseConversation
from agent.cascade_reply import CascadeAgent, CascadeReply, Preparation
from agent.errors import ProviderError
from agent.hearing.changes import Change
from agent.history import History
from agent.ivr.options import IvrOptions
from agent.ivr_driver import IvrDriver
from agent.limits import boundary
from agent.line import Audio, Line
from agent.parts import close_parts, open_parts
from agent.records import CallerSaid, Part, Report, Sorry, Times, Turn
from agent.reply import CallEnding
from agent.speech_output import SpeechOutput, TtsError
from agent.stt import Onset, SpeechToText, SttEvent
from agent.switching_tts import SwitchingTts
from agent.tools import Toolbox
from agent.tts import TextToSpeech
from agent.turn_model import TurnJudge
from agent.turn_taking.decision import Decisions
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.words import words_of

FindAgent = Callable[[str], CascadeRole]
"""Returns the role of the agent with that name."""


class Conversation(BaseConversation):
    """One call's conversation: `open` while it rings, then `run`."""

    _stt: SpeechToText
    _active: ActiveAgent[CascadeRole]
    _agent: CascadeAgent

    def __init__(
        self,
        line: Line,
        stt: SpeechToText,
        role: CascadeRole,
        *,
        find_agent: FindAgent | None = None,
        options: TurnOptions | None = None,
        ivr: IvrOptions | None = None,
        transfer: Callable[[str], Awaitable[bool]] | None = None,
        people: Mapping[str, str] | None = None,
        observer: Callable[[Report], None] | None = None,
        call: str = "",
    ) -> None:
        """`role` is the agent that speaks first; `find_agent` finds the agents to which it may hand the call over.

        `transfer` connects the caller with the person of that name, or with any person if the name is empty. It returns
        whether that succeeded; None: there is nobody. `people` are the persons' names, with a description of each.
        `call` is the call's identity, which becomes a part of idempotency keys. `ivr`: how to go through menus of the
        other side; None: menus are not handled.
        """
        active = ActiveAgent(role, find_agent, self._report)
        self._hears = active.languages.now, role.keyterms
        self._tts_sessions = SwitchingTts(*_tts_of(active))
        self._prepared: Preparation | None = None
        self._answering: Preparation | None = None
        """The prepared reply that the last reply has taken."""
        options = options or TurnOptions()
        self._judge = TurnJudge(options.model, self._spawn, self._voted) if options.model else None
        agent = CascadeAgent(
            toolbox=Toolbox((), call), history=History(role.persona.prompt),
            speech_output=SpeechOutput(line, self._tts_sessions, active.languages.now),
            call_ending=CallEnding(people=people or {}), report=self._report, spawn=self._spawn, llm=role.llm,
        )  # fmt: skip
        agent.arrived = self._arrived
        super().__init__(
            line, stt, active, agent, options, transfer=transfer, observer=observer,
        )  # fmt: skip
        self._ivr = IvrDriver(ivr, line, self._floor, self.call_control, self._answer_menu) if ivr else None
        if self._ivr is not None:
            active.give(self._ivr.tools())

    async def open(self) -> None:
        """Get STT and TTS ready; a failure is told to the caller by `run`."""
        self._floor.broken = await open_parts({"stt": self._stt, "tts": self._tts_sessions})
        self._follow_stt()

    async def close(self) -> None:
        """End the providers' sessions; safe to call twice, and without `run`."""
        await close_parts(self._stt, self._tts_sessions)

    def _noted(self) -> None:
        self._unprepare()

    def _apply_role(self) -> None:
        super()._apply_role()
        self._unprepare()
        active, agent = self._active, self._agent
        agent.llm, agent.again, agent.goodbye = active.role.llm, active.persona.again, active.persona.goodbye
        agent.find = active.role.find
        agent.speech_output.speak_in(active.languages.now)
        self._tts_sessions.change(*_tts_of(active))
        if (heard := (active.languages.now, active.role.keyterms)) != self._hears:
            self._hears = heard
            self._stt.set_language(*heard)

    # What is heard

    def _expect(self, said: str) -> None:
        self._stt.expect(said, self._floor.turns.endpointing.expected)

    async def _follow_events(self) -> None:
        if self._ivr is not None:
            self._spawn(self._ivr.watch_clock())
        await self._follow("stt", self._stt.name, self._stt.events(), self._understand)

    def _listen_to(self, sound: Audio) -> None:
        judge, before = self._judge, self._listening.silent_since
        may_end = judge is not None and self._floor.turns.may_end
        super()._listen_to(sound)
        if self._ivr is not None:
            self._ivr.listen(sound.ulaw)
        if judge is not None:
            judge.hear(sound.ulaw)
            if may_end and self._listening.silent_since > before:
                judge.ask(self._listening.silent_since)

    def _voted(self, complete: float, silent_since: float) -> None:
        self._floor.turns.vote(complete, silent_since)
        self._floor.changed.set()

    def _follow_stt(self) -> None:
        """Follow the properties of the present STT: a failover may have changed it, and during dictation it waits
        longer."""
        endpointing = self._floor.turns.endpointing
        endpointing.ends_turns, endpointing.longest_silence = self._stt.ends_turns, self._stt.longest_silence

    def _understand(self, event: SttEvent) -> None:
        self._follow_stt()
        if isinstance(event, Onset):
            if not self._floor.turns.hears_recording:
                self._floor.turns.notice(self._now())
            return
        self._listening.note(event)
        if words_of(event.text):
            self._report(CallerSaid(event.text, event.final, self._listening.ago(event.words, self._now())))
        words, prepared = self._listening.words(event), self._prepared
        if (self._ivr is not None and self._ivr.hear(event)) or self._floor.turns.hears_recording:
            self._floor.turns.overhear(words, self._now())
            return
        self._active.note_transcript(event)
        self._notice(self._listening.lapse(self._now()))
        if prepared is not None and not event.final and not _alike(words_of(prepared.text), words_of(words.text)):
            self._unprepare()  # the caller goes on
        self._decide(self._floor.turns.hear(words, self._now()))

    def _answer_menu(self, text: str) -> None:
        """Answer a menu that has ended: its words are a turn."""
        if decisions := self._floor.turns.asked(text, self._now()):
            self._agent.notice = ""
            self._decide(decisions)

    def _notice(self, changes: list[Change]) -> None:
        listening = self._listening
        if (changes or listening.voice.others != listening.among) and not self._floor.broken:
            for told in listening.followed(changes):
                self._stt.follow_voice(*told)
        if (changes or listening.withheld) and not self._floor.turns.hears_recording:
            super()._notice(changes)
            for words in listening.restored():
                self._decide(self._floor.turns.hear(words, self._now()))

    # What is said

    def _decide(self, decisions: Decisions) -> None:
        super()._decide(decisions)
        if self._has_late() and self.call_control.idle:
            self._decide(self._floor.turns.late(self._now()))

    def _has_late(self) -> bool:
        """Whether a result has come for which the caller does not wait."""
        return bool(self._agent.late)

    def _arrived(self) -> None:
        """Take the result of a tool that came after the end of its reply: it is told when nobody speaks."""
        if not self._floor.over.done():
            self._unprepare()
            self._decide(())

    def _prepare(self, text: str, instead: str) -> None:
        if self._prepared is not None and words_of(self._prepared.text) == words_of(text):
            return
        self._unprepare()
        self._agent.recall()
        self._prepared = Preparation(self._agent, text, instead)

    def _unprepare(self) -> None:
        """Throw away the prepared reply: something that it was based on has changed."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.cancel()
            self._turn_log.discarded += 1

    def _answer(self, text: str, instead: str) -> None:
        now = self._now()
        asked = self._agent.history.ask(text, instead)
        if self._prepared is not None and words_of(self._prepared.text) != words_of(text):
            self._unprepare()
        prepared, self._prepared = self._prepared, None
        stopped = min(self._floor.turns.stopped(text, self._listening.stopped_at()), now)
        turn = Turn(asked, times=Times(caller_stopped=stopped, final=now))
        self._say(turn, lambda reply: reply.run(prepared))
        self._answering = prepared

    def _tell(self, text: str, instead: str) -> None:
        asked = self._agent.history.ask(text, instead) if text else ""
        self._say(Turn(asked, times=Times(final=self._now())), lambda reply: reply.run(None))

    def _fall_silent(self) -> None:
        super()._fall_silent()
        answering, self._answering = self._answering, None
        if answering is not None:  # the reply may have been cancelled before its first step, and not have read it
            answering.cancel()

    def _recite(self, text: str) -> None:
        self._say(Turn(), lambda reply: reply.recite(text))

    def _say(self, turn: Turn, act: Callable[[CascadeReply], Coroutine[Any, Any, None]]) -> None:
        async def work() -> None:
            with boundary(self._agent.llm.name):
                await act(CascadeReply(self._agent, turn, self._now))

        self._reply(turn, work)

    async def _apology(self, turn: Turn, part: Part, sentence: Sorry) -> None:
        if part != "tts":
            try:
                await CascadeReply(self._agent, turn, self._now).recite(getattr(self._active.persona, sentence))
            except ProviderError:
                turn.said = ""
            else:
                return
        await super()._apology(turn, part, sentence)

    def _blamed(self, error: ProviderError) -> Part:
        return "tts" if isinstance(error, TtsError) else "llm"


def _alike(one: list[str], other: list[str]) -> bool:
    """Whether the shorter list stands at the end of the longer one."""
    shared = min(len(one), len(other))
    return bool(shared) and one[-shared:] == other[-shared:]


def _tts_of(active: ActiveAgent[CascadeRole]) -> tuple[tuple[str, str], Callable[[], TextToSpeech]]:
    """The key of the voice that speaks now, and the function that makes this voice."""
    spoken = active.languages.now
    return (active.role.name, spoken), partial(active.role.tts, spoken)
