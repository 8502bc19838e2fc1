"""One reply of any kind of provider: it is spoken, stored in the history and reported; its tools are run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import structlog

from agent.ahead import Spawn
from agent.consent import Consent, Judge
from agent.history import AssistantTurn, History, Sentence
from agent.llm import ToolCall
from agent.recorded import moment
from agent.records import AgentSays, Outcome, Report, ToolDone, ToolRun, ToolStarted, Turn
from agent.tools import Tool, Toolbox, result_text, tool
from agent.utterances import Utterances

log = structlog.get_logger()

ROUNDS = 5
"""Number of rounds of tool calls in one turn; after them the model has to answer without tools."""
CALLS = 8
"""Most tool calls of one reply that are run; further calls are dropped."""
KEPT_LIMIT = 5.0
"""Seconds that tools with a side effect have to finish after the call."""
COVERED_AFTER = 2.0
"""Seconds of silence after which the caller is told that it takes a moment, if the model is still thinking."""
FILLER_AFTER = 1.2
"""Seconds after which the caller is told that it takes a moment, if a tool still runs."""
HANG_UP, TRANSFER = "hang_up", "transfer_to_human"
TAKEN_BACK = (
    '{"error": "it did not happen: the caller went on talking, and the call goes on. Call it again if they want it"}'
)
BEGUN = "it was still running when the turn ended"
LATE = "This came late: the caller has said more meanwhile. Tell them what of it still matters to them."


class Late(NamedTuple):
    """The result of a tool that came after the end of the reply that called it."""

    call: ToolCall
    run: ToolRun


@dataclass
class CallEnding:
    """The ending or transfer that a built-in tool has decided on; it happens when everything has been said."""

    outcome: Outcome | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    """People to whom callers can be transferred: a description of each, by name."""
    call: str = ""
    """Id of the tool call that decided on it; empty if there is none. Its message in the history tells the result."""
    to: str = ""
    """Person to whom the caller is to be transferred; empty for anybody."""
    connect: Callable[[str], Awaitable[bool]] | None = None
    """Transfers the caller; None if there is nobody to transfer to."""
    connecting: bool = False
    """Whether a transfer is under way."""
    ringing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the present try to transfer the caller."""
    connected: bool = False
    """Whether a transfer has succeeded."""

    async def ring(self, to: str) -> bool:
        """Transfer the caller, one try at a time; returns whether they are connected. An error of `connect` counts as
        no."""
        async with self.ringing:
            if not self.connected and self.connect is not None:
                self.connecting = True
                try:
                    self.connected = await self.connect(to)
                except Exception:  # an error of the owner of the line: nobody was reached
                    log.exception("transfer failed")
                finally:
                    self.connecting = False
        return self.connected

    def under_way(self) -> str:
        """Note that the transfer begins; returns the id of the tool call that decided on it."""
        self.outcome, self.connecting = None, True
        call, self.call = self.call, ""
        return call

    def tools(self, *, can_transfer: bool) -> list[Tool]:
        """`hang_up`, and `transfer_to_human` where there is somebody to transfer to."""

        @tool(side_effect=True, repeatable=True)
        async def hang_up(reason: str = "") -> dict[str, str]:
            """End the call. Say goodbye first, in the same reply. Only when the caller has nothing more to ask."""
            self.outcome = Outcome("agent_hung_up", reason or "the conversation was over")
            return {"status": "the call ends as soon as you have said goodbye"}

        def transfer(reason: str, to: str) -> dict[str, str]:
            if to and to.strip().lower() not in self.people:
                return {"error": f"there is no person of that name; there are: {', '.join(self.people)}"}
            if self.connecting:
                return {"status": "the caller is being connected already"}
            self.outcome, self.to = Outcome("transfer", reason or "the caller asked for a person"), to
            return {"status": "the caller is connected as soon as you have said so"}

        @tool(side_effect=True, repeatable=True)
        async def transfer_to_human(reason: str = "") -> dict[str, str]:
            """Connect the caller with a person, when asked for one or when you cannot help. Say so first."""
            return transfer(reason, "")

        if not can_transfer:
            return [hang_up]
        if not self.people:
            return [hang_up, transfer_to_human]
        known = "; ".join(f"{name}: {about}" if about else name for name, about in self.people.items())

        @tool(side_effect=True, repeatable=True)
        async def transfer_to_one(
            to: Annotated[str, f"Whom, by name; empty for anybody. There are: {known}"] = "", reason: str = ""
        ) -> dict[str, str]:
            """Connect the caller with a person, when asked for one or when you cannot help. Say so first."""
            return transfer(reason, to)

        return [hang_up, replace(transfer_to_one, name=TRANSFER)]


async def unsaid(text: str) -> None:
    """Ignore the words of a tool: no reply is under way that could say them."""


@dataclass(kw_only=True)
class Agent:
    """The parts that all replies of one call share."""

    toolbox: Toolbox
    history: History
    speech_output: Utterances
    report: Callable[[Report], None]
    spawn: Spawn
    call_ending: CallEnding = field(default_factory=CallEnding)
    filler: str = ""
    kept: set[asyncio.Task[None]] = field(default_factory=set)
    """Runs of tools with a side effect: they are not broken off."""
    left: set[asyncio.Task[None]] = field(default_factory=set)
    """Runs of other tools whose replies were broken off; they end with the call."""
    late: list[Late] = field(default_factory=list)
    """Results that the model has not been told yet."""
    arrived: Callable[[], None] = lambda: None
    """Called for each result that comes late."""
    say: Callable[[str], Awaitable[None]] = unsaid
    """Says words of a running tool to the caller, to their end. Raises `ProviderError`."""
    corrected: Callable[[str, str, bool], None] = lambda call, result, failed: None
    """Called with the id of a tool call, its final result, and whether that is a failure."""
    running: int = 0
    """Tools of the present reply that run."""
    tools_run: Callable[[bool], None] = lambda runs: None
    """Called with whether tools of the present reply run, each time that this, or what is being said, has changed."""
    opening: str = ""
    """First words of the next reply, before the model is asked: the first words of an agent that has taken over."""
    notice: str = ""
    """Notice that somebody who may have joined must hear: said before the next words, and again before later ones until
    it was heard.
    """

    def __post_init__(self) -> None:
        self.toolbox.consent = Consent(self.history, self.judge)

    @property
    def judge(self) -> Judge | None:
        """Judges answers to questions of consent; None if no model can be asked for it."""
        return None

    def told_tools(self) -> None:
        """Report whether tools run, after words have been said to their end or broken off."""
        self.tools_run(self.running > 0)

    def take_back(self) -> None:
        """Cancel the decision to end or transfer the call: the caller has spoken into it, and wants to stay."""
        if self.call_ending.outcome is not None:
            call, self.call_ending.outcome, self.call_ending.call = self.call_ending.call, None, ""
            self.tell_of(call, TAKEN_BACK, failed=True)

    def tell_of(self, call: str, result: str, *, failed: bool) -> None:
        """Set the result of the tool call that decided about the end or transfer of the call."""
        if call and self.history.amend(call, result):
            self.corrected(call, result, failed)

    def recall(self) -> None:
        """Add the results that came late to the history."""
        late, self.late = self.late, []
        for call, run in late:
            self.history.recall(call, result_text(run, LATE))

    def keep(self, task: asyncio.Task[None], name: str) -> None:
        """Let `task` go on after an interruption, and for a while after the call, if its tool has a side effect."""
        found = self.toolbox.get(name)
        if found is not None and found.side_effect:
            self.kept.add(task)
            task.add_done_callback(self.kept.discard)

    async def finish(self) -> None:
        """Give tools with a side effect the time to finish after the call; then break them off."""
        if self.kept:
            await asyncio.wait(self.kept, timeout=KEPT_LIMIT)
            for task in list(self.kept):
                task.cancel()


class Reply:
    """The reply of one turn."""

    def __init__(self, agent: Agent, turn: Turn, now: Callable[[], float]) -> None:
        self.turn = turn
        self._agent = agent
        self._now = now
        self._left = False
        """Whether the reply was broken off while its tools were running; they go on."""
        self._running = 0
        """Number of tools of this reply that run."""

    async def play(self, text: str, sound: bytes) -> None:
        """Say `text` with ready-made sound."""
        self.play_over(self._agent.history.say(), text, sound)
        await self._agent.speech_output.silent()

    def cover(self, said: AssistantTurn) -> None:
        """Play a sound that needs no provider, as a part of what is being said, to show that the
        reply takes a moment."""
        self.play_over(said, *moment(self._agent.speech_output.language))

    def play_over(self, said: AssistantTurn, text: str, sound: bytes) -> None:
        """Say `text` with ready-made sound, as a part of what is being said, without waiting for its end."""
        self._agent.speech_output.play(self._begin(said, text, aside=True), sound)

    def _begin(self, said: AssistantTurn, text: str, *, aside: bool = False) -> Sentence:
        times = self.turn.times
        times.first_sentence = times.first_sentence or self._now()
        self.turn.said = f"{self.turn.said} {text}".strip()
        sentence = self._agent.speech_output.begin(text)
        sentence.aside = aside
        said.sentences.append(sentence)
        if text:
            self._agent.report(AgentSays(text))
        return sentence

    def _count(self, more: int) -> None:
        if not self._left:
            self._running += more
            self._agent.running = self._running
            self._agent.tools_run(self._running > 0)

    async def _run_tool(self, call: ToolCall, said: AssistantTurn) -> ToolRun:
        agent = self._agent
        agent.report(ToolStarted(call.name, call.arguments))
        begun = ToolRun(call.name, call.arguments[:200], error=BEGUN)
        self.turn.tools.append(begun)
        found = agent.toolbox.get(call.name)
        decided = agent.call_ending.outcome
        self._count(1)
        try:
            run = await agent.toolbox.run(call.name, call.arguments)
        finally:
            self._count(-1)
        if call.name in (HANG_UP, TRANSFER) and agent.call_ending.outcome is not decided:
            agent.call_ending.call = call.id  # these return in the same step: it was this call that decided it
        self.turn.tools[:] = [run if one is begun else one for one in self.turn.tools]
        if not self._left:
            said.results[call.id] = result_text(run)
        agent.report(ToolDone(run))
        if self._left and not (found is not None and found.shared and agent.history.called_since(said, call)):
            agent.late.append(Late(call, run))
            agent.arrived()
        return run
