"""One reply: the model's words go sentence by sentence to the voice, its tool calls to the tools, and back."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any

from agent.ahead import Ahead, Spawn
from agent.errors import ProviderError
from agent.history import History, Said, Sentence
from agent.limits import think
from agent.model import Message, Model, Piece, Text, ToolCall
from agent.mouth import Mouth
from agent.records import AgentSays, Outcome, Report, ToolDone, ToolRun, ToolStarted, Turn
from agent.sentences import SentenceCutter
from agent.tools import Tool, Toolbox, result_text, tool

ROUNDS = 5
"""How often tools may be called in one turn; after that the model has to answer without them."""
CALLS = 8
"""Tool calls carried out at a time; more in one reply are dropped."""
WORDLESS = 2
"""How often in a row the model may have nothing to say; after that it has failed."""
KEPT_LIMIT = 5.0
"""Seconds that tools with a side effect have to finish after the call."""
COVERED_AFTER = 2.0
"""Seconds of silence in which the model may think until the caller is told that it takes a moment."""
FILLER_AFTER = 1.2
"""Seconds that a tool may take until the caller is told that it takes a moment."""


@dataclass
class Control:
    """What the built-in tools decide about the call; it happens when everything has been said."""

    outcome: Outcome | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    """Whom callers can be transferred to, by name, and what each is there for."""
    to: str = ""
    """Whom the caller is to be transferred to; empty for anybody."""
    connecting: bool = False
    """Whether a transfer is under way."""

    def tools(self, *, can_transfer: bool) -> list[Tool]:
        """`hang_up` and `transfer_to_human`."""

        @tool(side_effect=True, repeatable=True)
        async def hang_up(reason: str = "") -> dict[str, str]:
            """End the call. Say goodbye first, in the same reply. Only when the caller has nothing more to ask."""
            self.outcome = Outcome("agent_hung_up", reason or "the conversation was over")
            return {"status": "the call ends as soon as you have said goodbye"}

        def transfer(reason: str, to: str) -> dict[str, str]:
            if not can_transfer:
                return {"error": "nobody can be reached now; offer that somebody calls back"}
            if to and to.strip().lower() not in self.people:
                return {"error": f"there is nobody of that name; there are: {', '.join(self.people)}"}
            if self.connecting:
                return {"status": "the caller is being connected already"}
            self.outcome, self.to = Outcome("transfer", reason or "the caller asked for a person"), to
            return {"status": "the caller is connected as soon as you have said so"}

        @tool(side_effect=True, repeatable=True)
        async def transfer_to_human(reason: str = "") -> dict[str, str]:
            """Connect the caller with a person, when asked for one or when you cannot help. Say so first."""
            return transfer(reason, "")

        if not self.people:
            return [hang_up, transfer_to_human]
        known = "; ".join(f"{name}: {about}" if about else name for name, about in self.people.items())

        @tool(side_effect=True, repeatable=True)
        async def transfer_to_one(
            to: Annotated[str, f"Whom, by name; empty for anybody. There are: {known}"] = "", reason: str = ""
        ) -> dict[str, str]:
            """Connect the caller with a person, when asked for one or when you cannot help. Say so first."""
            return transfer(reason, to)

        return [hang_up, replace(transfer_to_one, name=transfer_to_human.name)]


async def unsaid(text: str) -> None:
    """What tools say while there is no reply."""


@dataclass
class Agent:
    """What all replies of one call share."""

    model: Model
    toolbox: Toolbox
    history: History
    mouth: Mouth
    control: Control
    filler: str
    report: Callable[[Report], None]
    spawn: Spawn
    kept: set[asyncio.Task[None]] = field(default_factory=set)
    """Runs of tools with a side effect: they are not broken off."""
    say: Callable[[str], Awaitable[None]] = unsaid
    """Has a tool that is running say something to the caller, who hears it to its end. Raises `ProviderError`."""
    again: str = ""
    """Asks the caller to say something once more: the model had nothing to say to it."""
    wordless: int = 0
    """How often in a row it had nothing."""
    opening: str = ""
    """What is said next, before the model is asked: the first words of an agent that has taken over."""

    async def finish(self) -> None:
        """Give tools with a side effect the time to finish after the call; then break them off."""
        if self.kept:
            await asyncio.wait(self.kept, timeout=KEPT_LIMIT)
            for task in list(self.kept):
                task.cancel()


class Preparation:
    """A reply that was begun on words which are probably complete; thrown away without trace if they are not.

    Its first sentence is synthesised too. Tools are not run before the turn is final.
    """

    def __init__(self, agent: Agent, text: str) -> None:
        self.text = text
        self._agent = agent
        # As the history is now: the final words may enter it before the task takes its first step.
        messages = agent.history.messages(text)
        self._thought = Ahead(self._think(messages), agent.spawn)

    async def _think(self, messages: list[Message]) -> AsyncGenerator[Piece, None]:
        agent, cutter, first = self._agent, SentenceCutter(), ""
        stream = think(agent.model, messages, agent.toolbox.schemas)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                if not first and isinstance(piece, Text):
                    first = next(iter(cutter.feed(piece.delta)), "")
                    agent.mouth.prefetch(first, agent.spawn)
                yield piece
        if not first:
            agent.mouth.prefetch(next(iter(cutter.flush()), ""), agent.spawn)

    def pieces(self) -> AsyncGenerator[Piece, None]:
        """The reply as if it had just been asked for."""
        return self._thought.pieces()

    def cancel(self) -> None:
        """Throw it away."""
        self._thought.cancel()
        self._agent.mouth.forget()


class Reply:
    """The reply of one turn. Cancelling `run` breaks it off; tools with side effects still finish."""

    def __init__(self, agent: Agent, turn: Turn, now: Callable[[], float]) -> None:
        self.turn = turn
        self._agent = agent
        self._now = now

    async def run(self, prepared: Preparation | None) -> None:
        """Answer what the history holds. Raises `ProviderError`."""
        agent = self._agent
        for left in range(ROUNDS, -1, -1):
            said = agent.history.say()
            if prepared is not None:
                pieces, prepared = prepared.pieces(), None
            else:
                pieces = think(agent.model, agent.history.messages(), agent.toolbox.schemas if left else ())
            if opening := agent.opening:
                agent.opening = ""
                await self._say(said, opening)
            calls = await self._speak(said, pieces)
            if not calls or not left:
                break
            said.calls = calls[:CALLS]
            await self._run_tools(said)
            if agent.control.outcome is not None and self.turn.said:
                break
        await self._say_something()
        await agent.mouth.silent()

    async def _say_something(self) -> None:
        """Ask the caller to say it again, if nothing was said to them. Raises `ProviderError` if that goes on."""
        agent = self._agent
        if self.turn.said or agent.control.outcome is not None:
            agent.wordless = 0
            return
        agent.wordless += 1
        if agent.wordless > WORDLESS:
            raise ProviderError(agent.model.name, "replied with nothing")
        if agent.again:
            await self._say(agent.history.say(), agent.again)

    async def recite(self, text: str) -> None:
        """Say a fixed sentence. Raises `ProviderError`."""
        await self._say(self._agent.history.say(), text)
        await self._agent.mouth.silent()

    async def play(self, text: str, sound: bytes) -> None:
        """Say `text` with ready-made sound."""
        self.play_over(self._agent.history.say(), text, sound)
        await self._agent.mouth.silent()

    def play_over(self, said: Said, text: str, sound: bytes) -> None:
        """The same as a part of what is being said, without waiting for its end."""
        self._agent.mouth.play(self._begin(said, text), sound)

    async def _speak(self, said: Said, pieces: AsyncGenerator[Piece, None]) -> list[ToolCall]:
        calls: list[ToolCall] = []
        cutter = SentenceCutter()
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
        finally:
            ahead.cancel()
        for sentence in cutter.flush():
            await self._say(said, sentence)
        return calls

    async def _next(self, said: Said, ahead: Ahead[Piece], read: AsyncGenerator[Piece, None]) -> Piece | None:
        """The next piece, None at the end. Whoever waits for it in silence is told that it takes a moment."""
        agent = self._agent
        while not await ahead.comes(agent.mouth.left + COVERED_AFTER) and agent.filler:
            await self._say(said, agent.filler)
        return await anext(read, None)

    async def _say(self, said: Said, text: str) -> None:
        times = self.turn.times

        def on_sound() -> None:
            times.first_sound = times.first_sound or self._now()

        await self._agent.mouth.speak(self._begin(said, text), on_sound)

    async def _say_to_end(self, said: Said, text: str) -> None:
        await self._say(said, text)
        await self._agent.mouth.silent()

    def _begin(self, said: Said, text: str) -> Sentence:
        times = self.turn.times
        times.first_sentence = times.first_sentence or self._now()
        self.turn.said = f"{self.turn.said} {text}".strip()
        sentence = self._agent.mouth.begin(text)
        said.sentences.append(sentence)
        self._agent.report(AgentSays(text))
        return sentence

    async def _run_tools(self, said: Said) -> None:
        agent = self._agent
        runs: dict[asyncio.Task[Any], Tool | None] = {}
        agent.say = partial(self._say_to_end, said)
        for call in said.calls:
            task = agent.spawn(self._run_tool(call, said))
            runs[task] = found = agent.toolbox.get(call.name)
            if found is not None and found.side_effect:
                agent.kept.add(task)
                task.add_done_callback(agent.kept.discard)
        try:
            _, slow = await asyncio.wait(runs, timeout=FILLER_AFTER)
            if slow:
                slowest = runs[next(iter(slow))]
                filler = (slowest.filler if slowest else "") or agent.filler
                if filler and not any(one is not None and one.waits_for_caller for one in runs.values()):
                    await self._say(said, filler)
                await asyncio.wait(runs)
        except asyncio.CancelledError:
            for task in runs:
                if task not in agent.kept:
                    task.cancel()
            raise

    async def _run_tool(self, call: ToolCall, said: Said) -> ToolRun:
        self._agent.report(ToolStarted(call.name, call.arguments))
        run = await self._agent.toolbox.run(call.name, call.arguments, self._agent.history.turns)
        said.results[call.id] = result_text(run)
        self.turn.tools.append(run)
        self._agent.report(ToolDone(run))
        return run
