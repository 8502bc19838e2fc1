"""The conversation with an agent's own server as its brain: STT hears, the server thinks, a voice speaks.

Turns, interruptions, silence and limits are those of every conversation. There are four differences. Nothing is
prepared, because a server remembers its prompts. The server gets each key at once. It may speak without a prompt, and
it may send commands.
"""

from collections.abc import Awaitable, Callable, Mapping

from pydantic_core import from_json

from agent.active_agent import CascadeRole
from agent.call_control import CallControlRefused
from agent.conversation import Conversation
from agent.history import CUT_MARK, heard_text
from agent.key_presses import press
from agent.line import SAMPLE_RATE, Line
from agent.parts import close_parts, open_parts
from agent.records import Outcome, Report, ToolDone, ToolRun, ToolStarted, Turn, TurnEnded
from agent.relay import messages as wire
from agent.relay.media import fetched
from agent.relay.session import Relay
from agent.relay.talk import Command, Uninterrupted
from agent.stt import SpeechToText, SttEvent, Transcript
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import State
from agent.turn_taking.words import words_of

MOST_PLAYED = 600.0
"""Most seconds of one medium, with all its repetitions."""
ENDED = "the agent's server ended the session"
HANDED_OFF = "the agent's server handed the call off"


class RelayConversation(Conversation):
    """One call's conversation: `open` while it rings, then `run`."""

    def __init__(
        self,
        line: Line,
        stt: SpeechToText,
        role: CascadeRole,
        brain: Relay,
        *,
        partial_prompts: bool = False,
        options: TurnOptions | None = None,
        transfer: Callable[[str], Awaitable[bool]] | None = None,
        people: Mapping[str, str] | None = None,
        observer: Callable[[Report], None] | None = None,
        call: str = "",
    ) -> None:
        """See `agent.conversation.Conversation`. The `llm` of `role` is `brain`, or a wrapper of it.

        With `partial_prompts` the server also gets the caller's words while the caller is speaking.
        """
        self._brain = brain
        self._partial_prompts = partial_prompts
        self._partial = ""
        """The last partial prompt."""
        self._greeted = self._replacing = False
        super().__init__(
            line, stt, role, options=options, transfer=transfer, people=people, observer=observer, call=call
        )
        self._agent.may_be_silent = True
        brain.language = lambda: self._active.languages.now
        brain.perform = self._perform

    async def open(self) -> None:
        """Get STT, TTS and the server's session ready; a failure is told to the caller by `run`."""
        self._floor.broken = await open_parts({"stt": self._stt, "tts": self._tts_sessions, "llm": self._brain})
        self._follow_stt()

    async def close(self) -> None:
        """End the sessions; safe to call twice, and without `run`."""
        await close_parts(self._stt, self._tts_sessions, self._brain)

    def _begin(self) -> None:
        self._brain.arrived = self._sent_unasked
        self._brain.gone = lambda: None if self._floor.over.done() else self._recover()
        super()._begin()

    def _recover(self) -> None:
        self._spawn(self._brain.recover())

    def _greet(self) -> None:
        """Say the greeting; without one the server greets. Words that nothing may interrupt end here, too."""
        greeting = "" if self._greeted else self._active.persona.greeting
        self._greeted = True
        if greeting:
            self._recite(greeting)

    # What the server is told

    def _prepare(self, text: str, instead: str) -> None:
        """Prepare nothing: a prompt cannot be taken back."""

    def _noted(self) -> None:
        raise CallControlRefused("the agent's own server takes no instructions")

    def _understand(self, event: SttEvent) -> None:
        super()._understand(event)
        if not self._partial_prompts or not isinstance(event, Transcript):
            return
        goes_on = not event.final and self._floor.turns.state in (State.HEARING, State.DECIDING)
        if goes_on and words_of(event.text) and event.text != self._partial:
            self._partial = event.text
            self._brain.partial(event.text)

    def _press(self, key: str) -> None:
        self._decide(self._floor.turns.press_apart(self._now()))
        self._brain.press(key)

    def _fall_silent(self) -> None:
        super()._fall_silent()
        if not self._replacing:
            self._brain.break_off()

    def _end_turn(self, *, interrupted: bool = False) -> None:
        turn, first = self._turn_log.current, self._turn_log.first
        super()._end_turn(interrupted=interrupted)
        if turn is not None and turn.tools and not (turn.caller or turn.said):
            self._report(TurnEnded(turn))  # the record keeps the end with its hand-off data by its turn
        if interrupted and turn is not None:
            self._tell_interrupted(turn, first)

    def _tell_interrupted(self, turn: Turn, first: int) -> None:
        """Tell the server which of its words were heard, or else which sentence of the agent. If nothing was heard,
        there is no interruption."""
        said = [one for one in self._agent.speech_output.sentences.values() if one.utterance >= first]
        heard = heard_text([one for one in said if not one.aside]) or turn.heard
        began = turn.times.first_packet
        if began is not None and (heard or any(not one.text for one in said)):
            self._brain.interrupted(heard.removesuffix(CUT_MARK), self._now() - began)

    # What the server wants

    def _has_late(self) -> bool:
        return self._brain.waiting or super()._has_late()

    def _sent_unasked(self) -> None:
        if self._floor.over.done():
            return
        if self._brain.preempts and self._floor.turns.state is State.SPEAKING:
            self._replacing = True
            self._tell("", "")
            self._replacing = False
        self._decide(())

    async def _perform(self, command: Command) -> None:
        """Follow a command. Raises `agent.relay.messages.RelayFault`."""
        match command:
            case Uninterrupted():
                self._line.resume()
                self._floor.turns.announce(self._now())
                self._floor.changed.set()
            case wire.SwitchLanguage(language):
                if not self._active.switch_language(language):
                    raise wire.RelayFault(
                        f"this agent speaks {', '.join(self._active.languages.known)}, not {language}"
                    )
            case wire.SendDigits(digits):
                self._spawn(press(self._line, digits.upper().replace("W", "w")))
            case wire.Play(source, loop):
                sound = await fetched(source)
                times = min(loop, max(1, int(MOST_PLAYED * SAMPLE_RATE) // len(sound)))
                await self._agent.speech_output.play_long(sound, times)
            case wire.End(data):
                self._finish(data)

    def _finish(self, data: str) -> None:
        """End the call when everything has been said. With hand-off data transfer the caller instead."""
        try:
            told = from_json(data) if data else None
        except ValueError:  # also for what is nested too deep for a record
            told = data
        ending = self._agent.call_ending
        to = told.get("to", "") if isinstance(told, dict) else ""
        transfers = told is not None and ending.connect is not None
        if transfers:
            ending.to = to if isinstance(to, str) and to.strip().lower() in ending.people else ""
        ending.outcome = Outcome("transfer", HANDED_OFF) if transfers else Outcome("agent_hung_up", ENDED)
        arguments = {} if told is None else {"handoffData": told}
        run = ToolRun("end", arguments, {"status": "the caller is transferred" if transfers else "the call ends"})
        if self._turn_log.current is not None:
            self._turn_log.current.tools.append(run)
        self._report(ToolStarted(run.name, arguments))
        self._report(ToolDone(run))
