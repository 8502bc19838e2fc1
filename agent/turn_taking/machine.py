"""The turn machine: sounds, words, keys and the time go in, decisions with their evidence come out. Sans-IO.

The table (`agent.turn_taking.table`) says what each event does in each state, `agent.turn_taking.transitions` carries
it out; this class judges what came in and follows the time limits.
"""

from math import inf

from agent.hearing.changes import Change, Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.decision import Decision, Decisions
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.expect import OPEN, AnswerProgress, Expected, progress
from agent.turn_taking.expect import Kind as Answer
from agent.turn_taking.judging import AROUND, Verdict, repeats_most
from agent.turn_taking.parties import BACKGROUND, HARDLY_AFTER, SPEECH
from agent.turn_taking.presence import Presence
from agent.turn_taking.situation import HANGOVER, SPEAKS, THINKS
from agent.turn_taking.table import Action, Event, State
from agent.turn_taking.transitions import ASIDE_KEPT
from agent.turn_taking.words import QUESTIONS, Words, words_of

ASIDE_LAST = 1.0
"""Seconds before the agent's last sound. Words that the caller says in them are an answer, whatever the agent said."""
LISTENS = (State.LISTENING, State.HEARING, State.DECIDING, State.HOLDING, State.TRANSFERRING)


class TurnMachine(Presence):
    """The turn-taking of one call."""

    def restarted(self, now: float) -> "TurnMachine":
        """A new machine with the same options and languages, as at the beginning of the call."""
        anew = TurnMachine(self.options, now, ends_turns=self.endpointing.ends_turns)
        anew.endpointing.lexicon, anew.endpointing.fields = self.lexicon, self.endpointing.fields
        return anew

    # What comes in

    def sound(self, change: Change, now: float) -> Decisions:
        """Take a change of the caller's sound. Words that were taken for an echo because no voice came with them are
        judged again."""
        decisions = self._sound(change, now)
        echo = None if change.kind is Kind.NOISE else self._log.echoed(self._voice.began, repeats_most)
        return decisions if echo is None else (*decisions, *self.hear(echo, now))

    def _sound(self, change: Change, now: float) -> Decisions:
        voice, evidence = self._voice, Evidence("voice", sound=str(change.evidence))
        match change.kind:
            case Kind.VOICE_STARTED:
                self._note_pause(change.at)
                voice.begin(change, now)
                self.endpointing.vote = None
                return self._voiced(now, evidence)
            case Kind.VOICE_CERTAIN if voice.since is not None:
                voice.confirm(change)
                return self._voiced(now, evidence)
            case Kind.VOICE_ENDED:
                voice.end(change, self._agent.until if self.state in LISTENS else inf)
                if change.evidence.background and self.state is State.PAUSED:
                    return self._handle(Event.UNCONFIRMED, now, evidence)
                if voice.others and self._log.text and self.state is State.HEARING:
                    return self._handle(Event.EAGER, now, evidence)
                return () if self._log.text else self._quiet(now, evidence)
            case Kind.SHORT_VOICE:
                voice.short(change)
            case Kind.NOISE:
                voice.note_background(change)
        return ()

    def hear_line(self, path: Path | None) -> None:
        """Note whether the agent's sound comes back; None where the line does not tell what it has sent."""
        self._voice.path = path

    def notice(self, now: float) -> None:
        """Note that the recogniser has noticed a sound of the caller."""
        self._voice.noticed = True
        if self._voice.noticed_at <= self._log.last_at:  # noises that it notices do not put the answer off for ever
            self._voice.noticed_at = now
        self._silence.reported()

    def hear(self, words: Words, now: float) -> Decisions:
        """Take words that the recogniser reports."""
        self._silence.reported()
        words = self._log.dated(words, self.lexicon.numerals)
        if not words_of(words.text):
            if words.final:
                self._log.hear(words, now, self.lexicon.numerals)
            return self._nothing(now) if words.final and not words.others else ()
        self._time_words(words, now)
        known, self._silence.early = self._log.text, self._silence.early or not (words.final or words.eager)
        if not words_of(new := self._heard(words, now)):
            return ()
        if words.others:
            self._voice.others = self._voice.since is None
            if self._log.text == known and not words.final:
                return ()  # all that is new is somebody else's
        verdict, why = self._judge(new, words, now)
        if verdict is not Verdict.ECHO and not (self._turn.more or self.lexicon.agrees(new)):
            self._turn = self._turn._replace(more=True)
        evidence = self._evidence(verdict.value, now, text=new, because=why)
        self._voice.agrees = self.lexicon.listens(new, final=words.final)
        if verdict is Verdict.CALLER:
            self._voice.settle()
            self._silence.since = now
            self._learn(now)
            return () if self.state in SPEAKS[1:] else self._words(words, now, evidence)
        return self._pass(verdict, new, words, now, evidence)

    def press(self, key: str, now: float) -> Decisions:
        """Take a pressed key; ``#`` completes the keys before it."""
        self._voice.settle()
        self._turn = self._turn._replace(more=True)
        self._silence.since = now
        if key == "#":
            return self._complete(now, "#")
        self._keys.press(key, now)
        decisions = self._handle(Event.KEY, now, Evidence("interrupted", because="a key"))
        expected, pressed = self.endpointing.expected, self._keys.pressed
        self._keys.whole = expected.kind is Answer.DIGITS and expected.is_whole(pressed, len(pressed))
        if self._keys.whole and expected.ends_with(pressed):
            return (*decisions, *self._complete(now, f"{len(pressed)} keys"))
        return decisions

    def vote(self, probability: float, silent_since: float) -> None:
        """Take the vote of the model of sound: the probability, 0 to 1, that the turn is complete. It was asked about
        the silence since `silent_since`, and does not count if the caller has gone on."""
        if self._voice.since is None and self._voice.began <= silent_since and self.state in LISTENS:
            self.endpointing.vote = probability

    def interrupted(self, now: float) -> Decisions:
        """Begin a turn of the caller, whom a speech-to-speech session has noticed."""
        self.notice(now)
        self._silence.since = now
        return self._handle(Event.WORDS, now, Evidence("interrupted", because="noticed by the session"))

    def ended(self, now: float) -> Decisions:
        """End the caller's turn: a speech-to-speech session, or another part, has decided that there is something to
        answer."""
        self._voice.settle()
        return self._handle(Event.ENDPOINT, now, Evidence("ended", because="decided by the session"))

    def late(self, now: float) -> Decisions:
        """Note that the agent has something to tell that the caller does not wait for; during the caller's turn it is
        told later."""
        return self._handle(Event.LATE, now, Evidence("told", because="a result has come late"))

    # What the agent does

    def says(self, sentence: str, before: str, now: float) -> Decisions:
        """Note that the sound of `sentence` begins; `before` is the sentence before it in the same reply."""
        agent, voice, turn = self._agent, self._voice, self._turn
        agent.said = f"{before} {sentence}".strip()
        agent.begin(now)
        agent.since = min(agent.since, now)
        asks = self.endpointing.asks = sentence.rstrip().endswith(QUESTIONS)
        if asks or not agent.asks or self.endpointing.expected is OPEN:
            agent.asked_at = now
        agent.asks = asks or self.endpointing.expected is not OPEN
        self._entered = now
        if voice.since is None or now >= self._awaited(voice.since):
            return self._handle(Event.STARTED, now, Evidence("started"))
        if self.state is State.THINKING and voice.began <= turn.at and now < turn.at + HANGOVER:
            return self._handle(Event.STARTED, now, Evidence("started", because="the caller's last sound"))
        return self._handle(Event.COLLIDED, now, self._evidence("paused", now))

    def done(self, now: float) -> Decisions:
        """Note that the agent has said everything. Words that came shortly before its end may be the answer to it."""
        agent = self._agent
        repeats = set(words_of(agent.aside)) <= set(words_of(agent.said)) and not self.lexicon.agrees(agent.aside)
        limit = ASIDE_KEPT if agent.asks or repeats else ASIDE_LAST
        if announced := self.state is State.ANNOUNCING:  # words that only agree do not stand for the greeting
            limit = -inf
            if self._agrees:
                self._log.assent()
        self._settle_aside(now, limit)
        spoke = self.state in (*SPEAKS, *THINKS, State.PAUSED)  # else their turn has an end of its own
        if self.state is State.CLOSING or not self._log.text or not spoke:
            return self._handle(Event.DONE, now, Evidence("finished"))
        resumed = tuple(d for d in self._handle(Event.DONE, now, Evidence("finished")) if d.action is Action.RESUME)
        agent.owes = announced
        if not self._log.complete:
            return (*resumed, *self._handle(Event.WORDS, now, Evidence("heard")))
        evidence = Evidence("ended", because="said while the agent spoke")
        return (*resumed, *self._handle(Event.ENDPOINT, now, evidence))

    def silent(self, now: float, *, runs: bool) -> Decisions:
        """Note that nothing of the reply can be heard at the moment, although it goes on. `runs`: a tool runs."""
        if runs or self.state is not State.THINKING:
            self._turn = self._turn._replace(acted=True)
        return self._handle(Event.TOOL if runs else Event.RETURNED, now, Evidence("silent"))

    def announce(self, now: float) -> None:
        """Note that the agent says something that nothing interrupts; what the caller says meanwhile is answered
        afterwards."""
        self._handle(Event.ANNOUNCE, now, Evidence("announcing"))

    def wait(self, now: float) -> None:
        """Note that the caller has asked for time: silence of up to `wait_limit` seconds is allowed."""
        self._silence.free_until, self._silence.wished = now + self.options.wait_limit, True

    def close(self, now: float) -> None:
        """Note that the agent says goodbye, which nothing interrupts."""
        self._handle(Event.CLOSE, now, Evidence("closing"))

    def expect(self, expected: Expected) -> None:
        """Note the answer that the agent asks for, in its next words or in those that it has just said."""
        self.endpointing.expected = expected
        self._agent.asks |= expected is not OPEN

    @property
    def may_end(self) -> bool:
        """Whether the machine, and not the recogniser, decides now when the caller's turn ends."""
        return not self.endpointing.ends_turns and self.state in LISTENS

    def handle_timer(self, now: float) -> Decisions:
        """Decide what is due at `now`."""
        at, event = min(self._limits(), default=(inf, Event.OVERTIME), key=lambda limit: limit[0])
        if now < at:
            return ()
        return self._overtime(now) if event is Event.OVERTIME else self._expire(event, now)

    # Limits

    def _overtime(self, now: float) -> Decisions:
        self._ends_at = inf
        return self._handle(Event.OVERTIME, now, Evidence("overtime"))

    def _expire(self, event: Event, now: float) -> Decisions:
        if event is Event.KEYS:
            return self._complete(now, f"{1000 * self.key_pause:.0f} ms without a key")
        if event is Event.SILENCE:
            return self._ask(now)
        if event is Event.DONE:
            return self._handle(Event.DONE, now, Evidence("finished", because="it took too long"))
        if event is Event.NOBODY:
            self.transfer(now, rings=False)
            return ()
        if event is Event.LOST:
            return self._wordless(now)
        if event not in (Event.ENDPOINT, Event.UNHEARD, Event.UNCONFIRMED):
            return self._handle(event, now, self._evidence(event.value, now))
        evidence = self._evidence("", now, text=self._log.text)
        self._voice.drop(now)  # a voice that is still on is too long to be a caller without words
        if event is Event.UNCONFIRMED and self._interrupts:  # a word that nothing has followed
            return self._handle(Event.WORDS, now, evidence)
        if event is Event.UNCONFIRMED:  # with words it was a voice, though they were too few to tell
            return self._handle(Event.BACKCHANNEL if self._log.text else event, now, evidence)
        if self._log.text:
            return self._end(now, evidence)
        return self._unheard(now) if event is Event.UNHEARD else self._quiet(now, evidence)

    def _ask(self, now: float) -> Decisions:
        silence = self._silence
        silence.free_until = -inf
        if silence.asked >= silence.most:
            return self._handle(Event.GONE, now, self._evidence("gone", now))
        silence.asked += 1
        wordless = silence.alive and self._voice.unheard >= SPEECH
        endless = self._voice.background == inf  # the caller, or a sound that hides the caller
        if self._voice.background >= BACKGROUND or wordless:  # in the place of the caller: asked once, then waited for
            self._voice.background = 0.0
            silence.free_until, silence.wished = now + self.options.wait_limit, False
        return self._handle(Event.LOST if endless else Event.SILENCE, now, self._evidence("asked", now))

    def _wordless(self, now: float) -> Decisions:
        """Handle a certain voice in a reply that has lasted too long. If it brought words, too few to tell, they were
        an interruption. If it brought none, the caller is told that they are not heard, and the reply ends."""
        if self._log.text:
            return self._handle(Event.WORDS, now, self._evidence("heard", now, because="the voice goes on"))
        self._voice.drop(now)
        decisions = self._unheard(now, Event.LOST)
        self._agent.broke = None  # the caller has been told of it
        return decisions

    def _unheard(self, now: float, at_least: Event = Event.UNHEARD) -> Decisions:
        silence, evidence = self._silence, self._evidence("unheard", now)
        self._voice.settle()
        silence.unheard += 1
        silence.deaf += 1
        if silence.is_deaf:
            return (Decision(Action.GIVE_UP, evidence),)
        return self._handle(Event.LOST if silence.unheard >= HARDLY_AFTER else at_least, now, evidence)

    # Judgement

    def _time_words(self, words: Words, now: float) -> None:
        """Learn how long the recogniser takes, from the time at which these words come."""
        voice = self._voice
        voice.manner.worded(voice.began, now)
        ended = words.ended if words.ended < inf else voice.until
        if voice.since is None and voice.last.apart(ended) <= AROUND and self._log.lengthens(words):
            voice.manner.followed(voice.until, now)

    def _heard(self, words: Words, now: float) -> str:
        """Words of the recogniser's turn that are neither answered nor an echo."""
        self._log.hear(words, now, self.lexicon.numerals)
        return self._log.leave_out(lambda echo, text, unanswered: self._is_echo(echo, text, unanswered, now))

    def _words(self, words: Words, now: float, evidence: Evidence) -> Decisions:
        if not words.final:
            return self._handle(Event.EAGER if words.eager else Event.WORDS, now, evidence)
        self.endpointing.trusted = True
        text = self._log.text
        delay, told, why = self.endpointing.delay(text, ended=True)
        certain = self._voice.certainly_on
        since = self._last_sound(now)
        if delay > now - since or (certain and not self.endpointing.ends_turns):
            return self._handle(Event.EAGER, now, evidence)
        because = ", ".join(dict.fromkeys(part for part in (why, evidence.because) if part))
        ended = Evidence("ended", max(0.0, now - since), expected=told, because=because)
        return self._end(now, ended)

    def _end(self, now: float, evidence: Evidence) -> Decisions:
        """End the turn. If it only agrees to a notice, the greeting follows."""
        if self._agent.owes and self._agrees:
            self._log.assent()
            return self._quiet(now, evidence)
        return self._handle(Event.ENDPOINT, now, evidence)

    def _nothing(self, now: float) -> Decisions:
        """Handle a turn that the recogniser has ended without words. If the agent lost its reply to that turn, the
        reply is made again or asked for again.

        A voice that should have brought words still counts as one that was not understood.
        """
        self._voice.noticed = False  # all that it has noticed it has told
        if self._voice.unheard < SPEECH:
            self._voice.settle()
        broke, self._agent.broke = (self._agent.broke if self.state in LISTENS else None), None
        evidence = self._evidence("taken back", now)
        if broke is Action.DISCARD:
            return self._handle(Event.WITHDRAWN, now, evidence)
        if broke is Action.CUT:
            return self._handle(Event.UNHEARD, now, evidence)
        if self.state is State.PAUSED:
            return self._handle(Event.UNCONFIRMED, now, evidence)
        return () if self._log.text else self._quiet(now, evidence)

    def _complete(self, now: float, because: str) -> Decisions:
        keys = self._keys.take()
        if not keys:
            return ()
        self._log.press(keys, now)
        told = progress(self.endpointing.wanted(keys), keys)
        expected = told[1] if told[0] is not AnswerProgress.NONE else ""
        return self._handle(Event.KEYS, now, Evidence("ended", expected=expected, because=because))
