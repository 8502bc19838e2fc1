"""The conversation with a speech-to-speech provider. The provider decides about turns; the gateway owns the line, the
tools and the history.

When the caller's sound begins, the playout stops at once, as in a cascade. When the provider reports speech, too, both
sides forget the sound that was not played. `agent.base_conversation` does everything else: limits, silence, keys,
transfer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from agent.active_agent import ActiveAgent, AgentRole
from agent.base_conversation import BaseConversation
from agent.errors import ProviderError
from agent.hearing.changes import Change
from agent.history import History, UserTurn
from agent.knowledge import look_up
from agent.line import Away, Line
from agent.llm import Message, ToolCall
from agent.parts import close_parts, open_parts
from agent.passages import Passage
from agent.realtime import (
    Answering,
    Brief,
    Consumed,
    RealtimeEvent,
    RenewableRealtime,
    Reopened,
    ReplyAudio,
    ReplyEnded,
    ReplyWords,
    exactly,
)
from agent.realtime_reply import RealtimeOutput, RealtimeReply
from agent.records import CallerSaid, Part, Report, Times, Turn, Used
from agent.reply import COVERED_AFTER, Agent, CallEnding, Reply
from agent.stt import Onset, Transcript
from agent.tools import Toolbox
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import State

COVERED_WITHIN = 2.8
"""Seconds after their last sound within which the caller hears something, if it is only that it takes a moment."""
COVERED_SOON = 0.5
"""Least seconds that a session has to begin a reply, if much of `COVERED_WITHIN` is over."""
RECAP = 6000
"""Most letters of the conversation so far that are told to a session that replaces another."""
GO_ON = "There was a fault on the line. Go on: answer what the caller said last; repeat nothing that they have heard."
AGAIN = "There was a fault on the line while the caller spoke. Ask them to say their last sentence again."
TAKEN_OVER = "You have just taken the call over. {opening}Go on with the caller at once, as the last result tells you."
FOLLOW = "If the caller goes on in another language that you speak, call switch_language before you answer."
"""For the prompt: only the model can notice the language, because the session does not report the caller's language."""
CORRECTED = "What came of the last thing that you decided about this call: {result}"
OPENING = 'Begin with exactly this: "{opening}" '
ASKED_AFTER = 2.0
"""Seconds that the session still has to answer after the caller has heard a sound for the wait; then the caller is
asked again."""
NOBODY = '{"error": "a recording, or somebody else, is on the line; nothing was done"}'
DEAF = (State.ANNOUNCING, State.CLOSING)
"""States in which the provider gets silence to hear: it would interrupt what nobody may interrupt."""


class RealtimeConversation(BaseConversation):
    """One call's conversation with a provider that hears, thinks and speaks."""

    def __init__(
        self,
        line: Line,
        session: RenewableRealtime,
        role: AgentRole,
        *,
        find_agent: Callable[[str], AgentRole] | None = None,
        options: TurnOptions | None = None,
        transfer: Callable[[str], Awaitable[bool]] | None = None,
        people: Mapping[str, str] | None = None,
        observer: Callable[[Report], None] | None = None,
        call: str = "",
    ) -> None:
        """See `agent.conversation.Conversation`."""
        self._speech_output = RealtimeOutput(line, session, role.languages[0])
        self._session = session
        self._playing = role.name, role.languages[0]
        """Name and language of the agent that the session plays."""
        self._handed_over = False
        """Whether the next session belongs to another agent."""
        agent = Agent(
            toolbox=Toolbox((), call), history=History(role.persona.prompt), speech_output=self._speech_output,
            call_ending=CallEnding(people=people or {}), report=self._report, spawn=self._spawn,
        )  # fmt: skip
        active = ActiveAgent(role, find_agent, self._report)
        active.look_up = lambda find: look_up(find, self._found)
        super().__init__(
            line, session, active, agent,
            options or TurnOptions(),
            transfer=transfer, observer=observer,
        )  # fmt: skip
        session.brief = self._brief
        agent.corrected = self._correct
        self._correction = ""
        """The true result of a tool, if it differs from the one that the session was told."""
        self._opening = role.persona.notice or role.persona.greeting
        """First words of the session, until a reply for them has begun."""
        self._current: RealtimeReply | None = None
        self._onset: float | None = None
        """Where in the sound the caller began, if nothing has been answered since."""
        self._words = ""
        """Words of the caller, until they are answered."""
        self._answered: tuple[UserTurn, RealtimeReply | None] | None = None
        """The turn that was answered last, and its reply. If somebody has taken the caller since then, it is an empty
        turn that nobody reads: words that are written down late were said to that person."""
        self._unwanted = ""
        """The last reply that was thrown away because nobody wants it."""

    async def open(self) -> None:
        """Begin the session; a failure is told to the caller by `run`."""
        self._floor.broken = await open_parts({"realtime": self._session})

    async def close(self) -> None:
        """End the session; safe to call twice, and without `run`."""
        await close_parts(self._session)

    def _brief(self) -> Brief:
        prompt, *said = self._agent.history.messages()
        recap = "\n".join(_line_of(message) for message in said)[-RECAP:]
        told = self._told(prompt)
        if recap:
            told = f"{told}\n\nYou are in the midst of this call. Until now:\n{recap}"
        return Brief(told, "" if recap else self._opening, self._agent.toolbox.schemas)

    def _told(self, prompt: Message) -> str:
        """The instructions for the session: the `prompt`, and what changes during the call."""
        follow = FOLLOW if len(self._active.languages.known) > 1 else ""
        return "\n\n".join(part for part in (prompt["content"], follow, self._correction) if part)

    def _found(self, passages: Sequence[Passage]) -> None:
        if self._turn_log.current is not None:
            self._turn_log.current.sources += [one.source for one in passages]

    def _correct(self, call: str, result: str, failed: bool) -> None:
        """Tell the session that the result of a tool turned out to be different.

        A failure whose result was not told before is told as the result. Everything else is told as an instruction: the
        session would have to answer a result in words, which nobody must hear while a person is being called.
        """
        answers = failed and call in self._speech_output.unanswered
        correction = "" if answers else CORRECTED.format(result=result)
        if correction != self._correction:
            self._correction = correction
            self._noted()
        if answers:
            self._speech_output.unanswered.discard(call)
            self._session.answer(call, result, failed=True)

    def _apply_role(self) -> None:
        super()._apply_role()
        self._speech_output.language = self._active.languages.now
        self._agent.toolbox.consent.judge = self._active.role.judge
        before, self._playing = self._playing, (self._active.role.name, self._active.languages.now)
        if self._playing[0] != before[0]:
            self._handed_over = True
            self._session.renew(self._playing[0])
        elif self._playing != before:
            self._noted()

    def _noted(self) -> None:
        self._session.instruct(self._told(self._agent.history.messages()[0]))

    def _fail(self, part: Part, error: ProviderError) -> None:
        """End the conversation after an error of any part: there is one provider only."""
        super()._fail("realtime", error)

    def _blamed(self, error: ProviderError) -> Part:
        return "realtime"

    # What it hears

    def _give(self, ulaw: bytes) -> None:
        turns = self._floor.turns
        told = turns.hears_recording and self._floor.replying is not None  # a call screen: who calls and why
        super()._give(b"\xff" * len(ulaw) if told or turns.state in DEAF else ulaw)

    def _away(self, event: Away) -> None:
        if event.taken:  # what the caller has begun to say is over
            self._onset, self._words, self._answered = None, "", (UserTurn(), None)
        super()._away(event)

    def _expect(self, said: str) -> None:
        """Do nothing: the session knows its own words."""

    def _notice(self, changes: list[Change]) -> None:
        """Take changes of the caller's sound, unless the session is full-duplex: then it judges the sound itself, and
        needs it in short, even chunks."""
        self._listening.even = self._session.full_duplex
        if not self._listening.even:
            super()._notice(changes)

    # What the session tells

    async def _follow_events(self) -> None:
        await self._follow("realtime", self._session.name, self._session.events(), self._happen)

    def _happen(self, event: RealtimeEvent) -> None:
        turns = self._floor.turns
        if turns.state is State.TAKEN:
            self._follow_unheard(event)
        if (turns.hears_recording or turns.state is State.TAKEN) and self._ignore(event):
            return
        match event:
            case Onset(at):
                self._onset = at
                self._decide(self._floor.turns.interrupted(self._now()))
            case Transcript():
                self._written_down(event)
            case Answering():
                if self._onset is not None:
                    self._spoken()
                elif self._current is not None:
                    self._current.goes_on()
            case Consumed(unit, amount, product):
                self._report(Used("realtime", product or self._session.product, unit, amount))
            case Reopened():
                self._go_on()
            case ReplyAudio() | ReplyWords() | ReplyEnded() | ToolCall():
                self._output(event)

    def _follow_unheard(self, event: RealtimeEvent) -> None:
        """Note, while somebody else speaks with the caller, whether the caller has begun a turn that is not over."""
        match event:
            case Onset(at):
                self._onset = at
            case Transcript(final=True, end=end) if self._onset is not None and end > self._onset:
                self._onset = None
            case Answering():
                self._onset = None

    def _ignore(self, event: RealtimeEvent) -> bool:
        """Drop an answer of the session that nobody wants; returns whether the event is done with."""
        match event:
            case ReplyAudio(reply) | ReplyWords(reply) if self._floor.replying is None:
                if reply != self._unwanted:
                    self._unwanted = reply
                    self._session.hush()
                    self._session.cut(reply, 0)
                return True
            case ToolCall() if self._floor.replying is None:
                self._session.answer(event.id, NOBODY, failed=True)
                return True
        return isinstance(event, Onset | Answering)

    def _written_down(self, heard: Transcript) -> None:
        """Take written words of the caller. They come before the reply or after it, because another
        model writes them."""
        waited = self._floor.turns.hears_recording
        self._report(CallerSaid(heard.text, heard.final))
        if waited:
            # The session is given the first words of a person again: its answer to them was thrown away.
            if not self._floor.turns.hears_recording and self._floor.turns.state is not State.ANNOUNCING:
                self._decide(self._floor.turns.asked(heard.text, self._now()))
            return
        if not heard.final or self._floor.turns.state is State.TAKEN:
            return
        if self._answered is not None and (self._onset is None or heard.end <= self._onset):
            asked, reply = self._answered
            asked.text = f"{asked.text} {heard.text}".strip()
            if reply is not None:
                reply.turn.caller = asked.text
                reply.worded.set()
            return
        self._words = heard.text
        self._spoken()

    def _spoken(self) -> None:
        """Note that the session has taken the caller's voice for a turn."""
        self._listening.voice.confirmed()
        self._decide(self._floor.turns.ended(self._now()))

    def _output(self, event: ReplyAudio | ReplyWords | ReplyEnded | ToolCall) -> None:
        current = self._current if self._floor.replying is not None else None
        if current is None:
            if isinstance(event, ReplyEnded) or self._floor.turns.state in (State.CLOSING, State.ENDED):
                return
            if self._onset is not None and not isinstance(event, ToolCall):
                return  # the caller has interrupted what it belongs to
            current = self._begin_reply(Turn())
            current.worded.set()
        current.take(event)

    # What the table decides

    def _answer(self, text: str, instead: str) -> None:
        """Begin the reply to what the provider has heard. It has not heard `text`, pressed keys, so it is told them."""
        words, self._words = self._words, ""
        now = self._now()
        asked = self._agent.history.asked()
        asked.text = f"{asked.text.removesuffix(instead)} {text or words}".strip()
        stopped = min(self._floor.turns.stopped(text, self._listening.silent_since or now), now)
        self._onset = None
        self._answered = (asked, self._begin_reply(Turn(asked.text, times=Times(caller_stopped=stopped, final=now))))
        if text:  # the session knows what it was told before, although nobody has heard its reply
            self._session.tell(text.removeprefix(instead).strip())

    def _prepare(self, text: str, instead: str) -> None:
        """Do nothing: the session prepares its replies itself."""

    def _tell(self, text: str, instead: str) -> None:
        """Do nothing: results never come late, because the session waits for them."""

    def _ask_again(self) -> None:
        if self._onset is None:
            super()._ask_again()
        else:
            self._spawn(self._await(self._onset))

    async def _await(self, onset: float) -> None:
        """Handle a caller whom the session has noticed and does not answer: play a sound for the wait; if there is
        still no answer, ask the caller to repeat."""
        Reply(self._agent, Turn(), self._now).cover(self._agent.history.say())
        await asyncio.sleep(ASKED_AFTER)
        if self._onset == onset and self._floor.turns.state is State.LISTENING and self._floor.replying is None:
            self._onset = None
            super()._ask_again()

    def _recite(self, text: str) -> None:
        self._begin_reply(
            Turn(), aside=True
        ).worded.set()  # the new reply stops what is being said, and drops earlier prompts
        notice, self._agent.notice = self._agent.notice, ""
        text = f"{notice} {text}".strip()
        if text != self._opening:
            self._session.prompt(exactly(text))
        self._opening = ""

    def _begin_reply(self, turn: Turn, *, aside: bool = False) -> RealtimeReply:
        waited = self._now() - self._listening.silent_since
        cover = max(COVERED_SOON, COVERED_WITHIN - waited) if waited < COVERED_WITHIN else COVERED_AFTER
        current = RealtimeReply(self._agent, turn, self._now, self._session, self._speech_output, cover, aside=aside)
        self._current = current
        self._reply(turn, current.follow)
        return current

    def _go_on(self) -> None:
        """Let a new session go on: it knows the conversation, but not what is due now."""
        current = self._current if self._floor.replying is not None else None
        owed = current is not None and current.owed
        if current is not None:
            current.break_off(owed=owed)
        opening, self._agent.opening = self._agent.opening, ""
        handed_over, self._handed_over = self._handed_over, False
        if owed and handed_over:
            said = OPENING.format(opening=opening) if opening else ""
            self._session.prompt(TAKEN_OVER.format(opening=said))
        elif owed:
            self._session.prompt(GO_ON)
        elif self._onset is not None:
            self._session.prompt(AGAIN)
            self._onset = None


def _line_of(message: Message) -> str:
    who = {"user": "Caller", "assistant": "You", "tool": "Result of a tool"}.get(message["role"], "Note")
    called = ", ".join(
        f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls", ())
    )
    return f"{who}: {message['content'] or ''}{f' [called {called}]' if called else ''}"
