"""The caller's sound: a gate of energy, a voice model on demand, the echo of the line, the background. Sans-IO."""

import math
from collections import deque
from dataclasses import replace
from typing import NamedTuple

from agent.hearing.changes import CERTAIN, Change, Kind, SoundEvidence
from agent.hearing.echo_path import CLEAN, ECHO, HEARD, LAGS, EchoPath, Path
from agent.hearing.levels import RATE, SECONDS, SILENT, SIZE, WIDTH, level, peak, to_linear
from agent.hearing.noise_floor import NoiseFloor
from agent.hearing.sound import SOFT, Sound
from agent.hearing.table import DOUBTFUL, NOISE, QUIET, TABLE, UNDECIDED, VOICES, Event
from agent.hearing.voice import BEFORE, VoiceJudge, make_judge
from agent.hearing.voices import Voices

HANGOVER = 0.3
"""Seconds of quiet that end a sound; the gaps inside words are shorter."""
VOICED, VOICED_IN_SILENCE = 0.5, 0.4
"""Probability from which on a slot is one of voice: while the agent speaks, and while it is silent."""
PROMPT = 0.1
"""Seconds of voice that are the caller's while the agent is silent; a click is shorter."""
SHORTEST, LONGEST = 0.12, 0.48
"""Seconds of voice that stop the agent: on a line without false alarms, and the most after false alarms."""
SOONEST = 0.08
"""Seconds of voice that stop the agent if the voice is certain, the line has no echo, and there was no false alarm
lately."""
SLOWER, FASTER = 4.0, 0.7
"""Factors for the seconds of voice that stop the agent: after a false alarm, and after a voice with words."""
REPLY_OVER = 13
"""Slots for which the agent must have been silent, so that a short word of the caller is an answer."""
MARGIN = 6.0
"""Decibels by which a sound must be louder than the expected echo to be somebody's."""
NO_VOICE, PART = 0.4, 0.25
"""A sound of `NO_VOICE` seconds is no voice if less than the share `PART` of it is voice."""
TOO_LONG = 0.8
"""Seconds of voice after which a voice that is still too quiet to be the caller's is taken for a background."""
DOUBTED = 2.0
"""Seconds of a voice in which it may still become certain."""
LAPSED = 0.4
"""Seconds after the last sound of a voice. If nothing came for so long, the line sends no packets in silence, and the
voice has ended."""
RETRY = 0.4
"""Seconds between two looks at a noise that goes on."""
RISEN = 6.0
"""Decibels by which a noise becomes louder when somebody speaks into it."""
CLOSELY = 0.7
"""Seconds after the caller's last sound within which most recognisers end the turn."""
PENDING, SPEAKING, IDLE, LISTENING = 0.02, 0.04, 0.1, 0.3
"""Seconds of sound in a chunk. In this order: a sound is being judged, the caller goes on speaking, the caller is
silent, the caller listens to the agent on a line without echo."""
SETTLED = 1.5
"""Seconds after the caller's last sound within which every recogniser has ended the turn."""
BELOW, NEAR = 1.0, 4.0
"""Decibels below the gate at which a sound is brought at once: at least, and at most."""


class Pieces(NamedTuple):
    """Length of a chunk in seconds, and the level that completes it at once: arguments of
    `agent.line.Line.set_chunk_duration`."""

    seconds: float
    alert: int | None = None


class CallerSound:
    """Follows the sound of one line. Its memory is bounded: levels of some seconds, and only the latest pieces of
    sound."""

    def __init__(self, judge: VoiceJudge | None = None) -> None:
        """`judge` tells voices from noises; by default it is the best judge that is installed."""
        self.state = QUIET
        self._judge = judge or make_judge()
        self._noise = NoiseFloor()
        self._echo = EchoPath()
        self._voices = Voices()
        self._sound = self._voices.last
        self._needed = SHORTEST
        self._rest = b""
        self._before = deque[bytes](maxlen=BEFORE // SIZE + 1)
        """The latest sound, linear: whole slots, and at least `BEFORE` bytes once there were so many."""
        self._pieces = Pieces(IDLE)
        self._at = -math.inf

    @property
    def speaking(self) -> bool:
        """Whether the caller speaks: between `VOICE_STARTED` and `VOICE_ENDED`."""
        return self.state in VOICES

    @property
    def path(self) -> Path:
        """Whether the agent's sound comes back on this line."""
        return self._echo.path

    @property
    def others(self) -> bool:
        """Whether others are heard on the line, too: somebody behind the caller, or the agent's echo."""
        return self._voices.others or self._echo.path is ECHO

    def begin(self, at: float) -> None:
        """Note that the call begins: a voice that is there from its first sound on is hardly the caller's."""
        self._voices.open(at)

    @property
    def presumes(self) -> bool:
        """Whether somebody is taken to be behind the caller only because a voice was on when the call began."""
        return self._voices.first is not None

    def feed(self, ulaw: bytes, at: float, played: bytes = b"") -> list[Change]:
        """Take sound of the caller whose last sample arrived `at`; returns what changed, in order.

        `played`: see `agent.line.Audio`. Empty means that the agent was silent, or that the line does not tell.
        """
        linear = self._rest + to_linear(ulaw)
        slots, rest = divmod(len(linear), SIZE)
        self._rest = linear[len(linear) - rest :]
        if self._at == -math.inf:
            self._voices.listen(at - len(ulaw) / RATE)
        self._at = at
        if not slots:
            return []
        whole = linear[: len(linear) - rest]
        sent = played[-slots:].rjust(slots, b"\x7f")
        if self.state is QUIET and peak(whole) < self._noise.gate:  # nearly always: the caller is silent
            changes = self._pass(whole, sent, at)
            return changes if self._voices.first is None else [*changes, *self._clear(at)]
        changes, end = [], at - (rest // WIDTH) / RATE - slots * SECONDS
        for number, below in enumerate(sent):
            slot, end = whole[number * SIZE : (number + 1) * SIZE], end + SECONDS
            if change := self._take(slot, -below, end):
                changes.append(change)
            self._before.append(slot)
        return changes if self._voices.first is None else [*changes, *self._clear(at)]

    def _pass(self, linear: bytes, sent: bytes, at: float) -> list[Change]:
        """Take slots in which the caller is silent; they can only show that the agent's sound comes back."""
        self._noise.follow(level(linear), len(sent))
        self._before.append(linear)
        if self._echo.over and -min(sent) <= HEARD:
            return []
        path = self._echo.path
        came = [level(linear[begin : begin + SIZE]) for begin in range(0, len(linear), SIZE)]
        self._echo.take([-below for below in sent], came)
        return [self._echoes(at)] if self._echo.path is ECHO is not path else []

    def _clear(self, at: float) -> list[Change]:
        """Tell of the voice that was on when the call began, if the line has been quiet for long enough to show that it
        was the caller's."""
        if at < self._voices.alone_at:
            return []
        changes = [] if self.state is QUIET else [self._move(Event.OVER, at)]
        if (first := self._voices.take_first()) is not None:
            self._voices.begin(first, at)
            self._voices.keep(first)
            changes.append(Change(Kind.SHORT_VOICE, first.heard, self._evidence(first, background=False)))
        return [change for change in changes if change]

    @property
    def due(self) -> float | None:
        """When `lapse` may tell something although no sound comes; None if it need not be asked."""
        return self._voices.alone_at if self.presumes else None

    def lapse(self, now: float) -> list[Change]:
        """Tell what changed because nothing came until `now`: a line may send nothing while its caller is silent."""
        if self.state not in VOICES or now - self._sound.heard < LAPSED:
            return self._clear(now)
        change = self._move(Event.OVER, now)
        return [change] if change else []

    def theirs(self, at: float) -> bool:
        """Whether a word whose sound arrived `at` may be the caller's; see `agent.hearing.voices.Voices.include`."""
        return self._voices.include(at, self._sound if self.speaking else None)

    def forget_background(self) -> None:
        """Take any next voice for the caller's, even one as quiet as the background: the agent has asked whether
        somebody is there."""
        self._voices.forget()

    def confirmed(self) -> None:
        """Note that words of the last voice were answered: learn the caller's level, and need less voice to stop the
        agent."""
        if self._voices.last.voice:
            self._voices.last.worded = True
            self._voices.first = None
            self._voices.background.confirmed(self._voices.last.level)
            self._needed = max(SHORTEST, self._needed * FASTER)

    def false_alarm(self) -> None:
        """Note that a reply was stopped for the last voice, and no words came: need more voice next time.

        A voice that had answered words before is the caller's, although it brings no words now. It changes nothing.
        """
        if self._voices.last.worded:
            return
        self._needed = min(LONGEST, self._needed * SLOWER)
        self._voices.background.refused(self._voices.last.level, self._voices.last.seconds)
        self._voices.last.worded = False

    def reset(self, *, muted: bool = False) -> None:
        """Forget echo and background: the sound comes from another line, after a transfer, a hold or a re-INVITE with
        another address.

        `muted`: see `mute`.
        """
        self._echo, self._noise = EchoPath(), NoiseFloor()
        self._voices.forget()
        self.mute(on=muted)

    def mute(self, on: bool) -> None:
        """Note that the caller's sound is muted (`on`), or no longer: the quiet of a muted line tells nothing about the
        line."""
        self._echo.mute(on)
        self._at = -math.inf
        self._voices.begin_line()

    def wants(self) -> Pieces:
        """The length of the chunks in which sound should come from now on.

        While the line is quiet, long chunks are enough, because the first sound completes a chunk at once.
        """
        lately, alert = self._at - self._sound.heard, None
        if self.state in VOICES:
            seconds = PENDING if lately > SECONDS else SPEAKING
        elif self.state is not QUIET:
            seconds = IDLE if self.state is NOISE else PENDING
        elif self._sound is self._voices.last and lately < CLOSELY:
            seconds = PENDING
        else:
            alert = self._alert()
            patient = self._agent_speaks and lately > SETTLED and self._echo.path is CLEAN
            seconds = LISTENING if patient and alert is not None else IDLE
        self._pieces = Pieces(seconds, alert)
        return self._pieces

    def _alert(self) -> int | None:
        """The level, -126 to -1 dBm0, of sound that must be judged at once. It is a little below the gate, and stays
        the same while it is near enough to the gate.

        None if an echo or a muted line would bring all sound at once, or if nothing can be louder than the noise.
        """
        if self._echo.path is ECHO or self._echo.muted:
            return None
        gate, before = self._noise.gate, self._pieces.alert
        if before is not None and gate - NEAR <= before <= gate - BELOW:
            return before
        return math.floor(gate - BELOW) if gate - BELOW < 0 else None

    def _take(self, slot: bytes, sent: int, at: float) -> Change | None:
        came, gate, state, echo = level(slot), self._noise.gate, self.state, float(SILENT)
        if sent > HEARD or self._echo.silent <= LAGS:
            path = self._echo.path
            echo = self._echo.take((sent,), (came,))
            if state is QUIET and self._echo.path is ECHO is not path:
                return self._echoes(at)
        loud = came > gate and came > echo + MARGIN
        if came > gate:
            self._voices.listen(at)
        sound = self._sound
        sound.recent += 0.3 * (came - sound.recent)
        if state is QUIET:
            if loud:
                self._move(Event.LOUD, at)
                return self._decide(slot, came, echo, at, loud=True)
            if came < gate:  # else it is an echo
                self._noise.follow(came)
            return None
        if self._noise.sound(came):
            self._noise.learn(sound.level - SOFT if state in VOICES else 0.0)
        if state in VOICES:
            return self._speak(slot, came, at, loud=loud)
        if state is NOISE:
            return self._wait(came, at, loud=loud)
        return self._decide(slot, came, echo, at, loud=loud)

    def _decide(self, slot: bytes, came: float, echo: float, at: float, *, loud: bool) -> Change | None:
        """Judge one more slot of a sound that may be the caller, a background or a noise."""
        sound = self._sound
        if loud:
            probability = self._judge.judge(slot)
            least = VOICED if self._agent_speaks else VOICED_IN_SILENCE
            sound.take(at, came, came - echo, probability, voiced=probability >= least)
        else:
            self._judge.pass_over(slot)
        needed = self._needs(sound)
        if sound.voice and self._agent_speaks:
            sound.late = min(sound.before, self._judge.late)
        if sound.seconds >= needed:
            return self._move(Event.ENOUGH if sound.mean(sound.sure) >= CERTAIN else Event.PROBABLY, at)
        if at - sound.heard >= HANGOVER - 1e-9:
            if sound.seconds >= PROMPT and needed == math.inf:
                self._voices.go_by(sound)
            return self._move(Event.SHORT if sound.seconds >= PROMPT and needed < math.inf else Event.OVER, at)
        if sound.loud * SECONDS >= NO_VOICE and sound.voice < PART * sound.loud:
            self._noise.refused()
            return self._move(Event.REFUSED, at)
        if sound.seconds >= TOO_LONG:
            if sound is not self._voices.first:
                self._voices.refuse(sound)
            return self._move(Event.REFUSED, at)
        return None

    def _speak(self, slot: bytes, came: float, at: float, *, loud: bool) -> Change | None:
        sound = self._sound
        if sound.worded is False:
            return self._move(Event.REFUSED, at)
        doubtful = self.state is DOUBTFUL and sound.seconds < DOUBTED
        if loud:
            probability = self._judge.judge(slot) if doubtful else None
            least = self._voices.background.least(sound.seconds, agent_speaks=False)
            self._voices.go_on(sound, came, at)
            if least is None or came > least - SOFT / 2:
                sound.go_on(at, came, probability)
        elif doubtful:
            self._judge.pass_over(slot)
        if self._voices.is_left(sound):
            return self._move(Event.REFUSED, at)
        if at - sound.heard >= HANGOVER - 1e-9:
            return self._move(Event.OVER, at)
        if doubtful and sound.mean(sound.sure) >= CERTAIN:
            return self._move(Event.CLEAR, at)
        return None

    def _wait(self, came: float, at: float, *, loud: bool) -> Change | None:
        """Take one more slot of a noise: the noise may stop, or somebody may speak into it."""
        sound = self._sound
        if loud:
            sound.heard = at
        if at - sound.heard >= HANGOVER - 1e-9:
            return self._move(Event.OVER, at)
        least = self._voices.background.least(0.0, agent_speaks=self._agent_speaks)
        changed = at - sound.looked >= RETRY or sound.recent > sound.level + RISEN
        if loud and changed and (least is None or sound.recent > least):
            return self._move(Event.RETRY, at)
        return None

    @property
    def _agent_speaks(self) -> bool:
        return self._echo.silent < REPLY_OVER

    def _needs(self, sound: Sound) -> float:
        """Seconds of voice after which this sound is the caller's; infinite if it is too quiet to be the caller's."""
        agent_speaks = self._agent_speaks
        least = self._voices.background.least(sound.seconds, agent_speaks=agent_speaks)
        if sound is self._voices.first or (least is not None and sound.level < least):
            return math.inf
        if not agent_speaks:
            return PROMPT
        sure = self._judge.graded and self._echo.path is CLEAN and sound.mean(sound.sure) >= CERTAIN
        return SOONEST if sure and self._needed == SHORTEST else self._needed

    def _move(self, event: Event, at: float) -> Change | None:
        self.state, kind = TABLE[self.state, event]
        if self.state in UNDECIDED:
            self._sound = Sound(at - SECONDS, at, recent=self._sound.recent)
            self._voices.meet(self._sound)
            self._judge.begin(b"".join(self._before)[-BEFORE:])
        sound = self._sound
        sound.looked = at
        if kind is None:
            return None
        background, behind, moment = sound.worded is False, False, sound.heard
        match kind:
            case Kind.VOICE_STARTED:
                moment = sound.voice_began
                self._voices.begin(sound, at)
            case Kind.SHORT_VOICE:
                self._voices.begin(sound, at)
                self._voices.keep(sound)
            case Kind.VOICE_ENDED:
                foreign, behind = self._voices.end(sound)
                background, moment = background or foreign, sound.heard
            case Kind.NOISE:
                background, moment = sound.seconds >= PROMPT and self._needs(sound) == math.inf, sound.began
                self._voices.presume(sound, is_voice=sound.seconds >= PROMPT)
        return Change(kind, moment, replace(self._evidence(sound, background=background), behind=behind))

    def _echoes(self, at: float) -> Change:
        """The report that an echo was found on the line."""
        return Change(Kind.NOISE, at, self._evidence(Sound(at, at), background=False))

    def _evidence(self, sound: Sound, *, background: bool) -> SoundEvidence:
        echoes = self._echo.path is ECHO
        return SoundEvidence(
            voice=min(1.0, sound.mean(sound.sure)),
            seconds=sound.seconds,
            level=sound.level,
            needed=min(self._needs(sound), LONGEST),
            return_loss=self._echo.loss if echoes else None,
            margin=sound.mean(sound.margin) if echoes and not self._echo.over else None,
            background=background,
        )
