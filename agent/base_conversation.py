"""The conversation of one call, common to all kinds of providers: takes the events of the line, and takes turns.

It owns the line, the time limits and the history. `agent.conversation` adds STT, an LLM and a TTS,
`agent.realtime_conversation` one provider that does all of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from agent.active_agent import ActiveAgent
from agent.call_control import CallControl
from agent.connecting import Connecting
from agent.conversation_kind import ConversationKind
from agent.dtmf_collector import DtmfCollector
from agent.errors import ProviderError
from agent.floor import Floor, Listening
from agent.hearing.changes import Change
from agent.limits import boundary, provider_error
from agent.line import Audio, Away, Digit, Finished, Gone, Line, LineEvent, Started
from agent.pacing import pacing
from agent.phrases import phrases_of
from agent.recorded import WORDS, recorded
from agent.records import Outcome, Part, ProviderFailed, Report, Sorry, Turn, TurnDecided, tell
from agent.reply import Agent, Reply
from agent.stt import AudioInput
from agent.tasks import Tasks
from agent.turn_log import TurnLog
from agent.turn_taking.decision import Decision, Decisions
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import Action, Event, State

log = structlog.get_logger()
T = TypeVar("T")
UNHEARD = "reported nothing of what the caller said"
SILENT = Outcome("silence", "the caller said nothing")
OVERTIME = Outcome("max_duration", "the call lasted too long")


class BaseConversation(ConversationKind):
    """One call's dialogue: `open` while it rings, then `run`."""

    def __init__(
        self,
        line: Line,
        stt: AudioInput,
        active: ActiveAgent[Any],
        agent: Agent,
        options: TurnOptions,
        *,
        transfer: Callable[[str], Awaitable[bool]] | None,
        observer: Callable[[Report], None] | None,
    ) -> None:
        """`agent` speaks on `active`. For `transfer` see `agent.conversation.Conversation`."""
        self._line = line
        self._stt = stt
        self._active = active
        self._agent = agent
        self._observer = observer
        agent.call_ending.connect = transfer
        self._floor = Floor(options, phrases_of(active.role.languages))
        self._listening = Listening()
        self._turn_log = TurnLog(agent, active, self._report)
        self._tasks = Tasks(self._crashed)
        self._collecting = DtmfCollector(line, agent, self._listening.voice.mute)
        connect = transfer and self._hand_over
        self.call_control = CallControl(
            line, self._floor, agent, self._recite, connect, self._noted, self._decide, lambda: active.persona.notice,
        )  # fmt: skip
        """The controls for operators and tools."""
        common = agent.call_ending.tools(can_transfer=transfer is not None)
        agent.tools_run = self._tools_run
        agent.toolbox.consent.answer_stands = lambda: self._floor.turns.answer_stands
        collector = agent.toolbox.collector
        collector.expect, paced = pacing(lambda: self._floor.turns, self._expect, lambda: collector.setting)
        active.enter(agent, common, self._collecting.tool(), paced, self._apply_role)

    def _give(self, ulaw: bytes) -> None:
        """Give the caller's sound to the provider that hears."""
        self._stt.send_audio(ulaw)

    def _apply_role(self) -> None:
        """Use the words, the tools and the expected answers of the agent and language that speak now."""
        known = phrases_of(self._active.languages.known)
        self._agent.toolbox.consent.phrases = known
        self._floor.speak(known)
        self._floor.turns.endpointing.fields = self._agent.toolbox.expected

    async def _apology(self, turn: Turn, part: Part, sentence: Sorry) -> None:
        """Say the persona's `sentence` about a technical problem; `part` is the part that has failed."""
        await Reply(self._agent, turn, self._now).play(WORDS[sentence], recorded(sentence))

    # From the beginning to the end

    async def run(self) -> Outcome:
        """Talk until the call is over. After an error of our own the agent apologises, and ends or transfers it."""
        try:
            async with self._tasks:
                self._floor.start(self._now())
                self._spawn(self._listen())
                self._spawn(self._watch_clock())
                with self._tasks.boundary():
                    self._start()
                outcome = await self._floor.over
                with self._tasks.boundary():  # tools that run must finish
                    self._fall_silent()
                    self._end_turn()
                self._tasks.cancel(but=self._agent.kept)
                await self._agent.finish()
        finally:
            await self.close()
        return outcome

    def _start(self) -> None:
        if self._floor.broken:
            self._fail(*self._floor.broken)
        else:
            self._spawn(self._follow_events())
            self._begin()

    def dismiss(self, outcome: Outcome) -> None:
        """Say that the time is up, then end the call. Raises `agent.call_control.CallControlRefused`."""
        self.call_control.dismiss(self._active.persona.goodbye_overtime, outcome)

    def _begin(self) -> None:
        if not self.call_control.announce():
            self._decide((Decision(Action.GREET, Evidence("greeting")),))

    # What comes in

    async def _listen(self) -> None:
        self._listening.begin(self._now())
        await self._line.listen(self._take)

    def _take(self, event: LineEvent) -> None:
        try:
            match event:
                case Audio():
                    self._listen_to(event)
                case Started():
                    self._started(event)
                case Finished():
                    self._agent.speech_output.finished(event)
                    self._agent.told_tools()
                case Digit(key, _) if not self._collecting.press(key):
                    if tool := self._active.persona.keys.get(key):
                        work = self.call_control.press(tool, self._active.persona.not_done)
                        self._agent.keep(self._spawn(work), tool)
                    else:
                        self._line.agree(key)
                        self._press(key)
                case Away():
                    self._away(event)
                case Gone(cause, lost):
                    self._floor.end(Outcome("line_lost" if lost else "caller_hung_up", cause))
        # `boundary` would cost two calls for each piece of sound. A cancellation comes from the result of a task.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self._fail("stt", provider_error(self._stt.name, error))

    def _away(self, event: Away) -> None:
        """Note that the caller has left the line (hold, transfer), or has come back."""
        self._listening.voice.reset(muted=event.away)
        self._decide(self._floor.turns.away(event.away, self._now(), taken=event.taken))

    def _press(self, key: str) -> None:
        """Take a key of the caller that no other part has asked for."""
        self._decide(self._floor.turns.press(key, self._now()))

    def _listen_to(self, sound: Audio) -> None:
        if not self._floor.broken:
            self._give(sound.ulaw)
        changes = self._listening.hear(sound.ulaw, sound.at, sound.played)
        self._floor.turns.hear_line(self._listening.voice.path if sound.played else None)
        self._notice(changes)
        if (pieces := self._listening.wants()) is not None:
            self._line.set_chunk_duration(*pieces)

    def _notice(self, changes: list[Change]) -> None:
        if changes and not self._floor.turns.hears_recording:
            for change in changes:
                self._decide(self._floor.turns.sound(change, self._now()))

    def _tools_run(self, runs: bool) -> None:
        """Note whether a tool of this turn runs; it changes something only while nothing is being said."""
        if self._floor.replying is not None and not self._agent.speech_output.speaking:
            self._decide(self._floor.turns.silent(self._now(), runs=runs))

    def _started(self, event: Started) -> None:
        if (spoken := self._turn_log.started(event)) is None:
            return
        text, before = spoken
        self._expect(text)
        self._notice(self._listening.lapse(self._now()))
        self._decide(self._floor.turns.says(text, before, self._now()))

    async def _follow(self, part: Part, name: str, events: AsyncIterator[T], take: Callable[[T], None]) -> None:
        try:
            with boundary(name):
                async for event in events:
                    take(event)
                raise ProviderError(name, "it stopped listening")
        except ProviderError as error:
            self._fail(part, error)

    async def _watch_clock(self) -> None:
        while True:
            self._floor.changed.clear()
            try:
                async with asyncio.timeout_at(self._listening.next_look(self._floor.turns.deadline)):
                    await self._floor.changed.wait()
            except TimeoutError:
                self._notice(self._listening.lapse(self._now()))
                self._decide(self._floor.turns.handle_timer(self._now()))

    # What is decided

    def _decide(self, decisions: Decisions) -> None:
        for decision in decisions:
            if decision.action not in (Action.HUSH, Action.GREET, Action.END):
                self._report(TurnDecided(decision.action.name.lower(), str(decision.evidence)))
            self._act(decision)
        self._floor.changed.set()
        self.call_control.go_on()

    def _act(self, decision: Decision) -> None:
        said = self._active.persona
        acts: dict[Action, Callable[[Decision], None]] = {
            Action.PREPARE: lambda one: self._prepare(one.text, one.instead),
            Action.ANSWER: self._take_turn,
            Action.TELL: lambda one: self._tell(one.text, one.instead),
            Action.HUSH: lambda _: self._line.think(False),
            Action.PAUSE: lambda _: self._line.pause(),
            Action.RESUME: self._resume,
            Action.CUT: lambda _: self._cut(),
            Action.DISCARD: lambda _: self._discard(),
            Action.KEEP: lambda _: None,
            Action.GREET: lambda _: self._greet(),
            Action.REPROMPT: lambda _: self._reprompt(),
            Action.ASK_AGAIN: lambda _: self._ask_again(),
            Action.HARDLY: lambda _: self._recite(said.hardly),
            Action.GIVE_UP: lambda _: self._fail("stt", ProviderError(self._stt.name, UNHEARD)),
            Action.GOODBYE_SILENCE: lambda _: self._part(said.goodbye_silence, SILENT),
            Action.GOODBYE_OVERTIME: lambda _: self._part(said.goodbye_overtime, OVERTIME),
            Action.END: lambda _: self._end(),
        }
        acts[decision.action](decision)

    def _greet(self) -> None:
        """Say the greeting."""
        self._recite(self._active.persona.greeting)

    def _take_turn(self, decision: Decision) -> None:
        if decision.text:
            self._listening.voice.confirmed()
        self._answer(decision.text, decision.instead)

    def _resume(self, decision: Decision) -> None:
        if decision.event is Event.UNCONFIRMED:
            self._listening.voice.false_alarm()
        self._line.resume()

    def _reprompt(self) -> None:
        self._listening.voice.forget_background()
        self._recite(self._active.persona.reprompt)

    def _ask_again(self) -> None:
        self._recite(self._active.persona.again)

    def _part(self, goodbye: str, outcome: Outcome) -> None:
        self._recite(goodbye)
        self._agent.call_ending.outcome = outcome

    def _end(self) -> None:
        if not self._agent.call_ending.connecting:  # else the transfer decides how the call ends
            self._floor.end(self._agent.call_ending.outcome or Outcome("agent_hung_up", ""))

    def _cut(self) -> None:
        self._fall_silent()
        self._end_turn(interrupted=True)

    def _fall_silent(self) -> None:
        """Break the reply off, and remember only what was heard of it."""
        floor = self._floor
        if floor.replying is not None:
            floor.replying.cancel()
            floor.replying = None
        self._agent.history.cut(self._agent.speech_output.stop())
        if not floor.over.done():
            self._agent.take_back()  # a caller who speaks during the goodbye wants to stay

    def _discard(self) -> None:
        """Throw away a reply of which nothing was heard; its words of the caller become part of the next turn."""
        self._fall_silent()
        if self._turn_log.has_effect:
            self._end_turn(interrupted=True)
        self._turn_log.discard()

    def _reply(self, turn: Turn, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let `work` say something in `turn`, in the place of what is being said. It raises only `ProviderError`."""
        if self._floor.replying is not None:
            self._fall_silent()
        self._begin_turn(turn)
        self._floor.replying = self._spawn(self._carry_out(work))

    async def _carry_out(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except ProviderError as error:
            part = self._blamed(error)
            if self._floor.turns.state is State.CLOSING:  # a goodbye: the call ends as it was to end
                self._spawn(self._apologise(part, error, self._agent.call_ending.outcome))
            else:
                self._fail(part, error)
            return
        self._floor.replying = None
        self._end_turn()
        ending = self._agent.call_ending
        outcome = ending.outcome
        if outcome is not None and outcome.kind != "transfer":
            self._floor.end(outcome)
            return
        if outcome is not None:
            self._hand_over(outcome, ending.under_way())
        self._decide(self._floor.turns.done(self._now()))

    def _begin_turn(self, turn: Turn) -> None:
        self._end_turn()
        self._turn_log.begin(turn)

    def _end_turn(self, *, interrupted: bool = False) -> None:
        self._turn_log.end(interrupted=interrupted)

    def _hand_over(self, outcome: Outcome, call: str = "") -> None:
        self._floor.turns.transfer(self._now(), rings=True)
        connecting = Connecting(
            self._floor, self._agent, lambda: self.call_control.tell(self._active.persona.not_connected), self._end
        )
        self._spawn(connecting.connect(outcome, call))

    # What fails

    def _fail(self, part: Part, error: ProviderError) -> None:
        """Apologise, then transfer or hang up."""
        if self._floor.turns.state in (State.CLOSING, State.ENDED):
            return
        self._floor.turns.close(self._now())
        self._floor.changed.set()
        self._spawn(self._apologise(part, error, Outcome("failed", f"{part} failed: {error}")))

    async def _apologise(self, part: Part, error: ProviderError, outcome: Outcome | None) -> None:
        """Say that something has failed; then the call ends as `outcome`, or with a transfer instead of a failure."""
        log.error("provider failed", part=part, cause=str(error))
        self._report(ProviderFailed(part, str(error)))
        self._fall_silent()
        ending = self._agent.call_ending
        ending.outcome = outcome
        kind = outcome.kind if outcome is not None and ending.connect is not None else ""
        await self._say_sorry(part, "connecting" if kind in ("failed", "transfer") else "apology")
        if outcome is not None and kind == "failed":
            if await ending.ring(""):
                ending.outcome = Outcome("transfer", outcome.text)
            else:
                ending.outcome = Outcome("failed", f"{outcome.text}; nobody else could be reached")
                await self._say_sorry(part, "apology")
        self._end()

    async def _say_sorry(self, part: Part, sentence: Sorry) -> None:
        self._begin_turn(turn := Turn())
        await self._apology(turn, part, sentence)
        self._end_turn()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._tasks.spawn(work)

    def _crashed(self, error: Exception) -> None:
        """Apologise, as for a failed provider, for an unexpected error of our own code or of a callback."""
        if self._floor.turns.state in (State.CLOSING, State.ENDED):
            self._floor.end(self._agent.call_ending.outcome or Outcome.crashed(error))
        elif not self._floor.over.done():
            problem = ProviderError("sipgw", f"internal error: {type(error).__name__}")
            self._fail(self._blamed(problem), problem)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _report(self, report: Report) -> None:
        tell(self._observer, report)
