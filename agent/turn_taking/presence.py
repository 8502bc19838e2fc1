"""Turn-taking while the caller speaks with somebody else, or while a recording is on the line. Sans-IO."""

from math import inf

from agent.turn_taking.decision import Decisions
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.parties import Absence
from agent.turn_taking.table import Event, State
from agent.turn_taking.transitions import Transitions
from agent.turn_taking.words import Words


class Presence(Transitions):
    """The events that tell who is on the line."""

    def press_apart(self, now: float) -> Decisions:
        """Take a key that belongs to no turn, because another part answers it. It breaks off what
        the agent is saying."""
        self._voice.settle()
        self._silence.heard()
        self._silence.since = now
        if self.state not in (State.SPEAKING, State.PAUSED):
            return ()
        evidence = Evidence("interrupted", because="a key")
        return (*self._handle(Event.TAKEN, now, evidence), *self._handle(Event.BACK, now, evidence))

    def transfer(self, now: float, *, rings: bool) -> None:
        """Note that a person is being called for a transfer (`rings`), or that nobody took the call. While nobody
        speaks, the caller waits for that person."""
        self._silence.connecting = rings
        if not rings:
            self._silence.since, self._silence.asked = now, 0
        self._handle(Event.TRANSFER if rings else Event.NOBODY, now, Evidence("transferring"))

    def away(self, away: bool, now: float, *, taken: bool = False) -> Decisions:
        """Note that the caller has put the agent on hold (`away`), or has come back; meanwhile silence means nothing.

        If the caller is `taken`, somebody else speaks with them, for any length of time. What was said before that, and
        what is said to that person, is not answered.
        """
        decisions: Decisions = ()
        if taken:
            decisions = self._handle(Event.TAKEN, now, Evidence("taken"))
            self._voice.since = None
        if self.state is State.TAKEN:
            self._log.dismiss(now)
            self._forget()
        self._absent(Absence.HOLD, away and not taken)
        if taken or self._ends_at == inf:
            self._ends_at = inf if taken else now + self.options.max_duration
        if taken:
            self._silence.begin(now)
        else:
            self._meet(now)
        return decisions

    def unattended(self, now: float, *, breaks_off: bool = True) -> Decisions:
        """Note that a recording speaks in the place of a person who may come. What it has said needs no answer, and
        silence means nothing. The recording does not hear the agent either: the reply is broken off, or, without
        `breaks_off`, goes on to its end. Until `attended` the driver reports no sound, and reports words only by
        `overhear`.

        A reply that goes on does not know the words after its turn: they may be those of a person. A reply that was
        thrown away has decided nothing.
        """
        self._absent(Absence.RECORDING, True)
        if self.state is State.TAKEN:
            return ()
        evidence = Evidence("taken", because="a recording")
        if breaks_off or self._turn.returned:
            self._log.dismiss(now)
        else:
            self._log.withhold()
        self._part(now)
        if not breaks_off:
            return ()
        return (*self._handle(Event.TAKEN, now, evidence), *self._handle(Event.BACK, now, evidence))

    def overhear(self, words: Words, now: float) -> None:
        """Take words that nobody answers. Words of a person may follow in the same turn of the recogniser."""
        self._log.overhear(words, now, self.lexicon.numerals)

    def attended(self, now: float) -> None:
        """Note that a person has come. What was said before is no part of the person's turn, except words that were
        overheard in the recogniser's present turn: they may be the person's."""
        self._absent(Absence.RECORDING, False)
        if self.state is not State.TAKEN:
            self._log.withhold()
            self._part(now)

    def asked(self, text: str, now: float) -> Decisions:
        """Answer `text`: a menu that was overheard, or somebody who has come, asks for it.

        While somebody else speaks with the caller, that person answers; the recording is still there afterwards.
        """
        if self.state is State.TAKEN:
            return ()
        self._absent(Absence.RECORDING, False)
        self._log.dismiss(now)
        self._part(now)
        self._log.note(text)
        return self._handle(Event.ENDPOINT, now, Evidence("ended", because="a menu"))

    def _absent(self, why: Absence, absent: bool) -> None:
        (self._silence.absent.add if absent else self._silence.absent.discard)(why)

    def _part(self, now: float) -> None:
        """Another party speaks now. End the turn of the former party, and ignore the rest of its voice."""
        self._voice.since = None
        self._forget()
        if self.state in (State.HEARING, State.DECIDING, State.COLLECTING):
            self._enter(State.LISTENING, now)
        self._meet(now)

    def _meet(self, now: float) -> None:
        """Let the silence begin anew: somebody else is there, or the same caller again."""
        self._silence.begin(now)
        if self.state is State.LISTENING:
            self._enter(State.LISTENING, now)
        else:
            self._handle(Event.BACK, now, Evidence("back"))

    def _forget(self) -> None:
        """Forget pressed keys, words over which the agent went on, and a greeting that was put off. An answered turn
        stays answered."""
        self._keys.take()
        self._voice.settle()
        self._turn = self._turn._replace(acted=True, returned=False)
        agent = self._agent
        agent.aside, agent.kept, agent.early, agent.broke, agent.owes = "", "", False, None, False
