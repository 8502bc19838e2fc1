"""A reply of a speech-to-speech session: sound for the line, words for the history, calls of tools."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

from agent.errors import ProviderError
from agent.history import AssistantTurn, Sentence
from agent.line import Finished, Heard, Line
from agent.llm import ToolCall
from agent.realtime import RenewableRealtime, ReplyAudio, ReplyEnded, ReplyWords, exactly
from agent.records import AgentSays, Turn
from agent.reply import CALLS, FILLER_AFTER, ROUNDS, Agent, Reply
from agent.sentences import SentenceCutter
from agent.utterances import Utterances

MOST_CALLS = CALLS * ROUNDS
"""Tool calls in one turn; more are refused."""
MUTE = 4.0
"""Seconds within which a session must begin to speak; after them the session is given up."""
STALLED = 2.0
"""Seconds of silence in the middle of a reply after which the session is given up."""
WORDS_LATE = 2.0
"""Seconds for which the caller's written words are awaited after the end of the reply to them."""
REFUSED = '{"error": "too many tool calls; answer without them"}'


class RealtimeOutput(Utterances):
    """Plays the sound of the session; each of its replies is one utterance of the line."""

    def __init__(self, line: Line, session: RenewableRealtime, language: str) -> None:
        super().__init__(line, language)
        self._session = session
        self._replies: dict[str, Sentence] = {}
        self.unanswered: set[str] = set()
        """Ids of tool calls whose result the session need not get, because the call ends after its present words."""

    def reply(self, reply: str) -> Sentence:
        """A new reply, whose words and sound are to come."""
        sentence = self._replies[reply] = self.begin("")
        return sentence

    def ended(self, sentence: Sentence) -> None:
        """Note that all words and sound of a reply have come."""
        sentence.text = sentence.text.rstrip()
        sentence.complete = True
        self._line.finish(sentence.utterance)

    def finished(self, event: Finished) -> None:
        """Note that the line has played an utterance to its end; the session is not told of it any more."""
        super().finished(event)
        self._replies = {reply: one for reply, one in self._replies.items() if one.utterance > event.utterance}

    def stop(self) -> Heard:
        """Discard what is not played, and have the session forget it."""
        heard = super().stop()
        self._session.hush()
        replies, self._replies = self._replies, {}
        for reply, sentence in replies.items():
            if sentence.utterance >= heard.utterance:
                self._session.cut(reply, heard.samples if sentence.utterance == heard.utterance else 0)
        return heard


class RealtimeReply(Reply):
    """Words and tool calls of the session in one turn. Cancelling `follow` ends it for the gateway."""

    def __init__(
        self,
        agent: Agent,
        turn: Turn,
        now: Callable[[], float],
        session: RenewableRealtime,
        speech_output: RealtimeOutput,
        cover: float,
        *,
        aside: bool = False,
    ) -> None:
        """If the session has not begun to speak after `cover` seconds, a sound is played. `aside` is for a fixed
        sentence."""
        super().__init__(agent, turn, now)
        self._session = session
        self._speech_output = speech_output
        self._patience = cover
        self._asides = math.inf if aside else 0
        """How many of the next replies are fixed sentences, which ask the caller nothing."""
        self._said = AssistantTurn()
        self._open: dict[str, tuple[Sentence, SentenceCutter]] = {}
        self._running = 0
        self._called = 0
        self._due = True
        """Whether the session owes words."""
        self._changed = asyncio.Event()
        self._begun = asyncio.Event()
        """Set when something begins to be said."""
        self.worded = asyncio.Event()
        """Set when it is known what the caller said, or that they said nothing."""
        if turn.caller:
            self.worded.set()

    @property
    def owed(self) -> bool:
        """Whether the caller waits for something that the session has not said."""
        return self._due or bool(self._open) or self._running > 0

    async def follow(self) -> None:
        """Wait until everything is said and heard. A session that sends nothing for too long is given up."""
        covering = self._agent.spawn(self._cover())
        try:
            while True:
                while self.owed:
                    await self._more()
                await self._speech_output.silent()
                if not self.owed:
                    break
        finally:
            covering.cancel()
        await self._wording()

    async def _wording(self) -> None:
        """Wait until it is known what the caller said, though not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WORDS_LATE):
                await self.worded.wait()

    async def _more(self) -> None:
        limit = None if self._running else self._speech_output.left + STALLED if self._open else MUTE
        self._changed.clear()
        try:
            async with asyncio.timeout(limit):
                await self._changed.wait()
        except TimeoutError:
            self._session.give_up(f"nothing came for {limit:.1f} s")
            self.break_off(owed=True)

    async def _cover(self) -> None:
        """Play a sound that needs no provider, if the session does not begin to speak."""
        await asyncio.sleep(self._patience)
        if self._due and not self.turn.said and not self._speech_output.speaking:
            self._said = self._agent.history.say()
            self.cover(self._said)

    def knows(self, reply: str) -> bool:
        """Whether `reply` is the id of a reply that goes on."""
        return reply in self._open

    def take(self, event: ReplyAudio | ReplyWords | ReplyEnded | ToolCall) -> None:
        """Take a piece of the reply."""
        match event:
            case ReplyAudio(reply, ulaw):
                self.turn.times.first_sound = self.turn.times.first_sound or self._now()
                self._speech_output.sound(self._part(reply)[0], ulaw)
            case ReplyWords(reply, text, until):
                self._words(reply, text, until)
            case ReplyEnded(reply, _):
                if reply in self._open:
                    self._end(reply)
            case ToolCall():
                self._call(event)
        self._changed.set()

    def goes_on(self) -> None:
        """Note that the session works at the reply."""
        self._changed.set()

    def break_off(self, *, owed: bool) -> None:
        """End everything of the reply that was begun. `owed`: the session still owes words."""
        for reply in list(self._open):
            self._end(reply)
        self._due = owed
        self._asides = self._asides if math.isinf(self._asides) else 0
        self._changed.set()

    def _part(self, reply: str) -> tuple[Sentence, SentenceCutter]:
        if reply not in self._open:
            times = self.turn.times
            times.first_token = times.first_token or self._now()
            self._due = False
            self._begun.set()
            if self._said.calls or not self._said.sentences:
                self._said = self._agent.history.say()
            self._open[reply] = (self._speech_output.reply(reply), SentenceCutter(self._speech_output.language))
            self._open[reply][0].aside = self._asides > 0
            self._asides = max(0, self._asides - 1)
            self._said.sentences.append(self._open[reply][0])
        return self._open[reply]

    def _words(self, reply: str, text: str, until: int | None) -> None:
        sentence, cutter = self._part(reply)
        sentence.text = (sentence.text + text).lstrip()
        if until is not None:
            sentence.timed.append((len(sentence.text.rstrip()), until))
        self._tell(cutter.feed(text))

    def _end(self, reply: str) -> None:
        sentence, cutter = self._open.pop(reply)
        self._tell(cutter.flush())
        self._speech_output.ended(sentence)

    def _tell(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self.turn.said = f"{self.turn.said} {sentence}".strip()
            self._agent.report(AgentSays(sentence))

    # Tools

    def _call(self, call: ToolCall) -> None:
        self._due = False
        self._called += 1
        if self._called > MOST_CALLS + CALLS:
            self._session.give_up("it calls tools without end")
            return
        if self._called > MOST_CALLS:
            self._session.answer(call.id, REFUSED, failed=True)
            return
        said = self._said
        if len(said.results) == len(said.calls) and (said.calls or not said.sentences):
            said = self._said = self._agent.history.say()
        said.calls.append(call)
        self._running += 1
        self._agent.keep(self._agent.spawn(self._carry(call, said)), call.name)

    async def _carry(self, call: ToolCall, said: AssistantTurn) -> None:
        """Run a tool to its end, whatever the caller says meanwhile: the session waits for its result."""
        self._agent.say = self._ask
        filling = self._agent.spawn(self._fill(call.name))
        found = self._agent.toolbox.get(call.name)
        try:
            if found is not None and found.asks:
                await self._wording()  # whether they said yes is told by their words
            run = await self._run_tool(call, said)
        finally:
            filling.cancel()
            self._running -= 1
        if self._agent.call_ending.outcome is None or not self.turn.said:
            self._due = True
            self._session.answer(call.id, said.results[call.id], failed=bool(run.error))
        else:
            self._speech_output.unanswered.add(call.id)
        self._changed.set()

    async def _fill(self, tool: str) -> None:
        """Have the session say the filler, if the tool takes long."""
        await asyncio.sleep(FILLER_AFTER)
        found = self._agent.toolbox.get(tool)
        if found is not None and found.waits_for_caller:
            return
        filler = (found.filler if found else "") or self._agent.filler
        if filler and not self._speech_output.speaking:
            self._asides += 1
            self._session.prompt(exactly(filler), aside=True)

    async def _ask(self, text: str) -> None:
        """Have the session say `text` to its end while a tool runs. Raises `ProviderError`."""
        self._begun.clear()
        self._asides += 1
        self._session.prompt(exactly(text), aside=True)
        try:
            async with asyncio.timeout(MUTE):
                await self._begun.wait()
            await self._speech_output.silent()
        except TimeoutError:
            raise ProviderError(self._session.name, "did not speak the question of a tool") from None
        finally:
            self.break_off(owed=False)
