"""One reply of a cascade: the model's words go sentence by sentence to the voice, its tool calls to the tools."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent.ahead import Ahead
from agent.consent import Judge, judged
from agent.errors import ProviderError
from agent.history import INTERRUPTED, AssistantTurn, Draft
from agent.limits import think
from agent.llm import CallCommand, LanguageModel, Piece, Text, ToolCall
from agent.passages import Find, Passage, nothing
from agent.records import Turn
from agent.reply import CALLS, COVERED_AFTER, FILLER_AFTER, ROUNDS, Agent, Reply
from agent.sentences import SentenceCutter
from agent.speech_output import SpeechOutput
from agent.tools import Tool

MOST_LEFT = 8
"""Most tools without a side effect that go on after their replies were broken off; further ones are broken off too."""
WORDLESS = 2
"""How often in a row the model may give an empty reply; after that the model has failed."""


@dataclass(kw_only=True)
class CascadeAgent(Agent):
    """An agent that thinks with a model and speaks with a voice."""

    llm: LanguageModel
    speech_output: SpeechOutput
    again: str = ""
    """Sentence that asks the caller to say something again, for an empty reply of the model."""
    goodbye: str = ""
    """Said when the model hangs up without a word."""
    wordless: int = 0
    """How often in a row the model gave an empty reply."""
    find: Find = nothing
    """Finds what the documents say about the caller's words."""
    may_be_silent: bool = False
    """Whether an empty reply of the model is allowed: then nothing is said instead."""

    @property
    def judge(self) -> Judge:
        """Judges consent with the model of the agent that has the call at that time."""
        return lambda action, before, answer: judged(self.llm, action, before, answer)


class Preparation:
    """A reply that was begun on words which are probably complete. If they are not, it is thrown away without effect.

    Its first sentence is synthesised, too. Tools are not run before the turn is final.
    """

    def __init__(self, agent: CascadeAgent, text: str, instead: str = "") -> None:
        """See `agent.history.History.ask`."""
        self.text = text
        self._agent = agent
        # As the history is now: the final words may enter it before the task takes its first step.
        draft = agent.history.draft(text, instead)
        self._found: asyncio.Future[Sequence[Passage]] = asyncio.get_running_loop().create_future()
        self._thought = Ahead(self._think(draft), agent.spawn)

    async def _think(self, draft: Draft) -> AsyncGenerator[Piece, None]:
        agent, first = self._agent, ""
        found: Sequence[Passage] = ()
        try:
            found = await agent.find(draft.words)
        finally:
            self._found.set_result(found)  # the turn waits for it
        messages = draft.with_found(found)
        cutter = SentenceCutter(agent.speech_output.language)
        stream = think(agent.llm, messages, agent.toolbox.schemas)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                if not first and isinstance(piece, Text):
                    first = next(iter(cutter.feed(piece.delta)), "")
                    agent.speech_output.prefetch(first, agent.spawn)
                yield piece
        if not first:
            agent.speech_output.prefetch(next(iter(cutter.flush()), ""), agent.spawn)

    async def found(self) -> Sequence[Passage]:
        """Passages of the documents about the words; the model is asked only after they were found."""
        await asyncio.wait((self._found,))  # a reply that is broken off here cancels no future that is set later
        return self._found.result()

    def pieces(self) -> AsyncGenerator[Piece, None]:
        """The reply, piece by piece, as if the model had just been asked."""
        return self._thought.pieces()

    def cancel(self) -> None:
        """Throw the reply away, with its first sentence."""
        self._thought.cancel()
        self._agent.speech_output.forget()


class CascadeReply(Reply):
    """The reply of one turn. Cancelling `run` breaks it off; tools with side effects still finish."""

    def __init__(self, agent: CascadeAgent, turn: Turn, now: Callable[[], float]) -> None:
        super().__init__(agent, turn, now)
        self._agent: CascadeAgent = agent
        self._notice = ""
        """Text of `Agent.notice` that was said."""

    async def run(self, prepared: Preparation | None) -> None:
        """Answer what the history holds. Raises `ProviderError`."""
        self._agent.speech_output.think(on=True)
        try:
            with self._notice_kept():
                await self._answer(prepared)
        finally:
            self._agent.speech_output.think(on=False)

    @contextmanager
    def _notice_kept(self) -> Iterator[None]:
        """Context of a reply: if the reply is broken off before its notice was heard, the next
        reply says the notice."""
        try:
            yield
        except (asyncio.CancelledError, ProviderError):
            if self._notice not in self.turn.heard:
                self._agent.notice = self._notice
            raise

    async def _answer(self, prepared: Preparation | None) -> None:
        agent, looked_up = self._agent, None
        for left in range(ROUNDS, -1, -1):
            if prepared is None:
                agent.recall()
            if self.turn.caller and looked_up is not agent.find:  # an agent that takes over has its own documents
                looked_up = agent.find
                self._know(await (prepared.found() if prepared else agent.find(agent.history.draft().words)))
            said = agent.history.say()
            if prepared is not None:
                pieces, prepared = prepared.pieces(), None
            else:
                pieces = think(agent.llm, agent.history.messages(), agent.toolbox.schemas if left else ())
            if opening := agent.opening:
                agent.opening = ""
                await self._say(said, opening, aside=True)
            calls = await self._speak(said, pieces)
            if not calls or not left:
                break
            said.calls = calls[:CALLS]
            await self._run_tools(said)
            if all(tool is not None and tool.silent for tool in self._called(said)):
                agent.wordless = 0
                await agent.speech_output.silent()
                return
            if self.turn.said and (agent.call_ending.outcome is not None or self._is_quiet(said)):
                break
        await self._say_something()
        await agent.speech_output.silent()

    def _know(self, found: Sequence[Passage]) -> None:
        if found:
            sources = self.turn.sources
            sources += [one.source for one in self._agent.history.find(found) if one.source not in sources]

    def _is_quiet(self, said: AssistantTurn) -> bool:
        """Whether there is nothing to say about the results of all its tools."""
        return all(one is not None and one.quiet for one in self._called(said))

    def _called(self, said: AssistantTurn) -> list[Tool | None]:
        return [self._agent.toolbox.get(call.name) for call in said.calls]

    async def _say_something(self) -> None:
        """Ask the caller to repeat their words, if the reply has said nothing. Raises `ProviderError` after several
        empty replies."""
        agent, outcome = self._agent, self._agent.call_ending.outcome
        if agent.may_be_silent:
            return
        if self.turn.said or outcome is not None:
            agent.wordless = 0
            if not self.turn.said and outcome is not None and outcome.kind == "agent_hung_up" and agent.goodbye:
                await self._say(agent.history.say(), agent.goodbye, aside=True)
            return
        if not self.turn.caller:
            return  # nobody has asked
        agent.wordless += 1
        if agent.wordless > WORDLESS:
            raise ProviderError(agent.llm.name, "sent an empty reply")
        if agent.again:
            await self._say(agent.history.say(), agent.again, aside=True)

    async def recite(self, text: str) -> None:
        """Say a fixed sentence. Raises `ProviderError`."""
        with self._notice_kept():
            await self._say(self._agent.history.say(), text, aside=True)
            await self._agent.speech_output.silent()

    async def _speak(self, said: AssistantTurn, pieces: AsyncGenerator[Piece, None]) -> list[ToolCall]:
        calls: list[ToolCall] = []
        cutter = SentenceCutter(self._agent.speech_output.language)
        times = self.turn.times

        def on_token() -> None:
            times.first_token = times.first_token or self._now()

        ahead = Ahead(pieces, self._agent.spawn, on_token)
        read = ahead.pieces()
        try:
            while (piece := await self._next(said, ahead, read)) is not None:
                if isinstance(piece, Text):
                    for sentence in cutter.feed(piece.delta):
                        await self._say(said, sentence)
                elif isinstance(piece, ToolCall):
                    calls.append(piece)
                elif isinstance(piece, CallCommand):
                    await self._flush(said, cutter)
                    await piece.do()
        finally:
            ahead.cancel()
        await self._flush(said, cutter)
        return calls

    async def _flush(self, said: AssistantTurn, cutter: SentenceCutter) -> None:
        for sentence in cutter.flush():
            await self._say(said, sentence)

    async def _next(self, said: AssistantTurn, ahead: Ahead[Piece], read: AsyncGenerator[Piece, None]) -> Piece | None:
        """The next piece, None at the end. If the caller waits for it in silence, the filler is said."""
        agent = self._agent
        while not await ahead.comes(agent.speech_output.left + COVERED_AFTER) and agent.filler:
            await self._say(said, agent.filler, aside=True)
        return await anext(read, None)

    async def _say(self, said: AssistantTurn, text: str, *, aside: bool = False) -> None:
        times = self.turn.times
        if notice := self._agent.notice:
            self._notice, self._agent.notice = notice, ""
            await self._say(said, notice, aside=True)

        def on_sound() -> None:
            times.first_sound = times.first_sound or self._now()

        await self._agent.speech_output.speak(self._begin(said, text, aside=aside), on_sound)

    async def _say_to_end(self, said: AssistantTurn, text: str) -> None:
        await self._say(said, text, aside=True)
        await self._agent.speech_output.silent()

    async def _run_tools(self, said: AssistantTurn) -> None:
        agent = self._agent
        runs: dict[asyncio.Task[Any], tuple[ToolCall, Tool | None]] = {}
        agent.say = partial(self._say_to_end, said)
        for call in said.calls:
            task = agent.spawn(self._run_tool(call, said))
            found = agent.toolbox.get(call.name)
            runs[task] = call, found
            agent.keep(task, call.name)
        asks = any(found is not None and found.waits_for_caller for _, found in runs.values())
        agent.speech_output.think(on=not asks)  # otherwise the agent waits for the caller
        try:
            _, slow = await asyncio.wait(runs, timeout=FILLER_AFTER)
            if slow:
                slowest = runs[next(iter(slow))][1]
                filler = (slowest.filler if slowest else "") or agent.filler
                if filler and not asks:
                    await self._say(said, filler, aside=True)
                await asyncio.wait(runs)
        except asyncio.CancelledError:
            self._leave(said, runs)
            raise
        agent.speech_output.think(on=True)

    def _leave(self, said: AssistantTurn, runs: Mapping[asyncio.Task[Any], tuple[ToolCall, Tool | None]]) -> None:
        """Let tools run on after the caller has broken the reply off, and tell their results later. Tools that wait for
        the caller are broken off."""
        self._left, self._agent.running, left = True, 0, self._agent.left
        for task, (call, found) in runs.items():
            if task.done() or task in self._agent.kept:
                continue
            if found is None or found.waits_for_caller or len(left) >= MOST_LEFT:
                task.cancel()
                said.results[call.id] = INTERRUPTED
            else:
                left.add(task)
                task.add_done_callback(left.discard)
