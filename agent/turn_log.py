"""The present turn, and the reports about turns that end."""

from collections.abc import Callable
from typing import Any

from agent.active_agent import ActiveAgent
from agent.line import Started
from agent.records import Interrupted, Report, Turn, TurnEnded
from agent.reply import Agent


class TurnLog:
    """The turns of one conversation, one at a time."""

    def __init__(self, agent: Agent, active: ActiveAgent[Any], report: Callable[[Report], None]) -> None:
        """`agent` and `active` are the agent that speaks; `report` gets each turn at its end."""
        self._agent = agent
        self._active = active
        self._report = report
        self.current: Turn | None = None
        self.first = 1
        """The first utterance of `current`."""
        self.discarded = 0
        """Replies thrown away since the caller was answered last."""

    def begin(self, turn: Turn) -> None:
        """Begin `turn`; the turn before has ended."""
        self.current = turn
        if turn.caller:
            turn.discarded, self.discarded = self.discarded, 0
        self.first = self._agent.speech_output.next

    def started(self, event: Started) -> tuple[str, str] | None:
        """Note that the caller begins to hear a sentence. Returns its text, and the text of the sentence before it in
        this turn.

        Returns None for a late report about a sentence of a turn that was cut off.
        """
        sentences, utterance = self._agent.speech_output.sentences, event.utterance
        sentence = sentences.get(utterance)
        if sentence is None or self.current is None or utterance < self.first:
            return None
        self.current.times.started(event.at, event.reaches)
        # An echo may run from one sentence into the next.
        return sentence.text, sentences[utterance - 1].text if utterance > self.first else ""

    @property
    def has_effect(self) -> bool:
        """Whether the turn has had an effect: a tool ran, or the caller heard a part of it."""
        turn = self.current
        return turn is not None and bool(turn.tools or self._agent.history.heard_from(self.first))

    def discard(self) -> None:
        """Throw the turn away without a report, if it has not ended yet."""
        self.current = None
        self.discarded += 1

    def end(self, *, interrupted: bool = False) -> None:
        """End the turn, if there is one, and report it."""
        turn, self.current = self.current, None
        if turn is None:
            return
        turn.interrupted = interrupted
        turn.agent, turn.language = self._active.role.name, self._active.languages.now
        turn.heard = self._agent.history.heard_from(self.first)
        if interrupted:
            self._report(Interrupted(turn.heard))
        if turn.caller or turn.said:
            self._report(TurnEnded(turn))
