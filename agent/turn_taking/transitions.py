"""The transitions of turn-taking: the cell of the table for a judged event, and the data that change with it.

Sans-IO.
"""

from dataclasses import replace
from math import inf

from agent.turn_taking.decision import NAMES, Decision, Decisions
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.expect import IN_PARTS, OPEN
from agent.turn_taking.judging import Verdict
from agent.turn_taking.parties import AnsweredTurn
from agent.turn_taking.situation import HANGOVER, LAG, SPEAKS, THINKS, Situation
from agent.turn_taking.table import TABLE, Action, Event, State
from agent.turn_taking.words import Words

ASIDE_KEPT = 3.0
"""Seconds for which words into a statement still answer the question that it ends with."""
KEPT_LETTERS = 500
"""Letters of words into statements that are kept for the caller's next turn."""
CROSSED = 1.0
"""Seconds from the beginning of a reply. Words that say something and come in them are the rest of the caller's turn
before it, even if they break the reply off."""
NOTABLE = 0.7
"""Seconds of a pause inside a turn that is worth learning; shorter pauses are waited for in any case."""
KEYS = (Event.KEY, Event.KEYS)
TURN_WORDS = (Event.WORDS, Event.EAGER, Event.ENDPOINT, *KEYS)


class Transitions(Situation):
    """Changes the state by events, with what is known of both parties."""

    def _handle(self, event: Event, now: float, evidence: Evidence) -> Decisions:
        cell = TABLE.get((self.state, event))
        if cell is None:
            return ()
        state, actions = cell
        if event in (Event.BACKCHANNEL, Event.UNCONFIRMED) and self.state is State.PAUSED and self._voice.certainly_on:
            return ()  # more of the voice follows
        goes_on = event in TURN_WORDS and self.state in (*THINKS, State.SPEAKING, State.PAUSED)
        if goes_on:
            self._go_on()
        if event is Event.DONE and self.state in (*SPEAKS, *THINKS):
            self.endpointing.answered()
        if Action.CUT in actions:
            self._settle_aside(now, ASIDE_KEPT if goes_on else -inf)
        if broke := next((one for one in actions if one in (Action.CUT, Action.DISCARD)), None):
            self._agent.broke = broke
            crossed = self._voice.began < self._agent.since + CROSSED and not self._interrupts
            self._voice.manner.listens &= goes_on and event not in KEYS and crossed  # else they interrupt
            self._turn = self._turn._replace(more=True)
        decisions = tuple(self._decide(action, event, now, evidence) for action in actions)
        self._agent.owes &= not {Action.GREET, Action.ANSWER}.intersection(actions)
        said = event is Event.DONE and self.state is not State.ANNOUNCING
        self._agent.greeted |= said or bool({Action.CUT, Action.ANSWER}.intersection(actions))
        if event is Event.DONE or {Action.REPROMPT, Action.ASK_AGAIN, Action.HARDLY}.intersection(actions):
            self._silence.since = now
        self._enter(state, now)
        return decisions

    def _voiced(self, now: float, evidence: Evidence) -> Decisions:
        """Take the caller's voice; a reply may go on over it for a while."""
        borne = self.state is State.SPEAKING and self._voice.manner.listens
        return () if borne else self._handle(Event.VOICE, now, evidence)

    def _decide(self, action: Action, event: Event, now: float, evidence: Evidence) -> Decision:
        evidence = replace(evidence, reason=NAMES.get(action, evidence.reason))
        if action is Action.PREPARE:
            return Decision(action, evidence, self._unanswered(), self._turn.text if self._turn.returned else "", event)
        if action not in (Action.ANSWER, Action.TELL):
            return Decision(action, evidence, event=event)
        early = self._agent.early or bool(self._agent.kept) or (self._turn.early and self._turn.returned)
        if self._agent.kept:  # a part of the turn: given back with it
            self._log.note(self._agent.kept)
        turn, last, text = self._turn, self._last_sound(now), self._log.take()
        self._agent.kept, self._agent.broke, self._agent.early, self._agent.since = "", None, False, inf
        self._voice.settle()
        self._turn = AnsweredTurn(text, now, last, early=early, more=turn.more and action is Action.TELL)
        if action is Action.ANSWER:
            self._silence.heard()
            self._voice.background = 0.0
        self.endpointing.expected = OPEN
        return Decision(action, evidence, text, turn.text if turn.returned else "", event)

    def _pass(self, verdict: Verdict, new: str, words: Words, now: float, evidence: Evidence) -> Decisions:
        """Take words over which a reply goes on, or for which it pauses until more is known about them."""
        agent, voice = self._agent, self._voice
        if verdict is not Verdict.UNDECIDED:
            self._log.set_aside(said=agent.said if verdict is Verdict.ECHO else "")
        if verdict is Verdict.BACKCHANNEL and self.state in (State.SPEAKING, State.PAUSED):
            if self.lexicon.listens(new):
                voice.manner.listens = True
            elif words.final and voice.began <= agent.since + CROSSED:
                self._learn(now)
        if not words.final:
            doubted = voice.since is not None and not voice.agrees
            return self._handle(Event.VOICE, now, evidence) if doubted else ()
        voice.settle()
        if verdict is Verdict.BACKCHANNEL and not self._is_filler(new):
            if now - agent.aside_at > ASIDE_KEPT:
                self._settle_aside(now, 0.0)
            agent.aside = f"{agent.aside} {new}".strip()[-KEPT_LETTERS:]
            agent.aside_at, agent.aside_until = now, min(words.ended, now)
        return self._handle(Event.BACKCHANNEL, now, evidence)

    def _go_on(self) -> None:
        """Take the caller's words back into the turn, if they go on after a reply had begun and the turn is not
        answered after all."""
        if self.state in THINKS and not self._turn.acted:
            self._log.give_back()
            self._turn = self._turn._replace(returned=True)

    def _enter(self, state: State, now: float) -> None:
        agent, silence = self._agent, self._silence
        if state is State.LISTENING and (self._voice.since is not None or self._log.text):
            state = State.HEARING
        elif state is State.LISTENING and self._keys.pressed:
            state = State.COLLECTING
        elif state is State.LISTENING and silence.connecting:
            state = State.TRANSFERRING
        elif state is State.LISTENING and now < silence.end:
            state = State.HOLDING
        if state is not self.state:
            self._entered = now
        if state in SPEAKS and self.state is State.PAUSED:
            agent.until = inf
        elif state not in SPEAKS and agent.until == inf:
            agent.until = now
        self.state = state

    def _settle_aside(self, now: float, limit: float) -> None:
        """Let words over which the agent went on begin a turn, if they came within the last `limit` seconds. Otherwise
        keep them for the caller's next turn."""
        agent = self._agent
        aside, agent.aside = agent.aside, ""
        agrees = self.lexicon.agrees(aside)
        before = agrees and agent.asks and agent.aside_until <= agent.asked_at  # agrees to what was said until then
        if aside and not before and now - agent.aside_at <= limit:
            self._log.note(aside)
            agent.early = True
        elif not agrees:
            agent.kept = f"{agent.kept} {aside}".strip()[-KEPT_LETTERS:]

    def _learn(self, now: float) -> None:
        """Learn a pause from a caller who goes on after a reply had begun, unless they interrupt what they hear."""
        last, began = self._turn.silent_since, self._voice.began
        began = began if began > last else now - LAG
        heard = began > self._agent.since + HANGOVER
        crossed = began < min(self._agent.until, self._agent.since + CROSSED)  # even if the words are reported later
        broken = self.state in (*THINKS, State.SPEAKING, State.PAUSED)
        if (broken or crossed) and not (heard and self._turn.asks):
            self.endpointing.went_on(began - last)

    def _note_pause(self, began: float) -> None:
        """Learn a pause from a caller who goes on at `began` in a turn that has no answer yet."""
        paused, text = began - self._voice.until, self._log.text
        if paused < NOTABLE or not text or self.state not in (State.HEARING, State.DECIDING):
            return
        if self.endpointing.wanted(text).kind not in IN_PARTS:  # people who dictate pause between groups
            self.endpointing.went_on(paused)

    def _quiet(self, now: float, evidence: Evidence) -> Decisions:
        """End a turn that has come to nothing. If the greeting was put off for it, the greeting follows."""
        return self._handle(Event.OWED if self._agent.owes else Event.QUIET, now, evidence)
