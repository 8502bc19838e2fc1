"""The caller's sound: a gate of energy, a voice model on demand, the echo of the line, the background. Sans-IO."""

import math
from collections import deque
from dataclasses import dataclass, replace

from agent.hearing.background import Background
from agent.hearing.behind import Behind
from agent.hearing.changes import Change, Evidence, Kind
from agent.hearing.echo_path import EchoPath, Path
from agent.hearing.levels import RATE, SECONDS, SILENT, SLOT, WIDTH, level, peak, to_linear
from agent.hearing.noise_floor import NoiseFloor
from agent.hearing.table import TABLE, Event, State
from agent.hearing.voice import BEFORE, VoiceJudge, make_judge

HANGOVER = 0.3
"""Seconds without sound that end it; the gaps inside words are shorter."""
VOICED, VOICED_IN_SILENCE = 0.5, 0.4
"""Probability that makes a slot one of voice: while the agent speaks, and otherwise."""
PROMPT = 0.1
"""Seconds of voice that are the caller's while the agent is silent; a click is shorter."""
SHORTEST, LONGEST = 0.12, 0.48
"""Seconds of voice that stop the agent: on a clean line, and after pauses for nothing."""
SLOWER, FASTER = 4.0, 0.7
"""How a pause for nothing, and one that was right, change that."""
REPLY_OVER = 0.26
"""Seconds of silence of the agent after which a short word is an answer."""
MARGIN = 6.0
"""Decibels above the echo at which there is somebody else."""
NO_VOICE, PART = 0.4, 0.25
"""Seconds of sound that are no voice if less than this part of them is."""
TOO_LONG = 0.8
"""Seconds of voice in which one that is still too quiet to be the caller's is a background."""
LAPSED = 0.4
"""Seconds after the last sound of a voice in which a line that goes on sending has brought its silence."""
RETRY = 0.4
"""Seconds between two looks at a noise that goes on."""
RISEN = 6.0
"""Decibels by which a noise becomes louder when somebody speaks into it."""
SOFT = 12.0
"""Decibels below the level of a voice that do not count for its level."""
KEPT = 32
"""Voices whose times are kept: of more than half a minute."""
EARLY, LATE = 0.2, 0.3
"""Seconds before the beginning of a voice, and after its end, in which words of it may be placed."""
RECENT = 3.0
"""Seconds after a voice in which the next one is compared with it."""
CLOSELY = 0.7
"""Seconds after the caller's last sound: by then most recognisers have ended the turn."""
PENDING, SPEAKING, IDLE = 0.02, 0.04, 0.1
"""Seconds of sound at a time while it is decided what it is, while the caller speaks on, and otherwise."""


@dataclass
class Sound:
    """One sound, from its first loud slot to the quiet after it. Times in seconds."""

    began: float
    heard: float
    """When it was loud last."""
    loud: int = 0
    """Slots in which it was loud, and those of them that were a voice."""
    voice: int = 0
    before: int = 0
    """Loud ones in front of the voice, and those of them that were a voice although they were not told as one."""
    late: int = 0
    voice_began: float = 0.0
    sure: float = 0.0
    """Sum of the probabilities of all slots of voice, or of all loud ones before there is a voice."""
    power: float = 0.0
    """Sum of the powers of the same slots; 1 being 0 dBm0."""
    recent: float = SILENT
    """Level of the last 0.1 s or so, dBm0."""
    margin: float = 0.0
    """Sum of their differences to the predicted echo."""
    stressed: float = 0.0
    """When there was a syllable of the level of its voice last."""
    looked: float = 0.0
    """When it was last decided what it is."""
    disowned: bool = False
    """Whether it was a voice of which no words came."""

    def take(self, at: float, level: float, margin: float, probability: float, *, voiced: bool) -> None:
        """A loud slot, which ends `at`, while it is not decided what the sound is."""
        if voiced and not self.voice:
            self.voice_began, self.power, self.sure, self.margin = max(self.began, at - 4 * SECONDS), 0.0, 0.0, 0.0
            self.before = self.loud
        if voiced or not self.voice:
            self.power += 10 ** (level / 10)
            self.sure += probability
            self.margin += margin
        self.voice += voiced
        self.loud += 1
        self.heard = at

    def go_on(self, at: float, level: float) -> None:
        """A loud slot of a voice."""
        self.heard = at
        if level > self.level - SOFT:
            probability, margin = self.mean(self.sure), self.mean(self.margin)
            self.take(at, level, margin, probability, voiced=True)

    def mean(self, total: float) -> float:
        """Of a sum over the slots of voice, or over all loud ones."""
        return total / (self.voice or self.loud or 1)

    @property
    def seconds(self) -> float:
        """Of its voice."""
        return round((self.voice + self.late) * SECONDS, 2)

    @property
    def level(self) -> float:
        """Of its voice, dBm0."""
        return 10 * math.log10(self.mean(self.power)) if self.power else SILENT


class CallerSound:
    """Follows the sound of one line. Bounded memory: some seconds of levels, no sound but the last 0.1 s."""

    def __init__(self, judge: VoiceJudge | None = None) -> None:
        """`judge` tells voices from noises; the best that there is if it is not given."""
        self.state = State.QUIET
        self._judge = judge or make_judge()
        self._noise = NoiseFloor()
        self._echo = EchoPath()
        self._background = Background()
        self._behind = Behind()
        self._voices = deque[tuple[float, float]](maxlen=KEPT)
        """From when to when the caller spoke."""
        self._sound = Sound(-math.inf, -math.inf)
        self._voice = self._sound
        """The last sound that had a voice, and the one before it."""
        self._before_it = self._sound
        self._needed = SHORTEST
        self._rest = b""
        self._before = b""
        self._piece = IDLE
        self._at = -math.inf

    @property
    def speaking(self) -> bool:
        """Whether the caller speaks: between `VOICE_STARTED` and `VOICE_ENDED`."""
        return self.state is State.VOICE

    @property
    def undecided(self) -> bool:
        """Whether there is a sound of which it is not known yet whether it is the caller: some 0.1 to 0.4 s."""
        return self.state in (State.SOUND, State.AGAIN)

    @property
    def may_echo(self) -> bool:
        """Whether words of which no voice was told may be the agent's own: an echo was measured on this line, or the
        agent has not spoken for long enough (about a second) to know."""
        return self._echo.path is not Path.CLEAN

    def feed(self, ulaw: bytes, at: float, played: bytes = b"") -> list[Change]:
        """Take sound of the caller whose last sample arrived `at`; returns what changed, in order.

        `played`: see `agent.line.Audio`. Empty means that the agent was silent, or that the line does not tell.
        """
        linear = self._rest + to_linear(ulaw)
        slots, rest = divmod(len(linear), SLOT * WIDTH)
        self._rest = linear[len(linear) - rest :]
        self._at = at
        if not slots:
            return []
        idle = self.state is State.QUIET and self._echo.over and not played.strip(b"\x7f")
        if idle and peak(linear) < self._noise.gate:  # nearly always: nobody speaks
            self._noise.follow(level(linear), slots)
            self._before = (self._before + linear[: len(linear) - rest])[-BEFORE:]
            return []
        sent = played[-slots:].rjust(slots, b"\x7f")
        end = at - (rest // WIDTH) / RATE - slots * SECONDS
        changes = []
        for number in range(slots):
            end += SECONDS
            slot = linear[number * SLOT * WIDTH : (number + 1) * SLOT * WIDTH]
            if change := self._take(slot, -sent[number], end):
                changes.append(change)
            self._before = (self._before + slot)[-BEFORE:]
        return changes

    def lapse(self, now: float) -> list[Change]:
        """Tell what changed because nothing came until `now`: a line may send nothing while its caller is silent."""
        if self.state is not State.VOICE or now - self._sound.heard < LAPSED:
            return []
        change = self._move(Event.OVER, now)
        return [change] if change else []

    def theirs(self, at: float) -> bool:
        """Whether a word that was heard then may be the caller's: any, unless somebody is known to speak behind them.

        Then only words in a voice that was loud enough to be the caller's are.
        """
        if not self._background.known:
            return True
        if self.state is State.VOICE and self._sound.voice_began - EARLY <= at <= self._sound.stressed + LATE:
            return True
        return any(began - EARLY <= at <= until + LATE for began, until in self._voices)

    def forget_background(self) -> None:
        """The caller was asked whether they are there: listen to whoever answers, be it as quiet as the background."""
        self._background, self._behind = Background(), Behind()

    def confirmed(self) -> None:
        """Words of the voice that came last were answered: learn the caller's level, and trust the line more."""
        if self._voice.voice:
            self._background.confirmed(self._voice.level)
            self._needed = max(SHORTEST, self._needed * FASTER)

    def false_alarm(self) -> None:
        """A reply was stopped for the voice that started last, and no words came: ask for more voice next time."""
        self._needed = min(LONGEST, self._needed * SLOWER)
        self._background.refused(self._voice.level, self._voice.seconds)
        self._voice.disowned = True

    def reset(self) -> None:
        """Another line: after a transfer, a hold or a re-INVITE with another address. Forgets echo and background."""
        self._echo, self._background, self._noise = EchoPath(), Background(), NoiseFloor()

    def wants(self) -> float | None:
        """In pieces of how many seconds sound is wanted from now on (`agent.line.Line.attend`); None if as before."""
        before = self._piece
        lately = self._at - self._sound.heard
        match self.state:
            case State.SOUND | State.AGAIN:
                self._piece = PENDING
            case State.VOICE:
                self._piece = PENDING if lately > SECONDS else SPEAKING
            case State.QUIET if self._sound is self._voice and lately < CLOSELY:
                self._piece = PENDING
            case _:
                self._piece = IDLE
        return self._piece if self._piece != before else None

    def _take(self, slot: bytes, sent: int, at: float) -> Change | None:
        came, path = level(slot), self._echo.path
        echo = self._echo.take(sent, came)
        if self._echo.path is Path.ECHO and path is not Path.ECHO and self.state is State.QUIET:
            return Change(Kind.NOISE, at, self._evidence(Sound(at, at), background=False))
        loud = came > max(self._noise.gate, echo + MARGIN)
        sound = self._sound
        sound.recent += 0.3 * (came - sound.recent)
        if self.state is State.QUIET:
            if loud:
                self._move(Event.LOUD, at)
                return self._decide(slot, came, echo, at, loud=True)
            if came < self._noise.gate:  # else it is an echo
                self._noise.follow(came)
            return None
        self._noise.sound(came, sound.level - SOFT if self.state is State.VOICE else 0.0)
        match self.state:
            case State.VOICE:
                return self._speak(came, at, loud=loud)
            case State.NOISE:
                return self._wait(came, at, loud=loud)
            case _:
                return self._decide(slot, came, echo, at, loud=loud)

    def _decide(self, slot: bytes, came: float, echo: float, at: float, *, loud: bool) -> Change | None:
        """It is not known yet what the sound is."""
        probability = self._judge.judge(slot)
        sound = self._sound
        if loud:
            least = VOICED if self._agent_speaks else VOICED_IN_SILENCE
            sound.take(at, came, came - echo, probability, voiced=probability >= least)
        needed = self._needs(sound)
        if sound.voice and self._agent_speaks:
            sound.late = min(sound.before, self._judge.late)
        if sound.seconds >= needed:
            return self._move(Event.ENOUGH, at)
        if at - sound.heard >= HANGOVER - 1e-9:
            return self._move(Event.SHORT if sound.seconds >= PROMPT and needed < math.inf else Event.OVER, at)
        if sound.loud * SECONDS >= NO_VOICE and sound.voice < PART * sound.loud:
            self._noise.refused()
            return self._move(Event.REFUSED, at)
        if sound.seconds >= TOO_LONG:
            self._background.refused(sound.level, sound.seconds)
            return self._move(Event.REFUSED, at)
        return None

    def _speak(self, came: float, at: float, *, loud: bool) -> Change | None:
        sound = self._sound
        if sound.disowned:
            return self._move(Event.REFUSED, at)
        least = self._background.least(sound.seconds, agent_speaks=False)
        if loud:
            if self._behind.take(came):
                sound.stressed = at
            if least is None or came > least - SOFT / 2:
                sound.go_on(at, came)
        if (behind := self._behind.level) is not None:
            sound.heard = max(sound.stressed, sound.voice_began)
            self._background.goes_on(behind)
            return self._move(Event.REFUSED, at)
        if at - sound.heard >= HANGOVER - 1e-9:
            return self._move(Event.OVER, at)
        return None

    def _wait(self, came: float, at: float, *, loud: bool) -> Change | None:
        """The sound is a noise: it may stop, or somebody may speak into it."""
        sound = self._sound
        if loud:
            sound.heard = at
        if at - sound.heard >= HANGOVER - 1e-9:
            return self._move(Event.OVER, at)
        least = self._background.least(0.0, agent_speaks=self._agent_speaks)
        changed = at - sound.looked >= RETRY or sound.recent > sound.level + RISEN
        if loud and changed and (least is None or sound.recent > least):
            return self._move(Event.RETRY, at)
        return None

    @property
    def _agent_speaks(self) -> bool:
        return not self._echo.silent_for(round(REPLY_OVER / SECONDS))

    def _needs(self, sound: Sound) -> float:
        """Seconds of voice after which this is the caller."""
        least = self._background.least(sound.seconds, agent_speaks=self._agent_speaks)
        if least is not None and sound.level < least:
            return math.inf
        return self._needed if self._agent_speaks else PROMPT

    def _move(self, event: Event, at: float) -> Change | None:
        self.state, kind = TABLE[self.state, event]
        if self.state is State.VOICE and at - self._voice.heard >= RECENT:
            self._behind = Behind()
        if self.state in (State.SOUND, State.AGAIN):
            self._sound = Sound(at - SECONDS, at, recent=self._sound.recent)
            self._judge.begin(self._before)
        sound = self._sound
        sound.looked = at
        if self.state is State.VOICE or kind is Kind.SHORT_VOICE:
            self._before_it, self._voice = self._voice, sound
        if kind is None:
            return None
        background, moment = sound.disowned, sound.heard
        if kind in (Kind.VOICE_ENDED, Kind.SHORT_VOICE) and (sound.stressed or not self._background.known):
            self._voices.append((sound.voice_began, sound.heard))
        match kind:
            case Kind.VOICE_STARTED:
                moment = sound.voice_began
            case Kind.NOISE:
                background, moment = sound.seconds >= PROMPT and self._needs(sound) == math.inf, sound.began
        behind = kind is Kind.VOICE_ENDED and self._behind.level is not None
        if behind:
            self._behind.hear_again()
            if not sound.stressed:  # nothing of it was the caller
                background, self._voice = True, self._before_it
        return Change(kind, moment, replace(self._evidence(sound, background=background), behind=behind))

    def _evidence(self, sound: Sound, *, background: bool) -> Evidence:
        echoes = self._echo.path is Path.ECHO
        return Evidence(
            voice=min(1.0, sound.mean(sound.sure)),
            seconds=sound.seconds,
            level=sound.level,
            needed=min(self._needs(sound), LONGEST),
            return_loss=self._echo.loss if echoes else None,
            margin=sound.mean(sound.margin) if echoes and not self._echo.over else None,
            background=background,
        )
