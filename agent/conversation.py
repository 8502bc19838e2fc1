"""The conversation: listens, takes turns, answers. One for each call, the same for every line and provider."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import structlog

from agent.ears import Ears, Onset, Transcript
from agent.errors import ProviderError
from agent.history import History
from agent.limits import OPEN
from agent.line import SAMPLE_RATE, Audio, Digit, Finished, Gone, Line, LineEvent, Started
from agent.model import Model
from agent.mouth import Mouth, VoiceError
from agent.records import CallerSaid, Interrupted, Outcome, ProviderFailed, Report, Times, Turn, TurnEnded
from agent.reply import Agent, Control, Preparation, Reply
from agent.tools import Tool, Toolbox
from agent.turns import Decision, Event, State, TurnOptions, Turns, words_of
from agent.vad import VoiceActivity
from agent.voice import Voice

log = structlog.get_logger()

KEPT_LIMIT = 5.0
"""Seconds that tools with a side effect have to finish after the call."""

__all__ = ["Conversation", "Outcome", "Persona"]


@dataclass(frozen=True)
class Persona:
    """What the agent is told, and the sentences that it says by itself."""

    prompt: str
    """The system prompt."""
    greeting: str
    filler: str = "One moment, please."
    """Said when a tool takes long."""
    reprompt: str = "Are you still there?"
    goodbye_silence: str = "I cannot hear you, so I will hang up now. Goodbye."
    goodbye_overtime: str = "I am sorry, our time is up. Please call again. Goodbye."
    apology: str = "I am sorry, I have a technical problem."
    """Said when a provider fails; then the caller is transferred, or the call ends."""


class Conversation:
    """One call's conversation: `open` while it rings, then `run`."""

    def __init__(
        self,
        line: Line,
        ears: Ears,
        model: Model,
        voice: Voice,
        persona: Persona,
        *,
        tools: Iterable[Tool] = (),
        options: TurnOptions | None = None,
        can_transfer: bool = False,
        observer: Callable[[Report], None] | None = None,
    ) -> None:
        self._line = line
        self._ears = ears
        self._voice = voice
        self._persona = persona
        self._observer = observer
        self._can_transfer = can_transfer
        self._floor = Floor(options or TurnOptions())
        control = Control()
        toolbox = Toolbox([*tools, *control.tools(can_transfer=can_transfer)])
        history, mouth = History(persona.prompt), Mouth(line, voice)
        self._agent = Agent(model, toolbox, history, mouth, control, persona.filler, self._report, self._spawn)
        self._listening = Listening()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._broken: tuple[Literal["ears", "voice"], ProviderError] | None = None

    async def open(self) -> None:
        """Get ears and voice ready; a failure is told to the caller by `run`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._open("ears", self._ears))
            group.create_task(self._open("voice", self._voice))

    async def _open(self, part: Literal["ears", "voice"], provider: Ears | Voice) -> None:
        try:
            async with asyncio.timeout(OPEN):
                await provider.open()
        except TimeoutError:
            self._broken = (part, ProviderError(provider.name, f"not ready within {OPEN:g} s"))
        except ProviderError as error:
            self._broken = (part, error)

    async def run(self) -> Outcome:
        """Talk until somebody hangs up; never raises but on cancellation."""
        try:
            async with self._group:
                self._floor.start(self._now())
                self._spawn(self._listen())
                if self._broken:
                    self._fail(*self._broken)
                else:
                    self._spawn(self._hear())
                    self._spawn(self._watch_clock())
                    self._reply(Turn(), lambda reply: reply.recite(self._persona.greeting))
                outcome = await self._floor.over
                self._end_turn()
                await self._leave()
        finally:
            await self.close()
        return outcome

    async def close(self) -> None:
        """End the providers' sessions; safe to call twice, and without `run`."""
        for provider in (self._ears, self._voice):
            try:
                async with asyncio.timeout(OPEN):
                    await provider.close()
            except (ProviderError, TimeoutError) as error:
                log.warning("provider did not close", provider=provider.name, cause=str(error) or "timeout")

    async def _leave(self) -> None:
        kept = self._agent.kept
        for task in self._tasks - kept:
            task.cancel()
        if kept:
            await asyncio.wait(kept, timeout=KEPT_LIMIT)
            for task in list(kept):
                task.cancel()

    # What comes in

    async def _listen(self) -> None:
        async for event in self._line.events():
            try:
                self._take(event)
            except ProviderError as error:
                self._fail("ears", error)

    def _take(self, event: LineEvent) -> None:
        match event:
            case Audio(ulaw, at):
                if not self._broken:
                    self._ears.hear(ulaw)
                for change in self._listening.hear(ulaw, at):
                    self._handle(Event.ONSET if change.onset else Event.QUIET)
            case Started(utterance, at):
                self._started(utterance, at)
            case Finished():
                self._agent.mouth.finished(event)
            case Digit(key, _):
                digits, decisions = self._floor.turns.digit(key, self._now())
                self._decide(decisions, digits)
            case Gone(cause):
                self._floor.end(Outcome("caller_hung_up", cause))

    def _started(self, utterance: int, at: float) -> None:
        sentence = self._agent.mouth.sentences.get(utterance)
        if sentence is None or self._floor.turn is None:
            return
        times = self._floor.turn.times
        times.first_packet = times.first_packet or at
        self._floor.turns.said = sentence.text
        self._ears.expect(sentence.text)
        self._handle(Event.STARTED)

    async def _hear(self) -> None:
        try:
            async for event in self._ears.events():
                now = self._now()
                if isinstance(event, Onset):
                    self._handle(Event.ONSET)
                    if not self._listening.activity.active:
                        self._handle(Event.QUIET)
                    continue
                self._listening.note(event)
                if words_of(event.text):
                    self._report(CallerSaid(event.text, event.final))
                decisions = self._floor.turns.hear(event.text, final=event.final, stable=event.stable, now=now)
                self._decide(decisions, event.text)
        except ProviderError as error:
            self._fail("ears", error)
        except Exception as error:  # the provider boundary
            log.exception("ears failed")
            self._fail("ears", ProviderError(self._ears.name, f"internal error: {type(error).__name__}"))

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

    # What is decided

    def _handle(self, event: Event) -> None:
        self._decide(self._floor.turns.handle(event, self._now()), "")

    def _decide(self, decisions: tuple[Decision, ...], text: str) -> None:
        persona = self._persona
        for decision in decisions:
            match decision:
                case Decision.PAUSE:
                    self._line.pause()
                case Decision.RESUME:
                    self._line.resume()
                case Decision.CUT | Decision.DISCARD:
                    self._cut(interrupted=decision is Decision.CUT)
                case Decision.PREPARE:
                    self._prepare(text)
                case Decision.ANSWER:
                    self._answer(text)
                case Decision.REPROMPT:
                    self._reply(Turn(), lambda reply: reply.recite(persona.reprompt))
                case Decision.GOODBYE_SILENCE:
                    self._say_goodbye(persona.goodbye_silence, Outcome("silence", "the caller said nothing"))
                case Decision.GOODBYE_OVERTIME:
                    self._say_goodbye(persona.goodbye_overtime, Outcome("max_duration", "the call lasted too long"))
                case Decision.END:
                    self._floor.end(self._agent.control.outcome or Outcome("agent_hung_up", ""))
        self._floor.changed.set()

    def _cut(self, *, interrupted: bool) -> None:
        floor = self._floor
        if floor.replying is not None:
            floor.replying.cancel()
            floor.replying = None
        self._agent.history.cut(self._agent.mouth.stop())
        if interrupted:
            self._report(Interrupted(self._agent.history.last_words()))
            self._end_turn(interrupted=True)
        else:
            floor.turn = None

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

    def _say_goodbye(self, text: str, outcome: Outcome) -> None:
        self._agent.control.outcome = outcome
        self._reply(Turn(), lambda reply: reply.recite(text))

    def _reply(self, turn: Turn, act: Callable[[Reply], Coroutine[Any, Any, None]]) -> None:
        self._end_turn()
        if self._floor.replying is not None:
            self._floor.replying.cancel()
        self._floor.turn = turn
        self._floor.replying = self._spawn(self._carry_out(Reply(self._agent, turn, self._now), act))

    async def _carry_out(self, reply: Reply, act: Callable[[Reply], Coroutine[Any, Any, None]]) -> None:
        try:
            await act(reply)
        except ProviderError as error:
            self._fail("voice" if isinstance(error, VoiceError) else "model", error)
            return
        except Exception as error:  # the provider boundary: whatever it raises, the caller hears an apology
            log.exception("reply failed")
            self._fail("model", ProviderError(self._agent.model.name, f"internal error: {type(error).__name__}"))
            return
        self._floor.replying = None
        self._end_turn()
        outcome = self._agent.control.outcome
        if outcome is not None:
            self._floor.end(outcome)
        else:
            text, decisions = self._floor.turns.done(self._now())
            self._decide(decisions, text)

    def _end_turn(self, *, interrupted: bool = False) -> None:
        turn, self._floor.turn = self._floor.turn, None
        if turn is None:
            return
        turn.interrupted = interrupted
        turn.heard = self._agent.history.last_words() if interrupted else turn.said
        if turn.caller or turn.said:
            self._report(TurnEnded(turn))

    # What fails

    def _fail(self, part: Literal["ears", "model", "voice"], error: ProviderError) -> None:
        """Apologise, then transfer or hang up."""
        if self._floor.turns.state in (State.CLOSING, State.ENDED):
            return
        log.error("provider failed", part=part, cause=str(error))
        self._report(ProviderFailed(part, str(error)))
        self._floor.turns.close(self._now())
        self._cut(interrupted=False)
        outcome = Outcome("transfer" if self._can_transfer else "failed", f"{part} failed: {error}")
        self._agent.control.outcome = outcome
        self._spawn(self._apologise(outcome, by_voice=part != "voice"))

    async def _apologise(self, outcome: Outcome, *, by_voice: bool) -> None:
        turn = self._floor.turn = Turn()
        try:
            if not by_voice:
                raise ProviderError(self._voice.name, "not to be asked again")
            await Reply(self._agent, turn, self._now).recite(self._persona.apology)
        except ProviderError:
            mouth = self._agent.mouth
            sentence = mouth.begin(self._persona.apology)
            turn.said = sentence.text
            mouth.play(sentence, (files("agent") / "sounds" / "apology.ulaw").read_bytes())
            await mouth.silent()
        self._end_turn()
        self._floor.end(outcome)

    # Small things

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _report(self, report: Report) -> None:
        if self._observer is None:
            return
        try:
            self._observer(report)
        except Exception:  # the observer boundary
            log.exception("observer failed")


class Floor:
    """Who has it, and what is being said."""

    def __init__(self, options: TurnOptions) -> None:
        self.turns = Turns(options, 0.0)
        self.turn: Turn | None = None
        self.replying: asyncio.Task[None] | None = None
        self.prepared: Preparation | None = None
        self.changed = asyncio.Event()
        self.over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def start(self, now: float) -> None:
        """The call begins."""
        self.turns = Turns(self.turns.options, now)

    def end(self, outcome: Outcome) -> None:
        """The conversation is over; the first to say so decides how."""
        if not self.over.done():
            self.over.set_result(outcome)


class Listening:
    """The caller's sound: its activity, and when which part of it arrived."""

    def __init__(self) -> None:
        self.activity = VoiceActivity()
        self._given = 0
        self._arrived = 0.0
        self._end = 0.0
        self._quiet_at = 0.0

    def hear(self, ulaw: bytes, at: float) -> Any:
        """Take sound; returns the changes of activity."""
        self._given += len(ulaw)
        self._arrived = at
        return self.activity.feed(ulaw)

    def note(self, transcript: Transcript) -> None:
        """Remember where the last word ended."""
        self._end = transcript.end

    def stopped_at(self) -> float:
        """When the sound of the last word arrived: sound is continuous, so its age is its distance from the end."""
        return self._arrived - max(0.0, self._given / SAMPLE_RATE - self._end)
