"""Turn-taking while the caller is with somebody else, or somebody else in the place of the caller. Sans-IO."""

from math import inf

from agent.turn_taking.decision import Decisions
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.table import Event, State
from agent.turn_taking.transitions import Transitions
from agent.turn_taking.words import Words


class Presence(Transitions):
    """The events that tell who is on the line."""

    def press_apart(self, now: float) -> Decisions:
        """A key that is no part of a turn, because somebody else answers it; it breaks off what the caller hears."""
        self._voice.settle()
        self._silence.heard()
        self._silence.since = now
        if self.state not in (State.SPEAKING, State.PAUSED):
            return ()
        evidence = Evidence("interrupted", because="a key")
        return (*self._handle(Event.TAKEN, now, evidence), *self._handle(Event.BACK, now, evidence))

    def transfer(self, now: float, *, rings: bool) -> None:
        """It rings at a person: while nobody speaks the caller is waiting for them. Or nobody took the call."""
        self._silence.connecting = rings
        if not rings:
            self._silence.since, self._silence.asked = now, 0
        self._handle(Event.TRANSFER if rings else Event.NOBODY, now, Evidence("transferring"))

    def away(self, away: bool, now: float, *, taken: bool = False) -> Decisions:
        """The caller puts us on hold, or comes back: meanwhile its silence means nothing.

        If it is `taken`, somebody else speaks with them: for as long as they like. What was said before that, or to
        them, is not answered.
        """
        decisions: Decisions = ()
        if taken:
            decisions = self._handle(Event.TAKEN, now, Evidence("taken"))
            self._voice.since = None
        if self.state is State.TAKEN:
            self._log.dismiss()
            self._forget()
        self._silence.free_until, self._silence.wished = inf if away else -inf, True
        self._silence.since, self._silence.asked = now, 0
        if taken or self._ends_at == inf:
            self._ends_at = inf if taken else now + self.options.max_duration
        if not away or (self.state is State.TAKEN and not taken):
            self._handle(Event.BACK, now, Evidence("back"))
        elif self.state is State.LISTENING:
            self._enter(State.LISTENING, now)
        return decisions

    def unattended(self, now: float, *, breaks_off: bool = True) -> Decisions:
        """A recording speaks in the place of a person who may come: what it has said needs no answer, and silence means
        nothing. Nor does it hear what is being said, which is broken off, or goes on to its end. Until `attended` no
        sound is told, and words by `overhear`."""
        if self.state is State.TAKEN:
            return ()
        evidence = Evidence("taken", because="a recording")
        self._log.dismiss()
        self._part(now)
        self.away(True, now)
        if not breaks_off:
            return ()
        return (*self._handle(Event.TAKEN, now, evidence), *self._handle(Event.BACK, now, evidence))

    def overhear(self, words: Words, now: float) -> None:
        """The recogniser reports words that nobody answers; those of a person may follow in the same turn of it."""
        self._log.overhear(words, now, self.lexicon.numerals)

    def attended(self, now: float, text: str = "") -> Decisions:
        """Somebody is there, or a menu wants an answer to `text`. What was said before is no part of their turn.

        Words that were overheard in the recogniser's present turn may be theirs, if there is no `text`.
        """
        if self.state is State.TAKEN:
            return ()
        if text:
            self._log.dismiss()
        else:
            self._log.withhold()
        self._part(now)
        self.away(False, now)
        self._log.note(text)
        return self._handle(Event.ENDPOINT, now, Evidence("ended", because="a menu")) if text else ()

    def _part(self, now: float) -> None:
        """It is somebody else from now on: the turn of whoever was there has ended, and how their voice goes on is not
        told."""
        self._voice.since = None
        self._forget()
        if self.state in (State.HEARING, State.DECIDING, State.COLLECTING):
            self._enter(State.LISTENING, now)

    def _forget(self) -> None:
        """Keys, words over which the agent went on, and a greeting that was put off are over; an answered turn stays
        answered."""
        self._keys.take()
        self._voice.settle()
        self._turn = self._turn._replace(acted=True, returned=False)
        agent = self._agent
        agent.aside, agent.kept, agent.early, agent.broke, agent.owes = "", "", False, None, False
