"""The conversation: listens, takes turns, answers. One for each call, the same for every line and provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from agent.collecting import Collecting
from agent.ears import Ears, EarsEvent, Onset
from agent.errors import ProviderError
from agent.floor import Floor, Listening
from agent.history import History
from agent.limits import boundary
from agent.line import Audio, Away, Digit, Finished, Gone, Line, LineEvent, Started
from agent.mouth import Mouth, VoiceError
from agent.parts import close_parts, open_parts
from agent.phrases import phrases_of, words_of
from agent.records import CallerSaid, Interrupted, Outcome, Part, ProviderFailed, Report, Times, Turn, TurnEnded, tell
from agent.reply import Agent, Control, Preparation, Reply
from agent.sounds import recorded
from agent.stage import Cast, Role, Stage
from agent.steering import Steering
from agent.tools import Toolbox
from agent.turns import Decision, Event, State, TurnOptions

log = structlog.get_logger()
T = TypeVar("T")
SILENT = Outcome("silence", "the caller said nothing")
OVERTIME = Outcome("max_duration", "the call lasted too long")


class Conversation:
    """One call's conversation: `open` while it rings, then `run`."""

    def __init__(
        self,
        line: Line,
        ears: Ears,
        role: Role,
        *,
        cast: Cast | None = None,
        options: TurnOptions | None = None,
        transfer: Callable[[str], Awaitable[bool]] | None = None,
        people: Mapping[str, str] | None = None,
        observer: Callable[[Report], None] | None = None,
        call: str = "",
    ) -> None:
        """`role` is who speaks first; `cast` finds those whom it may hand the call over to.

        `transfer` connects the caller with a person, of that name if it is not empty, and returns whether that
        succeeded; None: there is nobody. `people` are the names, and what each is there for.
        `call` is the call's identity, which becomes a part of idempotency keys.
        """
        self._line = line
        self._ears = ears
        self._stage = Stage(role, cast, ears, self._report)
        self._observer = observer
        self._transfer = transfer
        options = options or TurnOptions()
        options = replace(options, dictation_pause=0.0, final_limit=0.0) if ears.patient else options
        self._floor = Floor(options, phrases_of(role.languages))
        control = Control(people=people or {})
        history, mouth = History(role.persona.prompt), Mouth(line, self._stage.voices)
        self._agent = Agent(role.model, Toolbox((), call), history, mouth, control, "", self._report, self._spawn)
        self._collecting = Collecting(line, self._agent)
        common = control.tools(can_transfer=transfer is not None)
        self._stage.enter(self._agent, common, self._collecting.tool(), self._recast)
        self._listening = Listening()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        connect = transfer and self._hand_over
        self.steering = Steering(line, self._floor, self._agent, self._recite, connect, self._noted)
        """What somebody outside may do to it."""

    async def open(self) -> None:
        """Get ears and voice ready; a failure is told to the caller by `run`."""
        self._floor.broken = await open_parts(self._ears, self._stage.voices)

    async def run(self) -> Outcome:
        """Talk until somebody hangs up; never raises but on cancellation."""
        try:
            async with self._group:
                self._floor.start(self._now())
                self._spawn(self._listen())
                self._spawn(self._watch_clock())
                if self._floor.broken:
                    self._fail(*self._floor.broken)
                else:
                    self._spawn(self._hear())
                    self._begin()
                outcome = await self._floor.over
                self._fall_silent()
                self._end_turn()
                await self._leave()
        finally:
            await self.close()
        return outcome

    def _noted(self) -> None:
        """Forget what was thought of without the newest note."""
        self._floor.unprepare()

    def _begin(self) -> None:
        if notice := self._stage.persona.notice:
            self._floor.turns.announce(self._now())
            self._recite(notice)
        else:
            self._decide((Decision.GREET,), "")

    async def close(self) -> None:
        """End the providers' sessions; safe to call twice, and without `run`."""
        await close_parts(self._ears, self._stage.voices)

    async def _leave(self) -> None:
        for task in self._tasks - self._agent.kept:
            task.cancel()
        await self._agent.finish()

    # What comes in

    async def _listen(self) -> None:
        async for event in self._line.events():
            try:
                with boundary(self._ears.name):
                    self._take(event)
            except ProviderError as error:
                self._fail("ears", error)

    def _take(self, event: LineEvent) -> None:
        match event:
            case Audio(ulaw, at):
                self._listen_to(ulaw, at)
            case Started(utterance, at):
                self._started(utterance, at)
            case Finished():
                self._agent.mouth.finished(event)
            case Digit(key, _) if self._collecting.press(key):
                pass
            case Digit(key, _) if tool := self._stage.persona.keys.get(key):
                self._spawn(self.steering.press(tool, self._stage.persona.not_done))
            case Digit(key, _):
                digits, decisions = self._floor.turns.digit(key, self._now())
                self._decide(decisions, digits)
            case Away(away, taken):
                if taken and self._floor.replying is not None:
                    self._break_off()
                self._floor.turns.away(away, self._now(), taken=taken)
                self._floor.changed.set()
            case Gone(cause, lost):
                self._floor.end(Outcome("line_lost" if lost else "caller_hung_up", cause))

    def _listen_to(self, ulaw: bytes, at: float) -> None:
        if not self._floor.broken:
            self._ears.hear(ulaw)
        for change in self._listening.hear(ulaw, at):
            self._handle(Event.ONSET if change.onset else Event.QUIET)
        if self._listening.turns_closely():
            self._line.attend(closely=self._listening.closely)

    def _started(self, utterance: int, at: float) -> None:
        floor, sentences = self._floor, self._agent.mouth.sentences
        sentence = sentences.get(utterance)
        if sentence is None or floor.turn is None or utterance < floor.first:
            return  # reported late: it belongs to a turn that was cut
        floor.turn.times.first_packet = floor.turn.times.first_packet or at
        # An echo may run from one sentence into the next.
        before = sentences[utterance - 1].text if utterance > floor.first else ""
        floor.turns.said = f"{before} {sentence.text}"
        self._ears.expect(sentence.text)
        self._handle(Event.STARTED)

    async def _hear(self) -> None:
        await self._follow("ears", self._ears.name, self._ears.events(), self._understand)

    async def _follow(self, part: Part, name: str, events: AsyncIterator[T], take: Callable[[T], None]) -> None:
        try:
            with boundary(name):
                async for event in events:
                    take(event)
                raise ProviderError(name, "it stopped listening")
        except ProviderError as error:
            self._fail(part, error)

    def _understand(self, event: EarsEvent) -> None:
        if isinstance(event, Onset):
            self._handle(Event.NOTICED)
            if not self._listening.activity.active:
                self._handle(Event.QUIET)
            return
        self._listening.note(event)
        if words_of(event.text):
            self._report(CallerSaid(event.text, event.final, self._listening.ago(event.words, self._now())))
        self._stage.hear(event)
        prepared = self._floor.prepared
        if prepared is not None and not event.final and words_of(prepared.text) != words_of(event.text):
            self._floor.unprepare()  # the caller goes on
        turns = self._floor.turns
        text, decisions = turns.hear(event.text, final=event.final, stable=event.stable, now=self._now())
        self._decide(decisions, text)

    async def _watch_clock(self) -> None:
        floor = self._floor
        while True:
            floor.changed.clear()
            try:
                async with asyncio.timeout_at(floor.turns.deadline):
                    await floor.changed.wait()
            except TimeoutError:
                digits, decisions = floor.turns.handle_timer(self._now())
                self._decide(decisions, digits)

    def _recast(self) -> None:
        """Another agent or another language: what was prepared is of the old one."""
        self._floor.unprepare()
        self._floor.turns.phrases = phrases_of(self._stage.tongues.known)

    # What is decided

    def _handle(self, event: Event) -> None:
        self._decide(self._floor.turns.handle(event, self._now()), "")

    def _decide(self, decisions: tuple[Decision, ...], text: str) -> None:
        persona = self._stage.persona
        for decision in decisions:
            match decision:
                case Decision.PAUSE:
                    self._line.pause()
                case Decision.RESUME:
                    self._line.resume()
                case Decision.CUT:
                    self._fall_silent()
                    self._end_turn(interrupted=True)
                case Decision.DISCARD:
                    self._discard()
                case Decision.PREPARE:
                    self._prepare(text)
                case Decision.ANSWER:
                    self._answer(text)
                case Decision.GREET | Decision.REPROMPT | Decision.ASK_AGAIN:
                    said = {Decision.GREET: persona.greeting, Decision.REPROMPT: persona.reprompt}
                    self._recite(said.get(decision, persona.again))
                case Decision.GIVE_UP:
                    self._fail("ears", ProviderError(self._ears.name, "reported nothing of what the caller said"))
                case Decision.GOODBYE_SILENCE | Decision.GOODBYE_OVERTIME:
                    silent = decision is Decision.GOODBYE_SILENCE
                    self._recite(persona.goodbye_silence if silent else persona.goodbye_overtime)
                    self._agent.control.outcome = SILENT if silent else OVERTIME
                case Decision.END:
                    self._floor.end(self._agent.control.outcome or Outcome("agent_hung_up", ""))
        self._floor.changed.set()
        self.steering.go_on()

    def _fall_silent(self) -> None:
        """Break the reply off, and remember only what was heard of it."""
        floor = self._floor
        if floor.replying is not None:
            floor.replying.cancel()
            floor.replying = None
        self._agent.history.cut(self._agent.mouth.stop())
        self._agent.control.outcome = None  # whoever speaks into a farewell wants to stay

    def _break_off(self) -> None:
        """Stop in the middle of a reply, and listen."""
        self._fall_silent()
        self._end_turn(interrupted=True)
        self._floor.turns.done(self._now())

    def _discard(self) -> None:
        """Throw away a reply of which nothing was heard; its words of the caller become part of the next turn."""
        self._fall_silent()
        if self._floor.turn is not None and self._floor.turn.tools:
            self._end_turn(interrupted=True)
        self._floor.turn = None

    def _prepare(self, text: str) -> None:
        floor = self._floor
        if floor.prepared is not None:
            if words_of(floor.prepared.text) == words_of(text):
                return
            floor.prepared.cancel()
        floor.prepared = Preparation(self._agent, text)

    def _answer(self, text: str) -> None:
        floor, now = self._floor, self._now()
        prepared, floor.prepared = floor.prepared, None
        asked = self._agent.history.ask(text)
        if prepared is not None and words_of(prepared.text) != words_of(text):
            prepared.cancel()
            prepared = None
        stopped = min(self._listening.stopped_at(), now)
        turn = Turn(asked, times=Times(caller_stopped=stopped, final=now))
        self._reply(turn, lambda reply: reply.run(prepared))

    def _recite(self, text: str) -> None:
        self._reply(Turn(), lambda reply: reply.recite(text))

    def _reply(self, turn: Turn, act: Callable[[Reply], Coroutine[Any, Any, None]]) -> None:
        if self._floor.replying is not None:
            self._fall_silent()
        self._begin_turn(turn)
        self._floor.replying = self._spawn(self._carry_out(Reply(self._agent, turn, self._now), act))

    async def _carry_out(self, reply: Reply, act: Callable[[Reply], Coroutine[Any, Any, None]]) -> None:
        try:
            with boundary(self._agent.model.name):
                await act(reply)
        except ProviderError as error:
            self._fail("voice" if isinstance(error, VoiceError) else "model", error)
            return
        self._floor.replying = None
        self._end_turn()
        control = self._agent.control
        outcome = control.outcome
        if outcome is not None and outcome.kind == "transfer":
            # Until it is known whether that succeeds it stays the agent's turn: nobody is asked to say something.
            control.outcome, control.connecting = None, True
            self._hand_over(outcome)
        elif outcome is not None:
            self._floor.end(outcome)
        else:
            text, decisions = self._floor.turns.done(self._now())
            self._decide(decisions, text)

    def _begin_turn(self, turn: Turn) -> None:
        self._end_turn()
        self._floor.turn = turn
        self._floor.first = self._agent.mouth.next

    def _end_turn(self, *, interrupted: bool = False) -> None:
        turn, self._floor.turn = self._floor.turn, None
        if turn is None:
            return
        turn.interrupted = interrupted
        turn.agent, turn.language = self._stage.role.name, self._stage.tongues.now
        turn.heard = self._agent.history.heard_from(self._floor.first)
        if interrupted:
            self._report(Interrupted(turn.heard))
        if turn.caller or turn.said:
            self._report(TurnEnded(turn))

    def _hand_over(self, outcome: Outcome) -> None:
        self._spawn(self._connect(outcome))

    async def _connect(self, outcome: Outcome) -> None:
        """Transfer the caller; if that fails, say so and go on."""
        control = self._agent.control
        to, control.to = control.to, ""
        connected = self._transfer is not None and await self._transfer(to)
        control.connecting = False
        self._floor.turns.away(False, self._now())
        if connected:
            self._floor.end(outcome)
        elif self._floor.turns.state not in (State.CLOSING, State.ENDED):
            self._recite(self._stage.persona.not_connected)

    # What fails

    def _fail(self, part: Part, error: ProviderError) -> None:
        """Apologise, then transfer or hang up."""
        if self._floor.turns.state in (State.CLOSING, State.ENDED):
            return
        log.error("provider failed", part=part, cause=str(error))
        self._report(ProviderFailed(part, str(error)))
        self._floor.turns.close(self._now())
        self._floor.changed.set()
        self._fall_silent()
        outcome = Outcome("transfer" if self._transfer else "failed", f"{part} failed: {error}")
        self._agent.control.outcome = outcome
        self._spawn(self._apologise(outcome, by_voice=part in ("ears", "model")))

    async def _apologise(self, outcome: Outcome, *, by_voice: bool) -> None:
        turn, text = Turn(), self._stage.persona.apology
        self._begin_turn(turn)
        try:
            if not by_voice:
                raise ProviderError(self._stage.voices.name, "not to be asked again")
            await Reply(self._agent, turn, self._now).recite(text)
        except ProviderError:
            turn.said = ""
            await Reply(self._agent, turn, self._now).play(text, recorded("apology"))
        self._end_turn()
        if outcome.kind == "transfer" and not (self._transfer is not None and await self._transfer("")):
            outcome = Outcome("failed", f"{outcome.text}; nobody else could be reached")
        self._floor.end(outcome)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _report(self, report: Report) -> None:
        tell(self._observer, report)
